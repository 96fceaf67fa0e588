"""What a request gets that is not, or no longer, signed in: the right answer for who asks."""

from enum import Enum, StrEnum
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from sessionmgr.activity import SAFE_METHODS
from sessionmgr.conf import conf
from sessionmgr.core.reasons import EndReason
from sessionmgr.words import told

#: The URL that begins a sign-in at the provider, by mozilla-django-oidc's name.
PROVIDER_SIGN_IN = "oidc_authentication_init"
PROVIDER_SIGN_OUT = "oidc_logout"

#: The cookie that tells a sign-in at the provider to ask for credentials: somebody was here (R15).
MUST_GIVE_CREDENTIALS = "sessionmgr_credentials"

#: Seconds after which a client may ask again once the database was out of reach.
RETRY_AFTER = 5


class Asker(Enum):
    """Who waits for the answer: only a page may be redirected to another page."""

    PAGE = "page"
    SCRIPT = "script"
    HTMX = "htmx"


def asker_of(request: HttpRequest) -> Asker:
    """Return who asks, by what only they send; a client that says nothing is a page."""
    headers = request.headers
    if headers.get("HX-Request") == "true":
        return Asker.HTMX
    mode = headers.get("Sec-Fetch-Mode")
    if mode is not None and mode != "navigate":
        return Asker.SCRIPT
    if headers.get("X-Requested-With") == "XMLHttpRequest":
        return Asker.SCRIPT
    accept = headers.get("Accept", "")
    is_for_scripts = "json" in accept or "text/event-stream" in accept
    return Asker.SCRIPT if is_for_scripts and "text/html" not in accept else Asker.PAGE


def demands_sign_in(response: HttpResponseBase) -> bool:
    """Return whether the answer says "not without signing in": 401, 403, or a redirect there."""
    status = response.status_code
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return False
    return status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) or leads_to_sign_in(response)


def leads_to_sign_in(response: HttpResponseBase) -> bool:
    """Return whether the answer is a redirect to a sign-in page of this site."""
    if not HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        return False
    return urlsplit(response.headers.get("Location", "")).path in sign_in_paths()


def sign_in_paths() -> set[str]:
    """Return the paths of this site's sign-in pages."""
    paths = {urlsplit(resolve_url(settings.LOGIN_URL)).path}
    for name in ("admin:login", "sessionmgr:sign_in"):
        try:
            paths.add(reverse(name))
        except NoReverseMatch:
            continue
    return paths


def refused(request: HttpRequest, reason: EndReason | None, back: str = "") -> HttpResponse:
    """Return the answer for who must sign in; ``reason``: why an earlier sign-in is over.

    ``back``: where to go on after signing in, if not to the page that was asked for.
    """
    asker = asker_of(request)
    if asker is Asker.PAGE:
        page = _next_page(reason, back or return_path(request))
        response: HttpResponse = HttpResponseRedirect(page)
    else:
        response = problem(reason, sign_in_url(return_path(request)))
        if asker is Asker.HTMX and conf.SESSIONMGR_HTMX_REDIRECT:
            response["HX-Redirect"] = _next_page(reason, return_path(request))
    add_never_cache_headers(response)
    return response


def asked_for_now(request: HttpRequest, back: str = "") -> HttpResponse:
    """Return the answer for a session of which only a visit to the provider can tell more.

    A page goes there and comes back without a question; nothing else can, and gets 401.
    """
    if asker_of(request) is not Asker.PAGE:
        return refused(request, EndReason.LEASE_EXPIRED)
    query = urlencode({"prompt": "none", "next": back or return_path(request)})
    response = HttpResponseRedirect(f"{reverse(PROVIDER_SIGN_IN)}?{query}")
    add_never_cache_headers(response)
    return response


def provider_url(name: str = PROVIDER_SIGN_IN) -> str:
    """Return the path that leads to the identity provider; nothing where there is none."""
    if not getattr(settings, "OIDC_ISSUER", ""):
        return ""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def token_needed() -> HttpResponse:
    """Return the answer for a client that has to bring an access token: it is sent nowhere."""
    response = problem(EndReason.LEASE_EXPIRED, sign_in_url())
    add_never_cache_headers(response)
    return response


