"""What a host page's own scripts can do with the element."""

from typing import Any

from playwright.sync_api import Page, expect

from sessionmgr.core.policy import Policy
from tests.browser.conftest import Visitor, in_state

RECORD = """
const names = ["state", "warning", "expired", "resumed", "offline"];
document.body.dataset.heard = "";
for (const name of names) {
  document.addEventListener(`session-timeout:${name}`, ({ detail }) => {
    const told = detail?.state ?? detail?.reason ?? detail?.limit ?? "";
    document.body.dataset.heard += `${name}:${told} `;
  });
}
"""


def widget(page: Page, expression: str) -> Any:
    return page.evaluate(f"document.querySelector('session-timeout').{expression}")


def heard(page: Page) -> list[str]:
    return (page.locator("body").get_attribute("data-heard") or "").split()


def test_properties_and_remaining_tell_what_the_server_said(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    assert widget(page, "state") == "active"
    assert widget(page, "reason") is None
    assert 1790 < widget(page, "remaining()") <= 1800
    left = page.evaluate("document.querySelector('session-timeout').deadlines.idle - Date.now()")
    assert 1_790_000 < left <= 1_800_000
    assert widget(page, "deadlines.session - Date.now()") > 86_000_000
    person.pass_time(minutes=31)
    in_state(page, "ended")
    assert widget(page, "reason") == "inactivity"
    assert widget(page, "remaining()") == 0


def test_extend_and_sync_ask_the_server(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    with page.expect_response("**/session/touch/"):
        widget(page, "extend()")
    in_state(page, "active")
    with page.expect_response("**/session/status/"):
        widget(page, "sync()")


def test_events_tell_of_each_turn(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate(RECORD)
    person.pass_time(minutes=26)
    in_state(page, "idle")
    assert heard(page) == ["warning:idle", "state:idle"]
    page.route("**/session/*/", lambda route: route.abort())
    person.pass_time(minutes=5)
    in_state(page, "offline")
    page.unroute("**/session/*/")
    page.get_by_role("button", name="Try again").click()
    in_state(page, "ended")
    told = [event for event in heard(page) if event != "state:checking"]
    assert told[2:] == ["state:offline", "offline:", "state:ended", "expired:inactivity"]


def test_a_page_can_show_a_warning_of_its_own(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate(
        """document.addEventListener("session-timeout:warning", (event) => {
            event.preventDefault();
            document.querySelector("h1").textContent = `Own: ${event.detail.limit}`;
        })"""
    )
    person.pass_time(minutes=26)
    in_state(page, "idle")
    expect(page.get_by_role("heading", name="Own: idle")).to_be_visible()
    expect(page.locator("dialog[open]")).to_have_count(0)
    person.pass_time(seconds=5)
    expect(page.locator("dialog[open]")).to_have_count(0)
    widget(page, "extend()")
    in_state(page, "active")

    person.pass_time(minutes=40)
    in_state(page, "ended")
    expect(page.get_by_role("alertdialog")).to_be_visible()


def test_a_banner_of_the_page_itself_takes_the_place_of_ours(
    person: Visitor, length_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate(
        "document.addEventListener('session-timeout:warning', (event) => event.preventDefault())"
    )
    person.pass_time(minutes=41)
    in_state(page, "banner")
    expect(page.locator("[data-view=banner]")).to_be_hidden()


def test_reauth_opens_the_popup(person: Visitor, length_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=36)
    in_state(page, "active")
    page.evaluate(
        """document.querySelector("h1").addEventListener("click",
            () => document.querySelector("session-timeout").reauth())"""
    )
    with person.context.expect_page() as opened:
        page.get_by_role("heading", name="A form").click()
    opened.value.wait_for_url("**/accounts/sign-in/?next=%2Fsession%2Fresumed%2F")


def test_a_page_may_be_left_at_the_end(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/?leave=1")
    in_state(page, "active")
    person.pass_time(minutes=31)
    page.wait_for_url("**/session/signed-out/?reason=inactivity&next=%2Fform%2F%3Fleave%3D1")
    expect(page.get_by_text("because nothing happened for a while")).to_be_visible()


def test_a_template_of_the_page_without_the_second_module_goes_without(
    person: Visitor, idle_policy: Policy
) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    page.evaluate("document.querySelector('session-timeout').removeAttribute('data-near')")
    asked: list[str] = []
    person.context.on("request", lambda request: asked.append(request.url))
    person.pass_time(minutes=26)
    in_state(page, "idle")
    page.get_by_role("button", name="Stay signed in").click()
    in_state(page, "active")
    assert [url for url in asked if "/session/" not in url] == []


def test_the_accent_is_the_pages(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    # As a stylesheet of the page would: an inline style is refused by its policy.
    page.evaluate(
        "document.documentElement.style.setProperty('--session-timeout-accent', 'rgb(1, 2, 3)')"
    )
    person.pass_time(minutes=26)
    in_state(page, "idle")
    expect(page.locator("dialog[open] [data-event=stay]")).to_have_css(
        "background-color", "rgb(1, 2, 3)"
    )
