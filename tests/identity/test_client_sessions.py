"""Clients that sign in by an access token: the kind is what the provider proves, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from sessionmgr import clock as seam
from sessionmgr.core.clients import ClientExemption
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.models import State, UserSession
from settings_app import exempting, source
from settings_app.models import ClientClass, Environment, SystemSettings
from tests.conftest import Clock
from tests.identity.providers.forgeries import ABSENT, SIGNATURES
from tests.identity.providers.rogue import Rogue
from tests.identity.visitor import Visitor

pytestmark = pytest.mark.django_db

URL = "/oidc/client-session/"
MOBILE, MAIL, OLD_BROWSER = "mobile-app", "mail-add-in", "service-desk-ie"
ALICE, NOBODY = "<p>alice@example.com</p>", "<p>AnonymousUser</p>"
DAY = timedelta(days=1)

PutInForce = Callable[..., Policy]
Put = Callable[..., dict[str, ClientExemption]]


@pytest.fixture
def kinds(policy: PutInForce) -> Put:
    """Put the kinds of client in force, under strict limits, with ``changes`` to the mobile's."""

    def put(**changes: Any) -> dict[str, ClientExemption]:
        lifts = {"from_session_length": True, "from_inactivity": True}
        until = seam.now("default") + 60 * DAY
        mobile = ClientExemption(client_id=MOBILE, expires_at=until, **lifts)
        found = {
            "mobile": replace(mobile, **changes),
            "mail": replace(mobile, client_id=MAIL),
            "ie": ClientExemption(client_id=OLD_BROWSER, expires_at=until),
        }
        policy(custom_length=True, inactivity_enabled=True, exemptions=found)
        return found

    return put


@pytest.fixture
def known(visitor: Visitor, kinds: Put) -> Visitor:
    """Alice, who has signed in here before, in a browser that goes on."""
    kinds()
    visitor.sign_in()
    return visitor


@pytest.fixture
def app(known: Visitor, at_rogue: Rogue) -> App:
    return App(at_rogue)


class App:
    """A client that keeps its session cookie."""

    def __init__(self, provider: Rogue) -> None:
        self.provider = provider
        self.client = Client(enforce_csrf_checks=True)

    def sign_in(self, client_id: str = MOBILE, **changes: Any) -> HttpResponse:
        return self.show(self.provider.access_token(client_id=client_id, **changes))

    def show(self, token: str) -> HttpResponse:
        return self.client.post(URL, headers={"Authorization": f"Bearer {token}"})

    @property
    def name(self) -> str:
        return self.client.get("/whoami/").content.decode()

    @property
    def row(self) -> UserSession:
        return UserSession.objects.exclude(client_class="").latest("pk")


def code_of(response: Any) -> str:
    assert response["Content-Type"] == "application/problem+json"
    return str(response.json()["code"])


class TestSigningIn:
    """A token of a kind's own client starts a session of that kind."""

    def test_a_session_of_the_kind_begins(self, app: App) -> None:
        response = app.sign_in()
        assert response.status_code == 201
        assert response.json()["state"] == "live"
        assert "no-store" in response["Cache-Control"]
        assert app.row.client_class == "mobile"
        assert app.row.lease_source == "access_token"
        assert app.name == ALICE

    def test_it_outlives_both_timers_for_real(self, app: App, clock: Clock) -> None:
        app.sign_in()
        for _ in range(50):
            clock.advance(minutes=59)
            assert app.sign_in().status_code == 200
        assert app.name == ALICE
        assert UserSession.objects.live().count() == 2  # The browser has not come back.
        assert app.row.authenticated_at < seam.now("default") - 2 * DAY

    def test_the_kind_that_is_not_exempt_is_held_to_them(self, app: App, clock: Clock) -> None:
        assert app.sign_in(OLD_BROWSER).json()["idle_seconds"] == 1800
        clock.advance(minutes=31)
        assert app.name == NOBODY
        assert app.row.ended_reason == "inactivity"

    def test_the_service_desk_is_told_apart_by_two_client_ids(
        self, app: App, at_rogue: Rogue, clock: Clock
    ) -> None:
        other = App(at_rogue)
        app.sign_in(OLD_BROWSER)
        other.sign_in(MAIL)
        clock.advance(minutes=31)
        assert (app.name, other.name) == (NOBODY, ALICE)

    def test_azp_proves_it_where_there_is_no_client_id(self, app: App) -> None:
        assert app.sign_in(client_id=ABSENT, azp=MOBILE).status_code == 201  # type: ignore[arg-type]

    def test_the_audience_may_be_an_api_of_its_own(self, app: App, settings: Any) -> None:
        settings.SESSIONMGR_API_AUDIENCE = "https://api.example"
        assert code_of(app.sign_in()) == "invalid_token"
        assert app.sign_in(aud="https://api.example").status_code == 201

    def test_it_is_no_activity(self, app: App, clock: Clock) -> None:
        app.sign_in()
        before = app.row.last_activity_at
        clock.advance(minutes=20)
        app.sign_in()
        assert app.row.last_activity_at == before


