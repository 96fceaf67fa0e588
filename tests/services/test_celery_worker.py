"""A real worker with beat, as production runs it, ends a stale session (R18)."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from time import monotonic

import pytest

from tests.requirements import require_program
from tests.services.actor import Actor, environment
from tests.services.cluster import free_port

pytestmark = pytest.mark.services

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60


class Program:
    """A process of the test's own; its output is read as it comes."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own words only
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self.fresh: Queue[str] = Queue()
        self.reader = Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.fresh.put(line)

    def wait_for(self, words: str) -> None:
        """Read on until a line has ``words``."""
        deadline = monotonic() + PATIENCE
        while monotonic() < deadline:
            try:
                self.lines.append(self.fresh.get(timeout=1))
            except Empty:
                if self.process.poll() is not None:
                    break
            else:
                if words in self.lines[-1]:
                    return
        raise AssertionError(f"{words!r} was never said:\n{''.join(self.lines)}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.reader.join(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[Program]:
    program = Program(command, **environment)
    try:
        yield program
    finally:
        program.stop()


def listens(port: int) -> None:
    """Wait until somebody accepts connections on ``port``."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            Event().wait(0.05)
        else:
            return
    raise AssertionError(f"Nobody listens on {port}.")


# --- brokers


@contextmanager
def folder_broker(folder: Path) -> Iterator[str]:
    yield "filesystem://localhost//"


@contextmanager
def redis_broker(folder: Path) -> Iterator[str]:
    program = require_program("redis-server", "apt-get install redis-server")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running([program, *options]):
        listens(port)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def rabbitmq_broker(folder: Path) -> Iterator[str]:
    program = require_program("rabbitmq-server", "apt-get install rabbitmq-server")
    port, distribution, registry = free_port(), free_port(), str(free_port())
    home = folder / "rabbitmq"
    home.mkdir()
    installed = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if os.geteuid() == 0:
        # The packaged wrapper would become its own user, who may not write here.
        program = str(installed) if installed.exists() else program
    node = {
        "HOME": str(home),
        "RABBITMQ_NODENAME": f"sessionmgr{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "-kernel inet_dist_use_interface {127,0,0,1} -setcookie sessionmgr"
        ),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": registry,
        "RABBITMQ_MNESIA_BASE": str(home),
        "RABBITMQ_LOG_BASE": str(home),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(home / "none-env"),
    }
    try:
        with running([program], **node):
            listens(port)
            yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        # The server's name service is a daemon, and outlives it.
        subprocess.run(["epmd", "-port", registry, "-kill"], check=False, capture_output=True)  # noqa: S603, S607


BROKERS = {"filesystem": folder_broker, "redis": redis_broker, "rabbitmq": rabbitmq_broker}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a session that began 25 hours ago, on the 24-hour fallback."""
    file = tmp_path / "db.sqlite3"
    actor = Actor(f"sqlite:///{file}")
    actor.ask("migrate")
    actor.ask("sign_in")
    actor.close()
    ask(
        file,
        "UPDATE sessionmgr_usersession SET started_at = datetime('now', '-25 hours'),"
        " authenticated_at = datetime('now', '-25 hours'), activity_bucket = 0,"
        " last_activity_at = datetime('now', '-25 hours')",
    )
    return file


def ask(file: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(file, timeout=20)) as connection, connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize("kind", BROKERS)
def test_a_worker_with_beat_ends_a_stale_session(
    kind: str, database: Path, tmp_path: Path
) -> None:
    schedule = str(tmp_path / "schedule")
    command = [
        *(sys.executable, "-m", "celery", "--app", "tests.services.impatient", "worker", "--beat"),
        *("--pool", "solo", "--loglevel", "INFO", "--schedule", schedule),
        *("--hostname", f"test-{kind}-{os.getpid()}@localhost"),
    ]
    with BROKERS[kind](tmp_path) as broker:
        surroundings = {
            **environment(f"sqlite:///{database}"),
            "CELERY_BROKER_URL": broker,
            "CELERY_BROKER_FOLDER": str(tmp_path / "broker"),
        }
        with running(command, **surroundings) as worker:
            worker.wait_for("sweep: ended 1, fallback_limit 1")
    ended = ask(database, "SELECT state, ended_reason, session_key FROM sessionmgr_usersession")
    assert ended == [("ended", "fallback_limit", None)]
    assert ask(database, "SELECT count(*) FROM django_session") == [(0,)]
    assert worker.process.returncode == 0, "".join(worker.lines)
