"""Show the warnings: the real dialogs with the numbers being edited, and nothing else happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Request, expect

from sessionmgr.models import UserSession
from settings_app import source
from settings_app.models import SettingsChange
from tests.browser.conftest import Visitor
from tests.browser.test_looks import AXE
from tests.browser.test_settings import RULES, URL
from tests.requirements import require


class Office:
    """The General tab in a browser, and what it has sent since it was opened."""

    def __init__(self, visitor: Visitor) -> None:
        self.page: Page = visitor.open(URL)
        self.sent: list[str] = []
        self.page.on("request", self._sent)

    def _sent(self, request: Request) -> None:
        if request.resource_type != "script":
            self.sent.append(request.url)

    @property
    def button(self) -> Any:
        return self.page.get_by_role("button", name="Show the warnings")

    def shown(self, view: str) -> Any:
        return self.page.locator(f"session-timeout[state={view}] [data-view={view}]").filter(
            has=self.page.locator("[data-preview-close]")
        )


@pytest.fixture
def office(
    visitors: Callable[..., Visitor], admin: User, live_server: Any
) -> Callable[..., Office]:
    source.invalidate()

    def office(**options: Any) -> Office:
        visitor = visitors(own_clock=False, **options)
        visitor.sign_in(admin)
        return Office(visitor)

    return office


def test_each_warning_is_shown_with_the_numbers_being_edited(
    office: Callable[..., Office],
) -> None:
    desk = office()
    page = desk.page
    page.get_by_label("Enable session timeout due to inactivity").check()
    page.get_by_label("Duration of inactivity before timeout (minutes)").fill("47")
    page.get_by_label("do you want to show an inactivity warning?").fill("13")
    page.get_by_label("do you want to show a timeout warning?").fill("33")
    desk.button.click()

    idle = desk.shown("idle")
    expect(idle).to_be_visible()
    expect(idle).to_contain_text("about to be signed out")
    expect(idle).to_contain_text("we will sign you out in 13 minutes")
    expect(idle).to_contain_text("seen after 34 minutes without activity")
    idle.get_by_role("button", name="Stay signed in").click()
    banner = desk.shown("banner")
    expect(banner).to_be_visible()
    expect(banner).to_contain_text("seen 33 minutes before")
    expect(idle).to_be_hidden()
    banner.get_by_role("button", name="Hide").click()
    last = desk.shown("session")
    expect(last).to_contain_text("You need to sign in again soon")
    expect(last.locator("[data-count]")).to_have_text(re.compile("2 minutes|11. seconds"))
    last.get_by_role("button", name="Sign out").click()

    expect(page.locator("[data-preview-close]")).to_have_count(0)
    expect(desk.button).to_be_focused()
    assert desk.sent == []
    assert page.url.endswith(URL)
    assert UserSession.objects.live().count() == 1
    assert not SettingsChange.objects.exists()


@pytest.mark.parametrize("way", ["escape", "button"])
def test_it_can_be_closed_at_once(office: Callable[..., Office], way: str) -> None:
    desk = office()
    desk.button.click()
    expect(desk.shown("banner")).to_be_visible()
    if way == "escape":
        desk.page.keyboard.press("Escape")
    else:
        desk.page.get_by_role("button", name="Close the preview").click()
    expect(desk.page.locator("[data-preview-close]")).to_have_count(0)
    expect(desk.button).to_be_focused()


def test_escape_closes_a_dialog_too(office: Callable[..., Office]) -> None:
    desk = office()
    desk.page.get_by_label("Enable session timeout due to inactivity").check()
    desk.button.click()
    expect(desk.shown("idle")).to_be_visible()
    desk.page.keyboard.press("Escape")
    expect(desk.page.locator("[data-preview-close]")).to_have_count(0)
    assert desk.sent == []


def test_links_lead_nowhere(office: Callable[..., Office]) -> None:
    desk = office()
    desk.button.click()
    desk.shown("banner").get_by_role("link", name="Sign in again now").click()
    expect(desk.shown("session")).to_be_visible()
    assert len(desk.page.context.pages) == 1
    assert desk.page.url.endswith(URL)


def test_numbers_that_could_not_be_saved_are_not_shown(office: Callable[..., Office]) -> None:
    desk = office()
    desk.page.get_by_label("do you want to show a timeout warning?").fill("0")
    desk.button.click()
    expect(desk.page.get_by_role("status").filter(has_text="Correct the numbers")).to_be_visible()
    expect(desk.page.locator("[data-preview-close]")).to_have_count(0)


def test_the_real_warning_goes_before(office: Callable[..., Office]) -> None:
    desk = office()
    desk.button.click()
    expect(desk.shown("banner")).to_be_visible()
    desk.page.locator("session-timeout[data-user]").evaluate(
        "(node) => node.dispatchEvent(new CustomEvent('session-timeout:state', {bubbles: true}))"
    )
    expect(desk.page.locator("[data-preview-close]")).to_have_count(0)


def test_who_may_only_look_has_nothing_to_try(
    visitors: Callable[..., Visitor], auditor: User, live_server: Any
) -> None:
    visitor = visitors(own_clock=False)
    visitor.sign_in(auditor)
    expect(visitor.open(URL).get_by_text("Show the warnings")).to_have_count(0)


def test_without_script_there_is_no_button(
    visitors: Callable[..., Visitor], admin: User, live_server: Any
) -> None:
    visitor = visitors(own_clock=False, java_script_enabled=False)
    visitor.sign_in(admin)
    page = visitor.context.new_page()
    page.goto(visitor.base + URL)
    expect(page.get_by_text("Show the warnings")).to_be_hidden()


def test_it_is_accessible(office: Callable[..., Office]) -> None:
    # axe measures with inline styles, which the page's own policy refuses.
    desk = office(bypass_csp=True)
    desk.page.get_by_label("Enable session timeout due to inactivity").check()
    desk.button.click()
    expect(desk.shown("idle")).to_be_visible()
    require(AXE.exists(), "axe-core is not installed: npm ci")
    desk.page.evaluate(AXE.read_text() + ";0")
    found = desk.page.evaluate(f"axe.run('[data-view=idle]:has([data-preview-close])', {RULES})")
    assert [rule["id"] for rule in found["violations"]] == []
