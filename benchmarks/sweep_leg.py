"""One leg of the sweep's benchmark, in a process of its own; prints what it found as JSON.

``sweep`` and ``clearsessions`` do the work; ``visitor`` comes back all the while, until its input
is closed, and times how long each of its writes waits.
"""

from __future__ import annotations

import json
import random
import select
import sys
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any

import django
import psutil

django.setup()

from django.contrib.sessions.backends.db import SessionStore as PlainStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from benchmarks.contestants import IN_FORCE  # noqa: E402
from sessionmgr import clock  # noqa: E402
from sessionmgr.chunks import CHUNK, Walk  # noqa: E402
from sessionmgr.models import UserSession, bucket_of, overdue  # noqa: E402
from sessionmgr.sources import DEFAULT_SCOPE  # noqa: E402
from sessionmgr.sweep import end_without_payload, sweep_scope  # noqa: E402

MEGABYTE = 2**20
SAMPLE = 5000
#: Between two visits, in seconds: the visitor is to wait, not to compete.
PAUSE = 0.01


def migrate() -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    return {}


def measured(work: Callable[[], Any]) -> dict[str, Any]:
    """Return wall time, the database process's own time, and what ``work`` returned."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    backend = psutil.Process(pid)
    before, began = sum(backend.cpu_times()[:2]), perf_counter()
    result = work()
    return {
        "seconds": perf_counter() - began,
        "server_seconds": sum(backend.cpu_times()[:2]) - before,
        "result": result,
    }


def sweep() -> dict[str, Any]:
    memory: list[int] = []
    own = psutil.Process()

    def remember(more: int) -> None:
        memory.append(own.memory_info().rss)

    now = clock.now("default")
    found = measured(
        lambda: sweep_scope(DEFAULT_SCOPE, IN_FORCE, now=now, using="default", progress=remember)
    )
    early = memory[min(5, len(memory) - 1)]
    found["memory"] = {"early": early / MEGABYTE, "most": max(memory) / MEGABYTE}
    found |= {"chunks": len(memory), "chunk_rows": CHUNK}
    found["empty"] = measured(
        lambda: sweep_scope(DEFAULT_SCOPE, IN_FORCE, now=now, using="default")
    )
    found["reconcile"] = measured(lambda: end_without_payload(DEFAULT_SCOPE, Walk(now, "default")))
    return found


def clearsessions() -> dict[str, Any]:
    own = psutil.Process()
    early = own.memory_info().rss
    before = Session.objects.count()
    found = measured(PlainStore.clear_expired)
    found["memory"] = {"early": early / MEGABYTE, "most": own.memory_info().rss / MEGABYTE}
    found["result"] = {"expired": before - Session.objects.count()}
    return found


def visitor(kind: str) -> dict[str, Any]:
    """Write to sessions that are in force and to ones that are being ended, in turn."""
    visit = {"ledger": LedgerVisits, "payload": PayloadVisits}[kind]()
    waits: dict[str, list[float]] = {"fresh": [], "stale": []}
    tell({})
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        for name, find in (("fresh", visit.fresh), ("stale", visit.stale)):
            write = find()
            began = perf_counter()
            write()
            waits[name].append(perf_counter() - began)
    return {
        name: {
            "count": len(each),
            "longest": max(each),
            "median": sorted(each)[len(each) // 2],
            "p99": sorted(each)[len(each) * 99 // 100],
        }
        for name, each in waits.items()
    }


class LedgerVisits:
    """Activity stamps: on any fresh row, and on the row that the sweep is about to end."""

    def __init__(self) -> None:
        self.now = clock.now("default")
        live = UserSession.objects.live()
        fresh = live.exclude(overdue(IN_FORCE, self.now)).order_by("-pk")
        self.ids = list(fresh.values_list("pk", flat=True)[:SAMPLE])
        self.bucket = 0

    def fresh(self) -> Callable[[], Any]:
        row = UserSession.objects.filter(pk=random.choice(self.ids))  # noqa: S311
        at = clock.now("default")
        return lambda: row.touch(at)

    def stale(self) -> Callable[[], Any]:
        """Pick one of the chunk at work: not yet committed, so still live to us."""
        limit = bucket_of(self.now - IN_FORCE.inactivity_duration)
        ahead = UserSession.objects.live().filter(
            scope=DEFAULT_SCOPE, activity_bucket__gte=self.bucket, activity_bucket__lt=limit
        )
        place = random.randrange(CHUNK)  # noqa: S311
        found = list(ahead.order_by("activity_bucket", "pk")[place : place + 1])
        if not found:
            return self.fresh()
        (row,) = found
        self.bucket = row.activity_bucket
        at = row.last_activity_at + timedelta(microseconds=1)
        # The bucket stays: the stamp is to wait for the sweep, not to revive.
        one = UserSession.objects.filter(pk=row.pk).live()
        return lambda: one.update(last_activity_at=at)


class PayloadVisits:
    """Saves of payloads, as plain Django makes them for who was signed in a moment ago."""

    def __init__(self) -> None:
        now = clock.now("default")
        self.keys = {
            name: list(
                Session.objects.filter(**{f"expire_date__{side}": now})
                .order_by("?")
                .values_list("session_key", flat=True)[:SAMPLE]
            )
            for name, side in (("fresh", "gt"), ("stale", "lt"))
        }

    def _save(self, name: str) -> Callable[[], Any]:
        row = Session.objects.filter(pk=random.choice(self.keys[name]))  # noqa: S311
        return lambda: row.update(session_data="x" * 200)

    def fresh(self) -> Callable[[], Any]:
        return self._save("fresh")

    def stale(self) -> Callable[[], Any]:
        return self._save("stale")


def tell(answer: Any) -> None:
    print(json.dumps(answer, default=dict), flush=True)


if __name__ == "__main__":
    legs: dict[str, Callable[..., dict[str, Any]]] = {
        leg.__name__: leg for leg in (migrate, sweep, clearsessions, visitor)
    }
    tell(legs[sys.argv[1]](*sys.argv[2:]))
