"""What ending a million sessions costs and whom it keeps waiting, next to ``clearsessions``.

``python -m benchmarks.sweep`` measures and writes docs/explanation/benchmark-sweep.md; ``--rows``
with a smaller number measures less and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.sweep_page import as_page
from tests.services.actor import environment
from tests.services.cluster import Cluster, cluster

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "explanation" / "benchmark-sweep.md"
ROWS = 2_000_000
#: How long the visitor comes back while nothing else is at work: what the machine itself delays.
CONTROL_SECONDS = 20

#: What a server with a million sessions has; the rest is PostgreSQL's defaults.
SERVER = {"shared_buffers": "1GB", "max_wal_size": "4GB"}

#: Half of all sessions are past a limit: a third has had its 24 hours, a sixth is idle.
ROWS_SQL = """
    CREATE UNLOGGED TABLE made AS
    SELECT i, md5(i::text) AS key, began, CASE
        WHEN i % 4 = 0 AND began < now() - interval '1 hour'
            THEN began + interval '25 minutes' * random()
        WHEN began < now() - interval '24 hours' THEN began + CASE i % 4
            WHEN 1 THEN interval '23 hours 50 minutes' ELSE interval '23 hours' * random() END
        ELSE greatest(began, now() - interval '20 minutes' * random()) END AS used
    FROM (
        SELECT i, now() - interval '36 hours' * (1 - i / {rows}::float) AS began
        FROM generate_series(1, {rows}) AS i
    ) AS sessions
"""
PAYLOADS_SQL = """
    INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT key, repeat(key, 8), now() + interval '90 days' FROM made ORDER BY i
"""
LEDGER_SQL = """
    INSERT INTO sessionmgr_usersession (
        session_key, key_hash, user_id, scope, state, policy_source, fallback_reason, started_at,
        authenticated_at, last_activity_at, activity_bucket, ended_reason, provider_sid,
        stays_signed_in, lease_source, generation, client_class)
    SELECT key, sha256(key::bytea), i % 100000, 'main', 'live', 'fallback', 'no_provider_policy',
        began, began, used, floor(extract(epoch FROM used) / 600), '', '', false, '', 0, ''
    FROM made ORDER BY i
"""
EXPIRE_SQL = """
    UPDATE django_session SET expire_date = now() - interval '1 day'
    FROM made WHERE key = session_key
    AND (used < now() - interval '30 minutes' OR began < now() - interval '24 hours')
"""
INDEXES_SQL = """
    SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND indexname NOT IN (
        SELECT conname FROM pg_constraint)
"""


def leg(url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start one leg on a database."""
    return subprocess.Popen(  # noqa: S603 - our own words only
        [sys.executable, "-m", "benchmarks.sweep_leg", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment(url)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> Any:
    """Close a leg's input, wait for it and return its last line."""
    out, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(out.splitlines()[-1])


@contextmanager
def visited(url: str, kind: str, found: dict[str, Any]) -> Iterator[None]:
    """Let a user come back again and again meanwhile; put what they met into ``found``."""
    visitor = leg(url, "visitor", kind)
    assert visitor.stdout is not None
    visitor.stdout.readline()
    yield
    found["visitor"] = outcome(visitor)


def fill(url: str, rows: int) -> None:
    """Make ``rows`` sessions; indexes are built after, which takes a quarter of the time."""
    outcome(leg(url, "migrate"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(ROWS_SQL.format(rows=rows))
        for table, statement in (
            ("django_session", PAYLOADS_SQL),
            ("sessionmgr_usersession", LEDGER_SQL),
        ):
            indexes = connection.execute(INDEXES_SQL, [table]).fetchall()
            for name, _definition in indexes:
                connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
            connection.execute(statement)
            for _name, definition in indexes:
                connection.execute(definition)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def copied(server: Cluster, name: str) -> str:
    """Return the URL of a copy of the filled database."""
    base = server.url.rpartition("/")[0]
    with psycopg.connect(f"{base}/template1", autocommit=True) as connection:
        database = sql.Identifier(name)
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE postgres STRATEGY file_copy")
        connection.execute(copy.format(database))
        connection.execute("CHECKPOINT")
    return f"{base}/{name}"


def tuned(server: Cluster) -> str:
    """Give the server the memory of one that has a million sessions; return its version."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        for name, value in SERVER.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        version = connection.info.server_version // 10_000
    server.stop()
    server.start()
    return str(version)


def measure_sweep(url: str) -> dict[str, Any]:
    alone: dict[str, Any] = {}
    with visited(url, "ledger", alone):
        Event().wait(CONTROL_SECONDS)
    found: dict[str, Any] = {"alone": alone}
    with visited(url, "ledger", found):
        found |= outcome(leg(url, "sweep"))
    return found


def measure_clearsessions(url: str) -> dict[str, Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(EXPIRE_SQL)
        connection.execute("VACUUM ANALYZE django_session")
        connection.execute("CHECKPOINT")
    found: dict[str, Any] = {}
    with visited(url, "payload", found):
        found |= outcome(leg(url, "clearsessions"))
    return found


def measure(rows: int) -> tuple[dict[str, dict[str, Any]], str]:
    """Return what the sweep and ``clearsessions`` found, each on its copy of the same rows."""
    with cluster() as server:
        version = tuned(server)
        fill(server.url, rows)
        found = {"sweep": measure_sweep(copied(server, "swept"))}
        found["clearsessions"] = measure_clearsessions(copied(server, "cleared"))
    return found, version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="how many sessions there are")
    rows = parser.parse_args().rows
    found, version = measure(rows)
    print(json.dumps(found, indent=1))
    page = as_page(found, rows, version)
    print(page)
    if rows >= ROWS:
        RESULT.write_text(page)


if __name__ == "__main__":
    main()
