"""Where the policy in force comes from: the dotted path SESSIONMGR_POLICY_SOURCE."""

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest
from django.utils.module_loading import import_string

from sessionmgr.conf import conf
from sessionmgr.core.policy import Policy

PolicySourceCallable = Callable[[HttpRequest | str], Policy]

#: The scope of a project that has only one environment (R7, R13).
DEFAULT_SCOPE = "main"


def current_policy(scope: HttpRequest | str) -> Policy:
    """Return the policy in force now for a request or a scope; at most one second old."""
    return _source(conf.SESSIONMGR_POLICY_SOURCE)(scope)


def fixed_policy(scope: HttpRequest | str) -> Policy:
    """Return the defaults: for a project that uses the engine without a settings page."""
    return Policy()


@cache
def _source(path: str) -> PolicySourceCallable:
    source: PolicySourceCallable = import_string(path)
    return source
