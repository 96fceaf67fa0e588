"""What the tokens say."""

from secrets import token_urlsafe

from sessionmgr.project.demo.provider.accounts import Account
from sessionmgr.project.demo.provider.config import CLIENT_ID
from sessionmgr.project.demo.provider.grants import ACCESS_SECONDS, Family
from sessionmgr.project.demo.provider.state import Provider

ID_TOKEN_SECONDS = 600
LOGOUT_TOKEN_SECONDS = 120
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def answer(provider: Provider, family: Family, nonce: str = "") -> dict[str, object]:
    """Return what the token endpoint answers for ``family``."""
    now = provider.now()
    return {
        "access_token": access_token(provider, family),
        "token_type": "Bearer",  # nosec B105
        "expires_in": ACCESS_SECONDS,
        "refresh_token": provider.grants.refresh_token(family, now),
        "scope": family.scope,
        "id_token": id_token(provider, family, nonce),
    }


def _issued(provider: Provider, seconds: int) -> dict[str, object]:
    now = int(provider.now())
    issuer = provider.config.issuer
    return {"iss": issuer, "aud": CLIENT_ID, "iat": now, "exp": now + seconds}


def id_token(provider: Provider, family: Family, nonce: str) -> str:
    """Return who has signed in, when, how, and how often the app should ask again."""
    claims = {
        **_issued(provider, ID_TOKEN_SECONDS),
        **family.account.claims,
        "auth_time": family.auth_time,
        "sid": family.sid,
        "pci": provider.interval,
        "signin_state": ["kmsi"] if family.stays else [],
    }
    return provider.keys.sign(claims | ({"nonce": nonce} if nonce else {}), "JWT")


def access_token(provider: Provider, family: Family) -> str:
    """Return a token for the provider's own endpoints (RFC 9068)."""
    claims = {
        **_issued(provider, ACCESS_SECONDS),
        "sub": family.account.subject,
        "client_id": CLIENT_ID,
        "scope": family.scope,
        "jti": provider.grants.access_token(family, provider.now()),
    }
    return provider.keys.sign(claims, "at+jwt")


def logout_token(provider: Provider, account: Account, sid: str) -> str:
    """Return what tells the app that a session, or without ``sid`` each of them, has ended."""
    claims = {
        **_issued(provider, LOGOUT_TOKEN_SECONDS),
        "sub": account.subject,
        "jti": token_urlsafe(16),
        "events": {LOGOUT_EVENT: {}},
    }
    return provider.keys.sign(claims | ({"sid": sid} if sid else {}), "logout+jwt")
