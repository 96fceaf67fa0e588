"""Signing in at the provider: what is asked of it, what is believed, and what comes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from sessionmgr.models import FederatedIdentity, ProviderHealth, SignInAttempt, State, UserSession
from tests.conftest import Clock
from tests.identity.providers.forgeries import ABSENT, ID_TOKEN_FORGERIES, ODD_ID_TOKENS
from tests.identity.providers.rogue import Rogue
from tests.identity.visitor import Visitor


def test_somebody_new_signs_in_and_lives_by_the_provider(visitor: Visitor) -> None:
    response = visitor.sign_in(query={"next": "/protected/"})
    assert (response.status_code, response["Location"]) == (302, "/protected/")
    row = visitor.row
    assert (row.policy_source, row.lease_source) == ("provider", "sign_in")
    assert row.lease_valid_until - row.lease_checked_at == timedelta(hours=1)
    assert row.identity is not None
    assert row.identity.issuer == visitor.provider.issuer
    assert visitor.get("/session/status/").json()["session_seconds"] is None


class TestWhatIsAsked:
    """The request to the provider (OIDC Core 3.1.2.1, RFC 7636)."""

    def test_every_attempt_has_a_state_nonce_and_verifier_of_its_own(
        self, visitor: Visitor
    ) -> None:
        first, second = visitor.begin(), visitor.begin()
        for name in ("state", "nonce", "code_challenge"):
            assert first[name] != second[name]
            assert len(first[name]) >= 43
        assert first["code_challenge_method"] == "S256"
        assert SignInAttempt.objects.count() == 2

    def test_max_age_is_always_sent(self, visitor: Visitor) -> None:
        assert visitor.begin()["max_age"] == str(7 * 86_400)

    def test_max_age_is_the_environments_own_where_that_is_custom(
        self, visitor: Visitor, policy: Any
    ) -> None:
        policy(custom_length=True, max_session_length=timedelta(hours=2))
        assert visitor.begin()["max_age"] == "7200"

    def test_somebody_new_may_be_signed_in_by_the_providers_own_session(
        self, visitor: Visitor
    ) -> None:
        assert "prompt" not in visitor.begin()

    def test_who_is_signed_in_is_asked_for_credentials(self, visitor: Visitor) -> None:
        visitor.sign_in()
        assert visitor.begin()["prompt"] == "login"

    def test_a_question_without_a_session_is_not_asked(self, visitor: Visitor) -> None:
        response = visitor.client.get("/oidc/authenticate/?prompt=none&next=/protected/")
        assert response["Location"] == "/accounts/sign-in/?next=%2Fprotected%2F"

    def test_no_other_prompt_is_passed_on(self, visitor: Visitor) -> None:
        assert "prompt" not in visitor.begin(prompt="create")

    def test_without_a_provider_the_sign_in_page_has_to_do(
        self, client: Client, settings: Any, db: None
    ) -> None:
        settings.OIDC_ISSUER = ""
        response = client.get("/oidc/authenticate/?next=/about/")
        assert response["Location"] == "/accounts/sign-in/?next=%2Fabout%2F"

    @pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example/", "javascript:1"])
    def test_nobody_is_sent_to_another_site(self, visitor: Visitor, away: str) -> None:
        assert visitor.sign_in(query={"next": away})["Location"] == "/"


class TestWhatIsBelieved:
    """The answer of the provider: forged, odd, or not for this browser."""

    @pytest.mark.parametrize("kind", ID_TOKEN_FORGERIES)
    def test_a_forged_id_token_signs_nobody_in(
        self, visitor: Visitor, at_rogue: Rogue, kind: str
    ) -> None:
        at_rogue.forge(kind)
        response = visitor.sign_in()
        assert 400 <= response.status_code < 500
        assert visitor.name == "AnonymousUser"
        assert not UserSession.objects.exists()

    @pytest.mark.parametrize("kind", ODD_ID_TOKENS)
    def test_an_odd_but_good_one_does(self, visitor: Visitor, at_rogue: Rogue, kind: str) -> None:
        at_rogue.forge(kind)
        assert visitor.sign_in().status_code == 302
        assert UserSession.objects.live().count() == 1

    @pytest.mark.parametrize("seconds", [-59, 59])
    def test_a_clock_that_is_a_minute_off_is_believed(
        self, visitor: Visitor, at_rogue: Rogue, seconds: int
    ) -> None:
        at_rogue.ahead = timedelta(seconds=seconds)
        assert visitor.sign_in().status_code == 302

    def test_a_rotated_key_is_fetched(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        at_rogue.rotate_key()
        other = Visitor(at_rogue)
        assert other.sign_in("bob").status_code == 302

    def test_a_lone_key_needs_no_name(self, visitor: Visitor, at_rogue: Rogue) -> None:
        at_rogue.lone_key_without_kid()
        assert visitor.sign_in().status_code == 302

    def test_a_state_works_once(self, visitor: Visitor) -> None:
        visitor.begin()
        address = visitor.come_back()
        assert visitor.client.get(address).status_code == 302
        assert visitor.client.get(address).status_code == 400
        assert UserSession.objects.count() == 1

    def test_a_state_works_in_its_own_browser_alone(self, visitor: Visitor) -> None:
        visitor.begin()
        assert Client().get(visitor.come_back()).status_code == 400
        assert not UserSession.objects.exists()

    def test_a_state_works_for_ten_minutes(self, visitor: Visitor, clock: Clock) -> None:
        visitor.begin()
        clock.advance(minutes=10)
        assert visitor.client.get(visitor.come_back()).status_code == 400

    @pytest.mark.parametrize(
        "query", ["", "?error=login_required", "?code=x", "?state=x&code=y", "?state=%00&code=y"]
    )
    def test_without_a_state_nothing_happens(self, visitor: Visitor, query: str) -> None:
        visitor.sign_in()
        assert visitor.client.get(f"/oidc/callback/{query}").status_code == 400
        assert visitor.name == "alice@example.com"

    def test_two_tabs_keep_apart(self, visitor: Visitor) -> None:
        visitor.begin(next="/one/")
        first = visitor.come_back()
        visitor.begin(next="/two/")
        second = visitor.come_back()
        assert visitor.client.get(second)["Location"] == "/two/"
        assert visitor.client.get(first)["Location"] == "/one/"

    def test_the_answer_of_another_provider_is_refused(self, visitor: Visitor) -> None:
        visitor.begin()
        address = visitor.come_back().replace("iss=", "iss=https%3A%2F%2Felsewhere.example&was=")
        assert visitor.client.get(address).status_code == 400

    def test_credentials_older_than_max_age_are_refused(
        self, visitor: Visitor, at_rogue: Rogue, policy: Any
    ) -> None:
        policy(custom_length=True, max_session_length=timedelta(hours=1))
        at_rogue.id_token(auth_time=timedelta(hours=-2))
        assert visitor.sign_in().status_code == 400

    def test_access_denied_is_told(self, visitor: Visitor, at_rogue: Rogue) -> None:
        at_rogue.disable("alice")
        assert visitor.sign_in().status_code == 403


class TestWhoItIs:
    """Users by (issuer, subject) (ASVS 6.8.1)."""

    def test_who_comes_again_is_the_same_user(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        Visitor(at_rogue).sign_in()
        assert FederatedIdentity.objects.count() == 1
        assert get_user_model().objects.count() == 1

    def test_an_email_makes_nobody_the_owner_of_an_account(
        self, alice: User, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        at_rogue.id_token(email="ALICE@example.com", email_verified=True)
        at_rogue.userinfo(email="ALICE@example.com", email_verified=True)
        visitor.sign_in("mallory")
        assert visitor.row.user_id != alice.pk

    def test_a_user_name_makes_nobody_the_owner_of_an_account(
        self, alice: User, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        at_rogue.id_token(preferred_username="alice")
        visitor.sign_in("mallory")
        assert visitor.row.user_id != alice.pk

    def test_a_verified_email_links_once_where_that_is_allowed(
        self, alice: User, visitor: Visitor, at_rogue: Rogue, settings: Any
    ) -> None:
        settings.SESSIONMGR_LINK_BY_EMAIL = True
        at_rogue.id_token(email="alice@example.com", email_verified=True)
        visitor.sign_in()
        assert visitor.row.user_id == alice.pk
        mallory = Visitor(at_rogue)
        mallory.sign_in("mallory")
        assert mallory.row.user_id != alice.pk

    def test_an_unverified_email_links_nobody(
        self, alice: User, visitor: Visitor, at_rogue: Rogue, settings: Any
    ) -> None:
        settings.SESSIONMGR_LINK_BY_EMAIL = True
        at_rogue.id_token(email="alice@example.com", email_verified=False)
        visitor.sign_in()
        assert visitor.row.user_id != alice.pk

    def test_where_no_account_may_be_made_a_stranger_is_refused(
        self, visitor: Visitor, settings: Any
    ) -> None:
        settings.OIDC_CREATE_USER = False
        assert visitor.sign_in().status_code == 403
        assert not get_user_model().objects.exists()

    def test_a_disabled_user_is_refused(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        get_user_model().objects.update(is_active=False)
        assert Visitor(at_rogue).sign_in().status_code == 403

    def test_the_hosts_hook_gives_groups_and_staff(
        self, visitor: Visitor, at_rogue: Rogue, settings: Any
    ) -> None:
        settings.SESSIONMGR_CLAIMS_HOOK = "tests.identity.test_sign_in.make_staff"
        at_rogue.id_token(groups=["staff"])
        visitor.sign_in()
        assert get_user_model().objects.get().is_staff


def make_staff(user: Any, claims: Any) -> None:
    user.is_staff = "staff" in claims.get("groups", [])
    user.save()


class TestAgain:
    """Signing in again: a new key, both clocks anew, and the same person or nobody (R15, R16)."""

    def test_the_same_person_goes_on_under_a_new_key(self, visitor: Visitor, clock: Clock) -> None:
        visitor.sign_in()
        before, key = visitor.row, visitor.client.cookies["sessionid"].value
        clock.advance(minutes=30)
        visitor.sign_in()
        assert visitor.client.cookies["sessionid"].value != key
        assert visitor.row.pk == before.pk
        assert visitor.row.authenticated_at > before.authenticated_at
        assert visitor.row.lease_valid_until > before.lease_valid_until
        old = Client()
        old.cookies["sessionid"] = key
        assert old.get("/whoami/").content == b"<p>AnonymousUser</p>"

    def test_somebody_else_ends_the_session(
        self, visitor: Visitor, caplog: pytest.LogCaptureFixture
    ) -> None:
        visitor.sign_in()
        response = visitor.sign_in("bob")
        assert response.status_code == 403
        assert visitor.row.ended_reason == "identity_mismatch"
        assert visitor.name == "AnonymousUser"
        assert "another person" in caplog.text

    def test_somebody_else_may_come_once_the_first_has_signed_out(self, visitor: Visitor) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/")
        visitor.sign_in("bob")
        assert visitor.row.state == State.LIVE

    def test_a_password_of_the_site_begins_a_session_of_its_own(
        self, alice: User, visitor: Visitor, at_rogue: Rogue, settings: Any
    ) -> None:
        settings.SESSIONMGR_LINK_BY_EMAIL = True
        at_rogue.id_token(email="alice@example.com", email_verified=True)
        visitor.client.force_login(alice)
        first = visitor.row
        visitor.sign_in()
        assert UserSession.objects.get(pk=first.pk).ended_reason == "signed_out"
        assert visitor.row.policy_source == "provider"
        assert visitor.name == "alice"


class TestCredentials:
    """After a sign-out credentials are asked for, and old ones refused (R15)."""

    def test_after_a_sign_out_credentials_are_asked_for(self, visitor: Visitor) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/")
        assert visitor.begin()["prompt"] == "login"

    def test_once_signed_in_the_mark_is_gone(self, visitor: Visitor) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/")
        visitor.sign_in()
        assert visitor.client.cookies["sessionmgr_credentials"].value == ""

    def test_after_an_end_that_nobody_has_read_too(
        self, visitor: Visitor, policy: Any, clock: Clock
    ) -> None:
        policy(inactivity_enabled=True)
        visitor.sign_in()
        clock.advance(minutes=31)
        assert visitor.begin()["prompt"] == "login"

    @pytest.mark.parametrize("prompt", ["", "login"])
    def test_credentials_from_before_are_refused(
        self, visitor: Visitor, at_rogue: Rogue, prompt: str, clock: Clock
    ) -> None:
        visitor.sign_in()
        clock.advance(minutes=5)
        visitor.client.post("/session/sign-out/")
        at_rogue.id_token(auth_time=timedelta(minutes=-5))
        clock.advance(minutes=1)
        somewhere_else = Visitor(at_rogue)
        response = somewhere_else.sign_in(query={"prompt": prompt})
        assert response.status_code == 403
        assert not UserSession.objects.live().exists()

    def test_credentials_from_after_are_accepted_without_being_asked_for(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/")
        clock.advance(minutes=5)
        at_rogue.id_token(auth_time=timedelta(minutes=-3))
        assert Visitor(at_rogue).sign_in().status_code == 302

    def test_a_provider_that_does_not_tell_is_believed_where_it_was_asked(
        self, visitor: Visitor, at_rogue: Rogue, caplog: pytest.LogCaptureFixture
    ) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/")
        assert not ProviderHealth.objects.exists()
        at_rogue.id_token(auth_time=ABSENT)
        assert Visitor(at_rogue).sign_in().status_code == 403
        assert visitor.sign_in().status_code == 302
        # It shows, once, for as long as it is so.
        assert ProviderHealth.objects.get().auth_time_untold_since is not None
        assert caplog.text.count("does not tell auth_time") == 1
        at_rogue.bends["id_token"].clear()
        visitor.sign_in()
        assert ProviderHealth.objects.get().auth_time_untold_since is None
        at_rogue.id_token(auth_time=ABSENT)
        visitor.sign_in()
        assert caplog.text.count("does not tell auth_time") == 2

    def test_the_demand_outlives_the_history(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/")
        ended_at = visitor.row.ended_at
        clock.advance(days=91)
        call_command("purge_sessions")
        assert not UserSession.objects.exists()
        assert FederatedIdentity.objects.get().reauth_after == ended_at


class TestStaying:
    """ "Stay signed in" (R6): the cookie outlives the browser, and no limit is lifted."""

    def test_the_cookie_lasts_for_who_chose_it_at_the_provider(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        at_rogue.id_token(signin_state=["kmsi"])
        visitor.sign_in()
        assert visitor.row.stays_signed_in
        assert visitor.client.cookies["sessionid"]["max-age"] == 90 * 86_400

    def test_it_ends_with_the_browser_for_everybody_else(self, visitor: Visitor) -> None:
        visitor.sign_in()
        assert not visitor.row.stays_signed_in
        assert visitor.client.cookies["sessionid"]["max-age"] == ""

    def test_our_own_box_counts_where_the_provider_does_not_ask(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        at_rogue.id_token(signin_state=ABSENT)
        visitor.sign_in(query={"stay": "on"})
        assert visitor.row.stays_signed_in

    def test_the_cookie_is_renewed_once_half_of_it_is_over(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.id_token(signin_state=["kmsi"])
        visitor.sign_in()
        clock.advance(days=44)
        assert "sessionid" not in visitor.get().cookies
        clock.advance(days=1, seconds=10)
        assert visitor.get().cookies["sessionid"]["max-age"] == 90 * 86_400


@pytest.mark.parametrize(
    ("claimed", "setting", "lasts"),
    [
        pytest.param(60, 3600, 60, id="the-claim"),
        pytest.param(ABSENT, 1800, 1800, id="the-setting"),
        pytest.param("soon", 3600, 3600, id="an-unreadable-claim"),
        pytest.param(10**8, 3600, 90 * 86_400, id="no-longer-than-a-sign-in"),
    ],
)
def test_how_long_a_lease_lasts(
    visitor: Visitor, at_rogue: Rogue, settings: Any, claimed: Any, setting: int, lasts: int
) -> None:
    settings.SESSIONMGR_CHECK_INTERVAL = setting
    at_rogue.id_token(pci=claimed)
    visitor.sign_in()
    assert visitor.row.lease_valid_until - visitor.row.lease_checked_at == timedelta(seconds=lasts)


def test_a_provider_that_grants_no_lease_means_24_hours(
    visitor: Visitor, at_rogue: Rogue, settings: Any
) -> None:
    settings.SESSIONMGR_CHECK_INTERVAL = None
    at_rogue.id_token(pci=ABSENT)
    visitor.sign_in()
    assert (visitor.row.policy_source, visitor.row.fallback_reason) == (
        "fallback",
        "no_provider_policy",
    )
    assert visitor.get("/session/status/").json()["session_seconds"] == 86_400
