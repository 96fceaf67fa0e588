"""The session cookie of an environment: a name of its own, so that none takes another's place.

Browsers keep cookies by host, not by port, and by path only against mistakes. So environments that
share a host, or a parent domain, need different names (docs/adr/0012-scopes-and-cookies.md).
"""

from functools import partial

from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from sessionmgr import answers, sources
from sessionmgr.backends.db import SessionStore


class ScopedSessionMiddleware(SessionMiddleware):
    """Django's, with a cookie for each scope. The scope ``main`` keeps SESSION_COOKIE_NAME.

    Everything else in the project goes on to see one session cookie by its usual name.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:  # type: ignore[override]
        """Open the scope's own cookie, and hold the session to the scope from the start."""
        try:
            name = cookie_name(sources.scope_of(request))
        except (OperationalError, InterfaceError):
            return answers.unavailable(request)
        if name != settings.SESSION_COOKIE_NAME:
            own = request.COOKIES.get(name)
            request.COOKIES = _with_cookie(request.COOKIES, settings.SESSION_COOKIE_NAME, own)
        super().process_request(request)
        if isinstance(request.session, SessionStore):
            request.session.hold_to(partial(sources.scope_of, request))
        return None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Send the cookie under the scope's own name."""
        response = super().process_response(request, response)
        morsel = response.cookies.pop(settings.SESSION_COOKIE_NAME, None)
        if morsel is not None:
            name = cookie_name(sources.scope_of(request))
            morsel.set(name, morsel.value, morsel.coded_value)
            response.cookies[name] = morsel
        return response


def cookie_name(scope: str) -> str:
    """Return the name of the session cookie in ``scope``."""
    name = settings.SESSION_COOKIE_NAME
    return name if scope == sources.DEFAULT_SCOPE else f"{name}_{scope}"


def _with_cookie(cookies: dict[str, str], name: str, value: str | None) -> dict[str, str]:
    """Return ``cookies`` with ``value`` under ``name``, and without it where there is none."""
    others = {other: held for other, held in cookies.items() if other != name}
    return others if value is None else {**others, name: value}
