"""The warning as people meet it."""

import re
from collections.abc import Callable

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessionmgr.core.policy import MINUTE, Policy
from sessionmgr.models import UserSession
from tests.browser.conftest import Visitor, in_state
from tests.conftest import Clock

TOUCH = "**/session/touch/"
ENDPOINTS = "**/session/*/"


def warned(person: Visitor, path: str = "/form/") -> Page:
    """Return a page on which the idle warning shows."""
    page = person.open(path)
    in_state(page, "active")
    person.pass_time(minutes=25, seconds=30)
    in_state(page, "idle")
    return page


def stay(page: Page) -> None:
    page.get_by_role("button", name="Stay signed in").click()


def test_idle_warning_shows_in_time_and_one_click_extends(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")

    person.pass_time(minutes=24, seconds=30)
    in_state(page, "active")
    person.pass_time(minutes=1)
    in_state(page, "idle")
    dialog = page.get_by_role("alertdialog", name=re.compile("about to be signed out"))
    expect(dialog).to_contain_text("we will sign you out in 5 minutes, at")
    expect(dialog.get_by_role("button", name="Stay signed in")).to_be_focused()

    stay(page)
    in_state(page, "active")
    expect(dialog).to_be_hidden()
    person.pass_time(minutes=20)
    page.reload()
    expect(page.get_by_role("heading", name="A form")).to_be_visible()


def test_left_alone_the_page_is_veiled_with_the_reason_and_a_way_back(
    person: Visitor, idle_policy: Policy
) -> None:
    page = warned(person)
    person.pass_time(minutes=5)

    in_state(page, "ended")
    assert UserSession.objects.get().ended_reason == "inactivity"
    expect(page.get_by_role("heading", name="A form")).to_be_hidden()
    dialog = page.get_by_role("alertdialog", name="You are signed out")
    expect(dialog).to_contain_text("because nothing happened for a while")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("link", name="Sign in")).to_be_focused()


