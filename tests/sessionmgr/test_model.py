"""I1-I5 and I9 over long random histories: the app against a model of thirty lines.

What takes more than one statement is begun and finished apart, so that anything may happen in
between; that is what finds a save that brings a session back. ``test_mutants_are_caught`` shows
that it would.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth import SESSION_KEY, get_user, get_user_model, login
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.db import IntegrityError
from django.http import HttpRequest
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sessionmgr import clock, sources
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.policy import FALLBACK_LENGTH, MINUTE, Policy, is_looser
from sessionmgr.enforcement import start
from sessionmgr.models import State, UserSession, UserSessionQuerySet, bucket_of
from sessionmgr.signals import session_ended
from sessionmgr.sweep import sweep, sweep_scope

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "django.contrib.auth.backends.ModelBackend"
PEOPLE = ("alice", "bob")

# The clock moves by multiples of seven minutes, and no limit is near one: the seconds that the
# database's own clock goes on meanwhile decide nothing.
browsers = st.integers(0, 1)
spans = st.sampled_from([7, 7, 14, 35, 140]).map(lambda minutes: minutes * MINUTE)
policies = st.builds(
    Policy,
    custom_length=st.booleans(),
    max_session_length=st.sampled_from([66, 129]).map(lambda minutes: minutes * MINUTE),
    inactivity_enabled=st.booleans(),
    inactivity_duration=st.sampled_from([17, 38, 59]).map(lambda minutes: minutes * MINUTE),
)
refused_touches = st.sampled_from(
    [{"age": "-7"}, {"age": "1e3"}, {"age": "\u0667"}, {"age": "9" * 5000}, {"kind": "revive"}]
)


@dataclass
class Modelled:
    """What the model knows of one session; times are spans since the history began."""

    user_id: int
    key: str
    authenticated: timedelta
    active: timedelta
    is_live: bool = True

    def is_stale(self, policy: Policy, now: timedelta) -> bool:
        age, idle = now - self.authenticated, now - self.active
        return (
            age >= FALLBACK_LENGTH
            or (policy.max_age is not None and age >= policy.max_age)
            or (policy.max_idle is not None and idle >= policy.max_idle)
        )


@dataclass
class Begun:
    """A request that has loaded its session and has not written yet."""

    browser: int
    session_id: int
    request: HttpRequest
    at: timedelta


class History(RuleBasedStateMachine):
    """Browsers, an administrator, jobs and the clock, in any order."""

    def __init__(self) -> None:
        super().__init__()
        for model in (Session, UserSession):
            model._default_manager.all()._raw_delete("default")
        get_user_model().objects.update(is_active=True)
        self.people = {user.username: user for user in get_user_model().objects.all()}
        self.active = dict.fromkeys((user.pk for user in self.people.values()), True)
        self.policy = Policy()
        self.now = clock.shift = timedelta()
        self.sessions: dict[int, Modelled] = {}
        self.keys: dict[int, str] = {}
        self.begun: list[Begun] = []
        self.before: dict[int, Any] = {}
        self.ends: Counter[int] = Counter()
        self.patch = mock.patch.object(sources, "current_policy", self.policy_in_force)
        self.patch.start()
        session_ended.connect(self.count_end, dispatch_uid="tests.model")

    def teardown(self) -> None:
        self.patch.stop()
        session_ended.disconnect(dispatch_uid="tests.model")
        clock.shift = timedelta()

    def policy_in_force(self, scope: object) -> Policy:
        return self.policy

    def count_end(self, session_id: int, **kwargs: Any) -> None:
        self.ends[session_id] += 1

    # --- the model's side

    def expect_loaded(self, browser: int) -> int | None:
        """Return whose session a request of the browser finds, and let the model judge it."""
        for session_id, session in self.sessions.items():
            if session.is_live and session.key == self.keys.get(browser):
                if session.is_stale(self.policy, self.now) or not self.active[session.user_id]:
                    session.is_live = False
                    return None
                return session_id
        return None

    def expect_stale_ones_ended(self, policy: Policy) -> None:
        for session in self.sessions.values():
            session.is_live &= not session.is_stale(policy, self.now)

    # --- the app's side

    def request_of(self, browser: int) -> HttpRequest:
        request = HttpRequest()
        request.session = SessionStore(self.keys.get(browser))
        request.user = get_user(request)
        return request

    def ask(self, browser: int, method: str, path: str, **sent: str) -> int:
        client = Client()
        if browser in self.keys:
            client.cookies["sessionid"] = self.keys[browser]
        return getattr(client, method)(path, sent).status_code

    @initialize()
    def alice_is_signed_in_twice(self) -> None:
        for browser in (0, 1):
            self.sign_in(browser, "alice")

    # --- requests in one piece

    @rule(browser=browsers)
    def poll(self, browser: int) -> None:
        expected = self.expect_loaded(browser)
        status = self.ask(browser, "get", "/session/status/")
        assert status == (200 if expected else 401)

    @rule(browser=browsers, age=st.sampled_from([0, 7, 70]))
    def touch(self, browser: int, age: int) -> None:
        expected = self.expect_loaded(browser)
        status = self.ask(browser, "post", "/session/touch/", age=str(age * 60))
        assert status == (200 if expected else 401)
        if expected:
            session = self.sessions[expected]
            session.active = max(session.active, self.now - age * MINUTE)

    @rule(browser=browsers, sent=refused_touches)
    def refused_touch(self, browser: int, sent: dict[str, str]) -> None:
        before = list(UserSession.objects.values())
        assert self.ask(browser, "post", "/session/touch/", **sent) == 400
        assert list(UserSession.objects.values()) == before

    @rule(browser=browsers)
    def sign_out(self, browser: int) -> None:
        expected = self.expect_loaded(browser)
        assert self.ask(browser, "post", "/session/sign-out/") == 302
        if expected:
            self.sessions[expected].is_live = False

    @rule(browser=browsers, name=st.sampled_from(PEOPLE))
    def sign_in(self, browser: int, name: str) -> None:
        user = self.people[name]
        if not self.active[user.pk]:
            return
        expected = self.expect_loaded(browser)
        request = self.request_of(browser)
        login(request, user, BACKEND)
        request.session.save()
        self.keys[browser] = request.session.session_key or ""
        row = UserSession.objects.get(session_id=self.keys[browser])
        if expected and self.sessions[expected].user_id == user.pk:
            assert row.pk == expected
        else:
            assert row.pk not in self.sessions
            if expected:
                self.sessions[expected].is_live = False
        self.sessions[row.pk] = Modelled(user.pk, self.keys[browser], self.now, self.now)

    # --- requests that others may come between

    @rule(browser=browsers, tabs=st.integers(2, 3))
    def begin(self, browser: int, tabs: int) -> None:
        for _ in range(tabs):
            expected = self.expect_loaded(browser)
            request = self.request_of(browser)
            assert request.user.is_authenticated == bool(expected)
            if expected:
                self.begun.append(Begun(browser, expected, request, self.now))

    def finish(self, which: int, act: Callable[[Begun], Any]) -> tuple[Begun, bool]:
        """Let a begun request write; return it, and whether the app let it."""
        begun = self.begun.pop(which % len(self.begun))
        try:
            act(begun)
        except UpdateError:
            return begun, False
        return begun, True

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 9))
    def finish_write(self, which: int) -> None:
        def write(begun: Begun) -> None:
            begun.request.session["cart"] = which
            begun.request.session.save()

        begun, is_stored = self.finish(which, write)
        session = self.sessions[begun.session_id]
        has_its_key = session.key == begun.request.session.session_key
        assert is_stored == (session.is_live and has_its_key)

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 9))
    def finish_sign_out(self, which: int) -> None:
        begun, is_done = self.finish(which, lambda begun: begun.request.session.flush())
        assert is_done
        self.sessions[begun.session_id].is_live = False

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 9), age=st.sampled_from([0, 7, 70]))
    def finish_touch(self, which: int, age: int) -> None:
        def write(begun: Begun) -> None:
            assert begun.request.session.judgement is not None
            at = begun.request.session.judgement.decision.now - age * MINUTE
            UserSession.objects.filter(pk=begun.session_id).touch(at)

        begun, _ = self.finish(which, write)
        session = self.sessions[begun.session_id]
        if session.is_live:
            session.active = max(session.active, begun.at - age * MINUTE)

    @precondition(lambda self: self.begun)
    @rule(which=st.integers(0, 9), again=st.booleans())
    def finish_key_change(self, which: int, again: bool) -> None:
        """A new key: for a changed password, or because the user gave credentials again."""

        def change(begun: Begun) -> None:
            if again:
                begun.request.session.authenticated_again()
            else:
                begun.request.session.cycle_key()

        begun, is_changed = self.finish(which, change)
        session = self.sessions[begun.session_id]
        assert is_changed == session.is_live
        if is_changed:
            self.keys[begun.browser] = session.key = begun.request.session.session_key or ""
            if again:
                session.authenticated = begun.at
                session.active = max(session.active, begun.at)

    # --- the others

    @rule(span=spans)
    def time_passes(self, span: timedelta) -> None:
        self.now += span
        clock.shift = self.now

    @rule(policy=policies)
    def policy_changes(self, policy: Policy) -> None:
        if is_looser(policy, self.policy):
            sweep_scope("main", self.policy, now=clock.now("default"), using="default")
            self.expect_stale_ones_ended(self.policy)
        self.policy = policy

    @rule()
    def job_sweeps(self) -> None:
        sweep(now=clock.now("default"), using="default")
        self.expect_stale_ones_ended(self.policy)

    @rule(name=st.sampled_from(PEOPLE), is_active=st.sampled_from([True, True, True, False]))
    def account_changes(self, name: str, is_active: bool) -> None:
        pk = self.people[name].pk
        get_user_model().objects.filter(pk=pk).update(is_active=is_active)
        self.active[pk] = is_active

    # --- what always holds

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        rows = {row.pk: row for row in UserSession.objects.all()}
        assert rows.keys() == self.sessions.keys()
        for pk, row in rows.items():
            session = self.sessions[pk]
            assert (row.state == State.LIVE) == session.is_live
            assert row.user_id == session.user_id
            if pk in self.before:
                self.check_step(self.before[pk], row)
        assert all(row.last_activity_at <= clock.now("default") for row in rows.values())
        self.before = rows

    def check_step(self, before: UserSession, row: UserSession) -> None:
        """I2 and I3: what never changes, and what only grows."""
        assert row.started_at == before.started_at
        assert row.last_activity_at >= before.last_activity_at
        assert row.activity_bucket <= bucket_of(row.last_activity_at)
        if before.state == State.ENDED:
            assert (row.ended_reason, row.ended_at) == (before.ended_reason, before.ended_at)
        assert self.ends[row.pk] == (row.state == State.ENDED)

    @invariant()
    def only_live_sessions_have_a_payload_that_serves(self) -> None:
        living = {session.key for session in self.sessions.values() if session.is_live}
        for key in Session.objects.values_list("session_key", flat=True):
            if key not in living:
                assert SESSION_KEY not in SessionStore(key).load()


@pytest.fixture(autouse=True)
def people(db: None) -> None:
    for name in PEOPLE:
        get_user_model().objects.create_user(name, f"{name}@example.com", f"{name}-demo")


def run(examples: int, steps: int, **chosen: Any) -> None:
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            **chosen,
        ),
    )


def test_any_history_agrees_with_the_model() -> None:
    run(60, 30, derandomize=True)


@pytest.mark.slow
def test_thousands_of_histories_agree_with_the_model() -> None:
    run(3000, 50)


# --- the proof that a fault is seen


def end_by_key(self: SessionStore, key: str, using: str) -> None:
    """As Django: a sign-out that meets a change of key is lost."""
    rows = UserSession.objects.filter(session_id=key)
    rows.end("signed_out")
    Session.objects.filter(session_key=key).delete()


def touch_unguarded(self: UserSessionQuerySet, at: Any) -> int:
    """Without the condition: an older claim moves the activity back."""
    return self.live().update(last_activity_at=at, activity_bucket=bucket_of(at))


def end_unguarded(self: UserSessionQuerySet, reason: str, now: Any = None) -> int:
    """Without the condition: a session ends twice."""
    return self.update(state=State.ENDED, ended_reason=reason, ended_at=clock.expression())


def save_that_brings_back(self: SessionStore, data: Any, must_create: bool, using: str) -> None:
    """Make the rows anew where the payload is gone."""
    try:
        sound_write(self, data, must_create, using)
    except UpdateError:
        self._ledger_id = start(self.session_key or "", data[SESSION_KEY], "main", using=using)
        sound_write(self, data, True, using)


sound_write = SessionStore._write_payload


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (SessionStore, "_end_under", end_by_key),
        (SessionStore, "_write_payload", save_that_brings_back),
        (UserSessionQuerySet, "touch", touch_unguarded),
        (UserSessionQuerySet, "end", end_unguarded),
    ],
)
def test_mutants_are_caught(
    owner: type, name: str, fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, fault)
    # The database's own constraint may be the first to see it.
    with pytest.raises((AssertionError, IntegrityError)):
        run(200, 30, derandomize=True, phases=[Phase.generate])
