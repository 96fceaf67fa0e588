"""A real Chromium against the live server; the clocks of both are moved, nothing waits."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from sessionmgr.core.policy import MINUTE, Policy
from tests.conftest import Clock
from tests.requirements import require_program

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = require_program("chromium", "apt-get install chromium")
    # Playwright runs an event loop in this thread, which Django would take for async code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


class Visitor:
    """A person at a browser of their own: signed in, with a clock that moves with the server's."""

    def __init__(self, context: BrowserContext, clock: Clock, base: str) -> None:
        self.context = context
        self.clock = clock
        self.base = base
        self.complaints: list[str] = []
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _hear(self, message: ConsoleMessage) -> None:
        # A refused request is logged by the browser; that is what some tests are about.
        if message.type in ("error", "warning") and "Failed to load" not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.goto(self.base + path)
        if page.locator("session-timeout").count():
            page.locator("session-timeout[state][pending='']").wait_for(state="attached")
        return page

    def sign_in(self, user: User) -> None:
        """Put the cookie of a fresh sign-in into the browser, as the sign-in page would."""
        client = Client()
        client.force_login(user)
        self.context.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": self.base}
                for name, morsel in client.cookies.items()
            ]
        )

    def pass_time(self, **span: float) -> None:
        """Let time pass for the server and for every page, with all that is due in between."""
        self.clock.advance(**span)
        seconds = span.get("seconds", 0) + 60 * span.get("minutes", 0)
        self.context.clock.fast_forward(int(seconds * 1000))


def in_state(page: Page, state: str) -> None:
    """Wait until the widget shows ``state`` and no answer is due to it."""
    page.locator(f"session-timeout[state={state}][pending='']").wait_for(
        state="attached", timeout=5000
    )


@pytest.fixture
def visitors(
    browser: Browser, live_server: Any, clock: Clock, settings: Any
) -> Iterator[Callable[..., Visitor]]:
    """Return visitors; afterwards no page of theirs may have complained (CSP, Trusted Types)."""
    settings.ROOT_URLCONF = "tests.browser.pages"
    settings.LOGIN_REDIRECT_URL = "/form/"
    made: list[Visitor] = []

    def visitor(*, own_clock: bool = True, **options: Any) -> Visitor:
        context = browser.new_context(**{"timezone_id": "UTC", "locale": "en-GB", **options})
        context.set_default_timeout(10_000)
        if own_clock:
            context.clock.install()
        made.append(Visitor(context, clock, live_server.url))
        return made[-1]

    yield visitor
    complaints = [complaint for person in made for complaint in person.complaints]
    for person in made:
        person.context.close()
    assert complaints == [], "\n".join(complaints)


@pytest.fixture
def idle_policy(policy: Callable[..., Policy]) -> Policy:
    return policy(
        inactivity_enabled=True,
        inactivity_duration=30 * MINUTE,
        inactivity_warning=5 * MINUTE,
    )


@pytest.fixture
def length_policy(policy: Callable[..., Policy]) -> Policy:
    return policy(
        custom_length=True,
        max_session_length=60 * MINUTE,
        session_warning=20 * MINUTE,
    )


@pytest.fixture
def person(visitors: Callable[..., Visitor], alice: User) -> Visitor:
    """Alice, signed in."""
    visitor = visitors()
    visitor.sign_in(alice)
    return visitor
