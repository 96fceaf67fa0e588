"""The sweep: what it ends, what it repairs, what it leaves, and with whom it shares the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Value
from django.test.utils import CaptureQueriesContext

from sessionmgr import chunks, sources
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason
from sessionmgr.models import JobLease, State, UserSession
from sessionmgr.signals import session_ended
from sessionmgr.sweep import RECONCILE_EVERY, live_scopes, purge, sweep, sweep_scope
from tests.sessionmgr.ledger import MINUTE, end_of, is_live, leased, now, payload_of, session_of

IDLE = Policy(inactivity_enabled=True)
LONG_IDLE = {"age": 90 * MINUTE, "idle": 31 * MINUTE}
ENDED = (State.ENDED, "inactivity")

needs_row_locks = pytest.mark.skipif(
    "not __import__('django.db').db.connection.features.has_select_for_update_skip_locked",
    reason="SQLite locks the file, not rows",
)


def swept(policy: Policy = IDLE, **options: Any) -> Counter[EndReason]:
    return sweep_scope("main", policy, now=now(), using="default", **options)


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Collect the arguments of each ``session_ended``."""
    heard: list[dict[str, Any]] = []

    def hear(**arguments: Any) -> None:
        heard.append(arguments)

    session_ended.connect(hear)
    yield heard
    session_ended.disconnect(hear)


@pytest.mark.django_db
class TestWhatItEnds:
    def test_an_end_is_whole(self) -> None:
        at = now()
        row = session_of(**LONG_IDLE)
        sweep_scope("main", IDLE, now=at, using="default")
        stored = UserSession.objects.get(pk=row.pk)
        assert (stored.state, stored.ended_reason, stored.ended_at) == (*ENDED, at)
        assert stored.session_id is None
        assert bytes(stored.key_hash) == bytes(row.key_hash)
        assert not payload_of(row)

    def test_who_is_within_the_limits_stays(self) -> None:
        row = session_of(age=90 * MINUTE, idle=29 * MINUTE)
        assert not swept()
        assert is_live(row)
        assert payload_of(row)

    def test_each_kind_of_limit_ends(self) -> None:
        at = now()
        rows = {
            "inactivity": session_of(age=50 * MINUTE, idle=31 * MINUTE),
            "session_length": session_of(age=61 * MINUTE),
            "host_expiry": session_of(payload_expires_at=at),
        }
        policy = Policy(
            inactivity_enabled=True, custom_length=True, max_session_length=60 * MINUTE
        )
        assert swept(policy) == dict.fromkeys(rows, 1)
        assert {reason: end_of(row)[1] for reason, row in rows.items()} == {
            key: key for key in rows
        }

    def test_the_fallback_ends_only_who_lives_by_it(self) -> None:
        day = timedelta(days=1)
        fallback = session_of(age=day)
        provider = session_of(age=day, **leased())
        assert swept(Policy()) == {"fallback_limit": 1}
        assert end_of(fallback) == (State.ENDED, "fallback_limit")
        assert is_live(provider)

    def test_who_is_not_confirmed_for_90_days_is_ended(self) -> None:
        late = session_of(age=timedelta(days=91), **leased(now() - timedelta(days=90)))
        confirmed = session_of(age=timedelta(days=91), **leased(now() - timedelta(days=89)))
        assert swept(Policy()) == {"identity_lifetime": 1}
        assert end_of(late) == (State.ENDED, "identity_lifetime")
        assert is_live(confirmed)

    def test_a_lease_that_has_run_out_ends_nobody_who_has_not_come_back(self) -> None:
        row = session_of(age=timedelta(days=2), **leased(now() - timedelta(days=1)))
        assert not swept(Policy())
        assert is_live(row)

    def test_another_scope_is_left_alone(self) -> None:
        row = session_of(**LONG_IDLE, scope="portal")
        assert not swept()
        assert is_live(row)

    def test_every_scope_has_its_own_policy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        policies = {"main": IDLE, "legacy": Policy(), "portal": IDLE}
        monkeypatch.setattr(sources, "current_policy", policies.__getitem__)
        rows = {scope: session_of(**LONG_IDLE, scope=scope) for scope in policies}
        assert list(live_scopes("default")) == ["legacy", "main", "portal"]
        assert sweep(now=now(), using="default") == {"inactivity": 2}
        assert [is_live(row) for row in rows.values()] == [False, True, False]

    @pytest.mark.parametrize("chunk", [1, 2, 3, 7, 8])
    def test_chunks_of_any_size_end_all(self, chunk: int) -> None:
        same = now()
        rows = [session_of(**LONG_IDLE, at=same) for _ in range(4)]
        rows += [session_of(age=timedelta(hours=30 + n)) for n in range(3)]
        told: list[int] = []
        assert swept(chunk=chunk, progress=told.append).total() == 7
        assert sum(told) == 7
        assert not any(map(is_live, rows))
        assert not Session.objects.exists()

    def test_a_second_sweep_finds_nothing(self, ends: list[Any]) -> None:
        session_of(**LONG_IDLE)
        assert swept() == {"inactivity": 1}
        assert not swept()

    def test_statements_grow_with_chunks_not_with_rows(self) -> None:
        counts = []
        for number in (2, 20):
            for _ in range(number):
                session_of(**LONG_IDLE)
            with CaptureQueriesContext(connection) as captured:
                swept()
            counts.append(len(captured))
        assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
