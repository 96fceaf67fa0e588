"""A provider that runs as a process of its own: started, awaited, stopped; its log is kept."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[3]

#: A start takes well under a second; a busy machine takes longer.
START_SECONDS = 30


class ProviderProcess:
    """Runs ``command`` from ``start`` to ``stop``; subclasses say when it is ready."""

    client_id = "sessionmgr"
    client_secret = "sessionmgr-secret"

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="sessionmgr-provider-")
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def ready(self) -> bool:
        raise NotImplementedError

    @property
    def path(self) -> Path:
        """The provider's own folder."""
        return Path(self.folder.name)

    def log(self) -> str:
        """Return all that the process has printed."""
        return (self.path / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.path / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 - a program of the tests
                self.command(),
                cwd=ROOT,
                env={**os.environ, **self.environment()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = monotonic() + START_SECONDS
        while not self.ready():
            alive = self.process.poll() is None
            assert alive, f"the provider did not start:\n{self.log()}"
            assert monotonic() < deadline, f"the provider does not answer:\n{self.log()}"
            Event().wait(0.02)

    def stop(self) -> None:
        """Stop the process and wait until it is gone."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the process and remove its folder."""
        self.stop()
        self.folder.cleanup()
