"""About: the versions, the limits in force and where each comes from, and one's own sign-in."""

from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils.translation import gettext as _

from sessionmgr import sources
from sessionmgr.core.decision import Decision, explain, lives_by_lease
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason, FallbackReason, PolicySource
from sessionmgr.enforcement import Judgement, judgement_of
from sessionmgr.models import UserSession
from sessionmgr.models import database as sessions_database
from settings_app.conf import conf
from settings_app.homes import home_of
from settings_app.launch import browser_session_of
from settings_app.models import AdminCenterVisit, Environment, database
from settings_app.values import DEFAULTS, FIELDS, minutes, values_of
from settings_app.words import LIMITS, NAMES, policy_words, span_words, value_words

DISTRIBUTION = "django-sessionmgr"


class Number(NamedTuple):
    """One value of the policy in force, and where it comes from."""

    name: str
    value: str
    source: str


class Limit(NamedTuple):
    """One limit on one's own sign-in."""

    name: str
    ends_at: datetime
    left: str
    binds: bool
    is_moved_by_activity: bool
    is_moved_by_provider: bool


class Fallback(NamedTuple):
    """Why one's own sign-in lives by the 24-hour fallback (R4), and what can be done about it."""

    reason: FallbackReason
    ends_at: datetime
    #: The Admin Center's Instances tab, where that is the way to a better one; else nothing.
    admin_center: str

    @property
    def is_by_hand(self) -> bool:
        return self.reason is FallbackReason.MANUAL_ENTRY

    @property
    def is_bypass(self) -> bool:
        return self.reason is not FallbackReason.NO_PROVIDER_POLICY


class Confirmation(NamedTuple):
    """The identity provider's word for one's own sign-in (R1, R2)."""

    checked_at: datetime
    valid_until: datetime
    #: Until when one stays signed in if the provider stays out of reach; ``None``: it is not.
    holds_until: datetime | None
    #: Whether it decides how long one stays signed in, or only whether.
    decides: bool


def app_version() -> str:
    """Return the installed app's version in words; run from its sources it has none."""
    try:
        return _("version %(version)s") % {"version": version(DISTRIBUTION)}
    except PackageNotFoundError:
        return _("run from its sources")


def about_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the About page tells a signed-in user."""
    judged = judgement_of(request)
    scope = sources.scope_of(request) if judged is None else judged.scope
    policy = sources.current_policy(scope) if judged is None else judged.policy
    fallback = None if judged is None else fallback_of(request, judged)
    environment = Environment.objects.using(database()).filter(slug=scope).first()
    return {
        "title": _("About"),
        "app_version": app_version(),
        "environment": environment,
        "policy": policy_words(policy),
        "numbers": numbers_of(policy),
        "policy_version": policy.version,
        "limits": [] if judged is None else limits_of(judged.decision),
        "policy_source": None if judged is None else policy_source_words(judged, fallback),
        "fallback": fallback,
        "confirmation": None if judged is None else confirmation_of(judged),
        "authenticated_at": None if judged is None else judged.state.authenticated_at,
    }


def numbers_of(policy: Policy) -> list[Number]:
    """Return each value of ``policy`` that is in force, with where it comes from."""
    of_groups = _of_groups(policy)
    values = {**values_of(policy), **of_groups}
    return [
        Number(
            str(NAMES[field]),
            value_words(field, values[field]),
            _("stricter for a group of yours") if field in of_groups else _origin(policy, field),
        )
        for field in FIELDS
        if _is_in_force(policy, field)
    ]


def _is_in_force(policy: Policy, field: str) -> bool:
    """Return whether ``field`` has an effect: the numbers of a switched-off group have none."""
    if field in ("max_session_length", "session_warning"):
        return policy.max_age is not None
    if field in ("inactivity_duration", "inactivity_warning"):
        return policy.max_idle is not None
    return True


def _of_groups(policy: Policy) -> dict[str, int]:
    """Return the limits that a group of one's own has made stricter."""
    found = {}
    if policy.stricter_age is not None and policy.stricter_age == policy.max_age:
        found["max_session_length"] = minutes(policy.stricter_age)
    if policy.stricter_idle is not None and policy.stricter_idle == policy.max_idle:
        found["inactivity_duration"] = minutes(policy.stricter_idle)
    return found


def _origin(policy: Policy, field: str) -> str:
    if conf.SESSIONMGR_RESTORE_DEFAULTS:
        return _("default, restored by the site's operator")
    if not policy.version:
        return _("default")
    if values_of(policy)[field] == DEFAULTS[field]:
        return _("System Settings, version %(version)s (the default)") % {
            "version": policy.version
        }
    return _("System Settings, version %(version)s") % {"version": policy.version}


def confirmation_of(judged: Judgement) -> Confirmation | None:
    """Return what the provider has confirmed; ``None``: it knows nothing of this sign-in."""
    lease = judged.state.lease
    if lease is None:
        return None
    return Confirmation(
        checked_at=lease.checked_at,
        valid_until=lease.valid_until,
        holds_until=lease.holds_until if lease.is_unreachable else None,
        decides=judged.policy.honours_provider
        and judged.state.policy_source is PolicySource.PROVIDER,
    )


def policy_source_words(judged: Judgement, fallback: Fallback | None) -> str:
    """Return whose word decides how long one stays signed in."""
    if lives_by_lease(judged.policy, judged.state):
        return _("your identity provider")
    if judged.policy.max_age is not None:
        return _("System Settings of this environment")
    if fallback is not None and fallback.is_bypass:
        return _("24 hours, as the identity provider's policy is bypassed")
    return _("24 hours, as no identity provider's policy applies")


def fallback_of(request: HttpRequest, judged: Judgement) -> Fallback | None:
    """Return why the sign-in lives by the fallback; ``None``: it does not.

    One query more for who does, and two for who can do something about it.
    """
    if judged.state.policy_source is not PolicySource.FALLBACK:
        return None
    rows = UserSession.objects.using(sessions_database()).select_related("identity")
    row = rows.get(pk=judged.session_id)
    reason = FallbackReason(row.fallback_reason)
    ends_at = {each.reason: each.ends_at for each in judged.decision.limits}
    is_by_hand = reason is FallbackReason.MANUAL_ENTRY
    return Fallback(
        reason,
        ends_at[EndReason.FALLBACK_LIMIT],
        admin_center_of(request, row) if is_by_hand else "",
    )


def admin_center_of(request: HttpRequest, row: UserSession) -> str:
    """Return the Instances tab that the browser session has visited: from here is no way back."""
    visits = AdminCenterVisit.objects.using(database())
    scope = visits.last_scope(browser_session_of(row), but=row.scope)
    home = None if scope is None else home_of(request, scope)
    return "" if home is None else home.page("admin_center:instances")


def limits_of(decision: Decision) -> list[Limit]:
    """Return until when this sign-in lasts and why, the first to end first."""
    return [
        Limit(
            name=str(LIMITS[each.reason]),
            ends_at=each.ends_at,
            left=span_words(minutes(each.left)),
            binds=each.binds,
            is_moved_by_activity=each.reason is EndReason.INACTIVITY,
            is_moved_by_provider=each.reason is EndReason.IDENTITY_LIFETIME,
        )
        for each in explain(decision)
    ]
