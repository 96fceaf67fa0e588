"""The result page of ``python -m benchmarks.sweep``, as Markdown."""
# ruff: noqa: E501

from __future__ import annotations

import os
import platform
from typing import Any

import django

MILLISECONDS = 1000

#: What issue and design ask for, and what the figures here are held against.
MOST_TIMES, MOST_BLOCK = 2.0, 50.0


def as_page(found: dict[str, dict[str, Any]], rows: int, version: str) -> str:
    """Return the whole page."""
    ours, theirs = found["sweep"], found["clearsessions"]
    ended, expired = sum(ours["result"].values()), theirs["result"]["expired"]
    per_row = ours["seconds"] / ended
    ratio = per_row / (theirs["seconds"] / expired)
    # The system counts in ticks of 10 ms; in small form nothing may have been counted.
    server_ratio = (ours["server_seconds"] / ended) / (
        max(theirs["server_seconds"], 0.01) / expired
    )
    legs = (ours, theirs, ours["alone"])
    block = longest(ours)
    return f"""# What a sweep costs

`make bench-sweep` writes this page: {ended:,} stale sessions among {rows:,}, ended by the sweep; and
the same payloads expired and removed by Django's `clearsessions`, which knows no ledger. Each on a
copy of the same PostgreSQL database, while one user comes back again and again and writes: to a
session in force, and to one that is being ended at that moment.

{os.cpu_count()} shared CPU cores, PostgreSQL {version} (1 GB of shared buffers), Python
{platform.python_version()}, Django {django.get_version()}. The cores were shared with other work, so compare, and
do not read seconds as absolute; the last column shows what the machine alone delays.

| | sweep | `clearsessions` | nothing at work |
|---|--:|--:|--:|
| sessions ended · payloads removed | {ended:,} | {expired:,} | |
| seconds | {ours["seconds"]:.1f} | {theirs["seconds"]:.1f} | |
| CPU seconds of the database's process | {ours["server_seconds"]:.1f} | {theirs["server_seconds"]:.1f} | |
{visits_of("stale", "a session that is being ended", legs)}
{visits_of("fresh", "a session in force", legs)}
| memory of the process early in the run → at most, MB | {memory(ours)} | {memory(theirs)} | |

Reasons: {reasons(ours)}. {ours["chunks"]} transactions of at most {ours["chunk_rows"]:,} rows. A sweep that finds nothing among
what is left takes {ours["empty"]["seconds"] * MILLISECONDS:.0f} ms right afterwards; the hourly look for payloads that others have
deleted takes {ours["reconcile"]["seconds"]:.1f} s.

## Against the goals

| goal | figure | |
|---|--:|---|
| at most {MOST_TIMES:.0f} times the time of `clearsessions` | {ratio:.1f} ({server_ratio:.1f} in CPU time of the database) | {verdict(ratio <= MOST_TIMES)} |
| a returning user waits at most {MOST_BLOCK:.0f} ms | {block:.0f} ms | {verdict(block <= MOST_BLOCK)} |
| memory stays flat | {memory(ours)} MB | {verdict(is_flat(ours))} |

## Where the time goes

`clearsessions` marks rows of one table as deleted, in one transaction: no index is written. An end is kept (it is the audit of ends), so
it is an UPDATE of the ledger row; and as `state` decides which indexes a row is in, PostgreSQL writes new entries into several
indexes of the ledger. Measured apart from the table above, once, when an end wrote seven indexes (now three), in CPU seconds of the database for a million rows: the DELETE 1.5; one
single UPDATE of the ledger 22, with the primary key as its only index 6.3, with no index 3.3. So an end that is kept as an UPDATE costs more than
twice the DELETE before any index or payload is counted, and the goal is out of reach for this shape of ledger. In chunks, UPDATE took
about half of the database's time; finding and locking the rows, and removing payloads by key, took the rest.

A chunk is one transaction: a user whose session is in it waits until it ends. The waits above include the machine's own, as the
cores had several times more to do than they could. The seconds of the two columns were not taken under the same load: one took
minutes, the other a moment. The CPU seconds are the fairer comparison.
"""


def longest(leg: dict[str, Any]) -> float:
    return float(max(each["longest"] for each in leg["visitor"].values()) * MILLISECONDS)


def visits_of(kind: str, whose: str, legs: tuple[dict[str, Any], ...]) -> str:
    """Return the line of one kind of visit: how long its writes took."""
    cells = []
    for leg in legs:
        found = leg["visitor"][kind]
        spans = (found[name] * MILLISECONDS for name in ("median", "p99", "longest"))
        cells.append(" · ".join(f"{span:.1f}" for span in spans) + f" ({found['count']:,})")
    return f"| a write to {whose}, ms: median · 99 % · longest (visits) | {' | '.join(cells)} |"


def memory(leg: dict[str, Any]) -> str:
    return f"{leg['memory']['early']:.0f} → {leg['memory']['most']:.0f}"


def is_flat(leg: dict[str, Any]) -> bool:
    return bool(leg["memory"]["most"] - leg["memory"]["early"] < 10)


def reasons(leg: dict[str, Any]) -> str:
    return ", ".join(f"`{reason}` {number:,}" for reason, number in leg["result"].items())


def verdict(is_met: bool) -> str:
    return "met" if is_met else "**not met**"
