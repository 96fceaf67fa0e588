"""The result page of ``python -m benchmarks.request``, as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from typing import NamedTuple

import django

from benchmarks.contestants import CONTESTANTS

#: What each case is about, in the order of the page.
CASES = {
    "steady": "A signed-in page that uses `request.user`, again and again",
    "stamps": "The same with 5 seconds between requests: activity is written down",
    "no session": "A page that looks at neither session nor user, asked with a session cookie",
    "anonymous": "A page that uses `request.user`, without a cookie",
    "invalid cookie": "The same with a made-up session cookie",
    "async": "An async view that awaits `request.auser()`, psycopg's pool, under ASGI",
}


class Figures(NamedTuple):
    """One contestant in one case: statements for each request, and microseconds."""

    queries: float
    writes: float
    median: float
    mean: float


class Run(NamedTuple):
    """How much is measured: rounds in turn, and requests in each."""

    rounds: int
    requests: int


class Goal(NamedTuple):
    """A ratio to plain Django that we want to stay under."""

    part: str
    case: str
    measure: str
    most: float


GOALS = (
    Goal("SQLite", "steady", "median", 0.45),
    Goal("PostgreSQL", "steady", "median", 0.6),
    Goal("PostgreSQL", "stamps", "median", 0.6),
    Goal("PostgreSQL", "stamps", "mean", 0.75),
    Goal("ASGI", "async", "median", 0.8),
    Goal("SQLite", "no session", "median", 1.05),
    Goal("PostgreSQL", "no session", "median", 1.05),
)

Results = dict[str, dict[str, dict[str, Figures]]]


def as_page(
    results: Results,
    sign_in: dict[str, tuple[float, float]],
    run: Run,
    versions: dict[str, str],
) -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# What a request costs",
            "",
            "Written by `make bench-request`; do not edit. Read the ratios, not the microseconds.",
            "",
            *goals(results),
            "",
            *method(run, versions),
            *(line for part, cases in results.items() for line in section(part, cases)),
            "## Sign-in",
            "",
            *sign_ins(sign_in),
            "",
        ]
    )


def goals(results: Results) -> Iterator[str]:
    """Yield the table of what we wanted and what we got."""
    yield "| Ratio to plain Django's `db` engine | goal | measured | |"
    yield "|---|---|---|---|"
    for goal in GOALS:
        found = results[goal.part][goal.case]
        ratio = getattr(found["sessionmgr"], goal.measure) / getattr(found["django"], goal.measure)
        verdict = "reached" if ratio <= goal.most else "**missed**"
        yield (
            f"| {goal.part}, {goal.case}, {goal.measure} | ≤ {goal.most} "
            f"| {ratio:.2f} | {verdict} |"
        )
    steady = results["SQLite"]["steady"]["sessionmgr"]
    yield (
        f"| signed-in page, steady | 1 query, 0 writes | {steady.queries:g} query, "
        f"{steady.writes:g} writes | {verdict_of(steady.queries == 1 and not steady.writes)} |"
    )
    extra = [
        results[part]["anonymous"]["sessionmgr"].queries
        - results[part]["anonymous"]["django"].queries
        for part in ("SQLite", "PostgreSQL")
    ]
    yield f"| anonymous | no extra query | {max(extra):g} | {verdict_of(not any(extra))} |"


def verdict_of(is_reached: bool) -> str:
    return "reached" if is_reached else "**missed**"


def method(run: Run, versions: dict[str, str]) -> Iterator[str]:
    """Yield how it was measured, and on what."""
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield (
        f"Machine: {os.cpu_count()} shared CPU cores, Linux, Python {platform.python_version()}, "
        f"Django {django.__version__}, {named}, all on the loopback. Each contestant is a process "
        "with a database of its own and the smallest project that will do (session and "
        "authentication middleware, then its own). Django is called directly: no server, "
        "no network, no template. They take turns in random order: "
        f"{run.rounds} rounds of {run.requests} requests each after one to warm up. All peers "
        "have the same limits: 30 minutes of inactivity, 24 hours in all. Queries and writes are "
        "for each request, on average. The control is plain Django once more: what it differs by "
        "is the error of the measurement. The load of the machine at the end was "
        f"{os.getloadavg()[0]:.1f}; alone, the measurement makes it about 1."
    )
    yield ""


def section(part: str, cases: dict[str, dict[str, Figures]]) -> Iterator[str]:
    """Yield one database's tables."""
    yield f"## {part}"
    yield ""
    for case, found in cases.items():
        yield f"### {CASES[case]}"
        yield ""
        yield "| | queries | writes | median µs | mean µs | median, ratio | mean, ratio |"
        yield "|---|--:|--:|--:|--:|--:|--:|"
        base = found["django"]
        for name, figures in found.items():
            yield (
                f"| {CONTESTANTS[name].label} | {figures.queries:.3g} | {figures.writes:.2g} "
                f"| {figures.median:.0f} | {figures.mean:.0f} "
                f"| {figures.median / base.median:.2f} | {figures.mean / base.mean:.2f} |"
            )
        yield ""


def sign_ins(sign_in: dict[str, tuple[float, float]]) -> Iterator[str]:
    """Yield what a sign-in takes in statements."""
    yield "| | statements | around transactions |"
    yield "|---|--:|--:|"
    for name, (statements, around) in sign_in.items():
        yield f"| {CONTESTANTS[name].label} | {statements:.0f} | {around:.0f} |"
