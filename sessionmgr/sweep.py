"""The sweep: ends the sessions that nobody comes back to, and clears up after ends (R18).

Enforcement never depends on it: the door ends a stale session on its next request. The sweep makes
the same transition for all others, in chunks that hold a returning user up for milliseconds.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from sessionmgr import sources
from sessionmgr.conf import conf
from sessionmgr.core.decision import SessionState, decide
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason, PolicySource
from sessionmgr.enforcement import announce_ends, remove_payloads
from sessionmgr.models import JobLease, State, UserSession, aged, idle, payloads

#: Rows per transaction. SQLite has one writer: everybody waits for the chunk, so it is small.
CHUNK = 3000
SQLITE_CHUNK = 500

#: Looking for payloads that others have deleted reads the whole table: not every minute.
RECONCILE_EVERY = timedelta(hours=1)

Progress = Callable[[int], None]


class Candidate(NamedTuple):
    """What the judge needs of a row, and what the chunk needs to go on after it."""

    id: int
    session_key: str
    place: Any
    authenticated_at: datetime
    last_activity_at: datetime
    policy_source: str
    payload_expires_at: datetime | None


def sweep(
    *, now: datetime, using: str, chunk: int | None = None, progress: Progress | None = None
) -> Counter[EndReason]:
    """End what is stale in every scope and return how many ended for which reason."""
    ended: Counter[EndReason] = Counter()
    scopes = UserSession.objects.using(using).live().order_by().values_list("scope", flat=True)
    for scope in scopes.distinct():
        policy = sources.current_policy(scope)
        ended += sweep_scope(scope, policy, now=now, using=using, chunk=chunk, progress=progress)
    remove_left_payloads(using=using)
    if JobLease.objects.using(using).take("reconcile", now, RECONCILE_EVERY):
        ended += end_without_payload(now=now, using=using)
    return ended


def sweep_scope(
    scope: str,
    policy: Policy,
    *,
    now: datetime,
    using: str,
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Counter[EndReason]:
    """End what is stale in ``scope`` under ``policy``; also inside a caller's transaction."""
    size = chunk or chunk_size(using)
    rows = UserSession.objects.using(using).live().filter(scope=scope)
    passes = (
        (rows.filter(session__expire_date__lte=now), "id"),
        (rows.filter(aged(policy, now)), "authenticated_at"),
        (rows.filter(idle(policy, now)), "activity_bucket"),
    )
    ended: Counter[EndReason] = Counter()
    for stale, order in passes:
        for found in _in_chunks(stale, order, size, policy, now, using):
            ended += found
            if progress is not None:
                progress(found.total())
    return ended


def chunk_size(using: str) -> int:
    """Return how many rows one transaction ends on this database."""
    return SQLITE_CHUNK if connections[using].vendor == "sqlite" else CHUNK


def _in_chunks(
    stale: QuerySet[UserSession],
    order: str,
    size: int,
    policy: Policy,
    now: datetime,
    using: str,
) -> Iterator[Counter[EndReason]]:
    """End ``stale`` rows in the order of an index, so that none is looked at twice."""
    place: Candidate | None = None
    while True:
        with transaction.atomic(using=using):
            batch = _claim(stale, order, place, size, using)
            ended = _end(batch, policy, now, using)
        yield ended
        if len(batch) < size:
            return
        place = batch[-1]


def _claim(
    stale: QuerySet[UserSession], order: str, place: Candidate | None, size: int, using: str
) -> list[Candidate]:
    """Lock and read the next rows; one that a request holds now is left to the next sweep."""
    if place is not None:
        after = Q(**{f"{order}__gt": place.place}) | Q(pk__gt=place.id)
        stale = stale.filter(after, **{f"{order}__gte": place.place})
    if connections[using].features.has_select_for_update_skip_locked:
        stale = stale.select_for_update(skip_locked=True, of=("self",))
    columns = stale.order_by(order, "pk").values_list(
        "pk",
        "session_id",
        order,
        "authenticated_at",
        "last_activity_at",
        "policy_source",
        "session__expire_date",
    )
    return [Candidate(*row) for row in columns[:size]]


def _end(batch: list[Candidate], policy: Policy, now: datetime, using: str) -> Counter[EndReason]:
    by_reason: dict[EndReason, list[Candidate]] = defaultdict(list)
    for row in batch:
        state = SessionState(
            authenticated_at=row.authenticated_at,
            last_activity_at=row.last_activity_at,
            policy_source=PolicySource(row.policy_source),
            payload_expires_at=row.payload_expires_at,
        )
        reason = decide(policy, state, now).reason
        if reason is not None:
            by_reason[reason].append(row)
    return Counter(
        {reason: _end_for(reason, rows, now, using) for reason, rows in by_reason.items()}
    )


def _end_for(reason: EndReason, rows: list[Candidate], now: datetime, using: str) -> int:
    """End locked rows and remove their payloads, in the caller's transaction."""
    ids = [row.id for row in rows]
    live = UserSession.objects.using(using).live().filter(pk__in=ids)
    ended = live.update(state=State.ENDED, ended_reason=reason, ended_at=now, session=None)
    keys = [row.session_key for row in rows if row.session_key is not None]
    payloads(using).filter(pk__in=keys, sessionmgr_ledger__isnull=True).delete()
    announce_ends(ids, using=using)
    return ended


def end_without_payload(*, now: datetime, using: str) -> Counter[EndReason]:
    """End live rows whose payload others have deleted: nobody can come back to them."""
    payload = payloads(using).filter(pk=OuterRef("session_id"))
    rows = UserSession.objects.using(using).filter(~Exists(payload)).live()
    ended = 0
    size = chunk_size(using)
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:size]):
        found = rows.filter(pk__in=ids).update(
            state=State.ENDED, ended_reason=EndReason.PAYLOAD_MISSING, ended_at=now, session=None
        )
        announce_ends(ids, using=using)
        ended += found
        if len(ids) < size:
            break
    return Counter({EndReason.PAYLOAD_MISSING: ended})


def remove_left_payloads(*, using: str) -> int:
    """Remove payloads and keys that a crash between the steps of an end has left."""
    left = list(
        UserSession.objects.using(using).payload_left().values_list("pk", flat=True)[:CHUNK]
    )
    if left:
        remove_payloads(UserSession.objects.using(using).filter(pk__in=left), using=using)
    return len(left)


def purge(*, now: datetime, using: str, progress: Progress | None = None) -> int:
    """Delete what ended longer ago than SESSIONMGR_HISTORY_DAYS; return how many rows went."""
    limit = now - timedelta(days=conf.SESSIONMGR_HISTORY_DAYS)
    old = UserSession.objects.using(using).filter(
        state=State.ENDED, session__isnull=True, ended_at__lt=limit
    )
    gone = 0
    size = chunk_size(using)
    while ids := list(old.order_by("ended_at", "pk").values_list("pk", flat=True)[:size]):
        gone += old.filter(pk__in=ids).delete()[0]
        if progress is not None:
            progress(len(ids))
    return gone
