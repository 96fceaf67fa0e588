"""Ways to build pages that need no code of their own: fragments, swapped bodies, an app."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessionmgr.core.policy import Policy
from tests.browser.conftest import Visitor, in_state
from tests.browser.test_resume import popup_of, sign_in
from tests.conftest import Clock


def send(page: Page, note: str) -> None:
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Send").click()


def let_pass(page: Page, clock: Clock, minutes: int) -> None:
    """Move both clocks; the browser's by hand, for Playwright's hides Server-Timing."""
    clock.advance(minutes=minutes)
    page.evaluate(
        f"Date.now = ((real) => () => real() + {minutes * 60_000})(Date.now)",
    )


@pytest.mark.parametrize("name", ["htmx.html", "app.html"])
def test_a_refused_request_veils_the_page_and_the_next_one_after_signing_in_works(
    visitors: Callable[..., Visitor],
    alice: User,
    clock: Clock,
    idle_policy: Policy,
    name: str,
) -> None:
    person = visitors(own_clock=False)
    person.sign_in(alice)
    page = person.open(f"/host/{name}")
    in_state(page, "active")
    send(page, "one")
    expect(page.get_by_text("Got one")).to_be_visible()

    page.get_by_label("Note").fill("two")
    clock.advance(minutes=31)
    page.evaluate("Date.now = ((real) => () => real() + 11000)(Date.now)")
    # Not by hand, which the element would notice before the page's own request is refused.
    page.evaluate("document.querySelector('#app button, [hx-post]').click()")
    in_state(page, "ended")
    expect(page.get_by_role("alertdialog")).to_contain_text("because nothing happened")
    expect(page.locator("body")).to_have_attribute("data-answers", "200 401")
    assert "/host/" in page.url

    sign_in(popup_of(page, "Sign in"), "alice")
    in_state(page, "active")
    expect(page.get_by_label("Note")).to_have_value("two")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Got two")).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-answers", "200 401 200")


@pytest.mark.parametrize("name", ["htmx.html", "app.html"])
def test_requests_of_the_page_move_its_clock(
    visitors: Callable[..., Visitor], alice: User, clock: Clock, idle_policy: Policy, name: str
) -> None:
    person = visitors(own_clock=False)
    person.sign_in(alice)
    page = person.open(f"/host/{name}")
    in_state(page, "active")
    asked: list[str] = []
    let_pass(page, clock, 20)
    person.context.on("request", lambda request: asked.append(request.url))
    page.evaluate("document.querySelector('#app button, [hx-post]').click()")
    page.wait_for_function("document.querySelector('session-timeout').remaining() > 1700")
    assert [url for url in asked if "/session/" in url] == []


def test_swapped_bodies_leave_one_element_at_work(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/host/turbo.html")
    in_state(page, "active")
    for number in range(2, 6):
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_role("heading", name=f"Visit {number}")).to_be_visible()
        in_state(page, "active")
    expect(page.locator("session-timeout")).to_have_count(1)
    person.pass_time(minutes=26)
    in_state(page, "idle")
    touches: list[str] = []
    person.context.on(
        "request", lambda request: touches.append(request.url) if "touch" in request.url else None
    )
    page.get_by_role("button", name="Stay signed in").click()
    in_state(page, "active")
    assert len(touches) == 1
    person.pass_time(minutes=31)
    in_state(page, "ended")
    sign_in(popup_of(page, "Sign in"), "alice")
    in_state(page, "active")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", name="Visit 6")).to_be_visible()
