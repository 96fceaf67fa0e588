"""Access tokens: what of them is believed, what views are told, whose session they fit (R16)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from sessionmgr import bearers
from sessionmgr.identity import bearer, breaker, calls, provider
from sessionmgr.identity.outcomes import InvalidToken, Misconfigured
from sessionmgr.models import UserSession
from sessionmgr.signals import identity_mismatch
from tests.conftest import Clock
from tests.identity.conftest import connected
from tests.identity.providers.certified import CertifiedProvider
from tests.identity.providers.forgeries import ABSENT, SIGNATURES, changed, token
from tests.identity.providers.rogue import Rogue, subject
from tests.identity.visitor import Visitor
from tests.sessionmgr.ledger import is_live

MINUTES = timedelta(minutes=1)

#: What an access token must not say, or must (RFC 9068); each is signed well.
CHANGES: dict[str, dict[str, Any]] = {
    "wrong_iss": {"iss": "https://elsewhere.example"},
    "wrong_aud": {"aud": "another-api"},
    "no_aud": {"aud": ABSENT},
    "no_sub": {"sub": ABSENT},
    "no_exp": {"exp": ABSENT},
    "expired": {"exp": -2 * MINUTES},
    "not_yet_valid": {"nbf": 5 * MINUTES},
    "logout_token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
    "bound_to_a_key": {"cnf": {"jkt": "the print of a key"}},
}
WRONG_TYPES = {"an_id_token": "JWT", "of_no_type": "", "a_logout_token": "logout+jwt"}
FORGERIES = (*CHANGES, *WRONG_TYPES, *SIGNATURES)

#: Answers about an opaque token that must not be taken for a yes.
INTROSPECTIONS: dict[str, dict[str, Any]] = {
    "inactive": {"active": False},
    "wrong_iss": {"iss": "https://elsewhere.example"},
    "wrong_aud": {"aud": ["another-api"]},
    "of_another_client": {"client_id": "another-client"},
    "no_audience_at_all": {"client_id": ABSENT},
    "no_sub": {"sub": ABSENT},
    "expired": {"exp": -2 * MINUTES},
    "an_odd_exp": {"exp": "tomorrow"},
    "a_refresh_token": {"token_type": "refresh_token"},
    "needs_a_proof": {"token_type": "DPoP"},
    "bound_to_a_key": {"cnf": {"jkt": "the print of a key"}},
}

BOTH = pytest.mark.parametrize("page", ["/api/mine/", "/api/amine/"])

Make = Callable[..., str]


@pytest.fixture(autouse=True)
def api(at_rogue: Rogue, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.identity.urls"
    bearer.forget()


@pytest.fixture
def make(at_rogue: Rogue) -> Make:
    """Return a JWT of the provider's, or a forgery of one."""

    def made(person: str = "alice", forgery: str = "", **changes: Any) -> str:
        usual = {
            "iss": at_rogue.issuer,
            "sub": subject(person),
            "aud": at_rogue.client_id,
            "client_id": at_rogue.client_id,
            "iat": at_rogue.now,
            "exp": at_rogue.now + 300,
            "jti": "one",
            "scope": "openid orders.read",
        }
        claims = changed(usual, {**CHANGES.get(forgery, {}), **changes}, at_rogue.now)
        typ = WRONG_TYPES.get(forgery, "at+jwt")
        return token(claims, at_rogue.keys[-1], typ, at_rogue.client_secret, forgery)

    return made


@pytest.fixture
def opaque(at_rogue: Rogue, visitor: Visitor) -> str:
    """An opaque access token of alice's, who is known here; her session is another browser's."""
    visitor.sign_in()
    return list(at_rogue.access_tokens)[-1]


def ask(page: str, token: str | None = None, client: Client | None = None) -> Any:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    client = client or Client(enforce_csrf_checks=True)
    return client.get(page, headers=headers)


