"""The Admin Center's Instances tab: what it shows, to whom, and where Open leads."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from sessionmgr.core.policy import Policy
from settings_app.addresses import AddressBook, Home, Place
from settings_app.models import Address, Environment
from settings_app.tickets import AdminCenterVisit, LaunchTicket
from settings_app.words import policy_line
from tests.identity.browser import INSTANCES, Browser, commit, make_places
from tests.identity.providers.rogue import Rogue
from tests.sessionmgr.ledger import leased, session_of

OPEN = f"{INSTANCES}new/open/"


@pytest.fixture
def places(db: None) -> None:
    make_places()


@pytest.fixture
def here(places: None, admin: Any) -> Client:
    """The administrator's browser, signed in by a password at the main environment."""
    client = Client(SERVER_NAME="localhost")
    client.force_login(admin)
    return client


@pytest.fixture
def browser(places: None, at_rogue: Rogue) -> Browser:
    found = Browser(at_rogue)
    found.key("main")
    return found


def by_slug(response: Any) -> dict[str, Any]:
    return {each.environment.slug: each for each in response.context["listed"]}


def test_every_environment_is_listed(here: Client) -> None:
    response = here.get(INSTANCES)
    html = response.content.decode()
    for words in ("Admin Center", "Instances", "9.1.0.3647", "You are here.", "active"):
        assert words in html
    assert list(by_slug(response)) == ["main", "new", "old"]
    assert by_slug(response)["main"].policy == "identity provider's policy; no inactivity timeout"
    assert [each.is_older for each in by_slug(response).values()] == [False, False, True]


def test_live_sessions_are_counted_by_the_reason_of_their_fallback(here: Client) -> None:
    fallback = {"policy_source": "fallback", "scope": "new"}
    for _each in range(2):
        session_of(**fallback, fallback_reason="manual_entry")
    session_of(**{**leased(), **fallback, "fallback_reason": "older_version"})
    session_of(scope="new", **leased())
    session_of(scope="new", state="ended", ended_reason="signed_out", ended_at="2026-01-01T00:00Z")
    found = by_slug(here.get(INSTANCES))
    assert (found["main"].live, found["new"].live, found["old"].live) == (1, 4, 0)
    assert found["new"].fallbacks == [
        ("opened by its address after a visit to the Admin Center", 2),
        ("opened after an environment of a newer version", 1),
    ]
    assert found["main"].fallbacks == [("no identity provider's policy", 1)]


