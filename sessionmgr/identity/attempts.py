"""The way to the provider and back: each tab's own, for one browser, for ten minutes, once."""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from sessionmgr import clock
from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.provider import Provider
from sessionmgr.models import SignInAttempt, database

#: Characters of a state of ours.
LONGEST_STATE = 43

#: Of our own cookies: which browser it is, for as long as it is open.
BROWSER_COOKIE = "sessionmgr_browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a sign-in is to be: where it leads, and what is asked of the provider.

    ``prompt``: "" (a sign-in there is enough), "login" (credentials) or "none" (no question at
    all). ``max_age`` in seconds is always sent, so that the provider tells ``auth_time``.
    """

    max_age: int
    next: str = ""
    prompt: str = ""
    stays_signed_in: bool = False
    session_id: int | None = None
    id_token_hint: str = ""
    ticket_id: int | None = None


def begin(
    request: HttpRequest, wish: Wish, provider: Provider, config: ProviderConfig
) -> tuple[str, str]:
    """Write the attempt down; return the provider's address to go to, and the browser's cookie."""
    using = database()
    browser = request.COOKIES.get(cookie_name()) or secrets.token_urlsafe(32)
    attempt = SignInAttempt(
        state=secrets.token_urlsafe(32),
        browser=_hash_of(browser),
        nonce=secrets.token_urlsafe(32),
        code_verifier=secrets.token_urlsafe(64),
        next=wish.next,
        prompt=wish.prompt,
        max_age=wish.max_age,
        stays_signed_in=wish.stays_signed_in,
        session_id=wish.session_id,
        ticket_id=wish.ticket_id,
        created_at=clock.now(using),
    )
    attempt.save(force_insert=True, using=using)
    params = {
        "response_type": "code",
        "client_id": config.client_id,
        "redirect_uri": redirect_uri(request),
        "scope": config.scopes,
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge_of(attempt.code_verifier),
        "code_challenge_method": "S256",
        "max_age": str(wish.max_age),
        **({"prompt": wish.prompt} if wish.prompt else {}),
        **({"id_token_hint": wish.id_token_hint} if wish.id_token_hint else {}),
    }
    return with_query(provider.authorization_endpoint, params), browser


def take(request: HttpRequest) -> SignInAttempt | None:
    """Return the attempt that this request comes back from, used up; ``None``: it has none."""
    state = request.GET.get("state", "")
    browser = request.COOKIES.get(cookie_name(), "")
    if not state or not browser or len(state) > LONGEST_STATE or "\0" in state:
        return None
    using = database()
    return SignInAttempt.objects.using(using).take(state, _hash_of(browser), clock.now(using))


def remember_browser(response: HttpResponseBase, browser: str) -> None:
    """Set the cookie by which only this browser can come back."""
    response.set_cookie(
        cookie_name(),
        browser,
        path="/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def cookie_name() -> str:
    """Return the cookie's name; over HTTPS one that no sibling domain can set (ASVS 3.3)."""
    return f"__Host-{BROWSER_COOKIE}" if settings.SESSION_COOKIE_SECURE else BROWSER_COOKIE


def redirect_uri(request: HttpRequest) -> str:
    """Return where the provider sends the browser back to."""
    name = getattr(settings, "OIDC_AUTHENTICATION_CALLBACK_URL", "oidc_authentication_callback")
    return request.build_absolute_uri(reverse(name))


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a PKCE verifier (RFC 7636)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def with_query(address: str, params: dict[str, Any]) -> str:
    """Return ``address`` with ``params`` added to whatever query it has."""
    parts = urlsplit(address)
    query = "&".join(filter(None, (parts.query, urlencode(params))))
    return urlunsplit(parts._replace(query=query))


def _hash_of(browser: str) -> bytes:
    return hashlib.sha256(browser.encode()).digest()
