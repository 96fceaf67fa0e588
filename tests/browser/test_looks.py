"""Everybody can read and use the warning: axe, small windows, colours, direction, paper."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessionmgr.core.policy import MINUTE, Policy
from tests.browser.conftest import Visitor, in_state
from tests.requirements import require

AXE = Path(project.BASE_DIR) / "node_modules" / "axe-core" / "axe.min.js"

#: Where `make pictures` wants a picture of every state in every look.
PICTURES = os.environ.get("PICTURES")

LOOKS = [
    pytest.param({}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"forced_colors": "active"}, id="forced-colours"),
    pytest.param({"locale": "ar", "color_scheme": "dark"}, id="right-to-left"),
    pytest.param({"viewport": {"width": 320, "height": 256}}, id="small"),
]


def violations(page: Page) -> list[Any]:
    """Return what axe finds wrong with the page as it is."""
    require(AXE.exists(), "axe-core is not installed: npm ci")
    # add_script_tag would be refused by the page's Content-Security-Policy.
    page.evaluate(AXE.read_text() + ";0")
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'], preload: false})"
    )
    return [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


def fits(page: Page) -> bool:
    """Return whether nothing reaches out of the window sideways."""
    return bool(
        page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('dialog[open]')]"
            ".every((box) => box.scrollWidth <= box.clientWidth)"
        )
    )


def targets_are_large(page: Page) -> bool:
    """Return whether everything to press on the open dialog or banner is 44 pixels or more."""
    boxes = [
        button.bounding_box() for button in page.locator("session-timeout :is(button, a)").all()
    ]
    return all(box["height"] >= 44 and box["width"] >= 44 for box in boxes if box)


def is_well_made(page: Page, name: str) -> None:
    """Hold the page to the rules above once what fades in is there; picture it if asked to."""
    page.evaluate("Promise.all(document.getAnimations().map((animation) => animation.finished))")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
    assert violations(page) == []
    assert fits(page)
    assert targets_are_large(page)


@pytest.mark.parametrize("look", LOOKS)
def test_every_state_is_well_made(
    visitors: Callable[..., Visitor],
    alice: User,
    policy: Callable[..., Policy],
    look: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    looks = request.node.callspec.id
    person = visitors(**look)
    person.sign_in(alice)
    policy(inactivity_enabled=True)
    page = person.open("/form/")
    page.locator("textarea").press_sequentially("Work")
    person.pass_time(minutes=26)
    in_state(page, "idle")
    is_well_made(page, f"idle-{looks}")
    page.route("**/session/*/", lambda route: route.abort())
    page.locator("dialog[open] [data-event=stay]").click()
    page.locator("session-timeout[problem]").wait_for(state="attached")
    is_well_made(page, f"idle-problem-{looks}")
    person.pass_time(minutes=5)
    in_state(page, "offline")
    is_well_made(page, f"offline-{looks}")
    page.unroute("**/session/*/")
    page.locator("dialog[open] [data-event=wake]").click()
    in_state(page, "ended")
    is_well_made(page, f"ended-{looks}")
    page.close()

    policy(custom_length=True, max_session_length=60 * MINUTE)
    person.sign_in(alice)
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=42)
    in_state(page, "banner")
    is_well_made(page, f"banner-{looks}")
    person.pass_time(minutes=17)
    in_state(page, "session")
    is_well_made(page, f"session-{looks}")


def test_words_and_numbers_follow_the_page_language(
    visitors: Callable[..., Visitor], alice: User, idle_policy: Policy
) -> None:
    person = visitors(locale="ar")
    person.sign_in(alice)
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=26)
    in_state(page, "idle")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    expect(page.locator("dialog[open] [data-count]")).to_contain_text("دقائق")


def test_the_primary_button_can_be_read_in_forced_colours(
    visitors: Callable[..., Visitor], alice: User, idle_policy: Policy
) -> None:
    person = visitors(forced_colors="active")
    person.sign_in(alice)
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=26)
    in_state(page, "idle")
    colours = page.locator("dialog[open] [data-event=stay]").evaluate(
        "(button) => [getComputedStyle(button).color, getComputedStyle(button).backgroundColor]"
    )
    assert colours[0] != colours[1]


def test_it_does_not_move_for_who_wants_no_motion(
    visitors: Callable[..., Visitor], alice: User, idle_policy: Policy
) -> None:
    person = visitors(reduced_motion="reduce")
    person.sign_in(alice)
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=26)
    in_state(page, "idle")
    assert page.evaluate("document.getAnimations().length") == 0


def test_it_is_not_printed(person: Visitor, idle_policy: Policy) -> None:
    page = person.open("/form/")
    in_state(page, "active")
    person.pass_time(minutes=26)
    in_state(page, "idle")
    page.emulate_media(media="print")
    expect(page.get_by_role("alertdialog")).to_be_hidden()
