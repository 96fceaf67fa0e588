"""The settings page in words: labels and rules of the fields, values and policies for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.policy import BOUNDS, GROUP_FIELDS, Code, GroupLimits, Policy, Problem
from sessionmgr.core.reasons import EndReason, FallbackReason
from settings_app.values import CUSTOM, MINUTE_FIELDS, PROVIDER, minutes

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

Words: TypeAlias = "str | _StrPromise"

LABELS: dict[str, Words] = {
    "session_timeout": _("Session timeout settings"),
    "max_session_length": _("Enter maximum session length (minutes)"),
    "session_warning": _(
        "How long before the session expires do you want to show a timeout warning? (minutes)"
    ),
    "inactivity_enabled": _("Enable session timeout due to inactivity"),
    "inactivity_duration": _("Duration of inactivity before timeout (minutes)"),
    "inactivity_warning": _(
        "How long before the session expires do you want to show an inactivity warning? (minutes)"
    ),
}

#: The fields by short names, for sentences and tables.
NAMES: dict[str, Words] = {
    "session_timeout": _("Session timeout settings"),
    "max_session_length": _("Maximum session length"),
    "session_warning": _("Timeout warning"),
    "inactivity_enabled": _("Session timeout due to inactivity"),
    "inactivity_duration": _("Duration of inactivity"),
    "inactivity_warning": _("Inactivity warning"),
}

HELP: dict[str, Words] = {
    "session_timeout": _(
        "Who decides how long people stay signed in: the identity provider, or this page."
    ),
    "max_session_length": _(
        "Counted from signing in, whatever people do. After it they must give their credentials "
        "again. In force with “Set custom”."
    ),
    "session_warning": _(
        "People see a warning this long before the maximum session length is reached, so that "
        "they can save their work."
    ),
    "inactivity_enabled": _(
        "Signs people out who have done nothing for a while. What they do in any tab counts."
    ),
    "inactivity_duration": _(
        "Counted from the last activity. In force while the timeout due to inactivity is enabled."
    ),
    "inactivity_warning": _(
        "People see a warning this long before, and stay signed in with one click."
    ),
}

#: What a warning must be less than, and the length where it is custom, in words.
UPPER_ENDS: dict[str, Words] = {
    "session_warning": _("less than the maximum session length"),
    "inactivity_duration": _("less than the maximum session length if that is custom"),
    "inactivity_warning": _("less than the duration of inactivity"),
}

CHOICES: dict[str, Words] = {
    PROVIDER: _("Honour the identity provider's policy"),
    CUSTOM: _("Set custom"),
}


def allowed(field: str) -> str:
    """Return the allowed range of a minutes field in words."""
    least, most = (minutes(bound) for bound in BOUNDS[field])
    plain = gettext("%(least)s to %(most)s") % {"least": least, "most": most}
    if field not in UPPER_ENDS:
        return plain
    return gettext("%(range)s, and %(upper)s") % {"range": plain, "upper": UPPER_ENDS[field]}


def not_a_number(field: str) -> str:
    """Return what is said where no whole number of minutes in ASCII digits was given."""
    return gettext("Enter a whole number in digits from %(allowed)s.") % {
        "allowed": allowed(field)
    }


def problem_words(problem: Problem, policy: Policy) -> str:
    """Return the sentence for one broken rule; a joint rule names both fields and the range."""
    if problem.code is Code.OUT_OF_RANGE:
        return gettext("Enter a number from %(allowed)s.") % {"allowed": allowed(problem.field)}
    least = minutes(BOUNDS[problem.field].least)
    other = minutes(getattr(policy, problem.other))
    return gettext(
        "“%(field)s” must be less than “%(other)s” (%(value)s). Enter %(least)s to %(most)s."
    ) % {
        "field": NAMES[problem.field],
        "other": NAMES[problem.other],
        "value": other,
        "least": least,
        "most": other - 1,
    }


def group_problem_words(problem: Problem, limits: GroupLimits, policy: Policy) -> str:
    """Return the sentence for one broken rule of a group's limits, with the values at odds."""
    if problem.code is Code.EMPTY:
        return gettext("Enter a length, a duration of inactivity, or both.")
    if problem.code is Code.OUT_OF_RANGE:
        return gettext("Enter a number from %(least)s to %(most)s.") % _bounds(problem.field)
    given = span_words(minutes(getattr(limits, GROUP_FIELDS[problem.field])))
    if problem.code is Code.LOOSER:
        own = span_words(minutes(getattr(policy, GROUP_FIELDS[problem.field])))
        return gettext(
            "%(given)s would be looser than the environment's own %(own)s, which would win. "
            "Enter %(own)s or less."
        ) % {"given": given, "own": own}
    name = GROUP_FIELDS[problem.other]
    # The group's own, else the environment's, which holds for its members then.
    other = span_words(minutes(getattr(limits, name) or getattr(policy, name)))
    return gettext("%(given)s must be less than “%(other)s” (%(value)s).") % {
        "given": given,
        "other": NAMES[problem.other],
        "value": other,
    }


