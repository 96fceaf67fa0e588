"""A browser without script: what was typed too late is there after signing in, and sent once."""

import re
from collections.abc import Callable

from django.contrib.auth.models import User
from playwright.sync_api import expect

from sessionmgr.core.policy import Policy
from sessionmgr.models import HeldForm
from tests.browser.conftest import Visitor
from tests.browser.test_story import sign_in


def test_form_sent_too_late_is_found_again_and_sent_once(
    visitors: Callable[..., Visitor], idle_policy: Policy, alice: User
) -> None:
    desk = visitors(own_clock=False, java_script_enabled=False)
    page = desk.open("/accounts/sign-in/?next=/demo/form/")
    sign_in(page, "alice")
    page.get_by_label("Customer").fill("Ada & Söhne <b>")
    page.get_by_label("What you found").fill("\nfirst line\n\nlast line")
    page.get_by_label("Purpose").select_option("complaint")
    desk.clock.advance(minutes=31)
    page.get_by_role("button", name="Send the report").click()

    expect(page).to_have_url(re.compile("/session/signed-out/"))
    expect(page.get_by_role("main")).to_contain_text("kept for 15 minutes")
    page.get_by_role("link", name="Sign in").click()
    sign_in(page, "alice")
    expect(page.get_by_role("heading", name="What you typed is still here")).to_be_visible()
    expect(page.get_by_label("Customer")).to_have_value("Ada & Söhne <b>")
    expect(page.get_by_label("Purpose")).to_have_value("complaint")
    expect(page.get_by_label("Findings")).to_have_value("\nfirst line\n\nlast line")

    where = page.url
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Received")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("Ada & Söhne <b>")
    assert HeldForm.objects.get().sent_at is not None
    page.goto(where)
    expect(page.get_by_role("heading", name="This is no longer here")).to_be_visible()