FORGED = {
    "user-agent": {"User-Agent": "Mozilla/5.0 (CE for Outlook) MSIE WPF"},
    "client-class": {"X-Client-Class": "mobile"},
    "client-id": {"X-Client-Id": MOBILE, "X-Client-Type": "mobile"},
}


class TestForgeries:
    """Nothing else of a request makes a browser another kind of client."""

    @pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED)
    def test_what_a_browser_says_of_itself_changes_nothing(
        self, visitor: Visitor, kinds: Put, clock: Clock, headers: dict[str, str]
    ) -> None:
        kinds()
        visitor.client.cookies["client_class"] = visitor.client.cookies["azp"] = "mobile"
        visitor.begin(client_id=MOBILE, client_class="mobile", azp=MOBILE)
        visitor.client.get(visitor.come_back() + "&client_class=mobile", headers=headers)
        for path in ("/whoami/", "/whoami/?client_class=mobile&client_id=mobile-app", "/write/"):
            assert visitor.client.get(path, headers=headers).status_code == 200
        assert visitor.row.client_class == ""
        session = visitor.client.session
        session["client_class"] = session["_sessionmgr_client_class"] = "mobile"
        session.save()
        visitor.client.post("/session/touch/", {"client_class": "mobile"}, headers=headers)
        clock.advance(minutes=31)
        assert visitor.name == "AnonymousUser"
        assert visitor.row.client_class == ""
        assert visitor.row.ended_reason == "inactivity"

    @pytest.mark.parametrize("claim", ["aud", "azp"])
    def test_an_id_token_of_a_kinds_client_signs_no_browser_in(
        self, visitor: Visitor, at_rogue: Rogue, kinds: Put, claim: str
    ) -> None:
        kinds()
        at_rogue.id_token(**{claim: MOBILE})
        assert visitor.sign_in().status_code in (400, 403)
        assert not UserSession.objects.exists()

    def test_the_browsers_own_client_gives_no_kind(self, app: App, kinds: Put) -> None:
        kinds(client_id="sessionmgr")
        assert code_of(app.sign_in("sessionmgr")) == "unknown_client"

    @pytest.mark.parametrize("client_id", ["another-client", "mobile", "Mobile-App", ABSENT])
    def test_a_client_that_is_bound_to_no_kind_is_refused(self, app: App, client_id: Any) -> None:
        response = app.sign_in(client_id)
        assert (response.status_code, code_of(response)) == (403, "unknown_client")
        assert app.name == NOBODY

    def test_a_token_whose_two_names_differ_is_refused(self, app: App) -> None:
        assert code_of(app.sign_in(MOBILE, azp=MAIL)) == "unknown_client"

    @pytest.mark.parametrize("forgery", SIGNATURES)
    def test_a_bad_signature_is_refused(self, app: App, forgery: str) -> None:
        response = app.sign_in(forgery=forgery)
        assert (response.status_code, code_of(response)) == (401, "invalid_token")
        assert 'error="invalid_token"' in response["WWW-Authenticate"]

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"aud": "elsewhere"}, id="audience"),
            pytest.param({"iss": "https://elsewhere.example"}, id="issuer"),
            pytest.param({"typ": "JWT"}, id="id-token"),
            pytest.param({"exp": timedelta(minutes=-2)}, id="expired"),
            pytest.param({"iat": timedelta(hours=-1)}, id="too-old"),
            pytest.param({"iat": ABSENT}, id="without-iat"),
            pytest.param({"sub": ABSENT}, id="without-sub"),
        ],
    )
    def test_a_token_that_says_what_it_must_not_is_refused(
        self, app: App, changes: dict[str, Any]
    ) -> None:
        response = app.sign_in(**changes)
        assert (response.status_code, code_of(response)) == (401, "invalid_token")
        assert app.name == NOBODY

    @pytest.mark.parametrize(
        "authorization",
        ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer not-a-token", "bearer \x00"],
    )
    def test_what_is_no_token_is_refused(self, app: App, authorization: str) -> None:
        response = app.client.post(URL, headers={"Authorization": authorization})
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith('Bearer realm="client-session"')
        assert authorization.strip() == "" or authorization not in response.content.decode()

    def test_a_token_elsewhere_in_the_request_is_none(self, app: App, at_rogue: Rogue) -> None:
        token = at_rogue.access_token(client_id=MOBILE)
        response = app.client.post(f"{URL}?access_token={token}", {"access_token": token})
        assert code_of(response) == "token_required"

    def test_only_post(self, app: App) -> None:
        assert app.client.get(URL).status_code == 405

    def test_without_a_provider_nobody_comes_in(self, app: App, settings: Any) -> None:
        settings.OIDC_ISSUER = ""
        assert code_of(app.sign_in()) == "invalid_token"


