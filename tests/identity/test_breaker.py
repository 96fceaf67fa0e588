"""Who may call a provider that does not answer, and when."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Event, Thread

import pytest

from sessionmgr.identity import breaker
from sessionmgr.identity.breaker import (
    FIRST_PAUSE,
    IN_FLIGHT,
    JITTER,
    LONGEST_PAUSE,
    PATIENCE,
    Breaker,
    BreakerState,
)
from sessionmgr.identity.outcomes import Problem, Unreachable
from tests.identity.watch import Watch


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    monkeypatch.setattr(breaker, "monotonic", watch)
    return watch


@pytest.fixture
def provider(watch: Watch) -> Breaker:
    return Breaker()


def fail(provider: Breaker, pause: float = 0.0) -> float:
    """Make one call that fails; return when the next may be made."""
    call = provider.enter(0)
    call.left()
    return call.failed(Problem.CONNECT, pause)


def refused(provider: Breaker, patience: float = 0) -> Unreachable:
    with pytest.raises(Unreachable) as refusal:
        provider.enter(patience)
    return refusal.value


class TestOutage:
    def test_none_is_seen_at_first(self, provider: Breaker) -> None:
        assert provider.state() == BreakerState(is_open=False)
        assert not provider.enter().is_probe

    def test_after_a_failure_nobody_asks_before_the_pause_is_over(
        self, provider: Breaker, watch: Watch
    ) -> None:
        began = watch.at
        again = fail(provider)
        refusal = refused(provider)
        assert (refusal.problem, refusal.retry_at) == (Problem.WAITING, again)
        wait = again - watch.at
        assert provider.state() == BreakerState(True, began, wait, Problem.CONNECT)
        watch.at = again - 0.001
        assert refused(provider).problem is Problem.WAITING
        watch.at = again
        assert provider.enter(0).is_probe
        assert provider.state().next_try_in_seconds == 0
        assert provider.state().since == began

    def test_each_failed_probe_doubles_the_pause_up_to_the_longest(
        self, provider: Breaker, watch: Watch
    ) -> None:
        expected = FIRST_PAUSE
        for _ in range(10):
            again = fail(provider)
            assert expected * (1 - JITTER) <= again - watch.at <= expected
            expected = min(expected * 2, LONGEST_PAUSE)
            watch.at = again
        assert expected == LONGEST_PAUSE

    def test_processes_do_not_try_in_step(self, watch: Watch) -> None:
        pauses = [fail(Breaker()) - watch.at for _ in range(200)]
        assert FIRST_PAUSE * (1 - JITTER) <= min(pauses) < 0.85 * FIRST_PAUSE
        assert 0.9 * FIRST_PAUSE < max(pauses) <= FIRST_PAUSE

    @pytest.mark.parametrize(
        ("asked", "pause"), [(0.2, FIRST_PAUSE), (30, 30), (7200, LONGEST_PAUSE)]
    )
    def test_the_pause_that_the_provider_asks_for_is_kept_within_bounds(
        self, provider: Breaker, watch: Watch, asked: float, pause: float
    ) -> None:
        again = fail(provider, asked)
        assert pause * (1 - JITTER) <= again - watch.at <= pause

    def test_calls_that_fail_together_count_once(self, provider: Breaker, watch: Watch) -> None:
        first, second = provider.enter(0), provider.enter(0)
        again = first.failed(Problem.TIMEOUT)
        assert second.failed(Problem.CONNECT) == again
        assert provider.state().problem is Problem.TIMEOUT
        assert again - watch.at <= FIRST_PAUSE

    def test_a_good_answer_ends_it_and_the_next_outage_begins_anew(
        self, provider: Breaker, watch: Watch
    ) -> None:
        for _ in range(3):
            watch.at = fail(provider)
        probe = provider.enter(0)
        probe.left()
        probe.succeeded()
        assert provider.state() == BreakerState(is_open=False)
        assert not provider.enter(0).is_probe
        assert fail(provider) - watch.at <= FIRST_PAUSE


class TestProbe:
    def test_only_one_is_on_its_way(self, provider: Breaker, watch: Watch) -> None:
        watch.at = fail(provider)
        probe = provider.enter(0)
        assert refused(provider).problem is Problem.WAITING
        probe.left()
        probe.succeeded()
        assert not provider.enter(0).is_probe

    def test_one_that_was_broken_off_makes_room_for_another(
        self, provider: Breaker, watch: Watch
    ) -> None:
        watch.at = fail(provider)
        probe = provider.enter(0)
        probe.left()
        probe.abandoned()
        assert provider.state().is_open
        assert provider.enter(0).is_probe

    def test_a_call_from_before_takes_no_probe_away(self, provider: Breaker, watch: Watch) -> None:
        before, other = provider.enter(0), provider.enter(0)
        watch.at = other.failed(Problem.CONNECT)
        other.left()
        probe = provider.enter(0)
        assert probe.is_probe
        before.left()
        before.abandoned()
        before.failed(Problem.CONNECT)
        assert refused(provider).problem is Problem.WAITING


class TestCrowd:
    def test_more_than_a_few_calls_at_once_are_refused(self, provider: Breaker) -> None:
        calls = [provider.enter(0) for _ in range(IN_FLIGHT)]
        assert refused(provider).problem is Problem.BUSY
        assert not provider.state().is_open
        calls[0].left()
        provider.enter(0)

    def test_nobody_waits_behind_a_call_that_takes_too_long(
        self, provider: Breaker, watch: Watch
    ) -> None:
        calls = [provider.enter(0) for _ in range(IN_FLIGHT)]
        watch.pass_by(PATIENCE)
        assert refused(provider, patience=3600).problem is Problem.BUSY
        calls[0].left()
        assert not provider.enter(0).is_probe

    def test_who_waits_goes_next(self, provider: Breaker) -> None:
        calls = [provider.enter(0) for _ in range(IN_FLIGHT)]
        assert in_line(provider, calls[0].left) == [None]

    def test_who_waits_is_told_of_an_outage_at_once(self, provider: Breaker) -> None:
        calls = [provider.enter(0) for _ in range(IN_FLIGHT)]
        assert in_line(provider, lambda: calls[0].failed(Problem.CONNECT)) == [Problem.WAITING]


class Line(Condition):
    """The breaker's own, which tells when somebody stands in it."""

    def __init__(self, provider: Breaker) -> None:
        super().__init__(provider.lock)
        self.is_used = Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.is_used.set()
        return super().wait(timeout)


def in_line(provider: Breaker, happens: Callable[[], object]) -> list[Problem | None]:
    """Wait for a turn in a thread, let something happen, return how the waiting ended."""
    ends: list[Problem | None] = []
    line = provider.changed = Line(provider)

    def wait() -> None:
        try:
            provider.enter(PATIENCE)
            ends.append(None)
        except Unreachable as refusal:
            ends.append(refusal.problem)

    waiting = Thread(target=wait)
    waiting.start()
    assert line.is_used.wait(5)
    happens()  # It needs the lock, which is free once the thread waits.
    waiting.join(5)
    return ends


def test_the_process_has_one_which_can_be_forgotten() -> None:
    breaker.reset()
    call = breaker.enter()
    call.left()
    call.failed(Problem.TLS)
    state = breaker.breaker_state()
    assert (state.is_open, state.problem) == (True, Problem.TLS)
    assert 0 < state.next_try_in_seconds <= FIRST_PAUSE
    breaker.reset()
    assert not breaker.breaker_state().is_open
