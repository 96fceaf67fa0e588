"""The policy in force: no query in steady state, never older than a second, never a leak."""

from __future__ import annotations

import logging
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import RequestFactory

from sessionmgr import sources
from sessionmgr.core.policy import MINUTE, Policy
from settings_app import source
from settings_app.models import Environment, SystemSettings

pytestmark = pytest.mark.django_db

#: One for the settings, and one for the kinds of client.
QUERIES = 2


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    seconds = Seconds()
    monkeypatch.setattr(source, "monotonic", seconds)
    return seconds


def test_missing_row_means_the_defaults() -> None:
    assert sources.current_policy("main") == Policy()
    assert source.current_policy("nowhere") == Policy()
    assert not SystemSettings.objects.exists()


def test_row_is_the_policy_of_its_scope(environment: Environment) -> None:
    other = Environment.objects.create(slug="legacy", name="Legacy", version="9.1.0.3000")
    SystemSettings.objects.create(environment=environment, session_warning=7, version=3)
    SystemSettings.objects.create(environment=other, session_warning=8, version=4)
    assert source.current_policy("main") == Policy(session_warning=7 * MINUTE, version=3)
    assert source.current_policy("legacy") == Policy(session_warning=8 * MINUTE, version=4)


def test_request_asks_for_its_own_scope(environment: Environment) -> None:
    SystemSettings.objects.create(environment=environment, session_warning=7)
    plain, elsewhere = RequestFactory().get("/"), RequestFactory().get("/")
    elsewhere.sessionmgr_scope = "legacy"  # type: ignore[attr-defined]
    assert source.current_policy(plain).session_warning == 7 * MINUTE
    assert source.current_policy(elsewhere) == Policy()


def test_two_queries_a_second_for_all_scopes(
    seconds: Seconds, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(QUERIES):
        source.current_policy("main")
    with django_assert_num_queries(0):
        seconds.at += 0.999
        source.current_policy("main")
        source.current_policy("legacy")
    with django_assert_num_queries(QUERIES):
        seconds.at += 0.001
        source.current_policy("main")


def test_age_counts_from_before_the_question(
    seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = source.read

    def slowly() -> source.Held:
        held = read()
        seconds.at += 0.6
        return held

    monkeypatch.setattr(source, "read", slowly)
    source.current_policy("main")
    seconds.at += 0.4
    assert seconds.at - source._holder.held.at >= source.HELD_FOR


def test_save_during_a_question_is_not_masked_by_its_answer(
    seconds: Seconds, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = source.read

    def overtaken() -> source.Held:
        held = read()
        SystemSettings.objects.create(environment=environment, session_warning=7)
        source.invalidate()
        return held

    monkeypatch.setattr(source, "read", overtaken)
    assert source.current_policy("main") == Policy()
    monkeypatch.setattr(source, "read", read)
    assert source.current_policy("main").session_warning == 7 * MINUTE


def test_older_answer_does_not_replace_a_newer_one() -> None:
    holder = source.Holder()
    newer, older = source.Held({"main": Policy(version=2)}, 2.0), source.Held({}, 1.0)
    holder.keep(newer, 0)
    holder.keep(older, 0)
    assert holder.held is newer


def test_lost_database_is_told_not_hidden(
    seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.current_policy("main")

    def lost() -> source.Held:
        raise OperationalError("lost")

    monkeypatch.setattr(source, "read", lost)
    seconds.at += 0.5
    assert source.current_policy("main") == Policy()
    seconds.at += 0.5
    with pytest.raises(OperationalError):
        source.current_policy("main")


def test_restored_defaults_are_in_force_whatever_is_stored(
    environment: Environment, settings: Any
) -> None:
    SystemSettings.objects.create(environment=environment, session_warning=7)
    assert source.current_policy("main").session_warning == 7 * MINUTE
    settings.SESSIONMGR_RESTORE_DEFAULTS = True
    assert source.current_policy("main") == Policy()


def test_thread_is_started_by_the_first_use_only_where_it_is_wanted(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []
    monkeypatch.setattr(source.Holder, "ensure_thread", lambda self: started.append(True))
    source.current_policy("main")
    assert not started
    settings.SESSIONMGR_POLICY_REFRESH = "thread"
    source.current_policy("main")
    source.current_policy("main")
    assert started == [True]


class Rounds:
    """Stands for the event the thread waits on: lets it ask a number of times, then stop."""

    def __init__(self, rounds: int) -> None:
        self.left = rounds

    def wait(self, seconds: float) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the test's own connection open, and note when the thread would have closed its own."""
    noted: list[str] = []
    connection = connections["default"]
    monkeypatch.setattr(connection, "close", lambda: noted.append("closed"))
    monkeypatch.setattr(connection, "close_if_unusable_or_obsolete", lambda: None)
    return noted


def run_here(holder: source.Holder, rounds: int) -> None:
    """Run the thread's loop in the test's own thread."""
    holder.stopping = Rounds(rounds)  # type: ignore[assignment]
    holder.run()


def test_thread_keeps_the_policy_fresh_so_that_requests_need_not_ask(
    seconds: Seconds,
    closed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    holder = source.Holder()
    monkeypatch.setattr(source, "_holder", holder)
    source.current_policy("main")
    for _ in range(5):
        seconds.at += 0.5
        with django_assert_num_queries(QUERIES):
            run_here(holder, 1)
        with django_assert_num_queries(0):
            source.current_policy("main")


def test_thread_stops_a_minute_after_the_last_use_and_closes_its_connection(
    seconds: Seconds, closed: list[str], django_assert_num_queries: Any
) -> None:
    holder = source.Holder()
    holder.used_at = seconds.at
    seconds.at += source.UNUSED_FOR
    with django_assert_num_queries(0):
        run_here(holder, 5)
    assert closed == ["closed"]


def test_thread_logs_a_failure_once_and_lets_the_policy_age(
    seconds: Seconds,
    closed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def lost() -> source.Held:
        raise OperationalError("lost")

    monkeypatch.setattr(source, "read", lost)
    holder = source.Holder()
    holder.used_at = seconds.at
    held = holder.held = source.Held({}, seconds.at)
    with caplog.at_level(logging.WARNING, "settings_app"):
        run_here(holder, 3)
    assert [record.message for record in caplog.records] == ["The settings could not be read."]
    assert holder.held is held


def test_child_process_begins_without_its_parents_thread() -> None:
    before = source._holder
    source._start_anew()
    assert source._holder is not before
    assert source._holder.thread is None


def test_thread_runs_once_and_ends_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Event()

    def read() -> source.Held:
        asked.set()
        return source.Held({"main": Policy(version=7)}, holder.used_at)

    monkeypatch.setattr(source, "read", read)
    monkeypatch.setattr(source, "ASK_EVERY", 0)
    monkeypatch.setattr(source, "database", lambda: "default")
    holder = source.Holder()
    holder.used_at = source.monotonic()
    holder.ensure_thread()
    thread = holder.thread
    holder.ensure_thread()
    assert holder.thread is thread
    assert asked.wait(10)
    holder.stop()
    assert thread is not None
    assert not thread.is_alive()
