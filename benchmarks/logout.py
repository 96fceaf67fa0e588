"""How long a back-channel logout takes among many live sessions, next to a view that does nothing.

``python -m benchmarks.logout`` measures and writes docs/explanation/benchmark-logout.md;
``--sessions`` with a smaller number measures less and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.logout_page import as_page
from tests.services.actor import environment
from tests.services.cluster import cluster

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "docs" / "explanation" / "benchmark-logout.md"
SESSIONS = 100_000

#: Sessions of one person: a laptop, a phone, and one more.
EACH = 3

FILL = (
    """
    INSERT INTO auth_user (username, first_name, last_name, email, password, is_staff,
        is_active, is_superuser, date_joined)
    SELECT 'person-' || i, '', '', '', '!', false, true, false, now()
    FROM generate_series(0, {people}) AS i
    """,
    """
    INSERT INTO sessionmgr_federatedidentity (issuer, subject, user_id, linked_at)
    SELECT '{issuer}', username, id, now() FROM auth_user
    """,
    """
    CREATE TEMPORARY TABLE made AS
    SELECT i, md5(i::text) AS key, now() - interval '7 days' * random() AS began, person.*
    FROM generate_series(0, {sessions} - 1) AS i
    JOIN (SELECT id AS identity_id, user_id, subject FROM sessionmgr_federatedidentity)
        AS person ON subject = 'person-' || i / {each}
    """,
    """
    INSERT INTO django_session (session_key, session_data, expire_date)
    SELECT key, repeat(key, 8), now() + interval '90 days' FROM made
    """,
    """
    INSERT INTO sessionmgr_usersession (
        session_key, key_hash, user_id, scope, state, policy_source, fallback_reason,
        identity_id, provider_sid, stays_signed_in, lease_source, lease_checked_at,
        lease_valid_until, lease_renew_at, generation, client_class, started_at, authenticated_at,
        last_activity_at, activity_bucket, ended_reason)
    SELECT key, sha256(key::bytea), user_id, 'main', 'live', 'provider', '',
        identity_id, 'sid-' || i, false, 'refresh', now(), now() + interval '1 hour',
        now() + interval '40 minutes', 0, 'browser', began, began, now(),
        floor(extract(epoch FROM now()) / 600), ''
    FROM made
    """,
    "VACUUM ANALYZE",
)


def leg(url: str, *arguments: str) -> Any:
    """Run one leg on a database and return what it found."""
    done = subprocess.run(  # noqa: S603 - our own words only
        [sys.executable, "-m", "benchmarks.logout_leg", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment(url)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def fill(url: str, sessions: int, issuer: str) -> None:
    """Make ``sessions`` live sessions of people of ``issuer``."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(
                statement.format(
                    people=sessions // EACH, sessions=sessions, each=EACH, issuer=issuer
                )
            )


def measure(sessions: int) -> tuple[dict[str, Any], str]:
    """Return what was found, and the database's version."""
    with cluster() as server:
        leg(server.url, "migrate")
        fill(server.url, sessions, "https://provider.example")
        found = leg(server.url, "measure", str(sessions))
        with psycopg.connect(server.url) as connection:
            version = connection.info.server_version // 10_000
    return found, str(version)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="how many are live")
    sessions = parser.parse_args().sessions
    found, version = measure(sessions)
    print(json.dumps(found, indent=1))
    if sessions == SESSIONS:
        RESULT.write_text(as_page(found, sessions, version))
        print(f"written: {RESULT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
