"""The Admin Center over three hosts and the demo's identity provider: Open, typing, and About."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, expect

from sessionmgr.models import UserSession
from sessionmgr.project.demo import environments
from settings_app import source
from tests.browser.conftest import Visitor
from tests.browser.demo import admitted, answer_provider, at_demo_provider, picture
from tests.browser.test_looks import fits, violations
from tests.browser.test_settings import violations as violations_of_ours
from tests.identity.browser import INSTANCES
from tests.identity.conftest import certified as certified
from tests.identity.conftest import certified_process as certified_process
from tests.identity.providers.certified import CertifiedProvider

pytestmark = pytest.mark.django_db(transaction=True)


#: The demo's own provider, and npm's oidc-provider, which nobody here has written.
BOTH = pytest.mark.parametrize("at", ["demo", "certified"], indirect=True)


@pytest.fixture
def at(
    live_server: Any, tmp_path: Path, settings: Any, request: pytest.FixtureRequest
) -> Iterator[dict[str, str]]:
    """Where each of the demo's environments is; their provider knows them all."""
    port = urlsplit(live_server.url).port
    hosts = {each.slug: f"http://{each.host}:{port}" for each in environments.INSTANCES}
    environments.create()
    source.invalidate()
    if getattr(request, "param", "demo") == "demo":
        with at_demo_provider(list(hosts.values()), tmp_path, settings):
            yield hosts
    else:
        certified: CertifiedProvider = request.getfixturevalue("certified")
        certified.allow(*hosts.values())
        with admitted(certified, settings):
            yield hosts


@pytest.fixture
def page_of(visitors: Callable[..., Visitor], at: dict[str, str]) -> Callable[..., Page]:
    """Return an administrator's browser, signed in to the main environment by the provider."""

    def page_with(**options: Any) -> Page:
        options.setdefault("viewport", {"width": 900, "height": 640})
        page = visitors(own_clock=False, **options).context.new_page()
        page.goto(f"{at['main']}/oidc/authenticate/?next=/about/")
        answer_either_provider(page)
        expect(page.get_by_role("heading", name="About")).to_be_visible()
        get_user_model().objects.update(is_staff=True, is_superuser=True)
        return page

    return page_with


@pytest.fixture
def page(page_of: Callable[..., Page]) -> Page:
    return page_of()


def answer_either_provider(page: Page) -> None:
    if page.get_by_label("Name or e-mail address").count():
        answer_provider(page, "admin", stay=False)
        return
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill("admin-demo")
    page.get_by_role("button", name="Sign in").click()


def reason_in(slug: str) -> str:
    return UserSession.objects.live().get(scope=slug).fallback_reason


@BOTH
def test_open_signs_in_without_a_question_and_typing_the_address_costs_the_policy(
    page: Page, at: dict[str, str]
) -> None:
    page.goto(at["main"] + INSTANCES)
    expect(page.get_by_role("row", name="Portal")).to_contain_text("active")
    picture(page, "instances", is_ours=False)

    # The address typed: the provider asks nothing, but the policy is bypassed, and About says so.
    page.goto(f"{at['portal']}/oidc/authenticate/?next=/about/")
    expect(page).to_have_url(f"{at['portal']}/about/")
    assert reason_in("portal") == "manual_entry"
    expect(page.get_by_role("note")).to_contain_text("after you had visited the Admin Center")
    picture(page, "bypassed", is_ours=False)

    # The way around it: the button leads to the Admin Center, and Open to the same place.
    page.get_by_role("link", name="Go to the Admin Center").click()
    expect(page).to_have_url(at["main"] + INSTANCES)
    page.get_by_role("button", name="Open Portal").click()
    expect(page).to_have_url(re.compile(re.escape(at["portal"]) + "/"))
    page.wait_for_load_state()
    assert reason_in("portal") == ""
    page.goto(f"{at['portal']}/about/")
    expect(page.get_by_text("decided by: your identity provider.")).to_be_visible()


@BOTH
def test_an_older_version_is_told_even_of_who_came_by_open(page: Page, at: dict[str, str]) -> None:
    page.goto(at["main"] + INSTANCES)
    expect(page.get_by_role("row", name="Legacy")).to_contain_text("older")
    expect(page.get_by_text("in a separate browser session")).to_be_visible()
    page.get_by_role("button", name="Open Legacy").click()
    expect(page).to_have_url(re.compile(re.escape(at["legacy"]) + "/"))
    page.goto(f"{at['legacy']}/about/")
    expect(page.get_by_role("note")).to_contain_text("of an older version")
    assert reason_in("legacy") == "older_version"
    page.get_by_role("button", name="Sign out here").click()
    expect(page).to_have_url(re.compile("/session/signed-out/"))


@pytest.mark.parametrize(
    "look",
    [
        pytest.param({}, id="light"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param({"viewport": {"width": 320, "height": 640}}, id="small"),
    ],
)
def test_the_pages_are_well_made(
    page_of: Callable[..., Page], at: dict[str, str], look: dict[str, Any]
) -> None:
    # axe measures with inline styles, which the page's own policy refuses.
    page = page_of(bypass_csp=True, **look)
    page.goto(at["main"] + INSTANCES)
    assert violations_of_ours(page) == []
    assert fits(page)
    page.goto(f"{at['legacy']}/oidc/authenticate/?next=/about/")
    expect(page.get_by_role("note")).to_be_visible()
    assert violations(page) == []
    assert fits(page)
    page.goto(f"{at['portal']}/launch/?ticket=forged")
    expect(page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()
    assert violations(page) == []
    assert fits(page)
