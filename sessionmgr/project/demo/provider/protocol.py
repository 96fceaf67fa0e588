"""The endpoints that apps call: discovery, keys, tokens, userinfo, introspection, revocation."""

from base64 import b64decode
from hmac import compare_digest
from http import HTTPStatus
from urllib.parse import unquote_plus

from sessionmgr.project.demo.provider import tokens
from sessionmgr.project.demo.provider.config import CLIENT_ID
from sessionmgr.project.demo.provider.exchange import Answer, Request, document
from sessionmgr.project.demo.provider.grants import Refused, Token
from sessionmgr.project.demo.provider.keys import ALGORITHM
from sessionmgr.project.demo.provider.state import Provider

SCOPES = ("openid", "profile", "email", "offline_access")


def discovery(provider: Provider, request: Request) -> Answer:
    """Tell what there is (OpenID Connect Discovery 1.0)."""
    issuer = provider.config.issuer
    ways = ["client_secret_basic", "client_secret_post"]
    return document(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "introspection_endpoint": f"{issuer}/introspect",
            "revocation_endpoint": f"{issuer}/revoke",
            "end_session_endpoint": f"{issuer}/logout",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ways,
            "introspection_endpoint_auth_methods_supported": ways,
            "revocation_endpoint_auth_methods_supported": ways,
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["none", "login"],
            "claims_supported": [
                *("iss", "aud", "sub", "iat", "exp", "auth_time", "nonce", "sid", "name"),
                *("preferred_username", "email", "email_verified", "groups"),
                *("pci", "signin_state"),
            ],
            "authorization_response_iss_parameter_supported": True,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }
    )


def key_set(provider: Provider, request: Request) -> Answer:
    """Return the public keys."""
    return document(provider.keys.published(provider.now()))


def refusal(error: str, told: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Answer:
    """Refuse as RFC 6749, section 5.2 asks."""
    return document({"error": error, "error_description": told}, status)


def unknown_client(provider: Provider, request: Request) -> Answer | None:
    """Return a refusal unless the app has shown its secret, in the header or in the form."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            shown = b64decode(encoded, validate=True).decode()
        except ValueError:
            shown = ""
        name, _, secret = shown.partition(":")
        name, secret = unquote_plus(name), unquote_plus(secret)
    else:
        name, secret = request.form.get("client_id", ""), request.form.get("client_secret", "")
    is_right = compare_digest(secret.encode(), provider.config.client_secret.encode())
    if name == CLIENT_ID and is_right:
        return None
    provider.journal.note("an app was refused: it did not show the right id and secret")
    told = {"error": "invalid_client", "error_description": "wrong client id or secret"}
    return document(
        told, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Basic realm="demo provider"'}
    )


def token(provider: Provider, request: Request) -> Answer:
    """Exchange a code, or renew with a refresh token."""
    if refused := unknown_client(provider, request):
        return refused
    kind = request.form.get("grant_type", "")
    exchange = {"authorization_code": _exchange_code, "refresh_token": _renew}.get(kind)
    if exchange is None:
        return refusal("unsupported_grant_type", "authorization_code and refresh_token are")
    try:
        return document(exchange(provider, request))
    except Refused as refused_because:
        provider.journal.note(f"{kind.replace('_', ' ')} refused: {refused_because}")
        return refusal("invalid_grant", str(refused_because))


def _exchange_code(provider: Provider, request: Request) -> dict[str, object]:
    code = provider.grants.redeem(
        request.form.get("code", ""),
        request.form.get("redirect_uri", ""),
        request.form.get("code_verifier", ""),
        provider.now(),
    )
    provider.journal.note(f"code of {code.family.account.name} exchanged for tokens")
    return tokens.answer(provider, code.family, code.nonce)


def _renew(provider: Provider, request: Request) -> dict[str, object]:
    family = provider.grants.renew(request.form.get("refresh_token", ""), provider.now())
    provider.journal.note(f"refresh token of {family.account.name} accepted")
    return tokens.answer(provider, family)


def access_token_of(provider: Provider, shown: str) -> Token | None:
    """Return the access token in force that ``shown`` is."""
    claims = provider.keys.read(shown, provider.now())
    return provider.grants.access_in_force(claims.get("jti"), provider.now())


def userinfo(provider: Provider, request: Request) -> Answer:
    """Tell who the bearer of an access token is."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    found = access_token_of(provider, shown) if scheme.lower() == "bearer" else None
    if found is None:
        header = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return document({"error": "invalid_token"}, HTTPStatus.UNAUTHORIZED, header)
    return document(found.family.account.claims)


def introspect(provider: Provider, request: Request) -> Answer:
    """Tell whether a token is in force (RFC 7662)."""
    if refused := unknown_client(provider, request):
        return refused
    shown, now = request.form.get("token", ""), provider.now()
    kind, found = "refresh_token", provider.grants.refresh_in_force(shown, now)
    if found is None:
        kind, found = "Bearer", access_token_of(provider, shown)
    if found is None:
        return document({"active": False})
    family = found.family
    return document(
        {
            "active": True,
            "iss": provider.config.issuer,
            "aud": CLIENT_ID,
            "client_id": CLIENT_ID,
            "sub": family.account.subject,
            "username": family.account.name,
            "sid": family.sid,
            "scope": family.scope,
            "token_type": kind,
            "iat": int(found.issued_at),
            "exp": int(found.ends_at),
        }
    )


def revoke(provider: Provider, request: Request) -> Answer:
    """Make a token void, a refresh token with its family (RFC 7009)."""
    if refused := unknown_client(provider, request):
        return refused
    shown = request.form.get("token", "")
    family = provider.grants.revoke_refresh(shown)
    if family is not None:
        provider.journal.note(f"refresh token of {family.account.name} revoked by the app")
    else:
        provider.grants.revoke_access(provider.keys.read(shown, provider.now()).get("jti"))
    return Answer()
