"""About: versions, limits in force and where they come from, and one's own sign-in."""

from __future__ import annotations

from html import unescape
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr.core.policy import MINUTE, Policy
from sessionmgr.models import UserSession
from settings_app import about
from settings_app.models import Address, Environment
from settings_app.saving import Author, store
from tests.identity.browser import INSTANCES, Browser, commit, make_places
from tests.identity.providers.rogue import Rogue
from tests.sessionmgr.ledger import leased, now

URL = "/about/"


def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(URL)["Location"] == f"/accounts/sign-in/?next={URL}"


def test_about_tells_versions_limits_and_until_when(client: Client, alice: Any) -> None:
    client.force_login(alice)
    html = client.get(URL).content.decode()
    assert "version 9.2.0.1" in html
    assert "24 hours, as no identity provider\u0027s policy applies" in unescape(html)
    assert "up to the identity provider" in html
    assert "You stay signed in until" in html


def test_about_tells_where_each_number_comes_from(
    client: Client, alice: Any, environment: Environment
) -> None:
    policy = Policy(custom_length=True, max_session_length=120 * MINUTE)
    store(environment, policy, based_on=0, author=Author(name="admin"))
    client.force_login(alice)
    told = {number.name: number for number in client.get(URL).context["numbers"]}
    assert told["Maximum session length"].value == "120 minutes (2 hours)"
    assert told["Maximum session length"].source == "System Settings, version 1"
    assert told["Timeout warning"].source == "System Settings, version 1 (the default)"
    assert "Duration of inactivity" not in told


def test_limit_that_binds_comes_first(
    client: Client, alice: Any, environment: Environment
) -> None:
    policy = Policy(custom_length=True, inactivity_enabled=True)
    store(environment, policy, based_on=0, author=Author(name="admin"))
    client.force_login(alice)
    response = client.get(URL)
    first = response.context["limits"][0]
    assert first.binds
    assert first.is_moved_by_activity
    assert "Whatever you do moves it on." in response.content.decode()


def test_restored_defaults_are_named_as_the_source(
    client: Client, alice: Any, settings: Any
) -> None:
    settings.SESSIONMGR_RESTORE_DEFAULTS = True
    client.force_login(alice)
    sources = {number.source for number in client.get(URL).context["numbers"]}
    assert sources == {"default, restored by the site's operator"}


def test_version_is_that_of_the_installed_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(about, "version", lambda name: "1.2.3")
    assert about.app_version() == "version 1.2.3"

    def missing(name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(about, "version", missing)
    assert about.app_version() == "run from its sources"


class TestTheProvidersWord:
    """What the identity provider has confirmed, in words."""

    @pytest.fixture
    def confirmed(self, client: Client, alice: Any) -> Client:
        client.force_login(alice)
        UserSession.objects.update(**leased())
        return client

    def test_it_decides(self, confirmed: Client) -> None:
        html = confirmed.get(URL).content.decode()
        assert "Your identity provider decides how long you stay signed in" in html
        assert "You stay signed in until" not in html

    def test_it_is_out_of_reach(self, confirmed: Client) -> None:
        UserSession.objects.update(lease_failed_at=now())
        html = confirmed.get(URL).content.decode()
        assert "cannot be reached at the moment" in html
        assert "You stay signed in until" in html

    def test_a_custom_length_decides_instead(self, confirmed: Client, policy: Any) -> None:
        policy(custom_length=True)
        html = confirmed.get(URL).content.decode()
        assert "How long it lasts is set here." in html
        assert "You stay signed in until" in html

    def test_the_home_page_tells_the_same(self, confirmed: Client) -> None:
        assert "Your identity provider decides" in confirmed.get("/").content.decode()


class TestTheFallback:
    """Until when and why the provider's policy is bypassed, and the way around it (R4)."""

    @pytest.fixture
    def browser(self, at_rogue: Rogue, db: None) -> Browser:
        make_places()
        found = Browser(at_rogue)
        found.key("main")
        return found

    def told(self, browser: Browser, slug: str) -> str:
        response = browser.at[slug].client.get(URL)
        assert response.status_code == 200
        return " ".join(unescape(response.content.decode()).split())

    def test_who_lives_by_the_providers_policy_is_told_so(self, browser: Browser) -> None:
        html = self.told(browser, "main")
        assert "How long you stay signed in is decided by: your identity provider." in html
        assert "bypassed" not in html

    def test_opened_by_hand_the_way_leads_to_the_admin_center_that_was_visited(
        self, browser: Browser
    ) -> None:
        browser.visit("main")
        browser.key("new")
        html = self.told(browser, "new")
        assert "24 hours, as the identity provider's policy is bypassed." in html
        assert "you are signed out here on" in html
        assert "after you had visited the Admin Center" in html
        assert f'href="http://localhost{INSTANCES}"' in html
        browser.open("new")
        assert "bypassed" not in self.told(browser, "new")

    def test_opened_after_a_newer_one_the_way_is_another_browser_session(
        self, browser: Browser
    ) -> None:
        browser.key("old")
        html = self.told(browser, "old")
        assert "was opened after a newer one in the same browser session" in html
        assert "in a private window, or in another profile" in html
        assert "Sign out here" in html
        assert "Go to the Admin Center" not in html

    def test_a_custom_length_is_named_as_what_decides(self, browser: Browser, policy: Any) -> None:
        policy(custom_length=True)
        assert "decided by: System Settings of this environment." in self.told(browser, "main")

    def test_an_admin_center_that_cannot_be_reached_is_not_offered(self, browser: Browser) -> None:
        browser.visit("main")
        browser.key("new")
        Address.objects.filter(host="localhost").delete()
        commit()
        html = self.told(browser, "new")
        assert "after you had visited the Admin Center" in html
        assert "Go to the Admin Center" not in html

    def test_it_costs_who_has_no_fallback_nothing(
        self, browser: Browser, django_assert_num_queries: Any
    ) -> None:
        self.told(browser, "main")
        with django_assert_num_queries(2):
            self.told(browser, "main")


def test_the_admin_leads_to_it_whoever_may_see_the_admin(client: Client, alice: User) -> None:
    alice.is_staff = True
    alice.save()
    client.force_login(alice)
    index = client.get("/admin/").content.decode()
    link = "/admin/sessionmgr_settings/about/"
    assert f'href="{link}"' in index
    assert "System Settings</a>" not in index
    assert client.get(link)["Location"] == "/about/"


def test_a_project_without_the_page_has_no_link_to_it(
    admin_page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settings_app.admin.AboutAdmin.leads_to", "nowhere")
    assert "sessionmgr_settings/about/" not in admin_page.get("/admin/").content.decode()
