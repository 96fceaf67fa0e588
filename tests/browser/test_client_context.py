"""Pages outside our templates take part by one script tag, and other sites learn nothing."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Frame, Page, expect

from sessionmgr.core.policy import Policy
from tests.browser.conftest import Visitor, in_state
from tests.browser.test_resume import popup_of, sign_in


def opened(person: Visitor, name: str) -> Page:
    page = person.open(f"/static-page/{name}/")
    in_state(page, "active")
    return page


def frame_of(page: Page) -> Frame:
    """Return the frame in a page, once it takes part."""
    (_top, frame) = page.frames
    frame.locator("session-timeout[state=active][pending='']").wait_for(state="attached")
    return frame


@pytest.mark.parametrize("name", ["page", "alias", "twice"])
def test_a_static_page_warns_extends_and_ends(
    person: Visitor, idle_policy: Policy, name: str
) -> None:
    page = opened(person, name)
    expect(page.locator("session-timeout")).to_have_count(1)
    person.pass_time(minutes=26)
    in_state(page, "idle")
    expect(page.get_by_role("alertdialog")).to_contain_text("we will sign you out in 4 minutes")
    page.get_by_role("button", name="Stay signed in").click()
    in_state(page, "active")
    person.pass_time(minutes=40)
    in_state(page, "ended")
    expect(page.get_by_role("heading", name="Static")).to_be_hidden()
    sign_in(popup_of(page, "Sign in"), "alice")
    in_state(page, "active")


def test_what_is_done_on_a_static_page_is_activity(person: Visitor, idle_policy: Policy) -> None:
    page = opened(person, "page")
    with page.expect_response("**/session/touch/"):
        person.pass_time(minutes=2)
        page.get_by_label("Note").press("a")
    in_state(page, "active")


def test_a_frame_has_its_dialogs_in_the_top_page(person: Visitor, idle_policy: Policy) -> None:
    page = opened(person, "framing")
    frame = frame_of(page)
    expect(frame.locator("dialog")).to_have_count(0)
    person.pass_time(minutes=26)
    in_state(page, "idle")
    expect(page.get_by_role("alertdialog")).to_be_visible()
    page.get_by_role("button", name="Stay signed in").click()
    in_state(page, "active")
    frame.locator("session-timeout[state=active]").wait_for(state="attached")


def test_what_is_done_in_a_frame_keeps_the_top_page_signed_in(
    person: Visitor, idle_policy: Policy
) -> None:
    page = opened(person, "framing")
    frame = frame_of(page)
    person.pass_time(minutes=20)
    with page.expect_response("**/session/touch/"):
        frame.get_by_label("Note").press("a")
    person.pass_time(minutes=20)
    in_state(page, "active")


def test_a_frame_in_a_page_that_takes_no_part_has_its_own_dialogs(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/static-page/bare-framing/")
    frame = frame_of(page)
    person.pass_time(minutes=26)
    expect(frame.get_by_role("alertdialog")).to_be_visible()


def test_a_page_that_was_there_before_takes_part_once_somebody_signs_in(
    visitors: Callable[..., Visitor], alice: User, idle_policy: Policy
) -> None:
    person = visitors()
    page = person.open("/static-page/page/")
    expect(page.get_by_role("heading", name="Static")).to_be_visible()
    with page.expect_event("response", lambda answer: answer.status == 204):
        page.reload()
    expect(page.locator("session-timeout")).to_have_count(0)
    person.sign_in(alice)
    in_state(person.open("/form/"), "active")
    in_state(page, "active")


def test_another_site_gets_neither_the_script_nor_the_element(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.context.new_page()
    refused: list[str] = []
    page.on("requestfailed", lambda request: refused.append(f"{request.failure}"))
    page.goto(person.base.replace("localhost", "127.0.0.1") + "/foreign/")
    assert refused == ["net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin"]
    for options in ("{mode: 'no-cors'}", "{credentials: 'include'}"):
        told = page.evaluate(
            f"fetch('{person.base}/session/widget/', {options})"
            ".then((answer) => answer.text()).catch((error) => error.name)"
        )
        assert told == "TypeError"
    expect(page.locator("session-timeout")).to_have_count(0)
    person.complaints.clear()
