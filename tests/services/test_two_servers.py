"""Two real servers on one database: settings, limits and outages as every process sees them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.requirements import require
from tests.services.actor import ROOT, actors
from tests.services.cluster import cluster, programs
from tests.services.web import Answer, Web, eventually, project_environment, web

pytestmark = pytest.mark.services

STATUS = "/session/status/"
PROTECTED = "/demo/form/"
#: What "within two seconds" allows, of a setting as of a limit.
PROMPT_SECONDS = 2


#: How close to its limit a session is looked at: as long as the test then waits for real.
CLOSE_SECONDS = 4
FIVE_MINUTES = ("inactivity_enabled=on", "inactivity_duration=5", "inactivity_warning=1")


class Visit(NamedTuple):
    """One session, always at the same server."""

    server: Web
    key: str

    def status(self) -> Answer:
        return self.server.get(STATUS, self.key)

    def is_idling(self) -> bool:
        """Return whether an inactivity limit is in force here."""
        return self.status().json()["idle_seconds"] is not None

    def seconds_left(self) -> int:
        left: int = self.status().json()["idle_seconds"]
        return left

    def has_ended(self) -> bool:
        return self.status().status == HTTPStatus.UNAUTHORIZED


class MovedClock:
    """The clock of every process that runs under libfaketime: SQLite's is the process's own."""

    def __init__(self, file: Path, library: Path) -> None:
        self.file = file
        self.library = library
        self.ahead = 0
        self.advance(0)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
        }

    def advance(self, seconds: int) -> None:
        """Let ``seconds`` pass at once; the file is never seen half-written."""
        self.ahead += seconds
        written = self.file.with_suffix(".new")
        written.write_text(f"+{self.ahead}s\n")
        written.replace(self.file)


@pytest.fixture
def moved_clock(tmp_path: Path) -> MovedClock:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    require(found, "libfaketime is not installed: apt-get install libfaketime")
    return MovedClock(tmp_path / "clock", found[0])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def sign_in(database_url: str, times: int) -> list[str]:
    """Make the tables and sign alice in; return the session keys."""
    with actors(1, database_url) as (actor,):
        return [actor.ask("sign_in") for _ in range(times)]


def save_settings(database_url: str, *assignments: str) -> None:
    subprocess.run(  # noqa: S603 - our own words only
        [sys.executable, "manage.py", "system_settings", "set", *assignments],
        cwd=ROOT,
        env=project_environment(database_url),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def test_a_saved_setting_is_in_force_on_both_servers_within_two_seconds(
    shared_database: str, stack: ExitStack
) -> None:
    keys = sign_in(shared_database, times=2)
    visits = [Visit(stack.enter_context(web(shared_database)), key) for key in keys]
    assert not any(visit.is_idling() for visit in visits)
    save_settings(shared_database, *FIVE_MINUTES)
    took = eventually(lambda: all(visit.is_idling() for visit in visits), PROMPT_SECONDS)
    assert took is not None


def test_a_session_ends_on_both_servers_within_two_seconds_of_its_limit(
    new_database: Callable[[str], str], moved_clock: MovedClock, stack: ExitStack
) -> None:
    url = new_database("sqlite")
    keys = sign_in(url, times=2)
    save_settings(url, *FIVE_MINUTES)
    visits = [Visit(stack.enter_context(web(url, **moved_clock.environment)), key) for key in keys]
    left = min(visit.seconds_left() for visit in visits)
    assert 200 < left <= 300
    moved_clock.advance(left - CLOSE_SECONDS)
    close = [visit.seconds_left() for visit in visits]
    assert 0 < min(close) <= max(close) <= CLOSE_SECONDS + 1
    took = eventually(lambda: all(visit.has_ended() for visit in visits), 3 * CLOSE_SECONDS)
    assert took is not None
    assert took <= max(close) + PROMPT_SECONDS
    for visit in visits:
        ended = visit.status().json()
        assert (ended["code"], ended["reason"]) == ("session_ended", "inactivity")


def test_a_killed_database_signs_nobody_out(stack: ExitStack) -> None:
    require(programs(), "PostgreSQL is not installed: apt-get install postgresql")
    database = stack.enter_context(cluster())
    (key,) = sign_in(database.url, times=1)
    server = stack.enter_context(web(database.url))
    assert server.get(PROTECTED, key).status == 200
    assert server.get(PROTECTED).status == 302
    database.kill()
    for path in (PROTECTED, STATUS):
        for _attempt in range(3):
            answer = server.get(path, key)
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.headers["Set-Cookie"] is None
    database.start()
    statuses = set()

    def is_signed_in() -> bool:
        statuses.add(server.get(STATUS, key).status)
        return 200 in statuses

    assert eventually(is_signed_in, 10) is not None
    assert statuses <= {200, 503}
    assert server.get(PROTECTED, key).status == 200
