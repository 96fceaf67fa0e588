"""The jobs as Celery calls them: one at a time, counted and logged."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from sessionmgr import jobs, tasks
from sessionmgr.models import JobLease, State
from tests.sessionmgr.ledger import MINUTE, end_of, is_live, now, session_of

pytestmark = pytest.mark.django_db

LEASES = [
    pytest.param("sweep", tasks.expire_stale_sessions, jobs.SWEEP_LEASE, id="sweep"),
    pytest.param("purge", tasks.purge_ended_sessions, jobs.PURGE_LEASE, id="purge"),
]


@pytest.fixture(autouse=True)
def limits(policy: Any) -> None:
    policy(inactivity_enabled=True)


def test_a_stale_session_ends_and_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    row = session_of(age=90 * MINUTE, idle=31 * MINUTE)
    with caplog.at_level(logging.INFO, "sessionmgr"):
        assert tasks.expire_stale_sessions() == {"ended": 1, "inactivity": 1}
    assert end_of(row) == (State.ENDED, "inactivity")
    assert caplog.messages == ["sweep: ended 1, inactivity 1"]


def test_the_purge_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sessionmgr"):
        assert tasks.purge_ended_sessions() == {"purged": 0}
    assert caplog.messages == ["purge: purged 0"]


@pytest.mark.parametrize(("name", "task", "length"), LEASES)
def test_a_second_run_says_so_and_does_nothing(
    name: str, task: Any, length: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    row = session_of(age=90 * MINUTE, idle=31 * MINUTE)
    assert JobLease.objects.take(name, now(), length)
    with caplog.at_level(logging.INFO, "sessionmgr"):
        assert task() == {"already_running": 1}
    assert caplog.messages == [f"{name}: already running elsewhere"]
    assert is_live(row)


@pytest.mark.parametrize(("name", "task", "length"), LEASES)
def test_the_lease_of_a_killed_run_runs_out(
    name: str, task: Any, length: timedelta, clock: Any
) -> None:
    assert JobLease.objects.take(name, now(), length)
    clock.advance(seconds=length.total_seconds())
    assert "already_running" not in task()


@pytest.mark.parametrize(("name", "task", "length"), LEASES)
def test_the_lease_is_given_back(name: str, task: Any, length: timedelta) -> None:
    for _ in range(2):
        assert "already_running" not in task()


def test_the_lease_is_given_back_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**kwargs: Any) -> None:
        raise RuntimeError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "sweep", fail)
        with pytest.raises(RuntimeError):
            tasks.expire_stale_sessions()
    assert tasks.expire_stale_sessions() == {"ended": 0}


def test_tasks_have_the_names_of_the_contract() -> None:
    assert tasks.expire_stale_sessions.name == "sessionmgr.tasks.expire_stale_sessions"
    assert tasks.purge_ended_sessions.name == "sessionmgr.tasks.purge_ended_sessions"
