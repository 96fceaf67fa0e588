"""The tab and the notice that tell administrators whether the identity provider answers (R6)."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr import clock
from sessionmgr.identity.outcomes import Mistake, Problem
from sessionmgr.models import FederatedIdentity, ProviderHealth
from settings_app.models import Environment
from settings_app.provider import MISTAKES, footings_of, problem_words
from tests.sessionmgr.ledger import leased, session_of

pytestmark = pytest.mark.django_db

ISSUER = "https://login.example.org"
PAGE = "/admin/system-settings/main/provider/"
GENERAL = "/admin/system-settings/main/general/"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def at_provider(settings: Any) -> None:
    settings.OIDC_ISSUER = ISSUER
    settings.SESSIONMGR_PROVIDER_NAME = ""


def fail(problem: str = Problem.TIMEOUT, next_try_in: timedelta = HOUR) -> None:
    now = clock.now("default")
    ProviderHealth.objects.note_failure(ISSUER, problem, now - HOUR, now + next_try_in)


def text_of(client: Client, page: str) -> str:
    return " ".join(unescape(client.get(page).content.decode()).split())


class TestTab:
    def test_it_is_there_where_there_is_a_provider(
        self, admin_page: Client, settings: Any
    ) -> None:
        assert f'href="{PAGE}" aria-current="page"' in text_of(admin_page, PAGE)
        settings.OIDC_ISSUER = ""
        assert PAGE not in text_of(admin_page, GENERAL)
        assert "This site has no identity provider" in text_of(admin_page, PAGE)

    def test_others_do_not_see_it(self, client: Client, alice: User) -> None:
        assert client.get(PAGE).status_code == 302
        client.force_login(alice)
        assert client.get(PAGE).status_code == 403
        assert client.post(PAGE).status_code == 405

    def test_a_provider_that_never_failed(self, admin_page: Client) -> None:
        page = text_of(admin_page, PAGE)
        assert f"The identity provider {ISSUER} is within reach" in page
        assert "outage was over" not in page

    def test_an_outage_since_when_why_and_the_next_try(
        self, admin_page: Client, settings: Any
    ) -> None:
        settings.SESSIONMGR_PROVIDER_NAME = "Example"
        fail()
        page = text_of(admin_page, PAGE)
        assert "The identity provider Example has been out of reach since" in page
        assert "It does not answer in time." in page
        assert "It is tried again in 3600 seconds" in page
        assert ISSUER in page

    def test_a_next_try_that_is_due(self, admin_page: Client) -> None:
        fail(next_try_in=-HOUR)
        assert "It is tried again with the next question" in text_of(admin_page, PAGE)

    def test_a_mistake_is_no_outage(self, admin_page: Client) -> None:
        fail(Mistake.INVALID_CLIENT)
        page = text_of(admin_page, PAGE)
        assert "has refused this site since" in page
        assert "look at the client id and secret" in page

    def test_an_outage_that_is_over(self, admin_page: Client) -> None:
        fail()
        ProviderHealth.objects.note_success(ISSUER, clock.now("default"))
        page = text_of(admin_page, PAGE)
        assert "is within reach" in page
        assert "Its last outage was over at" in page

    def test_one_that_does_not_tell_when_credentials_were_given(self, admin_page: Client) -> None:
        ProviderHealth.objects.note_auth_time(ISSUER, clock.now("default"), is_told=False)
        page = text_of(admin_page, PAGE)
        assert "is within reach" in page
        assert "It has not told when people gave their credentials (auth_time) since" in page
        assert "out of reach" not in text_of(admin_page, GENERAL)

    def test_of_another_provider_nothing_is_told(self, admin_page: Client, settings: Any) -> None:
        fail()
        settings.OIDC_ISSUER = "https://another.example"
        assert "is within reach" in text_of(admin_page, PAGE)

    @pytest.mark.parametrize("code", [*Problem, *Mistake])
    def test_each_problem_has_a_sentence_of_its_own_or_its_code(self, code: str) -> None:
        told = str(problem_words(code))
        is_own = code in (*Problem, *MISTAKES) and code not in (Problem.BUSY, Problem.WAITING)
        assert told.endswith(".")
        assert (f"({code})" in told) is not is_own


class TestFootings:
    @pytest.fixture
    def sessions(self, settings: Any, alice: User) -> None:
        settings.SESSIONMGR_OUTAGE_GRACE = timedelta(days=1)
        FederatedIdentity.objects.create(
            pk=1, issuer=ISSUER, subject="a", user=alice, linked_at=clock.now("default")
        )
        now = clock.now("default")
        past = now - 2 * HOUR
        session_of(**leased())
        session_of(**leased(now - HOUR / 2, lease_source="refresh"))
        session_of(**leased(past))
        session_of(**leased(past), lease_failed_at=now)
        session_of(**leased(past), lease_failed_at=now, stays_signed_in=True)
        session_of(**leased(past - HOUR), lease_failed_at=now, stays_signed_in=True)
        session_of()
        session_of(scope="portal")
        ended = session_of()
        ended.state, ended.ended_at, ended.ended_reason = "ended", now, "signed_out"
        ended.save()

    def test_each_live_session_of_the_environment_has_one(self, sessions: None) -> None:
        rows, sources = footings_of("main", clock.now("default"))
        assert [row.count for row in rows] == [2, 1, 2, 1, 1]
        assert [(str(words), count) for words, count in sources] == [
            ("signing in", 5),
            ("a refresh token", 1),
        ]

    def test_the_first_to_lose_it(self, sessions: None) -> None:
        now = clock.now("default")
        confirmed, _due, staying, lost, none = footings_of("main", now)[0]
        assert confirmed.first_ends_at is not None
        assert abs(confirmed.first_ends_at - now - HOUR / 2) < timedelta(minutes=1)
        assert staying.first_ends_at is not None
        assert abs(staying.first_ends_at - now + 2 * HOUR - timedelta(days=1)) < timedelta(
            minutes=1
        )
        assert lost.first_ends_at is none.first_ends_at is None

    def test_the_page_counts_them(
        self, admin_page: Client, sessions: None, django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(12):
            page = text_of(admin_page, PAGE)
        assert "Staying signed in through the outage" in page
        assert '<td data-label="Sessions">2</td>' in page
        assert "Confirmed last by: signing in (5), a refresh token (1)" in page


class TestNotice:
    WORDS = "has been out of reach since"

    @pytest.mark.parametrize("page", ["/admin/", GENERAL])
    def test_it_is_once_on_every_page_of_the_admin(self, admin_page: Client, page: str) -> None:
        assert "Which sessions live on what" not in text_of(admin_page, page)
        fail()
        told = text_of(admin_page, page)
        assert told.count("Which sessions live on what") == 1
        assert self.WORDS in told
        assert f'<a href="{PAGE}">' in told

    def test_but_not_on_its_own_tab_which_says_more(self, admin_page: Client) -> None:
        fail()
        assert text_of(admin_page, PAGE).count(self.WORDS) == 1

    def test_who_may_not_see_settings_does_not_see_it(self, client: Client, alice: User) -> None:
        fail()
        alice.is_staff = True
        alice.save()
        assert self.WORDS not in text_of(client, "/admin/login/")
        client.force_login(alice)
        assert self.WORDS not in text_of(client, "/admin/")

    def test_without_an_environment_of_its_own_it_leads_to_all(
        self, admin_page: Client, settings: Any
    ) -> None:
        fail()
        settings.SESSIONMGR_SCOPE_SOURCE = "sessionmgr.sources.single_scope"
        Environment.objects.update(slug="renamed")
        assert '<a href="/admin/system-settings/">' in text_of(admin_page, "/admin/")

    def test_it_costs_nothing_without_a_provider(
        self, admin_page: Client, settings: Any, django_assert_num_queries: Any
    ) -> None:
        fail()
        settings.OIDC_ISSUER = ""
        assert self.WORDS not in text_of(admin_page, "/admin/")
