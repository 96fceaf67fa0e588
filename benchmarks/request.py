"""What a request costs: this project, plain Django, and peers, side by side.

``python -m benchmarks.request`` measures and writes docs/explanation/benchmark-request.md;
``--quick`` measures less and writes nothing. Each contestant runs in a process and on a database
of its own; they take turns in short rounds, in random order, so that a disturbance hits all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psycopg

from benchmarks.contestants import CONTESTANTS, PEERS
from benchmarks.request_page import Figures, Run, as_page
from tests.services.cluster import cluster

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "explanation" / "benchmark-request.md"

PAGE_CASES = ("steady", "stamps", "no session", "anonymous", "invalid cookie")
COUNTED_REQUESTS = 60


class Worker:
    """One contestant's process; orders go in and answers come out as lines of JSON."""

    def __init__(self, name: str, database: dict[str, Any], mode: str) -> None:
        self.name = name
        self.process = subprocess.Popen(  # noqa: S603 - our own words only
            [sys.executable, "-m", "benchmarks.request_worker", name, json.dumps(database), mode],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.orders, self.answers = self.process.stdin, self.process.stdout
        assert self.answers.readline() == "ready\n", f"{name} does not start"

    def ask(self, **order: Any) -> Any:
        self.orders.write(json.dumps(order) + "\n")
        self.orders.flush()
        return json.loads(self.answers.readline())

    def close(self) -> None:
        self.orders.close()
        self.process.wait(30)
        self.answers.close()


def install_peers() -> None:
    """Put the peers where only the workers see them, once."""
    if PEERS.exists():
        return
    requirements = ROOT / "benchmarks" / "requirements.txt"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run(  # noqa: S603 - our own words only
        [*pip, "--target", str(PEERS), "-r", str(requirements)], check=True
    )


@contextmanager
def workers(mode: str, databases: Iterator[dict[str, Any]]) -> Iterator[list[Worker]]:
    """Offer a worker for each contestant that can run in ``mode``."""
    with ExitStack() as stack:
        crowd = []
        for name, contestant in CONTESTANTS.items():
            if mode == "wsgi" or contestant.has_async:
                crowd.append(Worker(name, next(databases), mode))
                stack.callback(crowd[-1].close)
        yield crowd


def measure(crowd: list[Worker], case: str, run: Run) -> dict[str, Figures]:
    """Return the figures of one case for each worker."""
    order = random.Random(case)  # noqa: S311 - the same turns in every measurement
    counts = {}
    for worker in crowd:
        worker.ask(case=case, count=run.requests)
        counts[worker.name] = worker.ask(case=case, count=COUNTED_REQUESTS, counting=True)
    spans: dict[str, list[int]] = {worker.name: [] for worker in crowd}
    for _ in range(run.rounds):
        for worker in order.sample(crowd, len(crowd)):
            spans[worker.name] += worker.ask(case=case, count=run.requests)
    return {
        name: Figures(
            counts[name]["queries"],
            counts[name]["writes"],
            median(found) / 1000,
            fmean(found) / 1000,
        )
        for name, found in spans.items()
    }


def sign_in_statements(crowd: list[Worker]) -> dict[str, tuple[float, float]]:
    """Return statements of a sign-in, and those around transactions, for each worker."""
    found = {}
    for worker in crowd:
        counted = worker.ask(case="sign-in", count=1, counting=True)
        found[worker.name] = (counted["queries"], counted["around"])
    return found


def sqlite_databases(folder: Path) -> Iterator[dict[str, Any]]:
    """Offer new files, with the options of the reference project."""
    number = 0
    while True:
        number += 1
        yield {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / f"{number}.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }


def postgres_databases(url: str, port: int, prefix: str, **extra: Any) -> Iterator[dict[str, Any]]:
    """Offer new databases of one server."""
    number = 0
    while True:
        number += 1
        name = f"{prefix}{number}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "HOST": "127.0.0.1",
            "PORT": port,
            "USER": "postgres",
            "CONN_MAX_AGE": None,
            **extra,
        }


def measure_pages(
    databases: Iterator[dict[str, Any]], run: Run
) -> tuple[dict[str, dict[str, Figures]], dict[str, tuple[float, float]]]:
    """Return every case for every contestant, and what a sign-in takes."""
    with workers("wsgi", databases) as crowd:
        found = {}
        for case in PAGE_CASES:
            found[case] = measure(crowd, case, run)
            tell(case, found[case])
        return found, sign_in_statements(crowd)


def measure_async(databases: Iterator[dict[str, Any]], run: Run) -> dict[str, Figures]:
    """Return the figures of an async view for the contestants that can run one."""
    with workers("asgi", databases) as crowd:
        found = measure(crowd, "async", run)
        tell("async", found)
        return found


def tell(case: str, found: dict[str, Figures]) -> None:
    """Print one case while the next is measured."""
    base = found["django"]
    for name, figures in found.items():
        print(
            f"{case:15}{name:18}{figures.queries:6.2f}{figures.writes:6.2f}"
            f"{figures.median:9.0f}{figures.mean:9.0f}"
            f"{figures.median / base.median:8.3f}{figures.mean / base.mean:8.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure little, write nothing")
    run = Run(4, 20) if parser.parse_args().quick else Run(40, 60)
    install_peers()
    results: dict[str, dict[str, dict[str, Figures]]] = {}
    with tempfile.TemporaryDirectory() as folder, cluster() as server:
        results["SQLite"], sign_in = measure_pages(sqlite_databases(Path(folder)), run)
        own = postgres_databases(server.url, server.port, "pages")
        results["PostgreSQL"], _ = measure_pages(own, run)
        pooled = {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 2, "max_size": 4}}}
        shared = postgres_databases(server.url, server.port, "async", **pooled)
        results["ASGI"] = {"async": measure_async(shared, run)}
        with psycopg.connect(server.url) as connection:
            version = connection.info.server_version
    for name, (statements, around) in sign_in.items():
        print(f"sign-in        {name:18}{statements:6.0f} statements, {around:.0f} around them")
    if run.rounds >= 40:
        versions = {"PostgreSQL": f"{version // 10_000}", "SQLite": sqlite3.sqlite_version}
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(as_page(results, sign_in, run, versions))


if __name__ == "__main__":
    main()