class TestPeople:
    """The person is the provider's, known here, and let in."""

    def test_who_is_unknown_is_refused(self, app: App, at_rogue: Rogue) -> None:
        at_rogue.person = "bob"
        response = app.sign_in()
        assert (response.status_code, code_of(response)) == (403, "no_account")

    def test_who_is_disabled_is_refused(self, app: App) -> None:
        User.objects.update(is_active=False)
        assert code_of(app.sign_in()) == "account_disabled"

    def test_a_disabled_account_ends_it(self, app: App) -> None:
        app.sign_in()
        User.objects.update(is_active=False)
        assert app.name == NOBODY
        assert app.row.ended_reason == "account_disabled"

    def test_a_revoked_session_is_not_to_be_had_again_by_the_same_token(
        self, app: App, at_rogue: Rogue, clock: Clock
    ) -> None:
        token = at_rogue.access_token(client_id=MOBILE)
        app.show(token)
        clock.advance(seconds=5)
        end(app.row.pk, EndReason.REVOKED_BY_ADMIN, now=seam.now("default"), using="default")
        assert app.name == NOBODY
        response = app.show(token)
        assert (response.status_code, code_of(response)) == (401, "credentials_required")
        assert "insufficient_user_authentication" in response["WWW-Authenticate"]
        old = app.sign_in(auth_time=timedelta(minutes=-5))
        assert code_of(old) == "credentials_required"
        clock.advance(seconds=5)
        assert app.sign_in(auth_time=timedelta()).status_code == 201

    def test_a_sign_out_in_a_browser_is_not_the_apps(self, app: App, known: Visitor) -> None:
        known.client.post("/session/sign-out/")
        assert app.sign_in(auth_time=timedelta(days=-3)).status_code == 201

    def test_the_providers_session_is_kept_to_be_ended_by(self, app: App) -> None:
        app.sign_in(sid="a session there")
        assert app.row.provider_sid == "a session there"
        app.client.cookies.clear()
        app.sign_in(sid=["none"])
        assert app.row.provider_sid == ""


class TestRenewal:
    """The next check needs a fresh access token, and nothing else will do."""

    def test_a_fresh_token_renews_the_lease(self, app: App, clock: Clock) -> None:
        app.sign_in()
        before = app.row
        clock.advance(minutes=50)
        assert app.sign_in().status_code == 200
        assert app.row.pk == before.pk
        assert app.row.lease_valid_until > before.lease_valid_until
        assert app.row.authenticated_at == before.authenticated_at
        assert app.row.lease_renew_at is None

    def test_a_token_counts_once(self, app: App, at_rogue: Rogue, clock: Clock) -> None:
        token = at_rogue.access_token(client_id=MOBILE, exp=timedelta(hours=5))
        app.show(token)
        before = app.row.lease_valid_until
        clock.advance(minutes=40)
        assert app.show(token).status_code == 200
        assert app.row.lease_valid_until == before
        clock.advance(minutes=30)
        assert code_of(app.show(token)) == "invalid_token"

    @pytest.mark.parametrize("accept", ["text/html", "application/json"])
    def test_without_one_it_waits_and_is_sent_nowhere(
        self, app: App, clock: Clock, accept: str
    ) -> None:
        app.sign_in()
        clock.advance(minutes=61)
        response = app.client.get("/protected/", headers={"Accept": accept})
        assert response.status_code == 401
        assert response.json()["reason"] == "lease_expired"
        assert app.row.state == State.LIVE
        assert app.sign_in().status_code == 200
        assert app.name == ALICE

    def test_a_browsers_silent_visit_does_not_renew_it(self, app: App, clock: Clock) -> None:
        app.sign_in()
        address = "/oidc/authenticate/?prompt=none&next=/"
        assert "/accounts/sign-in/" in app.client.get(address)["Location"]
        clock.advance(minutes=61)
        assert app.client.get(address).status_code == 401
        assert app.row.lease_valid_until < seam.now("default")

    def test_another_person_ends_it(
        self, app: App, at_rogue: Rogue, caplog: pytest.LogCaptureFixture
    ) -> None:
        app.sign_in()
        at_rogue.person = "bob"
        response = app.sign_in()
        assert (response.status_code, code_of(response)) == (403, "identity_mismatch")
        assert app.row.ended_reason == "identity_mismatch"
        assert "another person" in caplog.text

    def test_another_kind_of_client_changes_nothing(self, app: App) -> None:
        app.sign_in()
        assert code_of(app.sign_in(MAIL)) == "other_session"
        assert (app.row.client_class, app.row.state) == ("mobile", State.LIVE)

    def test_a_browsers_session_is_never_made_another_kind(
        self, app: App, known: Visitor, at_rogue: Rogue
    ) -> None:
        app.client = known.client
        for person in ("alice", "bob"):
            at_rogue.person = person
            assert code_of(app.sign_in()) == "other_session"
        assert known.name == "alice@example.com"
        assert not UserSession.objects.exclude(client_class="").exists()

    def test_a_password_begins_a_session_of_a_browser(self, app: App) -> None:
        app.sign_in()
        app.client.force_login(User.objects.get())
        assert app.row.ended_reason == "signed_out"
        assert UserSession.objects.latest("pk").client_class == ""

    def test_a_browsers_sign_in_begins_one_too(self, app: App, at_rogue: Rogue) -> None:
        app.sign_in()
        Visitor(at_rogue, app.client).sign_in()
        assert app.row.ended_reason == "signed_out"
        assert UserSession.objects.latest("pk").client_class == ""

    def test_a_new_key_keeps_the_kind(self, app: App) -> None:
        app.sign_in()
        session = app.client.session
        session.cycle_key()
        assert (app.row.client_class, app.row.state) == ("mobile", State.LIVE)


