"""A form that needs longer than the session lasts tells so on opening."""

import pytest
from playwright.sync_api import expect

from sessionmgr.core.policy import Policy
from tests.browser.conftest import Visitor, in_state
from tests.browser.test_looks import violations
from tests.browser.test_resume import popup_of, sign_in


def test_it_tells_the_time_left_and_offers_to_sign_in_again(
    person: Visitor, length_policy: Policy
) -> None:
    person.clock.advance(minutes=38)
    page = person.open("/form/?needs=25m")
    notice = page.locator("form [role=status]")
    expect(notice).to_contain_text("In 22 minutes, at")
    expect(page.locator("main form > :first-child")).to_have_attribute("role", "status")
    assert violations(page) == []

    page.get_by_label("Report").press_sequentially("Begun")
    sign_in(popup_of(page, "Sign in again now"), "alice")
    in_state(page, "active")
    expect(notice).to_have_count(0)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#sent")).to_have_text("Begun")


@pytest.mark.parametrize("needs", ["20m", "60s", "soon", "5", ""])
def test_it_is_silent_where_there_is_time_enough_or_no_time_is_told(
    person: Visitor, length_policy: Policy, needs: str
) -> None:
    person.clock.advance(minutes=38)
    page = person.open(f"/form/?needs={needs}")
    in_state(page, "active")
    person.pass_time(minutes=3)
    in_state(page, "banner")
    expect(page.locator("[data-view=banner] p")).not_to_be_empty()
    expect(page.locator("form [role=status]")).to_have_count(0)


def test_a_form_that_comes_later_is_looked_at_when_it_comes(
    person: Visitor, length_policy: Policy
) -> None:
    person.clock.advance(minutes=38)
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate("document.querySelector('main form').dataset.needs = '1h'")
    page.get_by_label("Report").press("a")
    expect(page.locator("main form [role=status]")).to_contain_text("In 22 minutes")


def test_a_limit_on_inactivity_alone_is_no_matter(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/?needs=40m")
    in_state(page, "active")
    person.pass_time(minutes=26)
    in_state(page, "idle")
    expect(page.locator("dialog[open] [data-count]")).to_have_text("4 minutes")
    expect(page.locator("form [role=status]")).to_have_count(0)
