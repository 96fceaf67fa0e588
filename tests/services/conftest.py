"""Databases that several processes share: a SQLite file, and a PostgreSQL server's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings

from tests.requirements import require
from tests.services.cluster import cluster, programs


@pytest.fixture(scope="session")
def new_postgres_database() -> Iterator[Callable[[], str]]:
    """Make a database on the current run's server, or on a throw-away one; return its URL."""
    made = []
    with ExitStack() as stack:
        default = settings.DATABASES["default"]
        if default["ENGINE"] == "django.db.backends.postgresql":
            secret = f":{default['PASSWORD']}" if default["PASSWORD"] else ""
            host = default["HOST"] or "127.0.0.1"
            server = f"postgres://{default['USER']}{secret}@{host}:{default['PORT'] or 5432}"
        else:
            require(programs(), "PostgreSQL is not installed: apt-get install postgresql")
            server = stack.enter_context(cluster()).url.rpartition("/")[0]
        connection = psycopg.connect(f"{server}/postgres", autocommit=True)
        stack.callback(connection.close)

        def make() -> str:
            made.append(f"sessionmgr_{uuid4().hex[:12]}")
            connection.execute(f'CREATE DATABASE "{made[-1]}"')
            return f"{server}/{made[-1]}"

        yield make
        for name in made:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Make an empty database for several processes, "sqlite" or "postgresql"; return its URL."""

    def make(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('shared') / 'db.sqlite3'}"
        url: str = request.getfixturevalue("new_postgres_database")()
        return url

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_database(request: pytest.FixtureRequest, new_database: Callable[[str], str]) -> str:
    """The URL of a new database, of each kind in turn."""
    return new_database(request.param)
