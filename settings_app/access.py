"""Who may see and who may change the settings of an environment."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from sessionmgr.activity import SAFE_METHODS
from sessionmgr.recent import refusal_unless_recent
from settings_app.conf import conf

VIEW = "sessionmgr_settings.view_systemsettings"
CHANGE = "sessionmgr_settings.change_systemsettings"

View = Callable[..., HttpResponse]


def may_view(user: Any) -> bool:
    """Return whether ``user`` may see settings; who may change them may."""
    return user.has_perm(VIEW) or may_change(user)


def may_change(user: Any) -> bool:
    """Return whether ``user`` may change settings."""
    return bool(user.has_perm(CHANGE))


def credentials_first(request: HttpRequest) -> HttpResponse | None:
    """Return the answer for a change that needs credentials first (ASVS 7.5.1), if it does."""
    longest = conf.SESSIONMGR_SETTINGS_MAX_AUTH_AGE
    if longest is None or request.method in SAFE_METHODS or not may_change(request.user):
        return None
    return refusal_unless_recent(request, longest)


def for_staff(view: View) -> View:
    """As ``for_readers``; who changes something must have given credentials lately."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return credentials_first(request) or view(request, *args, **kwargs)

    return for_readers(guarded)


def for_readers(view: View) -> View:
    """Let in staff who may see settings: others get 403, and who is not signed in signs in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not (admin.site.has_permission(request) and may_view(request.user)):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return never_cache(csrf_protect(guarded))
