"""Ends and deletes many rows, a chunk at a time: nobody waits longer than one chunk takes."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import Combinable

from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import announce_ends, remove_payloads
from sessionmgr.models import State, UserSession, payloads

#: Rows per transaction: whoever comes back to one of them, or to SQLite at all, waits for it.
CHUNK = 500

#: Called with how many more rows are done.
Progress = Callable[[int], None]


class Walk(NamedTuple):
    """How a run goes through the rows: at what time, where, in what steps, whom it tells."""

    now: datetime
    using: str
    chunk: int | None = None
    progress: Progress | None = None
    #: Wait for a row that somebody holds, instead of leaving it to the next run.
    waits: bool = False

    @property
    def size(self) -> int:
        """Return how many rows one transaction takes."""
        return self.chunk or CHUNK

    def tell(self, more: int) -> None:
        if self.progress is not None:
            self.progress(more)


class Claimed(NamedTuple):
    """A locked row: what its end needs, and its place in the order."""

    id: int
    session_key: str | None
    reason: str
    place: Any


def end_each(
    rows: QuerySet[UserSession], order: str, reason: Combinable, walk: Walk
) -> Counter[EndReason]:
    """End ``rows``, in the order of an index; ``reason`` is worked out as each row is locked.

    A row that a request holds is left to the next run, unless the walk waits. Within a caller's
    transaction it is waited for: what the caller goes on to change must find it ended.
    """
    walk = walk._replace(waits=walk.waits or connections[walk.using].in_atomic_block)
    rows = rows.filter(state=State.LIVE)
    ended: Counter[EndReason] = Counter()
    place: Claimed | None = None
    while True:
        with transaction.atomic(using=walk.using):
            batch = _claim(rows, order, reason, place, walk)
            found = _end(rows, batch, walk)
        ended += found
        walk.tell(found.total())
        if len(batch) < walk.size:
            return ended
        place = batch[-1]


def _claim(
    rows: QuerySet[UserSession],
    order: str,
    reason: Combinable,
    place: Claimed | None,
    walk: Walk,
) -> list[Claimed]:
    """Lock and read the next rows; what lies before ``place`` is dead and not read again."""
    if place is not None:
        after = Q(**{f"{order}__gt": place.place}) | Q(pk__gt=place.id)
        rows = rows.filter(after, **{f"{order}__gte": place.place})
    features = connections[walk.using].features
    if features.has_select_for_update:
        skips = features.has_select_for_update_skip_locked and not walk.waits
        rows = rows.select_for_update(skip_locked=skips, of=("self",))
    ordered = rows.annotate(reason=reason).order_by(order, "pk")
    return [
        Claimed(*row)
        for row in ordered.values_list("pk", "session_id", "reason", order)[: walk.size]
    ]


def _end(rows: QuerySet[UserSession], batch: list[Claimed], walk: Walk) -> Counter[EndReason]:
    by_reason: dict[str, list[Claimed]] = defaultdict(list)
    for row in batch:
        by_reason[row.reason].append(row)
    ended: Counter[EndReason] = Counter()
    for value, claimed in by_reason.items():
        ids = [row.id for row in claimed]
        # The condition once more: not every database locks. The key may go at once, as the
        # payload goes with the same commit; ledger before payload.
        ended[EndReason(value)] = rows.filter(pk__in=ids).update(
            state=State.ENDED, ended_reason=value, ended_at=walk.now, session=None
        )
        keys = [row.session_key for row in claimed if row.session_key is not None]
        left = payloads(walk.using).filter(pk__in=keys)
        if ended[EndReason(value)] < len(claimed):
            left = left.filter(sessionmgr_ledger=None)
        left.delete()
        announce_ends(ids, using=walk.using)
    return ended


def repair_each(rows: QuerySet[UserSession], walk: Walk) -> int:
    """Remove what is left of ended sessions' payloads and keys (a crash between the steps)."""
    repaired = 0
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[: walk.size]):
        remove_payloads(UserSession.objects.using(walk.using).filter(pk__in=ids), using=walk.using)
        repaired += len(ids)
    return repaired


def delete_each(rows: QuerySet[UserSession], order: str, walk: Walk) -> int:
    """Delete ``rows``, in the order of an index; return how many went."""
    gone = 0
    ahead = rows.order_by(order, "pk").values_list(order, "pk")
    batch = list(ahead[: walk.size])
    while batch:
        deleted, _ = rows.filter(pk__in=[pk for _, pk in batch]).delete()
        gone += deleted
        walk.tell(deleted)
        # From where it was, not from the index's beginning, which is dead by now.
        batch = list(ahead.filter(**{f"{order}__gte": batch[-1][0]})[: walk.size])
    return gone


def spans(rows: QuerySet[UserSession], order: str, size: int) -> Iterator[tuple[Any, Any]]:
    """Yield first and last value of ``order`` for each ``size`` rows; the spans do not overlap."""
    ahead = rows.order_by(order).values_list(order, flat=True)
    first = ahead.first()
    while first is not None:
        edge = ahead.filter(**{f"{order}__gte": first})[size - 1 : size].first()
        last = ahead.last() if edge is None else edge
        yield first, last
        first = ahead.filter(**{f"{order}__gt": last}).first()
