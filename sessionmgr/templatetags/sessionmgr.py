"""The widget for a base template, and the notice of the inactivity limit for a form."""

import logging
from functools import cache
from typing import Any

from django import template
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse

from sessionmgr.answers import sign_in_url
from sessionmgr.core.decision import Limit
from sessionmgr.core.reasons import EndsBy
from sessionmgr.enforcement import Judgement, judgement_of
from sessionmgr.protocol import tag_of

logger = logging.getLogger(__name__)
register = template.Library()


@register.inclusion_tag("sessionmgr/session_timeout.html", takes_context=True)
def session_timeout(context: Context, on_expire: str = "") -> dict[str, Any]:
    """Print the warning, its script and its stylesheet; nothing for who is not signed in.

    ``on_expire="redirect"``: the page is left for the signed-out page, not veiled and kept.
    """
    judged = _judgement_in(context)
    if judged is None:
        return {}
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "user_tag": tag_of("user", judged.user_id),
        "sign_in_url": sign_in_url(),
        "sign_in_again_url": sign_in_url(reverse("sessionmgr:resumed")),
        "on_expire": on_expire,
        "ends_at": _ends_at(judged.decision.binding),
        "ends_for_inactivity": _is_for_inactivity(judged.decision.binding),
    }


@register.inclusion_tag("sessionmgr/session_timeout_notice.html", takes_context=True)
def session_timeout_notice(context: Context) -> dict[str, Any]:
    """Print how long a person may be inactive, for the start of a form (WCAG 2.2.6)."""
    judged = _judgement_in(context)
    if judged is None or judged.policy.max_idle is None:
        return {}
    return {"minutes": int(judged.policy.max_idle.total_seconds()) // 60}


def _judgement_in(context: Context) -> Judgement | None:
    request = context.get("request")
    if isinstance(request, HttpRequest):
        return judgement_of(request)
    _tell_of_missing_request()
    return None


@cache
def _tell_of_missing_request() -> None:
    # Once for each process: every page would say the same.
    logger.warning(
        "session_timeout prints nothing: the template has no request. "
        "Add django.template.context_processors.request to the context processors."
    )


def _ends_at(limit: Limit | None) -> Any:
    return None if limit is None or limit.counts_down is None else limit.ends_at


def _is_for_inactivity(limit: Limit | None) -> bool:
    return limit is not None and limit.ends_by is EndsBy.INACTIVITY
