"""The providers alone: what the tests of the app lean on is proved here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from time import monotonic
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest
import requests

from tests.identity.providers import faults
from tests.identity.providers.certified import CertifiedProvider
from tests.identity.providers.forgeries import (
    ID_TOKEN_FORGERIES,
    LOGOUT_EVENT,
    LOGOUT_TOKEN_FORGERIES,
    ODD_ID_TOKENS,
)
from tests.identity.providers.loopback import Loopback, Request
from tests.identity.providers.proxy import FaultProxy
from tests.identity.providers.relying_party import Receiver, RelyingParty
from tests.identity.providers.rogue import Rogue, subject


@pytest.fixture
def person() -> Iterator[requests.Session]:
    """A browser, as far as requests is one."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with closing(Receiver()) as site:
        yield site


class Site(RelyingParty):
    client_secret = Rogue.client_secret


def error_of(callback: str) -> str:
    return dict(parse_qsl(urlsplit(callback).query, keep_blank_values=True))["error"]


class TestCertified:
    def test_signs_in_with_pkce_and_renews(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        callback = certified.sign_in(person, site.authorization_url(), "alice")
        tokens = site.redeem(callback).json()
        claims = site.id_token(tokens["id_token"])
        assert claims["email"] == "alice@example.com"
        assert claims["pci"] == 3600
        assert "alice" not in claims["sub"]
        assert {"sid", "auth_time"} <= claims.keys()
        assert site.userinfo(tokens["access_token"])["sub"] == claims["sub"]

        renewed = site.refresh(tokens["refresh_token"]).json()
        assert renewed["refresh_token"] != tokens["refresh_token"]
        assert site.verified(renewed["id_token"])["sub"] == claims["sub"]

    def test_a_refresh_token_used_twice_kills_the_family(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        first = site.redeem(certified.sign_in(person, site.authorization_url(), "bob")).json()
        second = site.refresh(first["refresh_token"]).json()
        assert site.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
        assert site.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"

    def test_refuses_a_wrong_verifier(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        callback = certified.sign_in(person, site.authorization_url(), "alice")
        assert site.redeem(callback, code_verifier="x" * 43).json()["error"] == "invalid_grant"

    def test_refuses_a_wrong_password(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        with pytest.raises(AssertionError, match="wrong name or password"):
            certified.sign_in(person, site.authorization_url(), "alice", "guessed")

    def test_tells_the_site_when_it_ends_a_session(
        self, certified: CertifiedProvider, person: requests.Session, receiver: Receiver
    ) -> None:
        certified.allow(receiver.base)
        site = RelyingParty(certified.issuer, receiver.base)
        tokens = site.redeem(certified.sign_in(person, site.authorization_url(), "carol")).json()
        before = site.id_token(tokens["id_token"])
        assert certified.end("carol") == 1
        token = receiver.next()
        claims = site.verified(token, "jti", "exp")
        assert claims["events"] == {LOGOUT_EVENT: {}}
        assert claims["sid"] == before["sid"]
        assert "nonce" not in claims
        assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
        assert site.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        silent = site.authorization_url(prompt="none")
        assert error_of(certified.sign_in(person, silent, "carol")) == "login_required"

    def test_a_disabled_account_is_denied_until_it_is_enabled(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        tokens = site.redeem(certified.sign_in(person, site.authorization_url(), "alice")).json()
        certified.disable("alice")
        assert site.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        silent = site.authorization_url(prompt="none")
        assert error_of(certified.sign_in(person, silent, "alice")) == "login_required"
        certified.enable("alice")
        assert "code" in certified.sign_in(person, site.authorization_url(prompt="none"), "alice")
        assert "refresh_token" in site.refresh(tokens["refresh_token"]).json()

    def test_revoked_tokens_leave_the_session(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        tokens = site.redeem(certified.sign_in(person, site.authorization_url(), "alice")).json()
        assert certified.revoke("alice") == 1
        assert site.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert "code=" in certified.sign_in(person, site.authorization_url(prompt="none"), "alice")

    def test_asks_again_where_credentials_are_demanded(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        certified.sign_in(person, site.authorization_url(), "alice")
        certified.set(ahead=100)
        again = site.authorization_url(max_age=50)
        with pytest.raises(AssertionError, match="wrong name or password"):
            certified.sign_in(person, again, "alice", "guessed")
        late = site.redeem(certified.sign_in(person, again, "alice")).json()["id_token"]
        claims = jwt.decode(late, options={"verify_signature": False})
        assert claims["iat"] - claims["auth_time"] < 50

    def test_says_who_stays_signed_in(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        callback = certified.sign_in(person, site.authorization_url(), "alice", stay=True)
        token = site.redeem(callback).json()["id_token"]
        assert site.id_token(token)["signin_state"] == ["kmsi"]

    def test_the_knobs_of_a_renewal(
        self, certified: CertifiedProvider, person: requests.Session
    ) -> None:
        site = RelyingParty(certified.issuer)
        tokens = site.redeem(certified.sign_in(person, site.authorization_url(), "alice")).json()
        certified.set(pci=60, kmsi=True, ttl={"IdToken": 60}, claims={"alice": {"name": "Al"}})
        certified.set(refresh_token_on_refresh=False)
        renewed = site.refresh(tokens["refresh_token"]).json()
        claims = site.verified(renewed["id_token"])
        assert (claims["pci"], claims["signin_state"], claims["name"]) == (60, ["kmsi"], "Al")
        assert claims["exp"] - claims["iat"] == 60
        assert "refresh_token" not in renewed
        certified.set(id_token_on_refresh=False)
        assert "id_token" not in site.refresh(tokens["refresh_token"]).json()

    def test_outages(self, certified: CertifiedProvider) -> None:
        site = RelyingParty(certified.issuer)
        certified.set(outage=True)
        assert site.refresh("any").status_code == 503
        certified.wire.down()
        with pytest.raises(requests.ConnectionError):
            site.refresh("any")
        certified.reset()
        assert site.refresh("any").json()["error"] == "invalid_grant"


class TestRogue:
    @pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
    def test_is_honest_until_told_otherwise(
        self, rogue: Rogue, person: requests.Session, algorithm: str
    ) -> None:
        rogue.rotate_key(algorithm)
        site = Site(rogue.issuer)
        callback = rogue.sign_in(person, site.authorization_url(), "bob")
        tokens = site.redeem(callback).json()
        claims = site.id_token(tokens["id_token"])
        assert claims["sub"] == site.userinfo(tokens["access_token"])["sub"] == subject("bob")
        renewed = site.refresh(tokens["refresh_token"]).json()
        assert site.verified(renewed["id_token"])["auth_time"] == claims["auth_time"]
        known = site.post("introspection_endpoint", token=renewed["refresh_token"])
        assert known.json()["active"]
        assert rogue.calls["token"] == 2
        assert rogue.seen["authorize"][0]["code_challenge_method"] == "S256"

    def test_refuses_what_does_not_fit(self, rogue: Rogue, person: requests.Session) -> None:
        site = Site(rogue.issuer)
        callback = rogue.sign_in(person, site.authorization_url())
        assert site.redeem(callback, code_verifier="x" * 43).json()["error"] == "invalid_grant"
        site.client_secret = "guessed"
        assert site.refresh("any").json()["error"] == "invalid_client"

    def test_a_refresh_token_used_twice_kills_the_family(
        self, rogue: Rogue, person: requests.Session
    ) -> None:
        site = Site(rogue.issuer)
        first = site.redeem(rogue.sign_in(person, site.authorization_url())).json()
        second = site.refresh(first["refresh_token"]).json()
        assert rogue.lost_families == []
        assert site.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
        assert site.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"
        assert rogue.lost_families == ["alice"]

    def test_denies_the_disabled_and_the_revoked(
        self, rogue: Rogue, person: requests.Session
    ) -> None:
        site = Site(rogue.issuer)
        silent = site.authorization_url(prompt="none")
        assert error_of(rogue.sign_in(person, silent)) == "login_required"
        tokens = site.redeem(rogue.sign_in(person, site.authorization_url())).json()
        rogue.disable("alice")
        assert error_of(rogue.sign_in(person, silent)) == "login_required"
        asked = site.post("introspection_endpoint", token=tokens["access_token"])
        assert asked.json() == {"active": False}
        rogue.enable("alice")
        assert "code=" in rogue.sign_in(person, silent)
        site.post("revocation_endpoint", token=tokens["refresh_token"])
        assert site.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"

    @pytest.mark.parametrize("kind", ID_TOKEN_FORGERIES)
    def test_every_forged_id_token_is_forged(
        self, rogue: Rogue, person: requests.Session, kind: str
    ) -> None:
        assert judged(rogue, person, kind, max_age="3600")

    @pytest.mark.parametrize("kind", ODD_ID_TOKENS)
    def test_an_odd_id_token_is_good(
        self, rogue: Rogue, person: requests.Session, kind: str
    ) -> None:
        assert judged(rogue, person, kind) == ""

    @pytest.mark.parametrize("kind", LOGOUT_TOKEN_FORGERIES)
    def test_every_forged_logout_token_is_forged(self, rogue: Rogue, kind: str) -> None:
        site = Site(rogue.issuer)
        assert logout_flaw(site, rogue.logout_token()) == ""
        assert logout_flaw(site, rogue.logout_token(kind))

    def test_keys_change(self, rogue: Rogue, person: requests.Session) -> None:
        site = Site(rogue.issuer)
        old = site.redeem(rogue.sign_in(person, site.authorization_url())).json()["id_token"]
        rogue.rotate_key(keep_old=True)
        site.verified(old)
        rogue.rotate_key()
        with pytest.raises(KeyError):
            site.verified(old)
        rogue.lone_key_without_kid()
        token = site.redeem(rogue.sign_in(person, site.authorization_url())).json()["id_token"]
        assert "kid" not in jwt.get_unverified_header(token)
        (key,) = requests.get(site.discovery["jwks_uri"], timeout=5).json()["keys"]
        assert "kid" not in key

    @pytest.mark.parametrize("mode", faults.ANSWERS)
    def test_answers_otherwise(self, rogue: Rogue, mode: str) -> None:
        site = Site(rogue.issuer)
        rogue.fault("token", mode, times=1)
        answer = site.refresh("any")
        expected = faults.ANSWERS[mode]
        assert (answer.status_code, answer.content) == (expected.status, expected.body)
        assert site.refresh("any").json()["error"] == "invalid_grant"

    @pytest.mark.parametrize("mode", [*faults.ERRORS, "empty_error"])
    def test_an_error_of_the_authorization_endpoint_comes_back_to_the_app(
        self, rogue: Rogue, person: requests.Session, mode: str
    ) -> None:
        site = Site(rogue.issuer)
        rogue.fault("authorize", mode)
        callback = rogue.sign_in(person, site.authorization_url())
        assert callback.startswith(site.redirect_uri)
        assert error_of(callback) == ("" if mode == "empty_error" else mode)

    def test_refuses_and_hangs_and_trickles(self, rogue: Rogue) -> None:
        url = f"{rogue.issuer}/jwks"
        rogue.fault("jwks", "refuse")
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)
        rogue.fault("jwks", "hang")
        with pytest.raises(requests.ReadTimeout):
            requests.get(url, timeout=0.1)
        rogue.fault("jwks", "trickle")
        rogue.pace = 0.001
        assert requests.get(url, timeout=5).json()["keys"]
        rogue.heal()
        rogue.delay("jwks", 0.05)
        began = monotonic()
        assert requests.get(url, timeout=5).json()["keys"]
        assert monotonic() - began >= 0.05

    def test_lets_go_of_those_who_hang(self, rogue: Rogue) -> None:
        rogue.fault("jwks", "hang")
        failures: list[type[Exception]] = []

        def wait_for_it() -> None:
            try:
                requests.get(f"{rogue.issuer}/jwks", timeout=20)
            except requests.ConnectionError as error:
                failures.append(type(error))

        waiting = Thread(target=wait_for_it)
        waiting.start()
        while not rogue.calls["jwks"]:
            waiting.join(0.005)
        rogue.heal()
        waiting.join(5)
        assert failures == [requests.ConnectionError]

    def test_twists_a_renewal(self, rogue: Rogue, person: requests.Session) -> None:
        site = Site(rogue.issuer)
        tokens = site.redeem(rogue.sign_in(person, site.authorization_url())).json()

        def renewed(mode: str) -> dict[str, str]:
            rogue.fault("token", mode)
            answer: dict[str, str] = site.refresh(tokens["refresh_token"]).json()
            tokens.update(answer)
            return answer

        assert "refresh_token" not in renewed("no_refresh_token")
        assert "id_token" not in renewed("no_id_token")
        assert site.verified(renewed("another_user")["id_token"])["sub"] == subject("mallory")
        assert "sid" not in site.verified(renewed("no_sid")["id_token"])
        assert site.verified(renewed("auth_time_zero")["id_token"])["auth_time"] == 0
        assert "auth_time" not in site.verified(renewed("auth_time_absent")["id_token"])
        assert site.verified(renewed("aud_list")["id_token"])["aud"] == [site.client_id]
        assert rogue.lost_families == []

    def test_ends_its_own_session(self, rogue: Rogue, person: requests.Session) -> None:
        site = Site(rogue.issuer)
        rogue.sign_in(person, site.authorization_url())
        url = site.discovery["end_session_endpoint"]
        back = {"post_logout_redirect_uri": "http://testserver/", "state": "s"}
        answer = person.get(url, params=back, allow_redirects=False, timeout=5)
        assert answer.headers["location"] == "http://testserver/?state=s"
        silent = site.authorization_url(prompt="none")
        assert error_of(rogue.sign_in(person, silent)) == "login_required"


def judged(rogue: Rogue, person: requests.Session, kind: str, **asked: str) -> str:
    """Sign in with a forged ID token and return why a strict site refuses it; "": it does not."""
    rogue.forge(kind)
    site = Site(rogue.issuer)
    tokens = site.redeem(rogue.sign_in(person, site.authorization_url(**asked))).json()
    try:
        claims = site.id_token(tokens["id_token"], leeway=60)
    except (jwt.InvalidTokenError, KeyError, AssertionError) as error:
        return repr(error)
    if claims.get("azp", site.client_id) != site.client_id:
        return "azp"
    if "events" in claims:
        return "a logout token"
    if asked and claims["iat"] - claims["auth_time"] > int(asked["max_age"]):
        return "auth_time"
    if site.userinfo(tokens["access_token"])["sub"] != claims["sub"]:
        return "userinfo"
    return ""


def logout_flaw(site: RelyingParty, token: str) -> str:
    """Return why a strict site refuses a logout token; "": it does not."""
    try:
        claims = site.verified(token, "exp", "jti", leeway=60)
    except (jwt.InvalidTokenError, KeyError) as error:
        return repr(error)
    if LOGOUT_EVENT not in claims.get("events", {}):
        return "events"
    if jwt.get_unverified_header(token)["typ"] != "logout+jwt":
        return "typ"
    return "nonce" if "nonce" in claims else "" if {"sub", "sid"} & claims.keys() else "nobody"


class TestProxy:
    @pytest.fixture
    def wire(self) -> Iterator[FaultProxy]:
        def greet(request: Request) -> None:
            request.answer(faults.told({"hello": 1}), pace=0, stopped=wire.changed)

        with closing(Loopback(greet)) as server:
            wire = FaultProxy(("127.0.0.1", urlsplit(server.url).port or 0))
            with closing(wire):
                yield wire

    def test_relays(self, wire: FaultProxy) -> None:
        assert requests.get(wire.url, timeout=5).json() == {"hello": 1}

    def test_is_down_and_up_again_at_the_same_address(self, wire: FaultProxy) -> None:
        url = wire.url
        wire.down()
        with pytest.raises(requests.ConnectionError, match="refused"):
            requests.get(url, timeout=5)
        wire.up()
        assert requests.get(url, timeout=5).ok

    def test_hangs(self, wire: FaultProxy) -> None:
        wire.hang()
        with pytest.raises(requests.ReadTimeout):
            requests.get(wire.url, timeout=0.1)
        wire.up()
        assert requests.get(wire.url, timeout=5).ok

    def test_answers_a_byte_at_a_time(self, wire: FaultProxy) -> None:
        wire.trickle(pace=0.001)
        assert requests.get(wire.url, timeout=5).json() == {"hello": 1}
        wire.trickle(pace=1)
        with pytest.raises(requests.ReadTimeout):
            requests.get(wire.url, timeout=0.1)
