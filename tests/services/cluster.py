"""A throw-away PostgreSQL: a cluster of its own in a temporary folder, on a free port.

For what a running server cannot be asked to bear: to be killed, or to be measured alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

#: A start after a kill replays the log first.
START_SECONDS = 30

#: Who runs the server where we are root: initdb refuses to.
SYSTEM_USER = "postgres"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs, newest first; ``None``: not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    found = installed[0] if installed else Path(on_path) if on_path else None
    return None if found is None else found.parent


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Cluster:
    """One server: ``start``, ``kill`` (SIGKILL), ``stop``; its database is ``url``."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgres://{SYSTEM_USER}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Lay out the cluster's files."""
        arguments = ["-D", "data", "-A", "trust", "-U", SYSTEM_USER, "--no-sync"]
        assert self._spawn("initdb", arguments).wait(60) == 0

    def start(self) -> None:
        """Start the server and wait until it answers.

        A killed server's children hold its memory until they notice: then start once more.
        """
        arguments = ["-D", "data", "-p", str(self.port), "-k", str(self.folder)]
        deadline = monotonic() + START_SECONDS
        while monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                self.process = self._spawn("postgres", [*arguments, "-h", "127.0.0.1"])
            ready = self._spawn("pg_isready", ["-q", "-h", "127.0.0.1", "-p", str(self.port)])
            if ready.wait() == 0:
                return
            Event().wait(0.05)
        raise TimeoutError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop the server in order, without waiting for its clients."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server as a power cut would, and wait until it is gone."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
            self.process = None

    def _spawn(self, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        folder = programs()
        assert folder is not None, "PostgreSQL's server programs are not installed."
        as_user = ["setpriv", f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--clear-groups"]
        command = [*(as_user if os.geteuid() == 0 else []), str(folder / program), *arguments]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)  # noqa: S603


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Offer a running server that is gone afterwards, whatever happened to it."""
    with tempfile.TemporaryDirectory(prefix="sessionmgr-pg-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
        server = Cluster(folder, free_port())
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()
