"""Renewing a lease: five outcomes that never mix, and a refresh token that is spent once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from sessionmgr.identity import breaker, grants, renewal
from sessionmgr.models import ProviderGrant, ProviderHealth, State, UserSession
from sessionmgr.signals import identity_mismatch, provider_misconfigured
from tests.conftest import Clock
from tests.identity.providers.forgeries import ABSENT
from tests.identity.providers.rogue import Rogue
from tests.identity.visitor import Visitor

OUTAGES = [
    "refuse",
    "503",
    "429",
    "500",
    "temporarily_unavailable",
    "server_error",
    "empty_error",
    "login_page",
    "malformed_json",
]


@pytest.fixture
def alice_there(visitor: Visitor) -> Visitor:
    """Alice, signed in by the provider."""
    visitor.sign_in()
    return visitor


@pytest.fixture
def heard() -> Any:
    """What the alarms said."""
    told: list[dict[str, Any]] = []

    def note(**arguments: Any) -> None:
        told.append(arguments)

    for signal in (identity_mismatch, provider_misconfigured):
        signal.connect(note, weak=False, dispatch_uid=note)
    yield told
    for signal in (identity_mismatch, provider_misconfigured):
        signal.disconnect(dispatch_uid=note)


class TestOnARequest:
    """A session that was away is asked about when it comes back."""

    def test_nobody_is_asked_while_the_lease_is_good(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        clock.advance(minutes=59)
        calls = at_rogue.calls.total()
        assert alice_there.get().status_code == 200
        assert at_rogue.calls.total() == calls

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_then_the_provider_confirms_and_nobody_notices(
        self, alice_there: Visitor, clock: Clock, method: str
    ) -> None:
        before = alice_there.row
        clock.advance(hours=20)
        response = getattr(alice_there.client, method)("/protected/")
        assert response.status_code == 200
        after = alice_there.row
        assert after.lease_source == "refresh"
        assert after.lease_valid_until > before.lease_valid_until + timedelta(hours=19)
        assert after.authenticated_at == before.authenticated_at
        assert after.generation == before.generation + 1

    def test_a_poll_too_and_it_is_no_activity(self, alice_there: Visitor, clock: Clock) -> None:
        before = alice_there.row
        clock.advance(hours=2)
        assert alice_there.get("/session/status/").status_code == 200
        assert alice_there.row.last_activity_at == before.last_activity_at

    def test_it_goes_on_for_as_long_as_the_provider_renews(
        self, alice_there: Visitor, clock: Clock
    ) -> None:
        for _ in range(5):
            clock.advance(days=80)
            assert alice_there.get("/protected/").status_code == 200

    def test_90_days_away_are_too_many(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        clock.advance(days=90)
        assert alice_there.name == "AnonymousUser"
        assert alice_there.row.ended_reason == "identity_lifetime"
        assert at_rogue.calls["token"] == 1

    def test_a_denial_ends_it_at_once(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.disable("alice")
        clock.advance(hours=1)
        assert alice_there.name == "AnonymousUser"
        assert alice_there.row.ended_reason == "policy_denied"

    def test_a_revoked_token_does_too(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.revoke("alice")
        clock.advance(hours=1)
        assert alice_there.get("/json/", HTTP_ACCEPT="application/json").status_code == 401
        assert alice_there.row.ended_reason == "policy_denied"

    def test_so_does_a_denial_under_a_custom_length(
        self, alice_there: Visitor, at_rogue: Rogue, policy: Any, clock: Clock
    ) -> None:
        policy(custom_length=True)
        at_rogue.disable("alice")
        clock.advance(hours=1)
        assert alice_there.name == "AnonymousUser"
        assert alice_there.row.ended_reason == "policy_denied"

    def test_a_denial_for_somebody_else_is_an_alarm(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock, heard: list[dict[str, Any]]
    ) -> None:
        at_rogue.fault("token", "another_user")
        clock.advance(hours=1)
        assert alice_there.name == "AnonymousUser"
        row = alice_there.row
        assert row.ended_reason == "identity_mismatch"
        assert [(each["session_id"], each["user_id"]) for each in heard] == [(row.pk, row.user_id)]


class TestOutage:
    """Nobody is signed out who need not be (R6)."""

    @pytest.mark.parametrize("mode", OUTAGES)
    def test_while_the_lease_is_good_people_go_on(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock, mode: str
    ) -> None:
        at_rogue.fault("token", mode)
        clock.advance(minutes=50)
        call_command("renew_leases")
        assert alice_there.get("/protected/").status_code == 200

    @pytest.mark.parametrize("mode", OUTAGES)
    def test_then_it_ends(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock, mode: str
    ) -> None:
        at_rogue.fault("token", mode)
        clock.advance(hours=1)
        assert alice_there.name == "AnonymousUser"
        assert alice_there.row.ended_reason == "lease_expired"

    @pytest.mark.parametrize("mode", OUTAGES)
    def test_who_chose_to_stay_goes_on_for_a_day(
        self, at_rogue: Rogue, visitor: Visitor, clock: Clock, mode: str
    ) -> None:
        at_rogue.id_token(signin_state=["kmsi"])
        visitor.sign_in()
        at_rogue.fault("token", mode)
        clock.advance(hours=24, minutes=59)
        assert visitor.get("/protected/").status_code == 200
        status = visitor.get("/session/status/").json()
        assert status["ends_by"] == "lease"
        assert 0 < status["session_seconds"] <= 60
        clock.advance(minutes=1)
        assert visitor.name == "AnonymousUser"
        assert visitor.row.ended_reason == "lease_expired"

    def test_no_other_limit_is_lifted(
        self, at_rogue: Rogue, visitor: Visitor, policy: Any, clock: Clock
    ) -> None:
        policy(inactivity_enabled=True)
        at_rogue.id_token(signin_state=["kmsi"])
        visitor.sign_in()
        at_rogue.fault("token", "503")
        clock.advance(hours=2)
        assert visitor.name == "AnonymousUser"
        assert visitor.row.ended_reason == "inactivity"

    def test_a_custom_length_goes_on(
        self, alice_there: Visitor, at_rogue: Rogue, policy: Any, clock: Clock
    ) -> None:
        policy(custom_length=True)
        at_rogue.fault("token", "503")
        clock.advance(hours=3)
        assert alice_there.get("/protected/").status_code == 200

    def test_when_it_is_over_one_call_renews_and_no_password_is_typed(
        self, at_rogue: Rogue, visitor: Visitor, clock: Clock
    ) -> None:
        at_rogue.id_token(signin_state=["kmsi"])
        visitor.sign_in()
        at_rogue.fault("token", "503")
        clock.advance(hours=2)
        assert visitor.get("/protected/").status_code == 200
        at_rogue.heal()
        breaker.reset()
        before = at_rogue.calls["token"]
        for _ in range(3):
            assert visitor.get("/protected/").status_code == 200
        assert at_rogue.calls["token"] == before + 1
        assert visitor.row.lease_failed_at is None

    def test_a_wrong_secret_counts_as_an_outage_and_alarms_once(
        self,
        at_rogue: Rogue,
        visitor: Visitor,
        clock: Clock,
        settings: Any,
        heard: list[dict[str, Any]],
    ) -> None:
        at_rogue.id_token(signin_state=["kmsi"])
        visitor.sign_in()
        settings.OIDC_RP_CLIENT_SECRET = "no longer the secret"
        clock.advance(hours=2)
        for _ in range(3):
            assert visitor.get("/protected/").status_code == 200
        assert [each["problem"] for each in heard] == ["invalid_client"]

    def test_an_outage_is_written_down_once_with_its_beginning(
        self, at_rogue: Rogue, alice_there: Visitor, clock: Clock
    ) -> None:
        at_rogue.fault("token", "503")
        clock.advance(minutes=50)
        call_command("renew_leases")
        health = ProviderHealth.objects.get()
        assert (health.issuer, health.problem) == (at_rogue.issuer, "temporarily_unavailable")
        since = health.unreachable_since
        clock.advance(minutes=2)
        breaker.reset()
        call_command("renew_leases")
        assert ProviderHealth.objects.get().unreachable_since == since
        at_rogue.heal()
        breaker.reset()
        clock.advance(minutes=2)
        call_command("renew_leases")
        assert ProviderHealth.objects.get().unreachable_since is None

    def test_people_see_how_long_they_have_once_a_job_has_failed(
        self, at_rogue: Rogue, alice_there: Visitor, clock: Clock
    ) -> None:
        at_rogue.fault("token", "503")
        clock.advance(minutes=46)
        call_command("renew_leases")
        status = alice_there.get("/session/status/").json()
        assert status["ends_by"] == "lease"
        assert 13 * 60 < status["session_seconds"] <= 14 * 60


class TestTheToken:
    """A refresh token is spent once, whatever happens around it (I6)."""

    def test_each_answer_replaces_it(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        for _ in range(3):
            clock.advance(hours=1)
            assert alice_there.get("/protected/").status_code == 200
        assert not at_rogue.lost_families

    def test_an_answer_without_a_new_one_keeps_the_old(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.fault("token", "no_refresh_token")
        for _ in range(3):
            clock.advance(hours=1)
            assert alice_there.get("/protected/").status_code == 200

    @pytest.mark.parametrize("has_introspection", [True, False])
    def test_an_answer_without_an_id_token_is_confirmed_otherwise(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock, has_introspection: bool
    ) -> None:
        if not has_introspection:
            at_rogue.discovery(introspection_endpoint=ABSENT)
            renewal.current_provider.__globals__["forget"]()
        at_rogue.fault("token", "no_id_token")
        clock.advance(hours=1)
        assert alice_there.get("/protected/").status_code == 200
        assert at_rogue.calls["introspect" if has_introspection else "userinfo"]

    def test_what_cannot_be_confirmed_keeps_the_new_token(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.fault("token", "no_id_token")
        at_rogue.fault("introspect", "503", times=1)
        clock.advance(minutes=50)
        call_command("renew_leases")
        breaker.reset()
        clock.advance(minutes=5)
        call_command("renew_leases")
        assert alice_there.row.lease_source == "refresh"
        assert not at_rogue.lost_families

    def test_while_one_asks_the_others_go_on(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        clock.advance(hours=1)
        UserSession.objects.update(renewing_until=now_of(alice_there) + timedelta(seconds=10))
        calls = at_rogue.calls["token"]
        assert alice_there.get("/protected/").status_code == 200
        assert at_rogue.calls["token"] == calls

    def test_one_who_was_killed_while_asking_is_no_theft(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        """The token was spent, and its successor lost: the browser is asked instead."""
        clock.advance(hours=1)
        UserSession.objects.update(renewing_until=now_of(alice_there) - timedelta(seconds=1))
        at_rogue.revoke("alice")
        response = alice_there.get("/protected/")
        assert response["Location"].startswith("/oidc/authenticate/?prompt=none")
        assert alice_there.row.state == State.LIVE
        assert not ProviderGrant.objects.exists()

    def test_an_answer_for_a_session_that_has_ended_meanwhile_is_dropped(
        self, alice_there: Visitor, at_rogue: Rogue, clock: Clock, monkeypatch: Any
    ) -> None:
        clock.advance(hours=1)
        ask = renewal.question

        def slow(tokens: Any) -> Any:
            def answer(*arguments: Any) -> Any:
                confirmed = ask(tokens)(*arguments)
                call_command("end_sessions", "--all")
                return confirmed

            return answer

        monkeypatch.setattr(renewal, "question", slow)
        assert alice_there.name == "AnonymousUser"
        assert alice_there.row.ended_reason == "revoked_by_admin"
        assert at_rogue.calls["revoke"] == 1

    def test_it_is_encrypted_and_bound_to_its_session(
        self, alice_there: Visitor, at_rogue: Rogue
    ) -> None:
        grant = ProviderGrant.objects.get()
        tokens = grants.read(grant.pk, using="default")
        assert tokens is not None
        assert tokens.refresh_token in at_rogue.refresh_tokens
        assert tokens.refresh_token not in grant.sealed
        assert tokens.refresh_token not in repr(tokens)
        other = Visitor(at_rogue)
        other.sign_in("bob")
        ProviderGrant.objects.filter(pk=other.row.pk).update(sealed=grant.sealed)
        assert grants.read(other.row.pk, using="default") is None

    def test_without_keys_none_is_kept(
        self, visitor: Visitor, settings: Any, clock: Clock
    ) -> None:
        settings.SESSIONMGR_TOKEN_KEYS = []
        visitor.sign_in()
        assert not ProviderGrant.objects.exists()
        clock.advance(hours=1)
        assert "prompt=none" in visitor.get("/protected/")["Location"]

    def test_one_that_cannot_be_read_any_more_is_as_good_as_none(
        self, alice_there: Visitor, clock: Clock
    ) -> None:
        ProviderGrant.objects.update(sealed="gAAAAAB")
        clock.advance(hours=1)
        assert "prompt=none" in alice_there.get("/protected/")["Location"]

    def test_a_long_access_token_can_be_asked_about_where_there_is_no_other(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.fault("token", "no_refresh_token")
        at_rogue.id_token(pci=300)
        at_rogue.gives_refresh_tokens = False
        visitor.sign_in()
        clock.advance(minutes=6)
        assert visitor.get("/protected/").status_code == 200
        assert visitor.row.lease_source == "introspection"
        at_rogue.disable("alice")
        clock.advance(minutes=3)
        UserSession.objects.update(lease_valid_until=now_of(visitor))
        assert visitor.name == "AnonymousUser"
        assert visitor.row.ended_reason == "policy_denied"


class TestByTheBrowser:
    """Without a token only a visit to the provider can tell: navigations go there and back."""

    @pytest.fixture
    def tokenless(self, alice_there: Visitor, clock: Clock) -> Visitor:
        ProviderGrant.objects.all().delete()
        clock.advance(hours=1)
        return alice_there

    def test_a_page_is_shown_after_the_detour(self, tokenless: Visitor) -> None:
        before = tokenless.row
        there = tokenless.get("/protected/?page=2")["Location"]
        asked = tokenless.begin_at(there)
        assert asked["prompt"] == "none"
        back = tokenless.client.get(tokenless.come_back())
        assert back["Location"] == "/protected/?page=2"
        assert tokenless.get("/protected/?page=2").status_code == 200
        row = tokenless.row
        assert (row.pk, row.lease_source) == (before.pk, "silent")
        assert row.authenticated_at == before.authenticated_at

    def test_a_script_is_refused_and_the_session_lives(self, tokenless: Visitor) -> None:
        response = tokenless.get("/json/", HTTP_ACCEPT="application/json")
        assert (response.status_code, response.json()["reason"]) == (401, "lease_expired")
        assert tokenless.row.state == State.LIVE

    def test_a_public_page_stays_public(self, tokenless: Visitor) -> None:
        assert tokenless.get("/public/").status_code == 200
        assert tokenless.client.cookies["sessionid"].value

    def test_a_form_is_not_sent_and_not_lost(self, tokenless: Visitor) -> None:
        response = tokenless.client.post(
            "/demo/form/",
            {"customer": "Contoso", "findings": "A leak."},
            HTTP_ORIGIN="http://testserver",
            HTTP_SEC_FETCH_SITE="same-origin",
            HTTP_SEC_FETCH_MODE="navigate",
        )
        asked = tokenless.begin_at(response["Location"])
        assert asked["prompt"] == "none"
        held = tokenless.client.get(tokenless.come_back())["Location"]
        assert held.startswith("/session/held/")
        assert "A leak." in tokenless.get(held).content.decode()

    def test_a_denial_ends_it(self, tokenless: Visitor, at_rogue: Rogue) -> None:
        at_rogue.disable("alice")
        tokenless.begin_at(tokenless.get("/protected/")["Location"])
        response = tokenless.client.get(tokenless.come_back())
        assert "reason=policy_denied" in response["Location"]
        assert tokenless.row.ended_reason == "policy_denied"

    def test_somebody_else_ends_it(self, tokenless: Visitor, at_rogue: Rogue) -> None:
        Visitor(at_rogue).sign_in("bob")
        tokenless.begin_at(tokenless.get("/protected/")["Location"])
        assert tokenless.client.get(tokenless.come_back("bob")).status_code == 403
        ended = UserSession.objects.get(ended_reason="identity_mismatch")
        assert ended.pk != UserSession.objects.live().get().pk

    def test_an_outage_on_the_way_is_no_denial(self, tokenless: Visitor, at_rogue: Rogue) -> None:
        there = tokenless.get("/protected/")["Location"]
        at_rogue.fault("authorize", "temporarily_unavailable")
        tokenless.begin_at(there)
        assert tokenless.client.get(tokenless.come_back())["Location"] == "/protected/"
        assert tokenless.row.state == State.LIVE
        assert tokenless.name == "AnonymousUser"
        assert tokenless.row.ended_reason == "lease_expired"

    def test_nobody_is_sent_to_a_provider_that_does_not_answer(
        self, tokenless: Visitor, at_rogue: Rogue
    ) -> None:
        at_rogue.fault("jwks", "503")
        assert "prompt=none" not in tokenless.get("/protected/")["Location"]
        assert tokenless.row.ended_reason == "lease_expired"

    def test_under_a_custom_length_a_page_makes_the_detour_and_a_script_does_not(
        self, tokenless: Visitor, policy: Any
    ) -> None:
        policy(custom_length=True)
        assert tokenless.get("/json/", HTTP_ACCEPT="application/json").status_code == 200
        assert "prompt=none" in tokenless.get("/protected/")["Location"]


def now_of(visitor: Visitor) -> Any:
    """Return the app's time."""
    from sessionmgr import clock

    return clock.now("default")
