"""What counts as the user being there (I5), and how finely it is written down."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from sessionmgr.conf import conf
from sessionmgr.core.policy import Policy

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

View = Callable[..., Any]


def is_activity(request: HttpRequest) -> bool:
    """Return whether the request shows that the user is there.

    A navigation or an unsafe method does; a fetch in the background and a prefetch do not. A
    client without fetch metadata (an API client) is believed, unless it marks itself passive. A
    mark can only refuse credit.
    """
    headers = request.headers
    if getattr(request, "sessionmgr_passive", False) or headers.get("X-Session-Passive") == "1":
        return False
    if any(request.path.startswith(path) for path in conf.SESSIONMGR_PASSIVE_PATHS):
        return False
    if "prefetch" in (headers.get("Sec-Purpose", "") + headers.get("Purpose", "")):
        return False
    if request.method not in SAFE_METHODS:
        return True
    return headers.get("Sec-Fetch-Mode", "navigate") == "navigate"


def passive(view: View) -> View:
    """Mark a view whose requests are never activity: polls, heartbeats, live widgets."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def aview(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            request.sessionmgr_passive = True  # type: ignore[attr-defined]
            response: HttpResponseBase = await view(request, *args, **kwargs)
            return response

        return aview

    @wraps(view)
    def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.sessionmgr_passive = True  # type: ignore[attr-defined]
        response: HttpResponseBase = view(request, *args, **kwargs)
        return response

    return sync_view


def resolution(policy: Policy) -> timedelta:
    """Return the coarsest activity stamp: a sign-out is early by at most this, and never late."""
    seconds = conf.SESSIONMGR_ACTIVITY_RESOLUTION
    if seconds is None:
        longest = policy.max_idle or policy.inactivity_duration
        seconds = min(30, max(1, int(longest.total_seconds() // 60)))
    return timedelta(seconds=seconds)
