"""The way back: a page out of a cache is not to be read before the server has been asked."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from playwright.sync_api import Browser, Page, expect

from sessionmgr import middleware
from sessionmgr.core.policy import Policy
from tests.browser.conftest import FLAGS, Visitor, in_state
from tests.conftest import Clock
from tests.requirements import require_program

#: Notes what the page shows, and whether it is veiled once all have heard that it is back.
WATCH = """
window.views = [];
addEventListener("session-timeout:state", ({detail}) => views.push(detail.state));
addEventListener("pageshow", ({persisted}) => {
  const veiled = document.documentElement.matches("[data-session-locked]");
  sessionStorage.restored = `${persisted} ${veiled}`;
});
"""


@pytest.fixture(scope="module")
def remembering(browser: Browser) -> Iterator[Browser]:
    """A Chromium as people have it: with the cache for Back that Playwright turns off."""
    chromium = browser.browser_type.launch(
        executable_path=require_program("chromium", "apt-get install chromium"),
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield chromium
    chromium.close()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something between the app and the browser lets pages be kept."""
    add_headers = middleware.add_headers

    def add_lenient(response: HttpResponseBase, judgement: Any) -> None:
        add_headers(response, judgement)
        if "no-store" in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "private, max-age=600"

    monkeypatch.setattr(middleware, "add_headers", add_lenient)


class Returner(Visitor):
    """A person at a browser that keeps pages for Back: whole ones, or what it was sent."""

    cache: str


def visit(browser: Browser, clock: Clock, base: str, user: User) -> Returner:
    """Return ``user`` at a browser with a real clock: a moved one tells scripts less."""
    context = browser.new_context(locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(10_000)
    context.add_init_script(WATCH)
    visitor = Returner(context, clock, base)
    visitor.sign_in(user)
    return visitor


@pytest.fixture(params=["back-forward", "http"])
def person(
    request: pytest.FixtureRequest,
    visitors: Callable[..., Visitor],
    live_server: Any,
    clock: Clock,
    alice: User,
    idle_policy: Policy,
) -> Iterator[Returner]:
    """Alice, in a browser that keeps whole pages, and in one that only keeps what it was sent."""
    kind = "remembering" if request.param == "back-forward" else "browser"
    visitor = visit(request.getfixturevalue(kind), clock, live_server.url, alice)
    visitor.cache = request.param
    yield visitor
    visitor.context.close()
    assert visitor.complaints == []


def leave(person: Returner) -> Page:
    """Return a page that was left, after something was typed on it, for one of no interest."""
    page = person.open("/open/")  # with it come the cookies by which a cache tells people apart
    page.goto(person.base + "/form/")
    in_state(page, "active")
    page.evaluate("sessionStorage.whose = document.querySelector('session-timeout').dataset.user")
    # Not as a person types, which would be reported on leaving.
    page.get_by_label("Report").evaluate("(field) => { field.value = 'A secret' }")
    page.goto(person.base + "/healthz/")
    return page


def back(person: Returner, page: Page) -> None:
    """Go back, and make sure that the page did come out of the cache."""
    page.go_back(wait_until="commit")
    page.wait_for_url("**/form/", wait_until="commit")
    if person.cache == "back-forward":
        assert page.evaluate("sessionStorage.restored") == "true true"
    else:
        kind = page.evaluate("performance.getEntriesByType('navigation')[0].deliveryType")
        assert kind == "cache"


def test_what_is_not_kept_is_asked_for_anew(person: Returner) -> None:
    page = leave(person)
    person.clock.advance(minutes=31)
    page.go_back(wait_until="commit")
    expect(page).to_have_url(re.compile("/session/signed-out/.*reason=inactivity"))


@pytest.mark.usefixtures("kept")
def test_a_page_out_of_a_cache_is_not_shown_after_the_end(person: Returner) -> None:
    page = leave(person)
    person.clock.advance(minutes=31)
    back(person, page)
    in_state(page, "ended")
    expect(page.get_by_role("heading", name="A form")).to_be_hidden()
    expect(page.get_by_role("alertdialog")).to_contain_text("nothing happened for a while")
    shown = page.evaluate("views")
    assert shown[-2:] == ["checking", "ended"]


@pytest.mark.usefixtures("kept")
def test_a_page_out_of_a_cache_is_shown_after_the_servers_word(person: Returner) -> None:
    page = leave(person)
    asked: list[str] = []
    person.context.on("request", lambda request: asked.append(request.url))
    back(person, page)
    in_state(page, "active")
    expect(page.get_by_role("heading", name="A form")).to_be_visible()
    assert page.evaluate("views").count("checking") == 1
    assert [url for url in asked if url.endswith("/session/status/")]
    expect(page.get_by_label("Report")).to_have_value("A secret")


@pytest.mark.usefixtures("kept")
def test_a_page_out_of_a_cache_is_veiled_while_the_server_is_away(person: Returner) -> None:
    page = leave(person)
    person.context.set_offline(True)
    back(person, page)
    in_state(page, "offline")
    expect(page.get_by_role("heading", name="A form")).to_be_hidden()


@pytest.mark.usefixtures("kept")
def test_a_page_out_of_a_cache_is_not_shown_to_somebody_else(person: Returner, bob: User) -> None:
    page = leave(person)
    person.sign_in(bob)
    alices = page.evaluate("sessionStorage.whose")
    page.go_back(wait_until="commit")
    in_state(page, "active")
    expect(page.locator("session-timeout")).not_to_have_attribute("data-user", alices)
    expect(page.get_by_label("Report")).to_have_value("")


def test_what_one_typed_is_not_filled_in_for_another(person: Returner, bob: User) -> None:
    page = leave(person)
    person.sign_in(bob)
    page.go_back(wait_until="load")
    in_state(page, "active")
    expect(page.get_by_label("Report")).to_have_value("")
