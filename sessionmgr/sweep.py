"""The sweep: ends the sessions that nobody comes back to, and clears up after ends (R18).

Enforcement never depends on it: the door ends a stale session on its next request. The sweep makes
the same transition for all others, in chunks that hold a returning user up for milliseconds.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Greatest, Least
from django.db.models.lookups import LessThanOrEqual

from sessionmgr import sources
from sessionmgr.chunks import Progress, Walk, delete_each, end_each, repair_each, spans
from sessionmgr.conf import conf
from sessionmgr.core.policy import FALLBACK_LENGTH, Policy, strictest
from sessionmgr.core.reasons import NO_CREDENTIALS_AFTER, EndReason, PolicySource
from sessionmgr.memberships import members_of
from sessionmgr.models import (
    BarePage,
    FederatedIdentity,
    HeldForm,
    JobLease,
    LogoutDelivery,
    ProviderGrant,
    SignInAttempt,
    State,
    UserSession,
    aged,
    idle,
    lapsed,
    past_ceiling,
    payloads,
)

#: Looking for payloads that others have deleted compares two whole tables: not every minute.
RECONCILE_EVERY = timedelta(hours=1)
SLICE = 20_000

#: Stands for "no such limit" where the earliest one is looked for.
NEVER = Value(datetime.max.replace(tzinfo=UTC), output_field=DateTimeField())


def sweep(
    *, now: datetime, using: str, chunk: int | None = None, progress: Progress | None = None
) -> Counter[EndReason]:
    """End what is stale in every scope and return how many ended for which reason."""
    walk = Walk(now, using, chunk, progress)
    ended: Counter[EndReason] = Counter()
    for scope in live_scopes(using):
        ended += _sweep(scope, sources.current_policy(scope), walk)
    HeldForm.objects.using(using).wipe(now)
    SignInAttempt.objects.using(using).purge(now)
    LogoutDelivery.objects.using(using).purge(now)
    repair_each(UserSession.objects.using(using).payload_left(), walk)
    if JobLease.objects.using(using).take("reconcile", now, RECONCILE_EVERY):
        for scope in live_scopes(using):
            ended += end_without_payload(scope, walk)
        _forget_grants(using)
    return ended


def _forget_grants(using: str) -> None:
    """Delete the tokens of sessions that are over, where no job has done so."""
    live = UserSession.objects.using(using).live().filter(pk=OuterRef("session_id"))
    ProviderGrant.objects.using(using).filter(~Exists(live)).delete()


def sweep_scope(
    scope: str,
    policy: Policy,
    *,
    now: datetime,
    using: str,
    chunk: int | None = None,
    progress: Progress | None = None,
    only: Q | None = None,
) -> Counter[EndReason]:
    """End what is stale in ``scope`` under ``policy``; in a caller's transaction, with it.

    ``only`` these rows, where no others are concerned.
    """
    return _sweep(scope, policy, Walk(now, using, chunk, progress), only)


def live_scopes(using: str) -> Iterator[str]:
    """Yield each scope that somebody is signed in to: one index step for each, not a scan."""
    scopes = (
        UserSession.objects.using(using).live().order_by("scope").values_list("scope", flat=True)
    )
    scope = scopes.first()
    while scope is not None:
        yield scope
        scope = scopes.filter(scope__gt=scope).first()


class Pass(NamedTuple):
    """Rows past one kind of limit, and the index order in which to go through them."""

    rows: QuerySet[UserSession]
    order: str


def _sweep(scope: str, policy: Policy, walk: Walk, only: Q | None = None) -> Counter[EndReason]:
    rows = UserSession.objects.using(walk.using).live().filter(only or Q(), scope=scope)
    ended: Counter[EndReason] = Counter()
    for stale, order in _passes(rows, policy, walk.now):
        ended += end_each(stale, order, reason_of(policy), walk)
    return ended


def _passes(rows: QuerySet[UserSession], policy: Policy, now: datetime) -> Iterator[Pass]:
    """Yield every pass; what is stricter for a group goes by the same indexes."""
    yield Pass(rows.filter(idle(policy, now)), "activity_bucket")
    yield Pass(rows.filter(aged(policy, now)), "authenticated_at")
    for limits in policy.groups:
        for_members, members = strictest(policy, {limits.group}), members_of(limits.group)
        if limits.max_idle is not None:
            yield Pass(rows.filter(members, idle(for_members, now)), "activity_bucket")
        if limits.max_age is not None:
            yield Pass(rows.filter(members, aged(for_members, now)), "authenticated_at")
    yield Pass(rows.filter(past_ceiling(policy, now)), "authenticated_at")
    yield Pass(rows.filter(lapsed(policy, now)), "lease_checked_at")
    yield Pass(rows.filter(session__expire_date__lte=now), "session__expire_date")


def reason_of(policy: Policy) -> Combinable:
    """Return which limit of ``policy`` a row meets first: ``decide``'s reason as a query."""
    deadlines = list(_deadlines(policy))
    earliest = Least(NEVER, *(ends_at for _, ends_at in deadlines))
    # Of limits at one instant the first listed gives the reason, as in ``limits_of``.
    return Case(
        *(
            When(LessThanOrEqual(ends_at, earliest), then=Value(reason.value))
            for reason, ends_at in deadlines
        )
    )


