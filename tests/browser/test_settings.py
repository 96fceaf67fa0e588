"""System Settings in a browser: with and without script, in every look, by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from sessionmgr import clock
from sessionmgr.core.policy import MINUTE, GroupLimits, Policy
from sessionmgr.models import ProviderHealth
from settings_app import source
from settings_app.group_limits import set_limits
from settings_app.models import Environment
from settings_app.saving import Author, store, stored_policy
from tests.browser.conftest import Visitor
from tests.browser.test_looks import AXE, LOOKS, fits
from tests.requirements import require

URL = "/admin/system-settings/main/general/"
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']}"
SAVE = ".submit-row [name=_save]"


@pytest.fixture
def environment(live_server: Any) -> Environment:
    source.invalidate()
    return Environment.objects.get(slug="main")


@pytest.fixture
def page_of(visitors: Callable[..., Visitor], environment: Environment) -> Callable[..., Page]:
    """Open the General tab as ``user``, in a browser with these options."""

    def page_of(user: User, **options: Any) -> Page:
        visitor = visitors(own_clock=False, **options)
        visitor.sign_in(user)
        page = visitor.context.new_page()
        page.goto(visitor.base + URL)
        return page

    return page_of


def violations(page: Page) -> list[Any]:
    """Return what axe finds wrong with our part of the page; the frame is Django's."""
    require(AXE.exists(), "axe-core is not installed: npm ci")
    page.evaluate(AXE.read_text() + ";0")
    found = page.evaluate(f"axe.run('#content-main', {RULES})")
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


@pytest.mark.parametrize("look", LOOKS)
def test_page_is_accessible_and_fits_in_every_look(
    page_of: Callable[..., Page], environment: Environment, admin: User, look: dict[str, Any]
) -> None:
    # axe measures with inline styles, which the page's own policy refuses.
    page = page_of(admin, bypass_csp=True, **look)
    assert violations(page) == []
    assert fits(page)
    store(environment, Policy(custom_length=True), based_on=0, author=Author(name="carol"))
    page.fill("[name=session_warning]", "9" * 300)
    page.click(SAVE)
    expect(page.locator(".settings [role=alert]")).to_have_count(2)
    assert violations(page) == []
    assert fits(page)


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_told_of_the_provider_fits_in_every_look(
    page_of: Callable[..., Page], admin: User, look: dict[str, Any], settings: Any
) -> None:
    settings.OIDC_ISSUER = "https://login.example.org"
    now = clock.now("default")
    ProviderHealth.objects.note_failure(settings.OIDC_ISSUER, "timeout", now, now)
    page = page_of(admin, bypass_csp=True, **look)
    expect(page.locator(".messagelist")).to_have_count(1)
    assert violations(page) == []
    assert fits(page)
    page.locator(".messagelist a").click()
    expect(page.locator(".settings-table tbody tr")).to_have_count(5)
    assert violations(page) == []
    assert fits(page)


@pytest.mark.parametrize("look", LOOKS)
def test_who_gets_what_fits_in_every_look(
    page_of: Callable[..., Page],
    environment: Environment,
    admin: User,
    alice: User,
    look: dict[str, Any],
) -> None:
    group = Group.objects.create(name="Payroll")
    alice.groups.add(group)
    limits = GroupLimits(group=group.pk, max_age=60 * MINUTE, max_idle=15 * MINUTE)
    set_limits(environment, limits, based_on=0, author=Author(name="carol"), reason="Audit")
    page = page_of(admin, bypass_csp=True, **look)
    page.locator("#id_user").fill("alice")
    page.locator("#id_user").press("Enter")
    expect(page.locator(".settings-binds")).to_have_count(1)
    assert violations(page) == []
    assert fits(page)
    page.goto(page.url.partition("general/")[0] + "groups/")
    page.get_by_role("link", name="Payroll").click()
    page.locator("[name=inactivity_duration]").fill("60")
    page.locator(SAVE).click()
    expect(page.locator(".settings [role=alert]")).to_have_count(1)
    assert violations(page) == []
    assert fits(page)


def test_auditors_page_is_accessible(page_of: Callable[..., Page], auditor: User) -> None:
    page = page_of(auditor, bypass_csp=True)
    assert violations(page) == []
    expect(page.locator(SAVE)).to_have_count(0)
    expect(page.locator("[name=max_session_length]")).to_be_disabled()


def test_all_of_it_works_without_script(
    page_of: Callable[..., Page], environment: Environment, admin: User
) -> None:
    page = page_of(admin, java_script_enabled=False)
    page.check("[name=session_timeout][value=custom]")
    page.fill("[name=max_session_length]", "1_440")
    page.fill("[name=session_warning]", "33")
    page.click(SAVE)
    expect(page.locator("#id_max_session_length_error")).to_contain_text("from 60 to 1440")
    page.click("[name=reset][value=max_session_length]")
    expect(page.locator("[name=max_session_length]")).to_have_value("1440")
    expect(page.locator("[name=session_warning]")).to_have_value("33")
    page.fill("[name=max_session_length]", "480")
    page.click(SAVE)
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert stored_policy(environment).max_age == 480 * MINUTE
    page.click("[name=restore]")
    page.click("[name=restore]")
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert stored_policy(environment) == Policy(version=2)


def test_enter_saves_and_does_not_press_a_way_back(
    page_of: Callable[..., Page], environment: Environment, admin: User
) -> None:
    page = page_of(admin)
    page.fill("[name=inactivity_duration]", "45")
    page.press("[name=inactivity_duration]", "Enter")
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert stored_policy(environment).inactivity_duration == 45 * MINUTE


def test_summary_of_errors_leads_to_the_field(page_of: Callable[..., Page], admin: User) -> None:
    page = page_of(admin)
    page.fill("[name=inactivity_warning]", "x")
    page.click(SAVE)
    page.click(".settings [role=alert] li a")
    expect(page.locator("[name=inactivity_warning]")).to_be_focused()


def test_answering_no_keeps_what_was_typed(page_of: Callable[..., Page], admin: User) -> None:
    page = page_of(admin)
    page.fill("[name=session_warning]", "33")
    page.check("[name=inactivity_enabled]")
    page.click("[name=restore]")
    page.click("[name=edit]")
    expect(page.locator("[name=session_warning]")).to_have_value("33")
    expect(page.locator("[name=inactivity_enabled]")).to_be_checked()
