"""The tutorial's walk (docs/tutorial.md), step by step: the site and the demo's identity provider.

`make pictures` takes the tutorial's pictures here. The provider's clock moves with the site's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from sessionmgr import clock as seam
from sessionmgr.identity import breaker
from sessionmgr.project.demo.provider.config import CLIENT_ID, Config
from sessionmgr.project.demo.provider.outage import Kind
from sessionmgr.project.demo.provider.server import Server
from sessionmgr.project.demo.provider.state import Provider
from tests.browser.conftest import Visitor
from tests.browser.test_looks import fits, violations
from tests.conftest import Clock
from tests.identity.conftest import connected
from tests.services.cluster import free_port

PICTURES = os.environ.get("TUTORIAL_PICTURES")

#: Seconds between two checks: the least that the demo's provider takes.
INTERVAL = 5

pytestmark = pytest.mark.django_db(transaction=True)


class Site:
    """The provider as the app sees it."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.issuer = provider.config.issuer
        self.client_id = CLIENT_ID
        self.client_secret = provider.config.client_secret


@pytest.fixture
def at_demo(live_server: Any, tmp_path: Path, settings: Any) -> Iterator[Site]:
    config = Config(free_port(), (live_server.url,), tmp_path, "of-the-walk")
    provider = Provider(config, lambda: time.time() + seam.shift.total_seconds())  # noqa: TID251
    server = Server(provider)
    thread = Thread(target=server.serve_forever)
    thread.start()
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {**policy, "form-action": [*policy["form-action"], config.issuer]}
    }
    settings.SESSIONMGR_PROVIDER_NAME = "Example"
    site = Site(provider)
    with connected(settings, site):
        settings.ROOT_URLCONF = "tests.browser.pages"
        yield site
    provider.outage.switch(Kind.NONE)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browse(visitors: Callable[..., Visitor], at_demo: Site) -> Callable[..., Page]:
    """Return fresh windows, each in a browser of its own, whose clocks go on."""

    def window(path: str = "/", **options: Any) -> Page:
        visitor = visitors(own_clock=False, viewport={"width": 900, "height": 640}, **options)
        return visitor.open(path)

    return window


def sign_in(page: Page, name: str, *, stay: bool) -> None:
    page.goto(on_site(page, "/session/sign-in/"))
    page.get_by_role("link", name="Sign in with Example").click()
    answer_provider(page, name, stay=stay)


def answer_provider(page: Page, name: str, *, stay: bool) -> None:
    page.get_by_label("Name or e-mail address").fill(name)
    page.get_by_label("Password").fill(f"{name}-demo")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Yes" if stay else "No", exact=True).click()


def on_site(page: Page, path: str) -> str:
    """Return the address of ``path`` on the site that ``page`` is on."""
    return urljoin(page.url, path)


def press(page: Page, site: Site, button: str, about: str = "", name: str = "") -> None:
    """Press a button of the control panel, in a window of its own in the same browser."""
    panel = page.context.new_page()
    panel.goto(site.issuer)
    with panel.expect_navigation(wait_until="load"):
        panel.get_by_role("button", name=f"{button} {about}".strip(), exact=True).first.click()
    picture(panel, name, is_ours=False)
    panel.close()


def check_often(page: Page, site: Site) -> None:
    panel = page.context.new_page()
    panel.goto(site.issuer)
    panel.locator("#seconds").fill(str(INTERVAL))
    panel.get_by_role("button", name="Set").click()
    expect(panel.locator("#seconds")).to_have_value(str(INTERVAL))
    panel.close()


def picture(page: Page, name: str = "", *, is_ours: bool = True) -> None:
    """Hold a page to what every page is held to; picture it if it has a name and asked to."""
    page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished))")
    if PICTURES and name:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
    if is_ours:
        assert violations(page) == []
        assert fits(page)


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
    browse: Callable[..., Page], at_demo: Site, clock: Clock
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
    browse: Callable[..., Page], at_demo: Site, clock: Clock
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
    browse: Callable[..., Page], at_demo: Site
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


def test_signing_out_there_too(browse: Callable[..., Page], at_demo: Site) -> None:
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
    browse: Callable[..., Page], at_demo: Site
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
