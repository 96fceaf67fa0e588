"""Processes that live and die together: started, waited for, watched, and stopped to the last.

docs/adr/0007-launcher.md tells why no service manager from the shelf is used.
"""

import os
import signal
import subprocess  # nosec B404
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from types import FrameType

#: Seconds a process gets to answer, and to end in order once it is asked to.
START_SECONDS = 60.0
STOP_SECONDS = 8.0
LOOK_EVERY = 0.2

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):  # noqa: N818 - a wish of the user's, not an error
    """Somebody asked for the end, by Ctrl-C or a signal."""


class Died(Exception):  # noqa: N818
    """A process ended by itself, or never answered; the message says which and shows its log."""


class Service:
    """One process in a group of its own, so that all of its children can be reached."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, answers: Callable[[], bool]
    ) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.answers = answers
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str]) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(  # noqa: S603 # nosec B603
                self.command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return 0 if self.process is None else self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Signal the main process alone: it knows how to stop its children in order."""
        if self.process is not None and self.is_running:
            self.process.terminate()

    def stop(self, deadline: float) -> None:
        """Wait for the end until ``deadline``, then kill whatever is left of the group."""
        if self.process is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - monotonic()))
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        """Return the end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(f"    {line}" for line in lines)


@contextmanager
def wish_to_stop() -> Iterator[threading.Event]:
    """Offer an event that is set once somebody asks for the end, for as long as this lasts."""
    wish = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        wish.set()

    # nohup asks for a closed terminal to be ignored; other signals stop us all the same.
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    before = {n: signal.signal(n, note) for n in STOP_SIGNALS if n not in ignored}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    services: Sequence[Service], environment: Mapping[str, str], wish: threading.Event
) -> Iterator[Service]:
    """Start the services and yield each as it answers; then watch them.

    Ends by raising ``Stopped`` or ``Died``; when it is through, no process is left.
    """
    try:
        for service in services:
            if wish.is_set():
                raise Stopped
            service.start(environment)
        for service in services:
            _wait_for(service, services, wish)
            yield service
        while not wish.wait(LOOK_EVERY):
            _look_at(services)
        raise Stopped
    finally:
        for service in services:
            service.ask_to_stop()
        deadline = monotonic() + STOP_SECONDS
        for service in services:
            service.stop(deadline)


def _wait_for(service: Service, services: Sequence[Service], wish: threading.Event) -> None:
    deadline = monotonic() + START_SECONDS
    while not service.answers():
        _look_at(services)
        if monotonic() > deadline:
            raise Died(f"{service.name} does not answer:\n{service.last_words()}")
        if wish.wait(LOOK_EVERY):
            raise Stopped


def _look_at(services: Sequence[Service]) -> None:
    for service in services:
        if not service.is_running:
            raise Died(f"{service.name} has ended:\n{service.last_words()}")
