"""Views that need credentials given lately: who is signed in may be so for too long (ASVS 7.5.3).

The view does not run, and what was typed is kept as in a form that comes after the end. Giving
credentials again brings a new key and starts both clocks anew.
"""

import functools
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _

from sessionmgr import answers, held
from sessionmgr.backends.db import SessionStore
from sessionmgr.conf import conf
from sessionmgr.core.decision import SECOND, is_recent
from sessionmgr.enforcement import judgement_of

#: In the sign-in page's query: have the credentials given, although somebody is signed in.
MARK = "reauth"

View = TypeVar("View", bound=Callable[..., Any])


def recent_authentication_required(max_age: timedelta | int) -> Callable[[View], View]:
    """Let a view run only if credentials were given less than ``max_age`` (seconds) ago.

    Sync or async. Who is not signed in signs in first, as with ``login_required``.
    """
    span = span_of(max_age)

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @functools.wraps(view)
            async def aguarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                refusal = await sync_to_async(refusal_unless_recent)(request, span)
                return refusal or await view(request, *args, **kwargs)

            return cast(View, aguarded)

        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return refusal_unless_recent(request, span) or view(request, *args, **kwargs)

        return cast(View, guarded)

    return decorate


def span_of(max_age: timedelta | int) -> timedelta:
    """Return ``max_age`` as a span of a second or more; anything else is told at once."""
    if type(max_age) is int:
        max_age = timedelta(seconds=max_age)
    if not isinstance(max_age, timedelta):
        raise TypeError(
            f"max_age must be a timedelta or whole seconds, not {max_age!r}; "
            "write @recent_authentication_required(max_age=timedelta(minutes=10))."
        )
    if max_age < SECOND:
        raise ValueError(f"max_age must be one second or more, not {max_age!r}.")
    return max_age


def refusal_unless_recent(request: HttpRequest, max_age: timedelta) -> HttpResponse | None:
    """Return the answer for who must give credentials first; ``None``: they are recent enough."""
    judged = judgement_of(request)
    if judged is None:
        return redirect_to_login(request.get_full_path())
    if is_recent(judged.state, max_age, judged.decision.now):
        return None
    asker = answers.asker_of(request)
    if asker is answers.Asker.PAGE:
        kept = held.keep(request, cast(SessionStore, request.session))
        page = sign_in_again_url(kept or answers.return_path(request))
        response: HttpResponse = HttpResponseRedirect(page)
    else:
        page = sign_in_again_url(answers.return_path(request))
        response = _problem(page, max_age)
        if asker is answers.Asker.HTMX and conf.SESSIONMGR_HTMX_REDIRECT:
            response["HX-Redirect"] = page
    add_never_cache_headers(response)
    return response


def sign_in_again_url(back: str) -> str:
    """Return the sign-in page's path that asks although somebody is signed in."""
    url = answers.sign_in_url(back)
    return f"{url}{'&' if '?' in url else '?'}{urlencode({MARK: 1})}"


def _problem(where: str, max_age: timedelta) -> HttpResponse:
    """Return 401 as ``application/problem+json``, with the challenge of RFC 9470."""
    seconds = int(max_age.total_seconds())
    body = {
        "type": "about:blank",
        "title": _("Please confirm that it is you: sign in again."),
        "status": HTTPStatus.UNAUTHORIZED,
        "code": "reauthentication_required",
        "reason": None,
        "max_age": seconds,
        "sign_in_url": where,
    }
    response = JsonResponse(
        body, status=HTTPStatus.UNAUTHORIZED, content_type="application/problem+json"
    )
    response["WWW-Authenticate"] = (
        f'Session realm="sign-in", error="insufficient_user_authentication", max_age={seconds}'
    )
    return response