def is_refused(response: Any) -> bool:
    return (
        response.status_code == 401
        and response["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        and response.json()["code"] == "invalid_token"
        and response["Cache-Control"] == "no-store"
    )


class TestAlone:
    """Views that admit by a token, and by nothing else."""

    @BOTH
    def test_a_jwt_tells_who_asks(self, visitor: Visitor, make: Make, page: str) -> None:
        visitor.sign_in()
        response = ask(page, make())
        assert response.json() == {
            "user": "alice@example.com",
            "scopes": ["openid", "orders.read"],
        }
        assert not response.cookies

    @BOTH
    def test_so_does_the_provider(self, opaque: str, page: str) -> None:
        assert ask(page, opaque).json() == {"user": "alice@example.com", "scopes": []}

    @pytest.mark.parametrize("kind", FORGERIES)
    def test_a_forged_jwt_is_refused(self, visitor: Visitor, make: Make, kind: str) -> None:
        visitor.sign_in()
        assert is_refused(ask("/api/mine/", make(forgery=kind)))

    @pytest.mark.parametrize("kind", INTROSPECTIONS)
    def test_what_the_provider_does_not_vouch_for_is_refused(
        self, opaque: str, at_rogue: Rogue, kind: str
    ) -> None:
        at_rogue.introspection(**INTROSPECTIONS[kind])
        assert is_refused(ask("/api/mine/", opaque))

    @pytest.mark.parametrize(
        "told",
        [
            {"aud": ["sessionmgr", "another"], "client_id": "another"},
            {"aud": "sessionmgr"},
            {"iss": ABSENT},
            {"token_type": "Bearer"},
            {"exp": 5 * MINUTES},
        ],
    )
    def test_answers_that_are_good(
        self, opaque: str, at_rogue: Rogue, told: dict[str, Any]
    ) -> None:
        at_rogue.introspection(**told)
        assert ask("/api/mine/", opaque).status_code == 200

    @pytest.mark.parametrize("sent", ["", "a b", "x" * 70_000, "\xff", "a\0b", "a.b.c", "a=b"])
    def test_what_is_no_token_is_refused(self, visitor: Visitor, sent: str) -> None:
        assert is_refused(ask("/api/mine/", sent))

    @BOTH
    def test_without_a_token_nothing_is_said_of_one(self, visitor: Visitor, page: str) -> None:
        visitor.sign_in()
        response = ask(page, client=visitor.client)
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert response.json()["code"] == "token_required"

    def test_another_scheme_is_no_token(self, visitor: Visitor) -> None:
        response = Client().get("/api/mine/", headers={"Authorization": "Basic YTpi"})
        assert response["WWW-Authenticate"] == "Bearer"

    def test_any_case_of_the_scheme(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        headers = {"Authorization": f"bEARER {make()}"}
        assert Client().get("/api/mine/", headers=headers).status_code == 200

    def test_no_csrf_token_is_needed(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        strict = Client(enforce_csrf_checks=True)
        headers = {"Authorization": f"Bearer {make()}"}
        assert strict.post("/api/mine/", headers=headers).status_code == 200

    def test_nobody_who_is_not_known_here(self, visitor: Visitor, make: Make) -> None:
        assert is_refused(ask("/api/mine/", make("stranger")))

    def test_nobody_who_is_disabled_here(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        get_user_model().objects.update(is_active=False)
        assert is_refused(ask("/api/mine/", make()))

    def test_all_scopes_are_needed(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        response = ask("/api/orders/", make())
        assert response.status_code == 403
        challenge = 'Bearer error="insufficient_scope", scope="orders.read orders.write"'
        assert response["WWW-Authenticate"] == challenge
        assert ask("/api/orders/", make(scope="orders.write orders.read")).status_code == 200

    def test_an_audience_of_its_own(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        assert is_refused(ask("/api/other/", make()))
        assert ask("/api/other/", make(aud="https://other.example/")).status_code == 200

    def test_the_audience_that_is_set(self, visitor: Visitor, make: Make, settings: Any) -> None:
        settings.SESSIONMGR_API_AUDIENCE = "https://api.example/"
        visitor.sign_in()
        assert is_refused(ask("/api/mine/", make()))
        assert ask("/api/mine/", make(aud=["https://api.example/"])).status_code == 200

    def test_its_own_refusal_is_not_taken_for_that_of_a_session(
        self, visitor: Visitor, make: Make, clock: Clock
    ) -> None:
        visitor.sign_in()
        visitor.client.post("/session/sign-out/", follow=False)
        stale = Client()
        stale.cookies["sessionid"] = "a" * 32
        response = ask("/api/forbidden/", make(), stale)
        assert (response.status_code, response.content) == (403, b"not for you")

    def test_without_a_provider_no_token_is_good(
        self, visitor: Visitor, make: Make, settings: Any
    ) -> None:
        visitor.sign_in()
        sent = make()
        settings.OIDC_ISSUER = ""
        assert is_refused(ask("/api/mine/", sent))

    @BOTH
    def test_while_nobody_can_tell_it_is_503(
        self, visitor: Visitor, at_rogue: Rogue, make: Make, page: str
    ) -> None:
        visitor.sign_in()
        provider.forget()
        at_rogue.fault("jwks", "503")
        response = ask(page, make())
        assert response.status_code == 503
        assert int(response["Retry-After"]) > 0

    def test_nor_can_a_provider_that_refuses_this_site(self, opaque: str, at_rogue: Rogue) -> None:
        at_rogue.fault("introspect", "invalid_client")
        assert ask("/api/mine/", opaque).status_code == 503
        with pytest.raises(Misconfigured):
            bearer.verify(opaque)

    def test_where_the_provider_cannot_be_asked_opaque_tokens_are_refused(
        self, opaque: str, at_rogue: Rogue
    ) -> None:
        provider.forget()
        at_rogue.discovery(introspection_endpoint=ABSENT)
        assert is_refused(ask("/api/mine/", opaque))

    def test_nothing_of_it_shows(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        found = bearer.verify(make())
        assert "alice" not in repr(found)
        with pytest.raises(InvalidToken) as raised:
            bearer.verify("x" * 70_000)
        assert str(raised.value) == "malformed"


class TestMemory:
    """The provider's word on an opaque token is taken for a moment."""

    def test_it_is_asked_once(self, opaque: str, at_rogue: Rogue) -> None:
        assert [ask("/api/mine/", opaque).status_code for _ in range(3)] == [200] * 3
        assert at_rogue.calls["introspect"] == 1

    def test_and_once_about_one_that_is_not_active(self, opaque: str, at_rogue: Rogue) -> None:
        at_rogue.disable("alice")
        assert [ask("/api/mine/", opaque).status_code for _ in range(3)] == [401] * 3
        assert at_rogue.calls["introspect"] == 1

    def test_then_again(
        self, opaque: str, at_rogue: Rogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bearer, "KEPT_FOR", 0.0)
        ask("/api/mine/", opaque)
        at_rogue.disable("alice")
        assert is_refused(ask("/api/mine/", opaque))

    def test_an_outage_is_not_remembered(self, opaque: str, at_rogue: Rogue) -> None:
        at_rogue.fault("introspect", "503", times=1)
        assert ask("/api/mine/", opaque).status_code == 503
        breaker.reset()
        assert ask("/api/mine/", opaque).status_code == 200

    def test_the_time_in_the_token_holds_all_the_same(
        self, opaque: str, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.introspection(exp=MINUTES)
        assert ask("/api/mine/", opaque).status_code == 200
        clock.advance(minutes=3)
        assert is_refused(ask("/api/mine/", opaque))
        assert at_rogue.calls["introspect"] == 1

    def test_it_stays_small_and_holds_no_token(
        self, visitor: Visitor, at_rogue: Rogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bearer, "KEPT", 2)
        for number in range(4):
            ask("/api/mine/", f"unknown-{number}")
        kept = bearer._introspections.kept
        assert len(kept) == 2
        assert "unknown" not in repr(kept)


PAGES = pytest.mark.parametrize("page", ["/whoami/", "/awhoami/"])


class TestBesideASession:
    """A request that brings both must be one person's (R16)."""

    @PAGES
    def test_the_same_person_goes_on(self, visitor: Visitor, make: Make, page: str) -> None:
        visitor.sign_in()
        assert ask(page, make(), visitor.client).content == b"<p>alice@example.com</p>"

    @PAGES
    @pytest.mark.parametrize("person", ["bob", "stranger"])
    def test_another_person_ends_the_session(
        self,
        visitor: Visitor,
        at_rogue: Rogue,
        make: Make,
        page: str,
        person: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        Visitor(at_rogue).sign_in("bob")
        visitor.sign_in("alice")
        alarms: list[int] = []

        def alarm(**about: Any) -> None:
            alarms.append(about["session_id"])

        identity_mismatch.connect(alarm)
        try:
            response = ask(page, make(person), visitor.client)
        finally:
            identity_mismatch.disconnect(alarm)
        assert response.status_code == 401
        assert response.json()["reason"] == "identity_mismatch"
        assert b"alice" not in response.content
        assert "Server-Timing" not in response
        assert visitor.row.ended_reason == "identity_mismatch"
        assert alarms == [visitor.row.pk]
        assert "another person" in caplog.text
        assert visitor.client.cookies["sessionid"].value == ""
        assert visitor.client.cookies["sessionmgr_credentials"].value == "1"
        assert visitor.name == "AnonymousUser"

    @PAGES
    @pytest.mark.parametrize("kind", ["expired", "other_key", "wrong_aud"])
    def test_a_bad_token_is_refused_and_the_session_left_alone(
        self, visitor: Visitor, make: Make, page: str, kind: str, clock: Clock
    ) -> None:
        visitor.sign_in()
        clock.advance(minutes=5)
        before = visitor.row
        assert is_refused(ask(page, make("bob", forgery=kind), visitor.client))
        assert visitor.row.last_activity_at == before.last_activity_at
        assert visitor.name == "alice@example.com"

    @PAGES
    def test_an_outage_is_of_this_request_alone(
        self, visitor: Visitor, at_rogue: Rogue, make: Make, page: str
    ) -> None:
        visitor.sign_in()
        sent = make("bob")
        provider.forget()
        at_rogue.fault("jwks", "refuse")
        assert ask(page, sent, visitor.client).status_code == 503
        assert visitor.name == "alice@example.com"

    def test_an_opaque_token_too(self, visitor: Visitor, at_rogue: Rogue) -> None:
        Visitor(at_rogue).sign_in("bob")
        of_bob = list(at_rogue.access_tokens)[-1]
        visitor.sign_in("alice")
        of_alice = list(at_rogue.access_tokens)[-1]
        assert ask("/whoami/", of_alice, visitor.client).status_code == 200
        assert ask("/whoami/", of_bob, visitor.client).status_code == 401
        assert not is_live(visitor.row)

    def test_a_view_of_the_api_is_held_to_it_with_its_own_audience(
        self, visitor: Visitor, make: Make
    ) -> None:
        visitor.sign_in()
        audience = "https://other.example/"
        assert ask("/api/other/", make(aud=audience), visitor.client).status_code == 200
        assert ask("/api/other/", make("bob", aud=audience), visitor.client).status_code == 401
        assert visitor.row.ended_reason == "identity_mismatch"

    def test_and_so_is_a_class(self, visitor: Visitor, make: Make) -> None:
        strict = Visitor(visitor.provider, Client(enforce_csrf_checks=True))
        strict.sign_in()
        headers = {"Authorization": f"Bearer {make(aud='https://other.example/')}"}
        assert strict.client.post("/api/thing/", headers=headers).status_code == 200

    def test_a_post_is_not_executed(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        headers = {"Authorization": f"Bearer {make('bob')}"}
        assert visitor.client.post("/write/", headers=headers).status_code == 401

    def test_a_session_by_a_password_of_ours_is_nobodys_at_the_provider(
        self, alice: User, make: Make
    ) -> None:
        local = Client()
        local.force_login(alice)
        assert ask("/whoami/", make("bob"), local).content == b"<p>alice</p>"

    def test_without_a_session_a_token_is_the_views_business(
        self, visitor: Visitor, make: Make
    ) -> None:
        assert ask("/whoami/", make("bob")).content == b"<p>AnonymousUser</p>"

    def test_another_scheme_is_too(self, visitor: Visitor) -> None:
        visitor.sign_in()
        headers = {"Authorization": "Token of-another-kind"}
        assert visitor.client.get("/whoami/", headers=headers).status_code == 200

    @pytest.mark.parametrize(
        ("name", "value"), [("SESSIONMGR_BEARER_CHECK", False), ("OIDC_ISSUER", "")]
    )
    def test_it_can_be_switched_off(
        self, visitor: Visitor, make: Make, settings: Any, name: str, value: Any
    ) -> None:
        visitor.sign_in()
        sent = make("bob")
        setattr(settings, name, value)
        assert ask("/whoami/", sent, visitor.client).content == b"<p>alice@example.com</p>"

    def test_where_nobody_is_connected_it_is_off(self, visitor: Visitor, make: Make) -> None:
        visitor.sign_in()
        judge = bearers._bench.judge
        bearers.connect(None)
        try:
            assert ask("/whoami/", make("bob"), visitor.client).status_code == 200
        finally:
            bearers.connect(judge)


@pytest.mark.django_db(transaction=True)
class TestAsync:
    """The same through the ASGI handler."""

    async def test_beside_a_session(self, visitor: Visitor, make: Make) -> None:
        await sync_to_async(visitor.sign_in)()
        browser = AsyncClient()
        browser.cookies = visitor.client.cookies
        same = {"Authorization": f"Bearer {make()}"}
        response = await browser.get("/awhoami/", headers=same)
        assert response.content == b"<p>alice@example.com</p>"
        other = {"Authorization": f"Bearer {make('bob')}"}
        response = await browser.get("/awhoami/", headers=other)
        assert response.status_code == 401
        rows = UserSession.objects.filter(ended_reason="identity_mismatch")
        assert await rows.aexists()

    async def test_alone(self, visitor: Visitor, make: Make) -> None:
        await sync_to_async(visitor.sign_in)()
        client = AsyncClient()
        headers = {"Authorization": f"Bearer {make()}"}
        response = await client.get("/api/amine/", headers=headers)
        assert response.json()["user"] == "alice@example.com"
        assert (await client.get("/api/amine/")).status_code == 401


@pytest.mark.django_db
def test_a_certified_providers_tokens(certified: CertifiedProvider, settings: Any) -> None:
    """An opaque token of a real provider's, and how it is taken back."""
    with connected(settings, certified):
        settings.ROOT_URLCONF = "tests.identity.urls"
        settings.SESSIONMGR_TOKEN_KEYS = []
        kept: list[str] = []
        visitor = Visitor(certified)
        with pytest.MonkeyPatch.context() as patch:
            asked = calls.token_request

            def listen(*arguments: Any, **more: Any) -> Any:
                answer = asked(*arguments, **more)
                kept.append(answer["access_token"])
                return answer

            patch.setattr(calls, "token_request", listen)
            visitor.sign_in("alice")
            other = Visitor(certified)
            other.sign_in("bob")
        of_alice, of_bob = kept
        assert ask("/api/mine/", of_alice).json()["user"] == "alice@example.com"
        assert ask("/whoami/", of_alice, visitor.client).status_code == 200
        assert ask("/whoami/", of_bob, visitor.client).status_code == 401
        assert visitor.name == "AnonymousUser"
        certified.end("alice")  # Its sessions, and the tokens that hang on them.
        bearer.forget()
        assert is_refused(ask("/api/mine/", of_alice))