def _deadlines(policy: Policy) -> Iterator[tuple[EndReason, Combinable]]:
    """Yield ``limits_of`` as expressions, in its order; where there is no such limit, NEVER."""
    authenticated_at, last_activity_at = F("authenticated_at"), F("last_activity_at")
    lengths = {limits.group: limits.max_age for limits in policy.groups}
    idles = {limits.group: limits.max_idle for limits in policy.groups}
    if ends := _ends(authenticated_at, policy.max_age, lengths):
        ends_at = Least(NEVER, *ends)
        yield EndReason.SESSION_LENGTH, _put_off(ends_at, "from_session_length", policy)
    if ceilings := _ceilings(policy):
        yield EndReason.SESSION_LENGTH, Case(*ceilings, default=NEVER)
    if ends := _ends(last_activity_at, policy.max_idle, idles):
        yield EndReason.INACTIVITY, _put_off(Least(NEVER, *ends), "from_inactivity", policy)
    fallback = _after(authenticated_at, FALLBACK_LENGTH)
    by_fallback = When(
        policy_source=PolicySource.FALLBACK, then=_put_off(fallback, "from_session_length", policy)
    )
    yield EndReason.FALLBACK_LIMIT, Case(by_fallback, default=NEVER)
    lapses_at = _after(F("lease_checked_at"), conf.SESSIONMGR_IDENTITY_LIFETIME)
    exempt = [name for name, each in policy.exemptions.items() if each.from_session_length]
    if policy.honours_provider:
        by_lease = When(policy_source=PolicySource.PROVIDER, then=lapses_at)
        yield EndReason.IDENTITY_LIFETIME, Case(by_lease, default=NEVER)
    elif exempt:
        by_lease = When(
            policy_source=PolicySource.PROVIDER, client_class__in=exempt, then=lapses_at
        )
        yield EndReason.IDENTITY_LIFETIME, Case(by_lease, default=NEVER)
    yield EndReason.HOST_EXPIRY, Coalesce(F("session__expire_date"), NEVER)


def _ceilings(policy: Policy) -> list[When]:
    return [
        When(client_class=name, then=_after(F("authenticated_at"), each.ceiling))
        for name, each in policy.exemptions.items()
        if each.ceiling is not None
    ]


def _put_off(ends_at: Combinable, timer: str, policy: Policy) -> Combinable:
    """Return ``ends_at`` of the rows that ``timer`` binds; of the others, as it binds them too."""
    whens = [
        When(
            client_class=name,
            then=Greatest(ends_at, Value(each.expires_at, output_field=DateTimeField())),
        )
        for name, each in policy.exemptions.items()
        if getattr(each, timer)
    ]
    return Case(*whens, default=ends_at) if whens else ends_at


def _ends(
    begin: F, span: timedelta | None, by_group: Mapping[Hashable, timedelta | None]
) -> list[Combinable]:
    """Return when a limit is reached that began at ``begin``: everybody's, and each group's."""
    ends = [] if span is None else [_after(begin, span)]
    return ends + [
        Case(When(members_of(group), then=_after(begin, stricter)), default=NEVER)
        for group, stricter in by_group.items()
        if stricter is not None
    ]


def _after(instant: F, span: timedelta) -> Combinable:
    return ExpressionWrapper(
        instant + Value(span, output_field=DurationField()), output_field=DateTimeField()
    )


def end_without_payload(scope: str, walk: Walk) -> Counter[EndReason]:
    """End live rows whose payload others have deleted: nobody can come back to them.

    In slices of the live rows, so that neither memory nor a plan depends on how many there are.
    """
    live = UserSession.objects.using(walk.using).live().filter(scope=scope)
    missing = live.filter(~Exists(payloads(walk.using).filter(pk=OuterRef("session_id"))))
    reason = Value(EndReason.PAYLOAD_MISSING.value)
    ended: Counter[EndReason] = Counter()
    for begin, end in spans(live, "authenticated_at", SLICE):
        within = missing.filter(authenticated_at__gte=begin, authenticated_at__lte=end)
        ended += end_each(within, "authenticated_at", reason, walk)
    return ended


def keep_demands_for_credentials(ends: QuerySet[UserSession], using: str) -> None:
    """Keep with the person what is about to go with the rows: when they last signed out (R15)."""
    demanding = ends.exclude(ended_reason__in=NO_CREDENTIALS_AFTER).filter(identity=OuterRef("pk"))
    last_end = Subquery(demanding.order_by("-ended_at").values("ended_at")[:1])
    FederatedIdentity.objects.using(using).filter(Exists(demanding)).update(
        reauth_after=Greatest(Coalesce(F("reauth_after"), last_end), last_end)
    )


def purge(
    *, now: datetime, using: str, chunk: int | None = None, progress: Progress | None = None
) -> int:
    """Delete what ended longer ago than SESSIONMGR_HISTORY_DAYS; return how many rows went."""
    limit = now - timedelta(days=conf.SESSIONMGR_HISTORY_DAYS)
    old = UserSession.objects.using(using).filter(
        state=State.ENDED, session=None, ended_at__lt=limit
    )
    keep_demands_for_credentials(old, using)
    HeldForm.objects.using(using).purge(now)
    BarePage.objects.using(using).purge(limit)
    return delete_each(old, "ended_at", Walk(now, using, chunk, progress))
