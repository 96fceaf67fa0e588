"""The demo's identity provider beside the tests' site; its clock moves with the site's."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from playwright.sync_api import Page

from sessionmgr import clock as seam
from sessionmgr.project.demo.provider.config import CLIENT_ID, Config
from sessionmgr.project.demo.provider.outage import Kind
from sessionmgr.project.demo.provider.server import Server
from sessionmgr.project.demo.provider.state import Provider
from tests.browser.test_looks import fits, violations
from tests.identity.conftest import connected
from tests.services.cluster import free_port

#: Where `make pictures` wants the tutorial's pictures.
PICTURES = os.environ.get("TUTORIAL_PICTURES")


class DemoProvider:
    """The provider as the app sees it, and as the tests do."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.issuer = provider.config.issuer
        self.client_id = CLIENT_ID
        self.client_secret = provider.config.client_secret


@contextmanager
def admitted(provider: Any, settings: Any) -> Iterator[None]:
    """Have the site sign people in at ``provider``, and its forms lead there."""
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {**policy, "form-action": [*policy["form-action"], provider.issuer]}
    }
    with connected(settings, provider):
        settings.ROOT_URLCONF = "tests.browser.pages"
        yield


@contextmanager
def at_demo_provider(bases: Sequence[str], folder: Path, settings: Any) -> Iterator[DemoProvider]:
    """Have the site, which is at ``bases``, sign people in at a demo provider of its own."""
    config = Config(free_port(), tuple(bases), folder, "of-the-story")
    provider = Provider(config, lambda: time.time() + seam.shift.total_seconds())  # noqa: TID251
    server = Server(provider)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found = DemoProvider(provider)
    try:
        with admitted(found, settings):
            yield found
    finally:
        provider.outage.switch(Kind.NONE)
        server.shutdown()
        thread.join()
        server.server_close()


def answer_provider(page: Page, name: str, *, stay: bool) -> None:
    """Give a name and a password there, and answer "Stay signed in?"."""
    page.get_by_label("Name or e-mail address").fill(name)
    page.get_by_label("Password").fill(f"{name}-demo")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Yes" if stay else "No", exact=True).click()


def picture(page: Page, name: str = "", *, is_ours: bool = True) -> None:
    """Hold a page to what every page is held to; picture it if it has a name and asked to."""
    page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished))")
    if PICTURES and name:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
    if is_ours:
        assert violations(page) == []
        assert fits(page)