def test_queries_do_not_grow_with_the_environments(
    here: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        Environment.objects.create(slug=f"x{number}", name=f"X{number}", version="9.2")
    commit()
    here.get(INSTANCES)
    with django_assert_max_num_queries(6):
        here.get(INSTANCES)


class TestWhoMay:
    """Whoever may open System Settings."""

    def test_an_auditor(self, places: None, auditor: Any) -> None:
        client = Client(SERVER_NAME="localhost")
        client.force_login(auditor)
        assert client.get(INSTANCES).status_code == 200
        assert "Instances" in client.get("/admin/").content.decode()

    def test_nobody_else(self, places: None, alice: Any) -> None:
        client = Client(SERVER_NAME="localhost")
        assert client.get(INSTANCES)["Location"].startswith("/accounts/sign-in/")
        client.force_login(alice)
        assert client.get(INSTANCES).status_code == 403
        assert client.post(OPEN).status_code == 403

    def test_the_admin_leads_there(self, here: Client) -> None:
        answer = here.get("/admin/sessionmgr_settings/instance/")
        assert answer["Location"] == INSTANCES
        assert "/admin/sessionmgr_settings/instance/" in here.get("/admin/").content.decode()
        assert here.get("/admin/sessionmgr_settings/instance/add/").status_code == 404


class TestOpen:
    """A form with a token where a ticket is to be made, else a link."""

    def test_without_a_provider_it_is_a_link_and_the_page_says_why(self, here: Client) -> None:
        html = here.get(INSTANCES).content.decode()
        assert 'href="http://portal.localhost/"' in html
        assert "You have signed in with a password of this site" in html
        assert OPEN not in html
        assert here.post(OPEN)["Location"] == "http://portal.localhost/"
        assert not LaunchTicket.objects.exists()
        assert not AdminCenterVisit.objects.exists()

    def test_with_one_it_is_a_form(self, browser: Browser) -> None:
        response = browser.visit()
        html = response.content.decode()
        assert f'action="{OPEN}"' in html
        assert "Open environments from here." in html
        policy = response["Content-Security-Policy"]
        assert "form-action 'self'" in policy
        assert "http://portal.localhost" in policy

    def test_it_needs_the_token_of_the_form(self, browser: Browser) -> None:
        browser.at["main"].client.handler.enforce_csrf_checks = True
        assert browser.at["main"].client.post(OPEN).status_code == 403
        assert not LaunchTicket.objects.exists()

    def test_a_link_is_no_form(self, browser: Browser) -> None:
        assert browser.at["main"].client.get(OPEN).status_code == 405

    def test_no_credentials_are_asked_for(self, browser: Browser, clock: Any) -> None:
        clock.advance(hours=3)
        assert browser.ticket("new").startswith("http://portal.localhost/launch/")

    def test_the_environment_one_is_in_needs_no_ticket(self, browser: Browser) -> None:
        answer = browser.at["main"].client.post(f"{INSTANCES}main/open/")
        assert answer["Location"] == "http://localhost/"

    @pytest.mark.parametrize("slug", ["lost", "nowhere"])
    def test_what_cannot_be_reached_is_not_opened(self, browser: Browser, slug: str) -> None:
        Environment.objects.create(slug="lost", name="Lost", version="9.2")
        response = browser.visit()
        assert by_slug(response)["lost"].home is None
        assert "not active: no address leads to it" in response.content.decode()
        assert browser.at["main"].client.post(f"{INSTANCES}{slug}/open/").status_code == 404

    def test_the_port_goes_along(self, here: Client) -> None:
        answer = here.post(OPEN, headers={"host": "localhost:8000"})
        assert answer["Location"] == "http://portal.localhost:8000/"

    def test_a_path_goes_along(self, browser: Browser) -> None:
        Address.objects.filter(host="portal.localhost").update(host="localhost", prefix="/new/")
        commit()
        assert browser.ticket("new").startswith("http://localhost/new/launch/?ticket=")

    def test_from_below_a_path_it_leads_out_of_it(self, browser: Browser) -> None:
        Address.objects.filter(host="portal.localhost").update(host="localhost", prefix="/new/")
        commit()
        browser.at["main"].begin_at("/new/oidc/authenticate/")
        browser.at["main"].client.get(browser.at["main"].come_back("alice"))
        answer = browser.at["main"].client.post(f"/new{INSTANCES}old/open/")
        assert answer["Location"].startswith("http://legacy.localhost/launch/?ticket=")

    def test_a_project_without_the_page_for_arrivals_has_links(
        self, browser: Browser, settings: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.settings_app.no_launch_urls"
        assert 'href="http://portal.localhost/"' in browser.visit().content.decode()
        answer = browser.at["main"].client.post(OPEN)
        assert answer["Location"] == "http://portal.localhost/"


@pytest.mark.parametrize(
    ("scope", "host", "home"),
    [
        pytest.param("main", "a.example", Home("a.example"), id="the-default-anywhere"),
        pytest.param("portal", "a.example", Home("portal.example"), id="its-host"),
        pytest.param("portal", "portal.example", Home("portal.example"), id="here"),
        pytest.param("main", "portal.example", None, id="the-default-has-no-address"),
        pytest.param("path", "a.example", Home("a.example", "/path/"), id="a-path-here"),
        pytest.param("path", "portal.example", None, id="a-path-that-a-host-has-taken"),
        pytest.param("both", "a.example", Home("b.example", "/both/"), id="a-path-at-a-host"),
        pytest.param("none", "a.example", None, id="no-address"),
    ],
)
def test_where_an_environment_answers(scope: str, host: str, home: Home | None) -> None:
    book = AddressBook.of(
        "main",
        [
            ("portal.example", Place("portal")),
            ("", Place("path", "/path/")),
            ("b.example", Place("both", "/both/")),
        ],
    )
    assert book.home_of(scope, host) == home


@pytest.mark.parametrize(
    ("policy", "line"),
    [
        (Policy(), "identity provider's policy; no inactivity timeout"),
        (Policy(custom_length=True), "1440 minutes (24 hours); no inactivity timeout"),
        (Policy(inactivity_enabled=True), "identity provider's policy; 30 minutes of inactivity"),
    ],
)
def test_a_policy_in_one_line(policy: Policy, line: str) -> None:
    assert policy_line(policy) == line
