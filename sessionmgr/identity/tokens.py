"""What a token must be before anybody believes it. Pure: keys and the time are arguments.

mozilla-django-oidc checks the signature and the nonce; the rest of OpenID Connect Core 3.1.3.7, of
Back-Channel Logout 1.0 and of RFC 9068 is here. A token is read whole or refused with
``InvalidToken`` and the code of one rule; nothing else is raised but what ``key_for`` raises.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hmac import compare_digest
from typing import Any

from jwt import PyJWK, PyJWS
from jwt.exceptions import PyJWTError

from sessionmgr.identity.config import ASYMMETRIC, ProviderConfig
from sessionmgr.identity.outcomes import InvalidToken

#: Seconds that the provider's clock may differ from ours.
SKEW = 60

#: Characters of a token, and of a name in it, at most.
TOKEN_LENGTH = 64 * 1024
NAME_LENGTH = 255

#: Instants are seconds before the year 10000, intervals below about 30 years.
LAST_INSTANT = 253_402_300_799
LONGEST_INTERVAL = 10**9

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

#: The ``typ`` of each kind of token; an ID token need not say one.
ID_TYPES = ("", "jwt")
LOGOUT_TYPES = ("logout+jwt",)
ACCESS_TYPES = ("at+jwt",)

Claims = dict[str, Any]
KeyLookup = Callable[[Mapping[str, Any]], PyJWK]

_jws = PyJWS()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdClaims:
    """Who signed in, as a valid ID token says. Instants are seconds since 1970."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    iat: int
    exp: int
    #: When credentials were given; ``None``: not told (0 counts as not told).
    auth_time: int | None
    #: The provider's own session.
    sid: str | None = field(repr=False)
    email: str | None = field(repr=False)
    #: Only where the provider says ``true``.
    email_verified: bool
    #: Seconds until the provider wants to be asked again.
    check_interval: int | None
    #: What was chosen at "Stay signed in?"; ``None``: not told.
    stays_signed_in: bool | None
    #: All of it, for a hook of the site.
    claims: Claims = field(repr=False, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutClaims:
    """Whose sessions the provider has ended: one (``sid``), or all of ``subject``."""

    issuer: str
    subject: str | None
    sid: str | None = field(repr=False)
    jti: str
    iat: int
    exp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """Who calls with a valid access token, and through which client."""

    issuer: str
    subject: str
    audience: tuple[str, ...]
    client_id: str | None
    scopes: frozenset[str]
    exp: int
    iat: int | None
    auth_time: int | None
    claims: Claims = field(repr=False, hash=False)


def id_token_claims(
    token: object,
    *,
    config: ProviderConfig,
    key_for: KeyLookup,
    nonce: str,
    now: datetime,
    max_age: int | None = None,
) -> IdClaims:
    """Return what the ID token of a sign-in says.

    ``nonce`` is the one that was sent; ``max_age`` too, in seconds: an ``auth_time`` must not be
    older. Of a provider that tells none, ``freshness`` says what is believed.
    """
    claims = _id_claims(token, config, key_for, now)
    _check_nonce(claims, nonce)
    found = _read_id(claims, config, now)
    if max_age is None or found.auth_time is None:
        return found
    if now.timestamp() > found.auth_time + max_age + SKEW:
        raise InvalidToken("auth_too_old")
    return found


def refreshed_id_token_claims(
    token: object,
    *,
    config: ProviderConfig,
    key_for: KeyLookup,
    now: datetime,
    nonce: str | None = None,
) -> IdClaims:
    """Return what the ID token in a refresh answer says (OpenID Connect Core 12.2).

    It should have no nonce; one that it has must be the sign-in's, where that is known. Whether it
    speaks of the same user is for the caller to compare.
    """
    claims = _id_claims(token, config, key_for, now)
    if nonce is not None and "nonce" in claims:
        _check_nonce(claims, nonce)
    return _read_id(claims, config, now)


def logout_token_claims(
    token: object, *, config: ProviderConfig, key_for: KeyLookup, now: datetime
) -> LogoutClaims:
    """Return whom a logout token signs out (OpenID Connect Back-Channel Logout 1.0, 2.6).

    Whether its ``jti`` was seen before is for the caller to look up.
    """
    claims = _verified(token, config, key_for, LOGOUT_TYPES)
    _check_issuer_and_audience(claims, config, config.client_id)
    if "nonce" in claims:
        raise InvalidToken("nonce_in_logout_token")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise InvalidToken("events")
    subject, sid = _name(claims, "sub"), _name(claims, "sid")
    if subject is None and sid is None:
        raise InvalidToken("sub_and_sid_missing")
    iat, exp = _check_times(claims, now, ("iat", "exp"))
    return LogoutClaims(
        issuer=config.issuer,
        subject=subject,
        sid=sid,
        jti=_needed_name(claims, "jti"),
        iat=iat,
        exp=exp,
    )


def access_token_claims(
    token: object, *, audience: str, config: ProviderConfig, key_for: KeyLookup, now: datetime
) -> AccessClaims:
    """Return who calls with an access token that is meant for ``audience`` (RFC 9068)."""
    claims = _verified(token, config, key_for, ACCESS_TYPES)
    found = _check_issuer_and_audience(claims, config, audience)
    if "events" in claims:
        raise InvalidToken("events")
    subject = _needed_name(claims, "sub")
    _iat, exp = _check_times(claims, now, ("exp",))
    scope = claims.get("scope")
    return AccessClaims(
        issuer=config.issuer,
        subject=subject,
        audience=found,
        client_id=_name(claims, "client_id") or _name(claims, "azp"),
        scopes=frozenset(scope.split() if isinstance(scope, str) else ()),
        exp=exp,
        iat=_instant(claims, "iat"),
        auth_time=_auth_time(claims, now),
        claims=claims,
    )


def userinfo_matches(claims: IdClaims, userinfo: Mapping[str, Any]) -> bool:
    """Return whether userinfo speaks of the user of the ID token (Core 5.3.2)."""
    return userinfo.get("sub") == claims.subject


def _id_claims(token: object, config: ProviderConfig, key_for: KeyLookup, now: datetime) -> Claims:
    claims = _verified(token, config, key_for, ID_TYPES)
    audience = _check_issuer_and_audience(claims, config, config.client_id)
    if "events" in claims:
        raise InvalidToken("events")
    azp = claims.get("azp")
    if azp is None and len(audience) > 1:
        raise InvalidToken("azp_missing")
    if azp is not None and azp != config.client_id:
        raise InvalidToken("azp")
    _check_times(claims, now, ("iat", "exp"))
    return claims


def _read_id(claims: Claims, config: ProviderConfig, now: datetime) -> IdClaims:
    email = claims.get("email")
    iat, exp = _check_times(claims, now, ("iat", "exp"))
    return IdClaims(
        issuer=config.issuer,
        subject=_needed_name(claims, "sub"),
        audience=_audience(claims),
        iat=iat,
        exp=exp,
        auth_time=_auth_time(claims, now),
        sid=_name(claims, "sid"),
        email=email if isinstance(email, str) and email else None,
        email_verified=claims.get("email_verified") is True,
        check_interval=_interval(claims.get(config.check_interval_claim)),
        stays_signed_in=_stays(claims.get(config.stay_signed_in_claim)),
        claims=claims,
    )


def _verified(
    token: object, config: ProviderConfig, key_for: KeyLookup, types: Collection[str]
) -> Claims:
    """Return the claims that the provider has signed, in a token of this type."""
    if not isinstance(token, str) or not token.isascii() or len(token) > TOKEN_LENGTH:
        raise InvalidToken("malformed")
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in config.algorithms or algorithm not in ASYMMETRIC:
        raise InvalidToken("algorithm")
    if "crit" in header or "b64" in header:
        raise InvalidToken("critical_header")
    if _type(header) not in types:
        raise InvalidToken("type")
    key = key_for(header)
    try:
        payload = _jws.decode_complete(token, key, algorithms=[algorithm])["payload"]
    except Exception:
        payload = None  # Raised below, where nothing of the token comes along.
    if payload is None:
        raise InvalidToken("signature")
    return _object(payload)


def _header(token: str) -> Claims:
    try:
        header: Claims | None = _jws.get_unverified_header(token)
    except (PyJWTError, ValueError, RecursionError):
        header = None
    if header is None or not isinstance(header.get("alg"), str):
        raise InvalidToken("malformed")
    return header


def _type(header: Claims) -> str:
    """Return ``typ`` as RFC 7515, 4.1.9 compares it; "?" if it is no text."""
    typ = header.get("typ", "")
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else "?"


def _object(payload: bytes) -> Claims:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise InvalidToken("malformed")
    return claims


def _check_issuer_and_audience(
    claims: Claims, config: ProviderConfig, wanted: str
) -> tuple[str, ...]:
    """Both are compared exactly; nothing set is no match."""
    if not config.issuer or claims.get("iss") != config.issuer:
        raise InvalidToken("issuer")
    audience = _audience(claims)
    if not wanted or wanted not in audience:
        raise InvalidToken("audience")
    return audience


def _audience(claims: Claims) -> tuple[str, ...]:
    found = claims.get("aud")
    listed = [found] if isinstance(found, str) else found
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise InvalidToken("audience")
    return tuple(listed)


def _check_times(claims: Claims, now: datetime, needed: Collection[str]) -> tuple[int, int]:
    """Return ``iat`` (0 if absent and not needed) and ``exp`` of a token that is in force."""
    at = now.timestamp()
    iat, exp, nbf = (_instant(claims, name) for name in ("iat", "exp", "nbf"))
    for name, value in (("iat", iat), ("exp", exp)):
        if value is None and name in needed:
            raise InvalidToken(f"{name}_missing")
    if exp is not None and at > exp + SKEW:
        raise InvalidToken("expired")
    if nbf is not None and nbf > at + SKEW:
        raise InvalidToken("not_yet_valid")
    if iat is not None and iat > at + SKEW:
        raise InvalidToken("issued_in_the_future")
    return iat or 0, exp or 0


def _check_nonce(claims: Claims, nonce: str) -> None:
    found = claims.get("nonce")
    if not isinstance(found, str) or not nonce:
        raise InvalidToken("nonce_missing")
    if not compare_digest(_bytes(found), _bytes(nonce)):
        raise InvalidToken("nonce")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _instant(claims: Claims, name: str) -> int | None:
    """Return a NumericDate (RFC 7519, 2) in whole seconds, ``None`` if there is none."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(name)
    if not 0 <= value <= LAST_INSTANT:  # Which NaN is not, either.
        raise InvalidToken(name)
    return int(value)


def _auth_time(claims: Claims, now: datetime) -> int | None:
    if "auth_time" not in claims:
        return None
    value = claims["auth_time"]
    if type(value) is not int or not 0 <= value <= now.timestamp() + SKEW:
        raise InvalidToken("auth_time")
    return value or None


def _name(claims: Claims, name: str) -> str | None:
    """Return an identifier that a database can keep and a log can show, ``None`` if absent."""
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= NAME_LENGTH or not value.isprintable():
        raise InvalidToken(name)
    return value


def _needed_name(claims: Claims, name: str) -> str:
    value = _name(claims, name)
    if value is None:
        raise InvalidToken(f"{name}_missing")
    return value


def _interval(value: object) -> int | None:
    return value if type(value) is int and 0 < value <= LONGEST_INTERVAL else None


def _stays(value: object) -> bool | None:
    if value is None:
        return None
    return value is True or (isinstance(value, list) and "kmsi" in value)
