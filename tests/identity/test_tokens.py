"""Every rule about a token has one that breaks it, and the token beside it that does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from jwt import PyJWK

from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.keys import Keys
from sessionmgr.identity.outcomes import InvalidToken
from sessionmgr.identity.tokens import (
    LAST_INSTANT,
    LOGOUT_EVENT,
    LONGEST_INTERVAL,
    NAME_LENGTH,
    SKEW,
    TOKEN_LENGTH,
    access_token_claims,
    id_token_claims,
    logout_token_claims,
    refreshed_id_token_claims,
    userinfo_matches,
)
from tests.identity.providers.forgeries import ABSENT
from tests.identity.providers.keys import SigningKey

NOW = datetime(2030, 1, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
ISSUER = "https://provider.example"
CONFIG = ProviderConfig(issuer=ISSUER, client_id="site")
KEY = SigningKey()

ID = {
    "iss": ISSUER,
    "sub": "1",
    "aud": "site",
    "iat": AT - 10,
    "exp": AT + 600,
    "nonce": "n",
}
LOGOUT = {
    "iss": ISSUER,
    "sub": "1",
    "aud": "site",
    "iat": AT,
    "exp": AT + 120,
    "jti": "j",
    "events": {LOGOUT_EVENT: {}},
}
ACCESS = {"iss": ISSUER, "sub": "1", "aud": "api", "exp": AT + 600}


def key_for(header: Any) -> PyJWK:
    key = Keys([KEY.jwk()]).find(header)
    assert key is not None
    return key


def part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def made(header: dict[str, Any], payload: Any) -> str:
    """Return a token that is signed well, whatever stands in it."""
    text = f"{part({'alg': 'RS256', 'kid': KEY.kid, **header})}.{part(payload)}"
    signature = jwt.get_algorithm_by_name("RS256").sign(text.encode(), KEY.private)
    return f"{text}.{part(signature)}"


def signed(claims: dict[str, Any], typ: object, **header: Any) -> str:
    kept = {name: value for name, value in claims.items() if value is not ABSENT}
    return made({**({} if typ is None else {"typ": typ}), **header}, kept)


def id_token(token: object = None, config: ProviderConfig = CONFIG, **changes: Any) -> Any:
    """Read an ID token with changed claims, as that of a sign-in with the nonce ``n``."""
    given = {name: changes.pop(name) for name in ("max_age", "typ", "header") if name in changes}
    if token is None:
        token = signed(ID | changes, given.get("typ", "JWT"), **given.get("header", {}))
    return id_token_claims(
        token,
        config=config,
        key_for=key_for,
        nonce="n",
        now=NOW,
        max_age=given.get("max_age"),
    )


def logout_token(**changes: Any) -> Any:
    token = signed(LOGOUT | changes, changes.pop("typ", "logout+jwt"))
    return logout_token_claims(token, config=CONFIG, key_for=key_for, now=NOW)


def access_token(**changes: Any) -> Any:
    token = signed(ACCESS | changes, changes.pop("typ", "at+jwt"))
    return access_token_claims(token, audience="api", config=CONFIG, key_for=key_for, now=NOW)


def code_of(read: Callable[..., Any], *given: Any, **changes: Any) -> str:
    """Return the code of the rule that refuses; "": it is taken."""
    try:
        read(*given, **changes)
    except InvalidToken as refusal:
        return refusal.code if refusal.__context__ is None else "something comes along"
    return ""


def test_what_a_sign_in_tells() -> None:
    found = id_token(
        auth_time=AT - 5,
        sid="s",
        email="a@example.com",
        email_verified=True,
        pci=60,
        signin_state=["kmsi"],
        aud=["site", "api"],
        azp="site",
    )
    assert (found.issuer, found.subject, found.audience) == (ISSUER, "1", ("site", "api"))
    assert (found.iat, found.exp, found.auth_time) == (AT - 10, AT + 600, AT - 5)
    assert (found.sid, found.email, found.email_verified) == ("s", "a@example.com", True)
    assert (found.check_interval, found.stays_signed_in) == (60, True)
    assert found.claims["nonce"] == "n"
    assert "a@example.com" not in repr(found)


def test_what_it_leaves_out_is_not_told() -> None:
    found = id_token(email="", email_verified="true")
    assert (found.auth_time, found.sid, found.email) == (None, None, None)
    assert (found.email_verified, found.check_interval, found.stays_signed_in) == (
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": ABSENT}, "issuer"),
        ({"iss": f"{ISSUER}/"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"aud": ABSENT}, "audience"),
        ({"aud": "Site"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": ["site", 5], "azp": "site"}, "audience"),
        ({"aud": {"site": 1}}, "audience"),
        ({"aud": ["site", "api"]}, "azp_missing"),
        ({"azp": "api"}, "azp"),
        ({"azp": ["site"]}, "azp"),
        ({"events": {}}, "events"),
        ({"sub": ABSENT}, "sub_missing"),
        ({"sub": ""}, "sub"),
        ({"sub": 1}, "sub"),
        ({"sub": "x" * (NAME_LENGTH + 1)}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"sid": "\x00"}, "sid"),
        ({"iat": ABSENT}, "iat_missing"),
        ({"exp": ABSENT}, "exp_missing"),
        ({"exp": str(AT + 600)}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": LAST_INSTANT + 1}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"iat": -1}, "iat"),
        ({"nbf": [AT]}, "nbf"),
        ({"nonce": ABSENT}, "nonce_missing"),
        ({"nonce": 5}, "nonce_missing"),
        ({"nonce": "N"}, "nonce"),
        ({"nonce": "\ud800"}, "nonce"),
        ({"auth_time": None}, "auth_time"),
        ({"auth_time": True}, "auth_time"),
        ({"auth_time": float(AT)}, "auth_time"),
        ({"auth_time": -1}, "auth_time"),
        ({"auth_time": AT + SKEW + 1}, "auth_time"),
    ],
    ids=str,
)
def test_an_id_token_that_breaks_a_rule_is_refused(changes: dict[str, Any], code: str) -> None:
    assert code_of(id_token, **changes) == code


@pytest.mark.parametrize(
    ("claim", "last", "first", "code"),
    [
        ("exp", AT - SKEW, AT - SKEW - 1, "expired"),
        ("nbf", AT + SKEW, AT + SKEW + 1, "not_yet_valid"),
        ("iat", AT + SKEW, AT + SKEW + 1, "issued_in_the_future"),
    ],
)
def test_clocks_may_differ_so_much_and_no_more(
    claim: str, last: int, first: int, code: str
) -> None:
    assert code_of(id_token, **{claim: last}) == ""
    assert code_of(id_token, **{claim: first}) == code


def test_credentials_must_not_be_older_than_asked_for() -> None:
    assert id_token(max_age=300, auth_time=AT - 300 - SKEW).auth_time == AT - 300 - SKEW
    assert code_of(id_token, max_age=300, auth_time=AT - 301 - SKEW) == "auth_too_old"
    assert id_token(auth_time=AT - 10**6).auth_time == AT - 10**6


@pytest.mark.parametrize("told", [{}, {"auth_time": 0}])
def test_an_age_that_is_not_told_is_left_to_freshness(told: dict[str, int]) -> None:
    assert id_token(max_age=300, **told).auth_time is None


@pytest.mark.parametrize("interval", [0, -5, 1.5, "60", True, LONGEST_INTERVAL + 1, [60]])
def test_an_interval_that_is_none_is_not_told(interval: object) -> None:
    assert id_token(pci=interval).check_interval is None


@pytest.mark.parametrize(
    ("told", "stays"),
    [(None, None), (True, True), (["kmsi", "x"], True), (["x"], False), ("kmsi", False)],
)
def test_staying_signed_in(told: object, stays: bool | None) -> None:
    assert id_token(signin_state=told).stays_signed_in is stays


@pytest.mark.parametrize(
    ("token", "code"),
    [
        pytest.param(5, "malformed", id="no-text"),
        pytest.param("é.é.é", "malformed", id="not-ascii"),
        pytest.param("a.b", "malformed", id="two-parts"),
        pytest.param("x" * (TOKEN_LENGTH + 1), "malformed", id="too-long"),
        pytest.param(f"{part(b'[')}.e30.eA", "malformed", id="header-no-json"),
        pytest.param(f"{part([])}.e30.eA", "malformed", id="header-no-object"),
        pytest.param(f"{part({'typ': 'JWT'})}.e30.eA", "malformed", id="no-algorithm"),
        pytest.param(f"{part({'alg': 5})}.e30.eA", "malformed", id="algorithm-no-text"),
        pytest.param(f"{part(b'[' * 40_000)}.e30.eA", "malformed", id="header-without-end"),
        pytest.param(f"{part({'alg': 'none'})}.e30.", "algorithm", id="alg-none"),
        pytest.param(f"{part({'alg': 'HS256'})}.e30.eA", "algorithm", id="shared-secret"),
        pytest.param(f"{part({'alg': 'RS512'})}.e30.eA", "algorithm", id="not-set"),
        pytest.param(made({}, b"[1]"), "malformed", id="claims-no-object"),
        pytest.param(made({}, b"{"), "malformed", id="claims-no-json"),
        pytest.param(made({}, b"\xff"), "malformed", id="claims-no-text"),
        pytest.param(made({}, b"[" * 40_000), "malformed", id="claims-without-end"),
    ],
)
def test_what_is_no_token_is_refused(token: object, code: str) -> None:
    assert code_of(id_token, token) == code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"header": {"crit": ["b64"], "b64": True}}, "critical_header"),
        ({"header": {"crit": ["exp"], "exp": 1}}, "malformed"),  # PyJWT's own refusal.
        ({"typ": 5}, "type"),
        ({"typ": "logout+jwt"}, "type"),
        ({"typ": "at+jwt"}, "type"),
        ({"typ": "application/JWT"}, ""),
        ({"typ": None}, ""),
    ],
    ids=str,
)
def test_the_header_says_what_kind_of_token_it_is(given: dict[str, Any], code: str) -> None:
    assert code_of(id_token, **given) == code


def test_another_key_of_the_same_name_signs_nothing() -> None:
    other = jwt.encode(
        ID, KEY.other().private, algorithm="RS256", headers={"kid": KEY.kid, "typ": "JWT"}
    )
    assert code_of(id_token, other) == "signature"
    head, _, signature = signed(ID, "JWT").split(".")
    assert code_of(id_token, f"{head}.{part(ID | {'sub': '2'})}.{signature}") == "signature"


def test_an_algorithm_that_shares_a_secret_is_no_setting() -> None:
    config = replace(CONFIG, algorithms=("HS256", "none"))
    secret = jwt.encode(ID, "s" * 32, algorithm="HS256")
    assert code_of(id_token, secret, config=config) == "algorithm"


@pytest.mark.parametrize("unset", [{"issuer": ""}, {"client_id": ""}])
def test_what_is_not_set_matches_nothing(unset: dict[str, str]) -> None:
    config = replace(CONFIG, **unset)  # type: ignore[arg-type]
    token = signed(ID | {"iss": "", "aud": ""}, "JWT")
    assert code_of(id_token, token, config=config) in ("issuer", "audience")


def test_without_a_nonce_nobody_signs_in() -> None:
    with pytest.raises(InvalidToken, match="nonce_missing"):
        id_token_claims(
            signed(ID | {"nonce": ""}, "JWT"), config=CONFIG, key_for=key_for, nonce="", now=NOW
        )


@pytest.mark.parametrize(
    ("sent", "told", "code"),
    [
        (None, ABSENT, ""),
        (None, "whatever", ""),
        ("n", ABSENT, ""),
        ("n", "n", ""),
        ("n", "another", "nonce"),
    ],
)
def test_a_renewal_may_leave_the_nonce_out_but_not_change_it(
    sent: str | None, told: object, code: str
) -> None:
    token = signed(ID | {"nonce": told}, "JWT")
    assert (
        code_of(
            refreshed_id_token_claims, token, config=CONFIG, key_for=key_for, now=NOW, nonce=sent
        )
        == code
    )


def test_whom_a_logout_is_about() -> None:
    found = logout_token(sid="s")
    assert (found.subject, found.sid, found.jti, found.iat) == ("1", "s", "j", AT)
    assert (logout_token(sub=ABSENT, sid="s").subject, logout_token().sid) == (None, None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"typ": "JWT"}, "type"),
        ({"nonce": None}, "nonce_in_logout_token"),
        ({"events": ABSENT}, "events"),
        ({"events": [LOGOUT_EVENT]}, "events"),
        ({"events": {LOGOUT_EVENT: True}}, "events"),
        ({"sub": ABSENT}, "sub_and_sid_missing"),
        ({"jti": ABSENT}, "jti_missing"),
        ({"iat": ABSENT}, "iat_missing"),
        ({"exp": ABSENT}, "exp_missing"),
        ({"aud": "api"}, "audience"),
    ],
    ids=str,
)
def test_a_logout_token_that_breaks_a_rule_is_refused(changes: dict[str, Any], code: str) -> None:
    assert code_of(logout_token, **changes) == code


def test_who_calls_an_api() -> None:
    found = access_token(client_id="c", azp="d", scope="read write", iat=AT, auth_time=AT - 1)
    assert (found.subject, found.client_id, found.audience) == ("1", "c", ("api",))
    assert (found.scopes, found.iat, found.auth_time) == ({"read", "write"}, AT, AT - 1)
    bare = access_token(azp="d", scope=["read"])
    assert (bare.client_id, bare.scopes, bare.iat) == ("d", frozenset(), None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"typ": "JWT"}, "type"),
        ({"aud": "site"}, "audience"),
        ({"events": {}}, "events"),
        ({"sub": ABSENT}, "sub_missing"),
        ({"exp": ABSENT}, "exp_missing"),
        ({"exp": AT - SKEW - 1}, "expired"),
    ],
    ids=str,
)
def test_an_access_token_that_breaks_a_rule_is_refused(changes: dict[str, Any], code: str) -> None:
    assert code_of(access_token, **changes) == code


def test_userinfo_is_of_the_same_person() -> None:
    found = id_token()
    assert userinfo_matches(found, {"sub": "1"})
    assert not userinfo_matches(found, {"sub": 1})
    assert not userinfo_matches(found, {})
