"""The tutorial's walk (docs/tutorial.md), step by step: the site and the demo's identity provider.

`make pictures` takes the tutorial's pictures here. The provider's clock moves with the site's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from sessionmgr.identity import breaker
from sessionmgr.identity.pages import Failure
from tests.browser.conftest import Visitor
from tests.browser.demo import DemoProvider, answer_provider, at_demo_provider, picture
from tests.browser.test_looks import LOOKS
from tests.conftest import Clock

#: Seconds between two checks: the least that the demo's provider takes.
INTERVAL = 5

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at_demo(live_server: Any, tmp_path: Path, settings: Any) -> Iterator[DemoProvider]:
    settings.SESSIONMGR_PROVIDER_NAME = "Example"
    with at_demo_provider([live_server.url], tmp_path, settings) as found:
        yield found


@pytest.fixture
def browse(visitors: Callable[..., Visitor], at_demo: DemoProvider) -> Callable[..., Page]:
    """Return fresh windows, each in a browser of its own, whose clocks go on."""

    def window(path: str = "/", **options: Any) -> Page:
        options.setdefault("viewport", {"width": 900, "height": 640})
        visitor = visitors(own_clock=False, **options)
        return visitor.open(path)

    return window


def sign_in(page: Page, name: str, *, stay: bool) -> None:
    page.goto(on_site(page, "/session/sign-in/"))
    page.get_by_role("link", name="Sign in with Example").click()
    answer_provider(page, name, stay=stay)


def on_site(page: Page, path: str) -> str:
    """Return the address of ``path`` on the site that ``page`` is on."""
    return urljoin(page.url, path)


def press(page: Page, site: DemoProvider, button: str, about: str = "", name: str = "") -> None:
    """Press a button of the control panel, in a window of its own in the same browser."""
    panel = page.context.new_page()
    panel.goto(site.issuer)
    with panel.expect_navigation(wait_until="load"):
        panel.get_by_role("button", name=f"{button} {about}".strip(), exact=True).first.click()
    picture(panel, name, is_ours=False)
    panel.close()


def check_often(page: Page, site: DemoProvider) -> None:
    panel = page.context.new_page()
    panel.goto(site.issuer)
    panel.locator("#seconds").fill(str(INTERVAL))
    panel.get_by_role("button", name="Set").click()
    expect(panel.locator("#seconds")).to_have_value(str(INTERVAL))
    panel.close()


def test_the_provider_signs_people_in_and_about_tells_what_it_confirmed(
    browse: Callable[..., Page],
) -> None:
    """R1: its policy holds."""
    page = browse("/session/sign-in/")
    picture(page, "sign-in")
    page.get_by_role("link", name="Sign in with Example").click()
    picture(page, "provider", is_ours=False)
    page.get_by_label("Name or e-mail address").fill("alice")
    page.get_by_label("Password").fill("alice-demo")
    page.get_by_role("button", name="Sign in").click()
    picture(page, "stay", is_ours=False)
    page.get_by_role("button", name="Yes", exact=True).click()
    page.goto(on_site(page, "/about/"))
    expect(page.get_by_text("Your identity provider decides")).to_be_visible()
    picture(page, "about")


def test_who_is_disabled_is_out_with_the_next_check(
    browse: Callable[..., Page], at_demo: DemoProvider, clock: Clock
) -> None:
    """R2, R3: within the interval, and nobody else."""
    alice, bob = browse(), browse()
    check_often(alice, at_demo)
    sign_in(alice, "alice", stay=True)
    sign_in(bob, "bob", stay=True)
    press(alice, at_demo, "Disable", "bob", name="panel-disable")
    clock.advance(seconds=INTERVAL + 1)
    for page in (alice, bob):
        page.goto(page.url)
    expect(alice.get_by_label("Report")).to_be_visible()
    expect(bob.get_by_role("heading", name="Signed out")).to_be_visible()
    expect(bob.get_by_text("Your identity provider")).to_be_visible()
    picture(bob, "denied")


def test_an_outage_signs_nobody_out_who_chose_to_stay(
    browse: Callable[..., Page], at_demo: DemoProvider, clock: Clock
) -> None:
    """R6: administrators see it, and recovery asks nobody for anything."""
    admin, alice, bob = browse(), browse(), browse()
    check_often(admin, at_demo)
    sign_in(admin, "admin", stay=True)
    sign_in(alice, "alice", stay=True)
    sign_in(bob, "bob", stay=False)
    make_administrator("admin")
    press(admin, at_demo, "Answer 503", "as an outage")
    clock.advance(seconds=INTERVAL + 1)
    for page in (alice, bob):
        page.goto(page.url)
    expect(alice.get_by_label("Report")).to_be_visible()
    expect(bob.get_by_role("heading", name="Signed out")).to_be_visible()
    expect(bob.get_by_text("could not")).to_be_visible()
    admin.goto(on_site(admin, "/admin/system-settings/main/provider/"))
    expect(admin.get_by_text("has been out of reach since")).to_have_count(1)
    expect(admin.get_by_role("row", name="Staying signed in through the outage")).to_contain_text(
        "2"
    )
    picture(admin, "outage")
    admin.goto(on_site(admin, "/admin/"))
    expect(admin.get_by_text("has been out of reach since")).to_have_count(1)
    picture(admin)
    admin.get_by_role("link", name="Which sessions live on what").click()
    press(admin, at_demo, "End the outage")
    # In place of the seconds until it is tried again, which are the machine's own.
    breaker.reset()
    clock.advance(seconds=INTERVAL + 1)
    alice.goto(alice.url)
    expect(alice.get_by_label("Report")).to_be_visible()
    admin.reload()
    expect(admin.get_by_text("Its last outage was over at")).to_be_visible()
    admin.goto(on_site(admin, "/admin/"))
    expect(admin.get_by_text("Which sessions live on what")).to_have_count(0)


def test_after_signing_out_credentials_are_asked_for(
    browse: Callable[..., Page], at_demo: DemoProvider
) -> None:
    """R15: although the provider still knows the browser."""
    page = browse()
    sign_in(page, "alice", stay=True)
    page.goto(on_site(page, "/"))
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    picture(page, "signed-out")
    page.get_by_role("link", name="Sign in").click()
    page.get_by_role("link", name="Sign in with Example").click()
    expect(page.get_by_label("Password")).to_be_visible()
    picture(page, "asked-again", is_ours=False)


def test_signing_out_there_too(browse: Callable[..., Page], at_demo: DemoProvider) -> None:
    """RP-Initiated Logout: at the press of a button, and the page says that it is done."""
    page = browse()
    sign_in(page, "alice", stay=True)
    page.goto(on_site(page, "/"))
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign out at Example, too").click()
    if page.url.startswith(at_demo.issuer):
        page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Signed out")).to_be_visible()
    expect(page.get_by_role("button", name="Sign out at Example, too")).to_have_count(0)
    assert not at_demo.provider.sessions.of(at_demo.provider.accounts.named("alice"))


def test_somebody_else_at_the_provider_is_not_let_into_the_session(
    browse: Callable[..., Page], at_demo: DemoProvider
) -> None:
    """R16: what alice typed is not for bob, who signs in from her page."""
    page = browse()
    sign_in(page, "alice", stay=True)
    page.locator("session-timeout[state=active]").wait_for(state="attached")
    page.get_by_label("Report").press_sequentially("For Alice alone")
    press(page, at_demo, "End session", "alice")
    # As it does by itself when people come back to its window.
    page.evaluate("document.querySelector('session-timeout').sync()")
    page.locator("session-timeout[state=ended]").wait_for(state="attached")
    dialog = page.get_by_role("alertdialog")
    expect(dialog.get_by_text("identity provider")).to_be_visible()
    expect(dialog.get_by_text("kept for ten minutes")).to_be_visible()
    picture(page, "ended")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Sign in").click()
    window = popup.value
    if window.get_by_role("link", name="Sign in with Example").count():
        window.get_by_role("link", name="Sign in with Example").click()
    answer_provider(window, "bob", stay=True)
    # The page is asked for anew: it is Bob's now, and empty.
    expect(page.get_by_label("Report")).to_have_value("")
    expect(page.locator("session-timeout[state=active]")).to_be_attached()
    assert "For Alice alone" not in page.content()


def make_administrator(name: str) -> None:
    from django.contrib.auth import get_user_model

    get_user_model().objects.filter(username=name).update(is_staff=True, is_superuser=True)


@pytest.mark.parametrize("look", LOOKS)
def test_every_failure_has_a_page_that_is_well_made(
    browse: Callable[..., Page], look: dict[str, Any]
) -> None:
    page = browse("/open/", **look)
    for kind in Failure:
        page.goto(on_site(page, f"/failure/{kind.name}/"))
        expect(page.locator("h1")).to_have_count(1)
        assert page.locator("main a, main button").count() >= 1, kind
        picture(page)