def test_work_is_kept_and_sent_after_signing_in_again_in_another_tab(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("An hour of work")
    person.pass_time(minutes=40)
    in_state(page, "ended")
    expect(page.get_by_role("alertdialog")).to_contain_text("What you typed on this page is kept")

    other = person.open("/accounts/sign-in/?next=/form/")
    other.get_by_label("Username").fill("alice")
    other.get_by_label("Password").fill("alice-demo")
    other.get_by_role("button", name="Sign in").click()
    in_state(other, "active")

    in_state(page, "active")
    expect(page.get_by_label("Report")).to_have_value("An hour of work")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#sent")).to_have_text("An hour of work")


def test_nothing_is_left_for_someone_else_who_signs_in(
    person: Visitor, idle_policy: Policy, bob: User
) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("A secret")
    person.pass_time(minutes=40)
    in_state(page, "ended")

    person.sign_in(bob)
    # Where even the page cannot be asked for anew, nothing of it is left.
    page.route("**/form/", lambda route: route.fulfill(status=204))
    other = person.open("/form/")
    in_state(other, "active")
    in_state(page, "replaced")
    assert "A secret" not in page.content()
    expect(page.locator("textarea")).to_have_count(0)


def test_work_is_cleared_ten_minutes_after_the_end(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("A secret")
    person.pass_time(minutes=40)
    in_state(page, "ended")
    person.pass_time(minutes=11)
    in_state(page, "cleared")
    expect(page.locator("textarea")).to_have_count(0)
    link = page.get_by_role("link", name="Sign in")
    expect(link).to_be_focused()
    link.click()
    page.wait_for_url("**/accounts/sign-in/?next=%2Fform%2F")


def test_failed_extension_is_told_and_can_be_tried_again(
    person: Visitor, idle_policy: Policy
) -> None:
    page = warned(person)
    page.route(TOUCH, lambda route: route.fulfill(status=500))
    stay(page)
    expect(page.get_by_role("alert")).to_contain_text("you are not signed in for longer yet")
    in_state(page, "idle")

    page.unroute(TOUCH)
    stay(page)
    in_state(page, "active")


def test_an_answer_without_a_later_end_does_not_close_the_warning(
    person: Visitor, idle_policy: Policy
) -> None:
    page = warned(person)
    status = page.evaluate("fetch('/session/status/').then((answer) => answer.json())")
    page.route(TOUCH, lambda route: route.fulfill(json=status))
    stay(page)
    expect(page.get_by_role("alert")).to_contain_text("not signed in for longer")
    in_state(page, "idle")


def test_a_stale_form_token_does_not_stand_in_the_way(
    person: Visitor, idle_policy: Policy, alice: User
) -> None:
    page = warned(person)
    page.evaluate("document.cookie = 'csrftoken=' + 'x'.repeat(32) + '; path=/'")
    stay(page)
    in_state(page, "active")


def test_unreachable_at_the_end_the_page_is_veiled_and_kept(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("Work")
    page.route(ENDPOINTS, lambda route: route.abort())
    person.pass_time(minutes=31)
    in_state(page, "offline")
    expect(page.get_by_role("heading", name="A form")).to_be_hidden()

    page.unroute(ENDPOINTS)
    page.get_by_role("button", name="Try again").click()
    in_state(page, "ended")


def test_typing_counts_as_activity_and_is_reported_once_a_minute(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    touches: list[str] = []
    person.context.on(
        "request", lambda request: touches.append(request.url) if "touch" in request.url else None
    )
    for _ in range(3):
        with page.expect_response(TOUCH):
            person.pass_time(minutes=2)
            page.get_by_label("Report").press("a")
        page.get_by_label("Report").press_sequentially("bcd", delay=1)
    assert len(touches) == 3
    person.pass_time(minutes=24, seconds=50)
    in_state(page, "active")


def test_script_made_events_are_no_activity(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=20)
    page.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true}))")
    person.pass_time(minutes=5, seconds=30)
    in_state(page, "idle")


def test_two_tabs_follow_each_other_with_one_request(person: Visitor, idle_policy: Policy) -> None:
    first, second = person.open("/form/"), person.open("/form/")
    in_state(second, "active")
    person.pass_time(minutes=25, seconds=30)
    in_state(first, "idle")
    in_state(second, "idle")
    touches: list[str] = []
    person.context.on(
        "request", lambda request: touches.append(request.url) if "touch" in request.url else None
    )
    stay(second)
    in_state(second, "active")
    in_state(first, "active")
    assert len(touches) == 1


def test_signing_out_in_one_tab_veils_the_others(person: Visitor, idle_policy: Policy) -> None:
    first, second = person.open("/form/"), person.open("/form/")
    in_state(first, "active")
    person.pass_time(minutes=25, seconds=30)
    in_state(second, "idle")
    second.get_by_role("alertdialog").get_by_role("button", name="Sign out").click()
    second.wait_for_url("**/session/signed-out/**")
    in_state(first, "ended")


def test_session_length_is_told_by_a_banner_then_by_a_dialog(
    person: Visitor, length_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=41)
    in_state(page, "banner")
    banner = page.get_by_role("status")
    expect(banner).to_contain_text(re.compile(r"sign in again at \d\d?:\d\d"))
    expect(banner.get_by_role("link", name="Sign in again now")).to_be_visible()
    page.get_by_label("Report").press_sequentially("The page can be used")
    banner.get_by_role("button", name="Hide").click()
    in_state(page, "active")

    person.pass_time(minutes=17, seconds=30)
    in_state(page, "session")
    dialog = page.get_by_role("alertdialog", name="You need to sign in again soon")
    expect(dialog.get_by_role("button", name="Stay signed in")).to_have_count(0)
    dialog.get_by_role("button", name="Back to the page").click()
    in_state(page, "banner")

    person.pass_time(minutes=2)
    in_state(page, "ended")
    expect(page.get_by_role("alertdialog")).to_contain_text("for as long as is allowed here")


def test_idle_warning_tells_of_the_session_limit_that_comes_next(
    person: Visitor, policy: Callable[..., Policy]
) -> None:
    policy(
        custom_length=True,
        max_session_length=60 * MINUTE,
        inactivity_enabled=True,
        inactivity_duration=50 * MINUTE,
        inactivity_warning=5 * MINUTE,
    )
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=46)
    in_state(page, "idle")
    expect(page.get_by_role("alertdialog")).to_contain_text("have to sign in again in any case")
    stay(page)
    in_state(page, "banner")