def _bounds(field: str) -> dict[str, int]:
    least, most = BOUNDS[field]
    return {"least": minutes(least), "most": minutes(most)}


def value_words(field: str, value: Any) -> str:
    """Return one stored value as people read it."""
    if field == "session_timeout":
        return str(CHOICES.get(value, value))
    if field == "inactivity_enabled":
        return gettext("on") if value else gettext("off")
    if field in MINUTE_FIELDS and isinstance(value, int):
        return span_words(value)
    if value is None:
        return gettext("none of its own")
    return str(value)


def span_words(count: int) -> str:
    """Return minutes as "90 minutes", with the hours where they are whole."""
    told = ngettext("%(count)s minute", "%(count)s minutes", count) % {"count": count}
    if count < 60 or count % 60:
        return told
    hours = count // 60
    in_hours = ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}
    return gettext("%(minutes)s (%(hours)s)") % {"minutes": told, "hours": in_hours}


def policy_words(policy: Policy) -> list[str]:
    """Return what ``policy`` does, a sentence for each limit."""
    return [_length_words(policy), _inactivity_words(policy)]


def policy_line(policy: Policy) -> str:
    """Return what ``policy`` does in one line of a table."""
    length, idle = policy.max_age, policy.max_idle
    told = gettext("identity provider's policy") if length is None else span_words(minutes(length))
    if idle is None:
        return gettext("%(length)s; no inactivity timeout") % {"length": told}
    return gettext("%(length)s; %(idle)s of inactivity") % {
        "length": told,
        "idle": span_words(minutes(idle)),
    }


def _length_words(policy: Policy) -> str:
    if policy.max_age is None:
        return gettext(
            "How long people stay signed in is up to the identity provider; without a provider's "
            "policy they are signed out after 24 hours."
        )
    return gettext(
        "People are signed out %(length)s after signing in, with a warning %(warning)s before."
    ) % {
        "length": span_words(minutes(policy.max_age)),
        "warning": span_words(minutes(policy.session_warning)),
    }


def _inactivity_words(policy: Policy) -> str:
    if policy.max_idle is None:
        return gettext("Nobody is signed out for inactivity.")
    return gettext(
        "People are signed out after %(length)s without activity, with a warning %(warning)s "
        "before."
    ) % {
        "length": span_words(minutes(policy.max_idle)),
        "warning": span_words(minutes(policy.inactivity_warning)),
    }


#: Why a sign-in lives by the 24-hour fallback (R4).
FALLBACKS: dict[FallbackReason, Words] = {
    FallbackReason.MANUAL_ENTRY: _("opened by its address after a visit to the Admin Center"),
    FallbackReason.OLDER_VERSION: _("opened after an environment of a newer version"),
    FallbackReason.NO_PROVIDER_POLICY: _("no identity provider's policy"),
}


def fallback_words(reason: str) -> str:
    """Return why a sign-in lives by the fallback, in a few words."""
    return str(FALLBACKS[FallbackReason(reason)])


#: The limits on one's own sign-in, for the About page.
LIMITS: dict[EndReason, Words] = {
    EndReason.SESSION_LENGTH: _("The longest time to stay signed in"),
    EndReason.INACTIVITY: _("The longest time without activity"),
    EndReason.FALLBACK_LIMIT: _("24 hours, as no identity provider's policy applies"),
    EndReason.LEASE_EXPIRED: _("The identity provider, which cannot be reached at the moment"),
    EndReason.IDENTITY_LIFETIME: _(
        "The longest time without the identity provider's confirmation"
    ),
    EndReason.HOST_EXPIRY: _("The time for which this site keeps a sign-in"),
}