class TestTheKind:
    """What is stored of the kinds is in force at once."""

    def test_once_it_is_over_nobody_signs_in_and_the_timers_hold(
        self, app: App, kinds: Put, clock: Clock
    ) -> None:
        kinds(expires_at=seam.now("default") + timedelta(minutes=40))
        app.sign_in()
        clock.advance(minutes=39)
        assert app.name == ALICE
        clock.advance(minutes=2)
        assert app.name == ALICE  # Its activity is two minutes old.
        assert code_of(app.sign_in()) == "unknown_client"
        clock.advance(minutes=31)
        assert app.name == NOBODY
        assert app.row.ended_reason == "inactivity"

    def test_taken_away_the_timers_hold_at_once(
        self, app: App, policy: PutInForce, clock: Clock
    ) -> None:
        app.sign_in()
        clock.advance(minutes=31)
        policy(custom_length=True, inactivity_enabled=True)
        assert app.name == NOBODY

    def test_its_ceiling_ends_it(self, app: App, kinds: Put, clock: Clock) -> None:
        kinds(ceiling=timedelta(hours=1))
        assert app.sign_in().json()["session_seconds"] == 3600
        clock.advance(minutes=59)
        app.sign_in()
        clock.advance(minutes=1, seconds=1)
        assert app.name == NOBODY
        assert app.row.ended_reason == "session_length"


class TestOutage:
    """Where nobody can be asked for the keys, nobody is refused for good."""

    def test_without_keys_it_is_503(self, app: App, at_rogue: Rogue) -> None:
        at_rogue.rotate_key()
        at_rogue.fault("jwks", "refuse")
        response = app.sign_in()
        assert (response.status_code, code_of(response)) == (503, "provider_unreachable")
        assert response["Retry-After"] == "5"
        at_rogue.heal()

    def test_keys_that_are_known_are_enough(self, app: App, at_rogue: Rogue) -> None:
        app.sign_in()
        for endpoint in ("jwks", "discovery", "token"):
            at_rogue.fault(endpoint, "refuse")
        assert app.sign_in().status_code == 200


def test_bound_on_the_page_a_client_signs_in_and_is_exempt(
    visitor: Visitor, at_rogue: Rogue, clock: Clock
) -> None:
    visitor.sign_in()
    app = App(at_rogue)
    assert code_of(app.sign_in()) == "unknown_client"
    kind = ClientClass.objects.get(slug="mobile")
    kind.client_id, kind.owner = MOBILE, "Field services"
    kind.expires_at = seam.now("default") + 30 * DAY
    exempting.store(kind)
    source.invalidate()
    assert app.sign_in().status_code == 201
    SystemSettings.objects.create(environment=Environment.objects.get(), inactivity_enabled=True)
    source.invalidate()
    clock.advance(minutes=31)
    assert (app.name, visitor.name) == (ALICE, "AnonymousUser")
    exempting.remove(kind)
    source.invalidate()
    assert app.name == ALICE  # It was there a moment ago.
    clock.advance(minutes=31)
    assert app.name == NOBODY
