"""What one process does to a provider that does not answer: little, and ever more rarely.

After a failure the provider counts as unreachable for one second, then two, up to a minute; then
one call at a time finds out, and the first good answer ends it.
"""

import os
import threading
from dataclasses import dataclass
from random import SystemRandom
from time import monotonic

from sessionmgr.identity.outcomes import Problem, Unreachable

#: Calls on their way at the same time, in this process.
IN_FLIGHT = 2

#: A crowd that signs in is no outage: one more call waits for its turn, as long as none of those
#: under way has taken this many seconds.
PATIENCE = 1.0

#: Seconds until the first new try, and at most.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0

#: Each pause is shortened at random by up to this part, so that processes do not try in step.
JITTER = 0.25

_random = SystemRandom()


@dataclass(frozen=True, slots=True)
class BreakerState:
    """How this process sees the provider. ``since`` is monotonic."""

    is_open: bool
    since: float | None = None
    next_try_in_seconds: float = 0.0
    problem: Problem | None = None


class Breaker:
    """Who may call now, and what the calls found."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        #: When each call that is on its way began.
        self.under_way: dict[int, float] = {}
        self.pause = 0.0
        self.since: float | None = None
        self.next_try_at = 0.0
        self.problem: Problem | None = None
        self.is_probing = False

    def enter(self, patience: float = PATIENCE) -> "Call":
        """Return the leave to make one call; raise ``Unreachable`` where there is none.

        Waits for a call to come back while the provider seems to answer, ``patience`` seconds at
        most; where it does not, a crowd must not hold every thread of the process.
        """
        with self.changed:
            until = monotonic() + patience
            while not self._has_room_or_none() and (left := self._worth_waiting(until)) > 0:
                self.changed.wait(left)
            is_open = self.since is not None
            if is_open and (self.is_probing or monotonic() < self.next_try_at):
                raise Unreachable(Problem.WAITING, self.next_try_at)
            if len(self.under_way) >= IN_FLIGHT:
                raise Unreachable(Problem.BUSY)
            self.is_probing = is_open
            call = Call(self, is_probe=is_open)
            self.under_way[id(call)] = monotonic()
            return call

    def _has_room_or_none(self) -> bool:
        return len(self.under_way) < IN_FLIGHT or self.since is not None

    def _worth_waiting(self, until: float) -> float:
        oldest = min(self.under_way.values())
        return min(until, oldest + PATIENCE) - monotonic()

    def succeeded(self) -> None:
        """The provider is there, whatever it said."""
        with self.lock:
            self.pause, self.since, self.problem, self.is_probing = 0.0, None, None, False

    def failed(self, problem: Problem, *, is_probe: bool, pause: float) -> float:
        """Note a failure; return when the next try may be made.

        Calls that were on their way together fail for one cause: the pause is doubled by the
        first of them, and by each probe.
        """
        with self.lock:
            if self.since is None or is_probe:
                now = monotonic()
                self.pause = min(max(self.pause * 2, FIRST_PAUSE, pause), LONGEST_PAUSE)
                self.next_try_at = now + self.pause * (1 - _random.uniform(0, JITTER))
                self.since = now if self.since is None else self.since
                self.problem = problem
            if is_probe:
                self.is_probing = False
            self.changed.notify_all()
            return self.next_try_at

    def abandoned(self, *, is_probe: bool) -> None:
        """A call was broken off before anything was learnt."""
        if is_probe:
            with self.lock:
                self.is_probing = False

    def left(self, call: "Call") -> None:
        """A call has let go of its connection."""
        with self.lock:
            del self.under_way[id(call)]
            self.changed.notify()

    def state(self) -> BreakerState:
        with self.lock:
            if self.since is None:
                return BreakerState(is_open=False)
            wait = max(0.0, self.next_try_at - monotonic())
            return BreakerState(True, self.since, wait, self.problem)


@dataclass(frozen=True, slots=True)
class Call:
    """The leave to make one call, and the place to say how it went: one of the first three."""

    breaker: Breaker
    is_probe: bool

    def succeeded(self) -> None:
        self.breaker.succeeded()

    def failed(self, problem: Problem, pause: float = 0.0) -> float:
        return self.breaker.failed(problem, is_probe=self.is_probe, pause=pause)

    def abandoned(self) -> None:
        self.breaker.abandoned(is_probe=self.is_probe)

    def left(self) -> None:
        self.breaker.left(self)


_breaker = Breaker()


def enter(patience: float = PATIENCE) -> Call:
    """Return the leave to make one call; see ``Breaker.enter``."""
    return _breaker.enter(patience)


def breaker_state() -> BreakerState:
    """Return how this process sees the provider now; asks nobody."""
    return _breaker.state()


def reset() -> None:
    """Forget everything: for tests, and in a child process, where no call is on its way."""
    global _breaker
    _breaker = Breaker()


os.register_at_fork(after_in_child=reset)
