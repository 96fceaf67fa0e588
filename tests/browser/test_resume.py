"""Signing in again in a popup: the page goes on for the same person, and for nobody else."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Route, expect

from sessionmgr.core.policy import Policy
from sessionmgr.models import UserSession
from tests.browser.conftest import Visitor, in_state

SIGN_IN_AGAIN = "**/accounts/sign-in/?next=%2Fsession%2Fresumed%2F"


def ended(person: Visitor) -> Page:
    """Return a page with typed work on it that has ended."""
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("An hour of work")
    person.pass_time(minutes=70)
    in_state(page, "ended")
    return page


def popup_of(page: Page, button: str) -> Page:
    with page.expect_popup() as opened:
        page.get_by_role("link", name=button).locator("visible=true").click()
    opened.value.wait_for_url(SIGN_IN_AGAIN)
    return opened.value


def sign_in(popup: Page, name: str) -> None:
    """Give a name and its password; the popup closes by itself."""
    popup.get_by_label("Username").fill(name)
    popup.get_by_label("Password").fill(f"{name}-demo")
    with popup.expect_event("close"):
        popup.get_by_role("button", name="Sign in").click()


def test_after_the_end_the_same_person_goes_on_where_they_were(
    person: Visitor, idle_policy: Policy
) -> None:
    page = ended(person)
    sign_in(popup_of(page, "Sign in"), "alice")
    in_state(page, "active")
    expect(page.get_by_label("Report")).to_have_value("An hour of work")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#sent")).to_have_text("An hour of work")


def test_before_the_end_the_session_starts_anew_and_the_form_can_be_sent(
    person: Visitor, length_policy: Policy
) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("An hour of work")
    person.pass_time(minutes=41)
    in_state(page, "banner")
    sign_in(popup_of(page, "Sign in again now"), "alice")
    in_state(page, "active")
    assert UserSession.objects.filter(state="live").count() == 1
    person.pass_time(minutes=30)
    in_state(page, "active")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#sent")).to_have_text("An hour of work")


@pytest.mark.parametrize("when", ["ended", "live"])
def test_for_somebody_else_the_page_is_made_anew(
    person: Visitor, length_policy: Policy, bob: User, when: str
) -> None:
    if when == "ended":
        page = ended(person)
        popup = popup_of(page, "Sign in")
    else:
        page = person.open("/form/")
        page.get_by_label("Report").press_sequentially("An hour of work")
        person.pass_time(minutes=41)
        in_state(page, "banner")
        popup = popup_of(page, "Sign in again now")
    alices = page.locator("session-timeout").get_attribute("data-user")
    assert alices
    popup.get_by_label("Username").fill("bob")
    popup.get_by_label("Password").fill("bob-demo")
    with page.expect_navigation(), popup.expect_event("close"):
        popup.get_by_role("button", name="Sign in").click()
    in_state(page, "active")
    expect(page.locator("session-timeout")).not_to_have_attribute("data-user", alices)
    expect(page.get_by_label("Report")).to_have_value("")


def test_a_page_that_was_an_answer_to_a_form_does_not_send_it_again_for_somebody_else(
    person: Visitor, idle_policy: Policy, bob: User
) -> None:
    page = person.open("/form/")
    page.get_by_label("Report").press_sequentially("From alice")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#sent")).to_have_text("From alice")
    in_state(page, "active")
    sent: list[str] = []
    person.context.on(
        "request", lambda request: sent.append(request.url) if request.method == "POST" else None
    )
    person.sign_in(bob)
    with page.expect_navigation():
        person.pass_time(minutes=3)
    in_state(page, "active")
    expect(page.locator("#sent")).to_have_count(0)
    assert [url for url in sent if "/form/" in url] == []


def test_a_blocked_popup_leaves_an_ordinary_link(person: Visitor, idle_policy: Policy) -> None:
    page = ended(person)
    expect(page.get_by_role("alertdialog")).to_contain_text("nothing happened")
    page.evaluate("window.open = () => null")
    with person.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in").click()
    other = opened.value
    other.wait_for_url(SIGN_IN_AGAIN)
    other.get_by_label("Username").fill("alice")
    other.get_by_label("Password").fill("alice-demo")
    other.get_by_role("button", name="Sign in").click()
    in_state(page, "active")
    expect(page.get_by_label("Report")).to_have_value("An hour of work")


def test_without_the_part_that_opens_it_the_link_is_an_ordinary_one(
    person: Visitor, idle_policy: Policy
) -> None:
    person.context.route("**/session-timeout-near.js", lambda route: route.abort())
    page = ended(person)
    with person.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in").click()
    opened.value.wait_for_url(SIGN_IN_AGAIN)
    person.complaints.clear()


def test_tokens_in_headers_of_htmx_are_renewed_too(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate(
        """document.body.setAttribute(
            "hx-headers", '{"X-CSRFToken": "stale", "X-Other": "kept"}')"""
    )
    page.evaluate(
        """document.addEventListener("session-timeout:resumed",
            (event) => { document.body.dataset.given = event.detail.csrf; })"""
    )
    person.pass_time(minutes=40)
    in_state(page, "ended")
    sign_in(popup_of(page, "Sign in"), "alice")
    in_state(page, "active")
    body = page.locator("body")
    token = body.get_attribute("data-given")
    assert token
    assert len(token) == 64
    assert body.get_attribute("hx-headers") == f'{{"X-CSRFToken": "{token}", "X-Other": "kept"}}'


def test_the_page_where_the_popup_lands_is_for_who_is_signed_in(
    visitors: Callable[..., Visitor], db: None
) -> None:
    page = visitors().open("/session/resumed/")
    page.wait_for_url(SIGN_IN_AGAIN)


def test_a_late_refusal_of_the_old_sign_in_does_not_end_the_new_one(
    person: Visitor, idle_policy: Policy, alice: User
) -> None:
    page = person.open("/form/")
    late: list[Route] = []
    page.route("**/session/touch/", lambda route: late.append(route))
    page.evaluate("document.querySelector('session-timeout').extend()")
    page.locator("session-timeout[pending=explicit]").wait_for(state="attached")
    page.evaluate("document.title = ''")
    for name in ("resumed", "expired"):
        noted = f"() => {{ document.title += '{name} ' }}"
        page.evaluate(f"addEventListener('session-timeout:{name}', {noted})")
    person.sign_in(alice)
    page.evaluate("void open('/session/resumed/')")
    expect(page).to_have_title("resumed")
    refusal = {"code": "session_ended", "reason": "inactivity", "title": "You were signed out."}
    with page.expect_response("**/session/touch/") as answer:
        late[0].fulfill(status=401, json=refusal)
    answer.value.finished()
    page.evaluate("document.querySelector('session-timeout').sync()")
    in_state(page, "active")
    expect(page).to_have_title("resumed")