def test_keyboard_alone_is_enough(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").focus()
    person.pass_time(minutes=25, seconds=30)
    in_state(page, "idle")
    buttons = page.get_by_role("alertdialog").get_by_role("button")
    expect(buttons.first).to_be_focused()
    page.keyboard.press("Tab")
    expect(buttons.last).to_be_focused()

    person.pass_time(seconds=1)
    page.keyboard.press("Escape")
    in_state(page, "active")
    expect(page.get_by_label("Report")).to_be_focused()


def test_keys_meant_for_the_page_do_not_answer(person: Visitor, idle_policy: Policy) -> None:
    page = warned(person)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    in_state(page, "idle")
    person.pass_time(seconds=1)
    page.keyboard.press("Enter")
    in_state(page, "active")


def test_announcements_are_coarse(person: Visitor, idle_policy: Policy) -> None:
    page = warned(person)
    live = page.locator("dialog[open] [aria-live]")
    expect(page.locator("dialog[open] [data-count]")).to_have_text("5 minutes")
    heard = []
    for _ in range(17):
        person.pass_time(seconds=15)
        heard.append(live.text_content())
    in_state(page, "idle")
    assert sorted(set(heard), key=heard.index) == [
        "",
        "You will be signed out in 4 minutes.",
        "You will be signed out in 3 minutes.",
        "You will be signed out in 2 minutes.",
        "You will be signed out in 1 minute.",
        "You will be signed out in 40 seconds.",
        "You will be signed out in 20 seconds.",
    ]


def test_an_end_by_an_administrator_shows_on_the_next_answer(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    person.context.clear_cookies(name="sessionid")
    person.pass_time(minutes=3)
    in_state(page, "ended")


def test_the_admin_has_the_warning_too(
    visitors: Callable[..., Visitor], admin: User, idle_policy: Policy
) -> None:
    person = visitors()
    person.sign_in(admin)
    page = warned(person, "/admin/")
    stay(page)
    in_state(page, "active")


def test_nothing_is_printed_for_who_is_not_signed_in(visitors: Callable[..., Visitor]) -> None:
    page = visitors().open("/open/")
    expect(page.get_by_role("heading", name="A form")).to_be_visible()
    expect(page.locator("session-timeout")).to_have_count(0)
    expect(page.locator("script, link")).to_have_count(0)


def test_first_numbers_come_with_the_page_itself(
    visitors: Callable[..., Visitor], alice: User, clock: Clock, length_policy: Policy
) -> None:
    # A browser whose clock is moved by a test tells its scripts nothing of Server-Timing.
    person = visitors(own_clock=False)
    person.sign_in(alice)
    clock.advance(minutes=45)
    asked: list[str] = []
    person.context.on("request", lambda request: asked.append(request.url))
    page = person.open("/form/")
    in_state(page, "banner")
    assert [url for url in asked if "/session/" in url] == []


def test_any_answer_to_a_script_of_the_page_moves_the_clock(
    visitors: Callable[..., Visitor], alice: User, clock: Clock, idle_policy: Policy
) -> None:
    person = visitors(own_clock=False)
    person.sign_in(alice)
    page = person.open("/form/")
    in_state(page, "active")
    clock.advance(minutes=25, seconds=30)
    page.evaluate(
        "fetch('/form/', {headers: {'X-Session-Passive': '1'}}).then((answer) => answer.text())"
    )
    in_state(page, "idle")


def test_a_refused_request_of_the_page_makes_it_ask(
    visitors: Callable[..., Visitor], alice: User, clock: Clock, idle_policy: Policy
) -> None:
    person = visitors(own_clock=False)
    person.sign_in(alice)
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate("Date.now = ((real) => () => real() + 11000)(Date.now)")
    clock.advance(minutes=31)
    page.evaluate("fetch('/form/').then((answer) => answer.text())")
    in_state(page, "ended")


def test_body_swapped_by_a_script_leaves_one_element_at_work(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate(
        "for (let swap = 0; swap < 50; swap++)"
        " document.body.replaceWith(document.body.cloneNode(true))"
    )
    in_state(page, "active")
    person.pass_time(minutes=25, seconds=30)
    in_state(page, "idle")
    touches: list[str] = []
    person.context.on(
        "request", lambda request: touches.append(request.url) if "touch" in request.url else None
    )
    stay(page)
    in_state(page, "active")
    assert len(touches) == 1
