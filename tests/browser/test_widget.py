"""The warning as people meet it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from sessionmgr.core.policy import Policy
from tests.browser.conftest import Visitor, in_state


def test_idle_warning_shows_in_time_and_one_click_extends(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")

    person.pass_time(minutes=24, seconds=30)
    in_state(page, "active")
    person.pass_time(minutes=1)
    in_state(page, "idle")
    dialog = page.get_by_role("alertdialog", name="You’re about to be signed out")
    expect(dialog).to_contain_text("we will sign you out in 5 minutes, at")
    expect(dialog.get_by_role("button", name="Stay signed in")).to_be_focused()

    dialog.get_by_role("button", name="Stay signed in").click()
    in_state(page, "active")
    expect(dialog).to_be_hidden()
    person.pass_time(minutes=20)
    page.reload()
    expect(page.get_by_role("heading", name="A form")).to_be_visible()
