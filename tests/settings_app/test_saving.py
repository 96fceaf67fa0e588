"""Storing: one version after the other, nothing stale revived, and who listens is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from sessionmgr import clock as seam
from sessionmgr.core.policy import MINUTE, Policy
from sessionmgr.models import State, UserSession
from sessionmgr.signals import policy_changed
from settings_app import saving, source
from settings_app.models import Environment, SettingsChange, SystemSettings
from settings_app.saving import (
    Author,
    RefusedPolicyError,
    StaleVersionError,
    store,
    stored_policy,
)

SOMEBODY = Author(name="somebody")
STRICT = Policy(custom_length=True, max_session_length=60 * MINUTE)


def test_each_save_is_the_next_version(environment: Environment) -> None:
    store(environment, STRICT, based_on=0, author=SOMEBODY)
    change = store(environment, Policy(), based_on=1, author=SOMEBODY, reason="Back")
    assert (change.version, change.reason) == (2, "Back")
    assert change.changes == {
        "session_timeout": ["custom", "default"],
        "max_session_length": [60, 1440],
    }
    assert stored_policy(environment) == Policy(version=2)


def test_time_of_a_change_is_the_databases(environment: Environment, clock: Any) -> None:
    clock.advance(days=3)
    before = seam.now("default")
    change = store(environment, STRICT, based_on=0, author=SOMEBODY)
    assert before <= change.at <= seam.now("default")


@pytest.mark.parametrize("based_on", [0, 2, 7])
def test_stale_version_stores_nothing(environment: Environment, based_on: int) -> None:
    store(environment, STRICT, based_on=0, author=SOMEBODY)
    with pytest.raises(StaleVersionError):
        store(environment, Policy(), based_on=based_on, author=SOMEBODY)
    assert stored_policy(environment) == Policy(
        custom_length=True, max_session_length=60 * MINUTE, version=1
    )
    assert SettingsChange.objects.count() == 1


def test_broken_rule_stores_nothing(environment: Environment) -> None:
    with pytest.raises(RefusedPolicyError):
        store(environment, Policy(max_session_length=MINUTE), based_on=0, author=SOMEBODY)
    assert not SystemSettings.objects.exists()


@pytest.fixture
def stale_session(client: Client, alice: Any, environment: Environment, clock: Any) -> UserSession:
    """Alice's sign-in, an hour and a minute ago, under a limit of an hour."""
    store(environment, STRICT, based_on=0, author=SOMEBODY)
    client.force_login(alice)
    clock.advance(minutes=61)
    return UserSession.objects.get(user=alice)


def test_looser_policy_ends_what_is_stale_under_the_old_one(
    stale_session: UserSession, environment: Environment
) -> None:
    store(environment, Policy(), based_on=1, author=SOMEBODY)
    stale_session.refresh_from_db()
    assert (stale_session.state, stale_session.ended_reason) == (State.ENDED, "session_length")


def test_ends_are_undone_with_the_save(
    stale_session: UserSession, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(saving, "changes_between", fails)
    with pytest.raises(RuntimeError):
        store(environment, Policy(), based_on=1, author=SOMEBODY)
    stale_session.refresh_from_db()
    assert stale_session.state == State.LIVE
    assert stored_policy(environment).version == 1


def test_stricter_policy_leaves_the_ends_to_each_request(
    stale_session: UserSession, environment: Environment
) -> None:
    stricter = Policy(custom_length=True, max_session_length=60 * MINUTE, inactivity_enabled=True)
    store(environment, stricter, based_on=1, author=SOMEBODY)
    stale_session.refresh_from_db()
    assert stale_session.state == State.LIVE


def test_restored_defaults_are_the_old_policy_where_they_are_in_force(
    stale_session: UserSession, environment: Environment, settings: Any
) -> None:
    settings.SESSIONMGR_RESTORE_DEFAULTS = True
    store(environment, Policy(), based_on=1, author=SOMEBODY)
    stale_session.refresh_from_db()
    assert stale_session.state == State.LIVE


def test_who_listens_is_told_once_it_is_committed(
    environment: Environment, admin: Any, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        heard.append(kwargs)

    policy_changed.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            store(environment, STRICT, based_on=0, author=Author(name="admin", user=admin))
            assert not heard
    finally:
        policy_changed.disconnect(listen)
    (told,) = heard
    assert (told["scope"], told["user"]) == ("main", admin)
    assert (told["old"], told["new"].max_age) == (Policy(), 60 * MINUTE)


@pytest.mark.django_db(transaction=True)
def test_save_that_is_rolled_back_never_shows() -> None:
    environment = Environment.objects.get(slug="main")
    with transaction.atomic():
        store(environment, STRICT, based_on=0, author=SOMEBODY)
        source.invalidate()
        assert source.current_policy("main").max_age == 60 * MINUTE
        transaction.set_rollback(True)
    assert source.current_policy("main") == Policy()


@pytest.mark.django_db(transaction=True)
def test_committed_save_shows_at_once_in_this_process() -> None:
    environment = Environment.objects.get(slug="main")
    assert source.current_policy("main") == Policy()
    store(environment, STRICT, based_on=0, author=SOMEBODY)
    assert source.current_policy("main").max_age == 60 * MINUTE
