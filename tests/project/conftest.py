"""The demo's identity provider in a thread of the test's, whose clock the test moves."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from sessionmgr.project.demo.provider.config import Config
from sessionmgr.project.demo.provider.keys import SigningKeys
from sessionmgr.project.demo.provider.outage import Kind
from sessionmgr.project.demo.provider.server import Server
from sessionmgr.project.demo.provider.state import Provider
from tests.project.relying_party import SECRET, Receiver, RelyingParty
from tests.services.cluster import free_port


class ProvidersClock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture(scope="session")
def made_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a signing key, which takes a moment to make."""
    folder = tmp_path_factory.mktemp("key")
    SigningKeys(folder)
    return folder


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver(free_port())
    yield receiver
    receiver.end()


@pytest.fixture
def providers_clock() -> ProvidersClock:
    return ProvidersClock()


@pytest.fixture
def provider(
    made_key: Path, tmp_path: Path, receiver: Receiver, providers_clock: ProvidersClock
) -> Iterator[Provider]:
    folder = tmp_path / "provider"
    shutil.copytree(made_key, folder)
    bases = (receiver.base, "http://legacy.localhost:1")
    provider = Provider(Config(free_port(), bases, folder, SECRET), providers_clock)
    with Server(provider) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield provider
        provider.outage.switch(Kind.NONE)
        server.shutdown()
        thread.join()


@pytest.fixture
def app(provider: Provider, receiver: Receiver) -> Iterator[RelyingParty]:
    """The app at its first address, with one browser."""
    app = RelyingParty(provider.config.issuer, receiver.base)
    yield app
    app.browser.close()


@pytest.fixture
def other_browser(provider: Provider, receiver: Receiver) -> Iterator[RelyingParty]:
    app = RelyingParty(provider.config.issuer, receiver.base)
    yield app
    app.browser.close()
