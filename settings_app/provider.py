"""What administrators are told of the identity provider: whether it answers, who lives on what.

Nobody is asked for it: it is what the processes have written down (R6).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, Min, Q, Value, When
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessionmgr import clock
from sessionmgr.conf import conf as engine_conf
from sessionmgr.core.reasons import LeaseSource
from sessionmgr.identity.outcomes import Mistake, Problem
from sessionmgr.models import ProviderHealth, UserSession
from sessionmgr.models import database as sessions_database
from settings_app.models import Environment


class Footing(StrEnum):
    """What a live session lives on, in the order of the page."""

    CONFIRMED = "confirmed"
    DUE = "due"
    STAYING = "staying"
    LOST = "lost"
    NONE = "none"


FOOTINGS: dict[Footing, tuple[str | Promise, str | Promise]] = {
    Footing.CONFIRMED: (
        _("Confirmed by the provider"),
        _("They go on whatever the provider does, until their next check."),
    ),
    Footing.DUE: (
        _("Waiting to be confirmed"),
        _("Their check is due: the next request or the job asks the provider."),
    ),
    Footing.STAYING: (
        _("Staying signed in through the outage"),
        _("Their check failed for the outage. They go on because their users chose to stay."),
    ),
    Footing.LOST: (
        _("Ending for want of a check"),
        _("Their check failed for the outage, and their users did not choose to stay."),
    ),
    Footing.NONE: (
        _("Not from the provider"),
        _("By a password of this site, for example. An outage does not touch them."),
    ),
}

SOURCES: dict[LeaseSource, str | Promise] = {
    LeaseSource.SIGN_IN: _("signing in"),
    LeaseSource.REFRESH: _("a refresh token"),
    LeaseSource.INTROSPECTION: _("asking about the token"),
    LeaseSource.SILENT: _("a detour of the browser"),
    LeaseSource.ACCESS_TOKEN: _("an access token"),
}

PROBLEMS: dict[str, str | Promise] = {
    Problem.CONNECT: _("It cannot be connected to."),
    Problem.TLS: _("Its certificate is not accepted, or no encrypted connection comes about."),
    Problem.TIMEOUT: _("It does not answer in time."),
    Problem.SERVER_ERROR: _("It answers with an error of its own."),
    Problem.TEMPORARILY_UNAVAILABLE: _("It says that it is unavailable for the moment."),
    Problem.RATE_LIMITED: _("It says that it is asked too often."),
    Problem.MALFORMED: _("Its answers are not what they should be."),
}

#: What is set wrongly, here or there: each tells what to look at. Others are told by their code.
MISTAKES: dict[str, str | Promise] = {
    Mistake.INVALID_CLIENT: _("It does not know this site: look at the client id and secret."),
    Mistake.WRONG_ISSUER: _("It calls itself by another name than OIDC_ISSUER says."),
    Mistake.BAD_ADDRESS: _("One of its addresses is none, or is not https."),
    Mistake.MISSING_ENDPOINT: _("Its description lacks an address that is needed."),
    Mistake.INVALID_REDIRECT_URI: _("The redirect address of this site is not registered there."),
    Mistake.SIGNED_USERINFO: _("It signs its answers about people: have them sent as plain JSON."),
}


@dataclass(frozen=True, slots=True)
class State:
    """Whether the provider answers, as the processes last found it."""

    name: str
    is_failing: bool = False
    #: It is there, but refuses this site: waiting does not help.
    is_mistake: bool = False
    since: datetime | None = None
    problem: str | Promise = ""
    #: In how many seconds it is asked again at the earliest; 0: with the next question.
    next_try_in: int = 0
    recovered_at: datetime | None = None
    #: Since when sign-ins there do not tell when credentials were given (R15).
    auth_time_untold_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """How many live sessions have one footing, and when the first of them loses it."""

    name: str | Promise
    told: str | Promise
    count: int
    first_ends_at: datetime | None


def is_there() -> bool:
    """Return whether this site has an identity provider."""
    return bool(issuer())


def issuer() -> str:
    """Return the provider that is set; "": none."""
    return str(getattr(settings, "OIDC_ISSUER", "") or "")


def state_now(now: datetime | None = None) -> State:
    """Return whether the provider answers."""
    using = sessions_database()
    name = engine_conf.SESSIONMGR_PROVIDER_NAME or issuer()
    found = ProviderHealth.objects.using(using).filter(issuer=issuer()).first()
    if found is None:
        return State(name)
    if found.unreachable_since is None:
        return State(
            name,
            recovered_at=found.recovered_at,
            auth_time_untold_since=found.auth_time_untold_since,
        )
    at = clock.now(using) if now is None else now
    wait = timedelta() if found.next_try_at is None else found.next_try_at - at
    return State(
        name,
        is_failing=True,
        is_mistake=found.problem in set(Mistake),
        since=found.unreachable_since,
        problem=problem_words(found.problem),
        next_try_in=max(0, ceil(wait.total_seconds())),
        recovered_at=found.recovered_at,
        auth_time_untold_since=found.auth_time_untold_since,
    )


def problem_words(code: str) -> str | Promise:
    """Return what is the matter in a sentence."""
    told = PROBLEMS.get(code) or MISTAKES.get(code)
    return told or _("It refuses what this site asks of it (%(code)s).") % {"code": code}


def provider_context(environment: Environment) -> dict[str, Any]:
    """Return what the tab tells of the provider, and of the sessions of ``environment``."""
    now = clock.now(sessions_database())
    rows, sources = footings_of(environment.slug, now)
    return {
        "now": now,
        "is_there": is_there(),
        "issuer": issuer(),
        "state": state_now(now),
        "rows": rows,
        "sources": sources,
        "grace": engine_conf.SESSIONMGR_OUTAGE_GRACE,
    }


def footings_of(scope: str, now: datetime) -> tuple[list[Row], list[tuple[str | Promise, int]]]:
    """Return what the live sessions of ``scope`` live on, and what confirmed them last."""
    is_over = Q(lease_valid_until__lte=now)
    has_failed = Q(lease_failed_at__isnull=False)
    footing = Case(
        When(lease_valid_until=None, then=Value(Footing.NONE.value)),
        When(is_over & has_failed & Q(stays_signed_in=True), then=Value(Footing.STAYING.value)),
        When(is_over & has_failed, then=Value(Footing.LOST.value)),
        When(is_over, then=Value(Footing.DUE.value)),
        default=Value(Footing.CONFIRMED.value),
    )
    live = UserSession.objects.using(sessions_database()).live().filter(scope=scope)
    grouped = live.annotate(footing=footing).values_list("footing", "lease_source")
    found = list(grouped.annotate(count=Count("pk"), first=Min("lease_valid_until")).order_by())
    rows = [_row(each, found) for each in Footing]
    confirmed = [(source, count) for _footing, source, count, _first in found if source]
    sources = [
        (words, sum(count for each, count in confirmed if each == source))
        for source, words in SOURCES.items()
    ]
    return rows, [(words, count) for words, count in sources if count]


def _row(footing: Footing, found: list[tuple[str, str, int, datetime | None]]) -> Row:
    name, told = FOOTINGS[footing]
    mine = [(count, first) for each, _source, count, first in found if each == footing]
    ends = [first for _count, first in mine if first is not None]
    first = min(ends, default=None)
    if footing is Footing.STAYING and first is not None:
        first += engine_conf.SESSIONMGR_OUTAGE_GRACE
    tells_end = footing in (Footing.CONFIRMED, Footing.STAYING)
    return Row(name, told, sum(count for count, _first in mine), first if tells_end else None)
