"""The story of the product, from both sides: an administrator sets limits, alice lives by them."""

import re
from collections.abc import Callable

from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from sessionmgr.models import UserSession
from tests.browser.conftest import Visitor, in_state


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(f"{name}-demo")
    page.get_by_role("button", name="Sign in").click()


def test_alice_is_warned_in_time_stays_with_a_click_and_left_alone_reads_why(
    visitors: Callable[..., Visitor], admin: User, alice: User
) -> None:
    office = visitors()
    settings = office.open("/accounts/sign-in/?next=/admin/system-settings/main/general/")
    sign_in(settings, "admin")
    settings.get_by_label("Set custom").check()
    settings.get_by_label("Enter maximum session length (minutes)").fill("480")
    settings.get_by_label("Enable session timeout due to inactivity").check()
    settings.get_by_label("Duration of inactivity before timeout (minutes)").fill("20")
    settings.get_by_label("do you want to show an inactivity warning?").fill("4")
    settings.get_by_role("button", name="Save").first.click()
    expect(settings.get_by_label("Enter maximum session length (minutes)")).to_have_value("480")

    desk = visitors()
    page = desk.open("/accounts/sign-in/?next=/form/")
    sign_in(page, "alice")
    in_state(page, "active")
    page.get_by_label("Report").press_sequentially("A long report")

    desk.pass_time(minutes=15)
    in_state(page, "active")
    desk.pass_time(minutes=2)
    in_state(page, "idle")
    page.get_by_role("button", name="Stay signed in").click()
    in_state(page, "active")
    assert not UserSession.objects.filter(user_id=alice.pk, state="ended").exists()

    desk.pass_time(minutes=16, seconds=30)
    in_state(page, "idle")
    desk.pass_time(minutes=3, seconds=31)
    in_state(page, "ended")
    assert UserSession.objects.get(user_id=alice.pk).ended_reason == "inactivity"
    expect(page.get_by_role("alertdialog")).to_contain_text(
        "You were signed out because nothing happened for a while."
    )
    other = desk.open("/form/")
    expect(other).to_have_url(re.compile("/session/signed-out/.*reason=inactivity"))