class TestWhoIsTold:
    def test_each_end_is_announced_once(self, ends: list[dict[str, Any]]) -> None:
        row = session_of(**LONG_IDLE, user_id=7)
        swept()
        swept()
        (heard,) = ends
        assert (heard["session_id"], heard["user_id"]) == (row.pk, 7)
        assert heard["reason"] is EndReason.INACTIVITY

    def test_nobody_is_told_of_an_end_that_is_rolled_back(self, ends: list[Any]) -> None:
        row = session_of(**LONG_IDLE)
        with transaction.atomic():
            assert swept() == {"inactivity": 1}
            transaction.set_rollback(True)
        assert not ends
        assert is_live(row)
        assert payload_of(row)


@pytest.mark.django_db
class TestWhatItClearsUp:
    def test_a_payload_that_an_end_has_left_goes(self) -> None:
        row = session_of()
        UserSession.objects.filter(pk=row.pk).end(EndReason.SIGNED_OUT, now())
        assert sweep(now=now(), using="default") == {}
        assert not payload_of(row)
        assert UserSession.objects.get(pk=row.pk).session_id is None
        assert end_of(row) == (State.ENDED, "signed_out")

    def test_a_live_row_without_payload_ends_once_an_hour(self, clock: Any) -> None:
        first, kept = session_of(payload_expires_at=None), session_of()
        assert sweep(now=now(), using="default") == {"payload_missing": 1}
        assert end_of(first) == (State.ENDED, "payload_missing")
        second = session_of(payload_expires_at=None)
        clock.advance(seconds=RECONCILE_EVERY.total_seconds() - 60)
        assert sweep(now=now(), using="default") == {}
        assert is_live(second)
        clock.advance(seconds=60)
        assert sweep(now=now(), using="default") == {"payload_missing": 1}
        assert is_live(kept)

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_every_slice_is_looked_at(self, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sessionmgr.sweep.SLICE", size)
        same = now()
        for number in range(6):
            session_of(at=same, age=(number // 2 + 2) * MINUTE)
            session_of(at=same, age=(number // 2 + 2) * MINUTE, payload_expires_at=None)
        assert sweep(now=same, using="default") == {"payload_missing": 6}
        assert UserSession.objects.live().count() == 6


@pytest.mark.django_db
class TestPurge:
    def ended(self, ago: timedelta, **values: Any) -> UserSession:
        row = session_of(age=ago + MINUTE, idle=ago)
        UserSession.objects.filter(pk=row.pk).update(
            state=State.ENDED,
            ended_reason="signed_out",
            ended_at=now() - ago,
            **{"session": None, **values},
        )
        return row

    def left(self) -> set[int]:
        return set(UserSession.objects.values_list("pk", flat=True))

    def test_what_ended_before_the_history_goes(self, settings: Any) -> None:
        settings.SESSIONMGR_HISTORY_DAYS = 2
        young, _old = (
            self.ended(timedelta(days=1, hours=23)),
            self.ended(timedelta(days=2, hours=1)),
        )
        told: list[int] = []
        assert purge(now=now(), using="default", progress=told.append) == 1
        assert told == [1]
        assert self.left() == {young.pk}

    def test_a_live_row_is_never_purged(self) -> None:
        row = session_of(age=timedelta(days=400), idle=timedelta(days=300))
        assert purge(now=now(), using="default") == 0
        assert is_live(row)

    def test_a_row_whose_payload_is_left_waits_for_its_repair(self) -> None:
        row = session_of()
        ended = self.ended(timedelta(days=100), session=row.session_id + "x")
        assert purge(now=now(), using="default") == 0
        sweep(now=now(), using="default")
        assert purge(now=now(), using="default") == 1
        assert ended.pk not in self.left()

    def test_chunks_purge_all(self) -> None:
        for _ in range(5):
            self.ended(timedelta(days=100))
        assert purge(now=now(), using="default", chunk=2) == 5


def elsewhere(work: Callable[[], Any]) -> Any:
    """Do ``work`` on a connection of its own, while this one's transaction is open."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except DatabaseError as error:
            results.append(error)
        finally:
            connections["default"].close()

    thread = Thread(target=run)
    thread.start()
    thread.join(20)
    return results[0]


@needs_row_locks
@pytest.mark.django_db(transaction=True)
class TestWithOthers:
    def hold(self, row: UserSession) -> None:
        list(UserSession.objects.select_for_update().filter(pk=row.pk))

    def test_a_row_that_a_request_holds_is_left_to_the_next_sweep(self) -> None:
        held, free = session_of(**LONG_IDLE), session_of(**LONG_IDLE)
        with transaction.atomic():
            self.hold(held)
            assert elsewhere(swept) == {"inactivity": 1}
        assert is_live(held)
        assert not is_live(free)
        assert swept() == {"inactivity": 1}

    def test_in_a_transaction_it_waits_for_a_row_that_is_held(self) -> None:
        held = session_of(**LONG_IDLE)

        def impatient() -> Any:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '100ms'")
                return swept()

        with transaction.atomic():
            self.hold(held)
            assert "lock timeout" in str(elsewhere(impatient))
        assert elsewhere(impatient) == {"inactivity": 1}

    def test_a_sweep_at_work_keeps_no_second_one_waiting(self) -> None:
        session_of(**LONG_IDLE)
        with transaction.atomic():
            assert swept() == {"inactivity": 1}
            assert elsewhere(swept) == {}


@pytest.mark.django_db
def test_lease_of_the_reconciliation_is_a_row_of_its_own() -> None:
    at = now()
    sweep(now=at, using="default")
    assert JobLease.objects.get(name="reconcile").until == at + RECONCILE_EVERY


@pytest.mark.django_db
def test_what_a_touch_has_saved_meanwhile_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are not locked, the condition in the UPDATE decides."""
    row = session_of(**LONG_IDLE)
    claim = chunks._claim

    def claim_and_lose(*args: Any, **kwargs: Any) -> Any:
        found = claim(*args, **kwargs)
        UserSession.objects.filter(pk=row.pk).touch(now())
        return found

    monkeypatch.setattr(chunks, "_claim", claim_and_lose)
    assert swept().total() == 0
    assert is_live(row)
    assert payload_of(row)


@pytest.mark.django_db
def test_a_walk_over_rows_of_one_instant_ends() -> None:
    rows = [session_of(payload_expires_at=None) for _ in range(3)]
    live = UserSession.objects.live()
    walk = chunks.Walk(now(), "default", chunk=2)
    reason = Value(EndReason.SESSION_LIMIT.value)
    assert chunks.end_each(live, "activity_bucket", reason, walk) == {"session_limit": 3}
    assert not any(map(is_live, rows))
