"""The providers that the tests run against: each test finds its provider as it was started."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from cryptography.fernet import Fernet

from sessionmgr.identity import breaker
from sessionmgr.identity.provider import forget
from tests.identity.providers.certified import CertifiedProvider
from tests.identity.providers.process import ProviderProcess
from tests.identity.providers.rogue import Rogue
from tests.identity.visitor import Visitor

#: Run as a program of its own, by test_upstream.
collect_ignore = ["upstream"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the provider printed beside the failure of a test."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, ProviderProcess):
                report.sections.append((f"log of {name}", value.log()))
    return report


@pytest.fixture(scope="session")
def certified_process() -> Iterator[CertifiedProvider]:
    with CertifiedProvider() as provider:
        yield provider


@pytest.fixture
def certified(certified_process: CertifiedProvider) -> CertifiedProvider:
    certified_process.reset()
    return certified_process


@pytest.fixture
def rogue() -> Iterator[Rogue]:
    with closing(Rogue()) as provider:
        yield provider


@pytest.fixture
def at_rogue(rogue: Rogue, settings: Any) -> Iterator[Rogue]:
    """The app, with the rogue as its provider."""
    with connected(settings, rogue):
        yield rogue


@pytest.fixture
def visitor(at_rogue: Rogue, db: None) -> Visitor:
    return Visitor(at_rogue)


@contextmanager
def connected(settings: Any, provider: Any) -> Iterator[None]:
    """Have the app sign people in at ``provider``, which this process has never heard of."""
    settings.OIDC_ISSUER = provider.issuer
    settings.OIDC_RP_CLIENT_ID = provider.client_id
    settings.OIDC_RP_CLIENT_SECRET = provider.client_secret
    settings.SESSIONMGR_TOKEN_KEYS = [Fernet.generate_key().decode()]
    settings.ROOT_URLCONF = "tests.sessionmgr.urls"
    breaker.reset()
    forget()
    yield
    breaker.reset()
    forget()