def ask_for_credentials(response: HttpResponseBase) -> None:
    """Mark the browser, where there is a provider: its next sign-in there asks for credentials.

    A convenience: without the mark, old credentials are refused when they come back.
    """
    if getattr(settings, "OIDC_ISSUER", ""):
        response.set_cookie(
            MUST_GIVE_CREDENTIALS,
            "1",
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def problem(reason: EndReason | None, where: str) -> HttpResponse:
    """Return 401 as ``application/problem+json`` (RFC 9457), with the reason and the way back."""
    body = {
        "type": "about:blank",
        "title": str(told(reason)),
        "status": HTTPStatus.UNAUTHORIZED,
        "code": "sign_in_required" if reason is None else "session_ended",
        "reason": reason,
        "sign_in_url": where,
    }
    response = JsonResponse(
        body, status=HTTPStatus.UNAUTHORIZED, content_type="application/problem+json"
    )
    # RFC 9110 asks every 401 for a challenge; no browser opens a password box for this one.
    response["WWW-Authenticate"] = 'Session realm="sign-in"'
    return response


class TokenError(StrEnum):
    """Why a request is refused that should bring an access token (RFC 6750, 3.1)."""

    #: None came, of which the RFC wants nothing said.
    MISSING = "token_required"
    INVALID = "invalid_token"
    SCOPE = "insufficient_scope"


def token_refused(error: TokenError, scope: str = "") -> HttpResponse:
    """Return 401, or 403 where the token is good but allows less than ``scope``."""
    is_good = error is TokenError.SCOPE
    status = HTTPStatus.FORBIDDEN if is_good else HTTPStatus.UNAUTHORIZED
    title = str(TOKEN_ERRORS[error])
    body = {"type": "about:blank", "title": title, "status": status, "code": error}
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    said = {} if error is TokenError.MISSING else {"error": error.value, "scope": scope}
    challenge = ", ".join(f'{name}="{value}"' for name, value in said.items() if value)
    response["WWW-Authenticate"] = f"Bearer {challenge}".strip()
    response["Cache-Control"] = "no-store"
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response


TOKEN_ERRORS: dict[TokenError, str | Promise] = {
    TokenError.MISSING: gettext_lazy("An access token is needed here."),
    TokenError.INVALID: gettext_lazy("The access token is not valid here."),
    TokenError.SCOPE: gettext_lazy("The access token does not allow this."),
}


def _next_page(reason: EndReason | None, back: str) -> str:
    if reason is None:
        return sign_in_url(back)
    try:
        page = reverse("sessionmgr:signed_out")
    except NoReverseMatch:
        return sign_in_url(back)
    return f"{page}?{urlencode({'reason': reason, 'next': back} if back else {'reason': reason})}"


def sign_in_url(back: str = "") -> str:
    """Return the sign-in page's path, which leads back to ``back`` afterwards."""
    page = resolve_url(settings.LOGIN_URL)
    return f"{page}?{urlencode({'next': back})}" if back else page


def return_path(request: HttpRequest) -> str:
    """Return the page to come back to: this one, or the one that sent a form or a fetch."""
    if request.method in SAFE_METHODS and asker_of(request) is Asker.PAGE:
        return request.get_full_path()
    return referring_path(request)


def referring_path(request: HttpRequest) -> str:
    """Return the page of this site that the request was made from, if the browser tells."""
    origin = urlsplit(request.headers.get("Referer", ""))
    if origin.netloc != request.get_host():
        return ""
    return safe_path(request, origin._replace(scheme="", netloc="").geturl())


def safe_path(request: HttpRequest, target: str) -> str:
    """Return ``target`` if it is a path of this site, else nothing."""
    is_home = target.startswith("/") and url_has_allowed_host_and_scheme(
        target, allowed_hosts=None, require_https=request.is_secure()
    )
    return target if is_home else ""


def unavailable(request: HttpRequest) -> HttpResponse:
    """Return 503 with Retry-After: the database cannot say who is signed in (I8)."""
    title = _("The service is not available for a moment. Please try again.")
    if asker_of(request) is Asker.PAGE:
        response = HttpResponse(title, content_type="text/plain; charset=utf-8")
    else:
        body = {"type": "about:blank", "title": title, "status": HTTPStatus.SERVICE_UNAVAILABLE}
        response = JsonResponse(body, content_type="application/problem+json")
    response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    response["Retry-After"] = str(RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    return response
