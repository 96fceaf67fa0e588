"""Tokens that an app must refuse, each by a name, and odd ones that it must take.

A change of a claim is its new value: a ``timedelta`` means so far from now, ``ABSENT`` that the
claim is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from tests.identity.providers.keys import Claims, Draft, SigningKey

CLIENT_ID: Final = "sessionmgr"
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"


class Absent(Enum):
    """No value, not even an empty one."""

    ABSENT = "absent"


#: In place of a claim: the token carries none.
ABSENT: Final = Absent.ABSENT

MINUTES = timedelta(minutes=1)

#: ID tokens (OpenID Connect Core 3.1.3.7) that are signed well and say what they must not.
ID_TOKEN_CHANGES: dict[str, dict[str, Any]] = {
    "wrong_aud": {"aud": "another-client"},
    "no_aud": {"aud": ABSENT},
    "wrong_iss": {"iss": "https://elsewhere.example"},
    "no_iss": {"iss": ABSENT},
    "foreign_azp": {"azp": "another-client"},
    "no_sub": {"sub": ABSENT},
    "no_iat": {"iat": ABSENT},
    "no_exp": {"exp": ABSENT},
    "wrong_nonce": {"nonce": "a nonce that nobody sent"},
    "no_nonce": {"nonce": ABSENT},
    "expired": {"iat": -20 * MINUTES, "exp": -10 * MINUTES},
    "nbf_ahead": {"nbf": 10 * MINUTES},
    # To be refused where a max_age was sent, or credentials were demanded.
    "auth_time_too_old": {"auth_time": timedelta(days=-10)},
    # With the nonce, so that only what makes it a logout token can give it away.
    "logout_token": {"events": {LOGOUT_EVENT: {}}, "jti": "a logout token's"},
}
#: The ID token is good; the user that the userinfo endpoint tells of is another one.
USERINFO_CHANGES: dict[str, dict[str, Any]] = {
    "userinfo_sub_differs": {"sub": "the subject of another user"},
}

#: Tokens of either kind whose signature must not be believed.
SIGNATURES: dict[str, Callable[[Draft], str]] = {
    "alg_none": Draft.unsigned,
    "hs256_with_public_key": lambda draft: draft.with_hmac(draft.key.pem()),
    "hs256_with_client_secret": lambda draft: draft.with_hmac(draft.client_secret.encode()),
    "other_key": lambda draft: draft.with_key(draft.key.other()),
    "unknown_kid": lambda draft: draft.with_key(replace(draft.key.other(), kid="unheard-of")),
    "altered_claims": lambda draft: draft.altered(sub="the subject of another user"),
}

#: Logout tokens (Back-Channel Logout 1.0, 2.6) that are signed well and say what they must not.
LOGOUT_TOKEN_CHANGES: dict[str, dict[str, Any]] = {
    "wrong_iss": {"iss": "https://elsewhere.example"},
    "wrong_aud": {"aud": "another-client"},
    "no_iat": {"iat": ABSENT},
    "iat_ahead": {"iat": 10 * MINUTES, "exp": 12 * MINUTES},
    "expired": {"iat": -20 * MINUTES, "exp": -18 * MINUTES},
    "no_exp": {"exp": ABSENT},
    "no_events": {"events": ABSENT},
    "wrong_event": {"events": {"http://schemas.openid.net/event/another": {}}},
    "nonce_present": {"nonce": "what only an ID token has"},
    "neither_sub_nor_sid": {"sub": ABSENT, "sid": ABSENT},
    "no_jti": {"jti": ABSENT},
    "wrong_typ": {},
    "id_token": {"events": ABSENT, "jti": ABSENT, "nonce": "what only an ID token has"},
}
#: What stands as ``typ`` in the header of a forgery, where that is not the usual one.
TYPES = {"logout_token": "logout+jwt", "wrong_typ": "at+jwt", "id_token": "JWT"}

ID_TOKEN_FORGERIES = (*ID_TOKEN_CHANGES, *USERINFO_CHANGES, *SIGNATURES)
LOGOUT_TOKEN_FORGERIES = (*LOGOUT_TOKEN_CHANGES, *SIGNATURES)

#: ID tokens that real providers send, and that are good.
ODD_ID_TOKENS: dict[str, dict[str, Any]] = {
    "aud_list": {"aud": [CLIENT_ID], "azp": CLIENT_ID},
    "no_sid": {"sid": ABSENT},
    "expired_within_the_skew": {"iat": -10 * MINUTES, "exp": -0.5 * MINUTES},
    "nbf_within_the_skew": {"nbf": 0.5 * MINUTES},
    "iat_within_the_skew": {"iat": 0.5 * MINUTES},
}


def changed(claims: Claims, changes: Mapping[str, Any], now: int) -> Claims:
    """Return ``claims`` with ``changes`` made to them."""
    new = {
        name: now + int(value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in changes.items()
    }
    return {name: value for name, value in {**claims, **new}.items() if value is not ABSENT}


def token(claims: Claims, key: SigningKey, typ: str, secret: str, forgery: str | None) -> str:
    """Return a signed token; with a ``forgery`` of header or signature, signed that way."""
    draft = Draft(claims, key, TYPES.get(forgery or "", typ), secret)
    return SIGNATURES.get(forgery or "", Draft.signed)(draft)
