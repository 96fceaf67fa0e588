"""Where the policy in force and a request's scope come from: two dotted paths of the project's.

SESSIONMGR_POLICY_SOURCE and SESSIONMGR_SCOPE_SOURCE, as Django does for its engines.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from django.http import HttpRequest
from django.utils.module_loading import import_string

from sessionmgr.conf import conf
from sessionmgr.core.policy import Policy

#: The scope of a project that has only one environment (R7, R13), and of whatever is done
#: without a request.
DEFAULT_SCOPE = "main"


def current_policy(scope: HttpRequest | str) -> Policy:
    """Return the policy in force now for a request or a scope; at most one second old."""
    policy: Policy = _source(conf.SESSIONMGR_POLICY_SOURCE)(scope)
    return policy


def scope_of(request: HttpRequest) -> str:
    """Return the environment that a request is for, from its first moment to its last.

    A session is valid only in the one that it began in.
    """
    scope: str | None = getattr(request, "sessionmgr_scope", None)
    if scope is None:
        scope = request.sessionmgr_scope = _source(conf.SESSIONMGR_SCOPE_SOURCE)(request)  # type: ignore[attr-defined]
    return cast(str, scope)


def fixed_policy(scope: HttpRequest | str) -> Policy:
    """Return the defaults: for a project that uses the engine without a settings page."""
    return Policy()


def single_scope(request: HttpRequest) -> str:
    """Return the one scope of a project that has no environments."""
    return DEFAULT_SCOPE


@cache
def _source(path: str) -> Callable[..., Any]:
    source: Callable[..., Any] = import_string(path)
    return source
