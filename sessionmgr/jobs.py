"""The recurring jobs, each one at a time: what Celery's tasks and the commands both call.

A lease row says who may run. Two runs that overlap all the same (the first outlived its lease) do
each other no harm: the lease only saves the second one the work.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sessionmgr import clock
from sessionmgr.chunks import Progress
from sessionmgr.models import JobLease, database
from sessionmgr.sweep import purge, sweep

logger = logging.getLogger("sessionmgr")

#: How long a run that was killed keeps others from running.
SWEEP_LEASE = timedelta(minutes=5)
PURGE_LEASE = timedelta(hours=1)

Counts = dict[str, int]
Work = Callable[[datetime, str], Mapping[str, int]]


def expire_stale_sessions(progress: Progress | None = None) -> Counts:
    """End what is stale in every scope; return how many sessions ended, also by reason."""

    def work(now: datetime, using: str) -> Mapping[str, int]:
        ended = sweep(now=now, using=using, progress=progress)
        return {"ended": ended.total(), **{reason.value: ended[reason] for reason in ended}}

    return alone("sweep", SWEEP_LEASE, work)


def purge_ended_sessions(progress: Progress | None = None) -> Counts:
    """Delete the history of ends that is past its days; return how many rows went."""

    def work(now: datetime, using: str) -> Mapping[str, int]:
        return {"purged": purge(now=now, using=using, progress=progress)}

    return alone("purge", PURGE_LEASE, work)


def alone(name: str, length: timedelta, work: Work) -> Counts:
    """Do ``work`` unless another process is at it; log and return the counts."""
    using = database()
    now = clock.now(using)
    leases = JobLease.objects.using(using)
    if not leases.take(name, now, length):
        logger.info("%s: already running elsewhere", name)
        return {"already_running": 1}
    try:
        counts = dict(work(now, using))
    finally:
        leases.give_back(name, now)
    logger.info("%s: %s", name, in_words(counts))
    return counts


def in_words(counts: Mapping[str, int]) -> str:
    """Return counts as one line: ``ended 3, inactivity 2, session_length 1``."""
    return ", ".join(f"{name} {number}" for name, number in counts.items())
