"""The Admin Center over three hosts and the demo's identity provider: Open, typing, and About."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from playwright.sync_api import Page, expect

from sessionmgr import clock as seam
from sessionmgr.models import UserSession
from sessionmgr.project.demo import environments
from sessionmgr.project.demo.provider.config import CLIENT_ID, Config
from sessionmgr.project.demo.provider.server import Server
from sessionmgr.project.demo.provider.state import Provider
from settings_app import source
from tests.browser.conftest import Visitor
from tests.browser.test_looks import fits, violations
from tests.browser.test_settings import violations as violations_of_ours
from tests.identity.browser import INSTANCES
from tests.identity.conftest import connected
from tests.services.cluster import free_port

pytestmark = pytest.mark.django_db(transaction=True)


class Site:
    """The demo's three hosts, and its provider as the app sees it."""

    def __init__(self, config: Config, port: int) -> None:
        self.issuer = config.issuer
        self.client_id = CLIENT_ID
        self.client_secret = config.client_secret
        self.at = {each.slug: f"http://{each.host}:{port}" for each in environments.INSTANCES}


@pytest.fixture
def site(live_server: Any, tmp_path: Path, settings: Any) -> Iterator[Site]:
    port = urlsplit(live_server.url).port
    hosts = tuple(f"http://{each.host}:{port}" for each in environments.INSTANCES)
    config = Config(free_port(), hosts, tmp_path, "of-the-story")
    provider = Provider(config, lambda: time.time() + seam.shift.total_seconds())  # noqa: TID251
    server = Server(provider)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {**policy, "form-action": [*policy["form-action"], config.issuer]}
    }
    environments.create()
    source.invalidate()
    found = Site(config, port or 80)
    with connected(settings, found):
        settings.ROOT_URLCONF = "tests.browser.pages"
        yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page_of(visitors: Callable[..., Visitor], site: Site) -> Callable[..., Page]:
    """Return an administrator's browser, signed in to the main environment by the provider."""

    def page_with(**options: Any) -> Page:
        page = visitors(own_clock=False, **options).context.new_page()
        page.goto(f"{site.at['main']}/oidc/authenticate/?next=/about/")
        page.get_by_label("Name or e-mail address").fill("admin")
        page.get_by_label("Password").fill("admin-demo")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="No", exact=True).click()
        expect(page.get_by_role("heading", name="About")).to_be_visible()
        get_user_model().objects.update(is_staff=True, is_superuser=True)
        return page

    return page_with


@pytest.fixture
def page(page_of: Callable[..., Page]) -> Page:
    return page_of()


def reason_in(slug: str) -> str:
    return UserSession.objects.live().get(scope=slug).fallback_reason


def test_open_signs_in_without_a_question_and_typing_the_address_costs_the_policy(
    page: Page, site: Site
) -> None:
    page.goto(site.at["main"] + INSTANCES)
    expect(page.get_by_role("row", name="Portal")).to_contain_text("active")

    # The address typed: the provider asks nothing, but the policy is bypassed, and About says so.
    page.goto(f"{site.at['portal']}/oidc/authenticate/?next=/about/")
    expect(page).to_have_url(f"{site.at['portal']}/about/")
    assert reason_in("portal") == "manual_entry"
    expect(page.get_by_role("note")).to_contain_text("after you had visited the Admin Center")

    # The way around it: the button leads to the Admin Center, and Open to the same place.
    page.get_by_role("link", name="Go to the Admin Center").click()
    expect(page).to_have_url(site.at["main"] + INSTANCES)
    page.get_by_role("button", name="Open Portal").click()
    expect(page).to_have_url(re.compile(re.escape(site.at["portal"]) + "/"))
    page.wait_for_load_state()
    assert reason_in("portal") == ""
    page.goto(f"{site.at['portal']}/about/")
    expect(page.get_by_text("decided by: your identity provider.")).to_be_visible()


def test_an_older_version_is_told_even_of_who_came_by_open(page: Page, site: Site) -> None:
    page.goto(site.at["main"] + INSTANCES)
    expect(page.get_by_role("row", name="Legacy")).to_contain_text("separate browser session")
    page.get_by_role("button", name="Open Legacy").click()
    expect(page).to_have_url(re.compile(re.escape(site.at["legacy"]) + "/"))
    page.goto(f"{site.at['legacy']}/about/")
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
    page_of: Callable[..., Page], site: Site, look: dict[str, Any]
) -> None:
    # axe measures with inline styles, which the page's own policy refuses.
    page = page_of(bypass_csp=True, **look)
    page.goto(site.at["main"] + INSTANCES)
    assert violations_of_ours(page) == []
    assert fits(page)
    page.goto(f"{site.at['legacy']}/oidc/authenticate/?next=/about/")
    expect(page.get_by_role("note")).to_be_visible()
    assert violations(page) == []
    assert fits(page)
    page.goto(f"{site.at['portal']}/launch/?ticket=forged")
    expect(page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()
    assert violations(page) == []
    assert fits(page)
