"""The one door: what Django does with sessions, held to the ledger."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user, get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.test import AsyncClient, Client
from pytest_django import DjangoAssertNumQueries

from sessionmgr.backends.db import SessionStore
from sessionmgr.backends.door import SessionUnavailableError
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import judgement_of
from sessionmgr.models import State, UserSession, hash_of
from sessionmgr.signals import session_ended, session_started
from tests.conftest import Clock

pytestmark = pytest.mark.django_db

STATUS = "/session/status/"
PutInForce = Callable[..., Any]


def only_row() -> UserSession:
    return UserSession.objects.get()


def is_signed_in(client: Client) -> bool:
    return client.get(STATUS).status_code == 200


def reason_of(client: Client) -> str | None:
    answer = client.get(STATUS)
    assert answer.status_code == 401
    reason: str | None = answer.json()["reason"]
    return reason


# --- the life of one session


def test_sign_in_writes_one_ledger_row(client: Client, alice: User) -> None:
    client.post(
        "/accounts/sign-in/", {"username": "alice", "password": "alice-demo", "next": "/healthz/"}
    )
    row = only_row()
    assert row.state == State.LIVE
    assert row.user_id == alice.pk
    assert row.scope == "main"
    assert row.policy_source == "fallback"
    assert row.fallback_reason == "no_provider_policy"
    assert row.started_at == row.authenticated_at == row.last_activity_at
    assert row.session_id == client.session.session_key
    assert bytes(row.key_hash) == hash_of(client.session.session_key or "")


def test_signed_in_request_costs_one_query_and_no_write(
    client: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(alice)
    with django_assert_num_queries(1):
        assert is_signed_in(client)


def test_anonymous_request_costs_no_query(
    client: Client, db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        assert not is_signed_in(client)


def test_sign_in_costs_one_statement_more_than_djangos(
    client: Client, alice: User, settings: Any
) -> None:
    def statements() -> int:
        fresh = Client()
        with CountStatements() as counted:
            fresh.post(
                "/accounts/sign-in/",
                {"username": "alice", "password": "alice-demo", "next": "/healthz/"},
            )
        return counted.total

    ours = statements()
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware" if "cookies" in name else name
        for name in settings.MIDDLEWARE
        if "sessionmgr.middleware" not in name
    ]
    assert ours <= statements() + 1


class CountStatements:
    """Counts statements that ask or change something; savepoints are counted too."""

    def __enter__(self) -> "CountStatements":
        self.total = 0
        self._wrapper = connection.execute_wrapper(self._count)
        self._wrapper.__enter__()
        return self

    def __exit__(self, *args: Any) -> None:
        self._wrapper.__exit__(*args)

    def _count(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.total += 1
        return execute(sql, params, many, context)


def test_sign_out_ends_the_row_and_removes_payload_and_key(client: Client, alice: User) -> None:
    client.force_login(alice)
    key = client.session.session_key
    client.logout()
    row = only_row()
    assert (row.state, row.ended_reason) == (State.ENDED, EndReason.SIGNED_OUT)
    assert row.session_id is None
    assert row.ended_at is not None
    assert not Session.objects.filter(session_key=key).exists()


def test_the_old_cookie_is_refused_after_sign_out_and_told_why(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    thief = Client()
    thief.cookies["sessionid"] = client.cookies["sessionid"].value
    client.logout()
    assert reason_of(thief) == EndReason.SIGNED_OUT


def test_idle_session_ends_on_the_server(
    client: Client, alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    client.force_login(alice)
    clock.advance(minutes=29, seconds=58)
    assert is_signed_in(client)
    clock.advance(seconds=2)
    assert reason_of(client) == EndReason.INACTIVITY
    assert only_row().ended_reason == EndReason.INACTIVITY


def test_session_length_is_not_moved_by_activity(
    client: Client, alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy(custom_length=True, max_session_length=timedelta(minutes=60))
    client.force_login(alice)
    for _step in range(59):
        clock.advance(minutes=1)
        assert client.get("/admin/").status_code == 302  # Signed in, but not staff.
    clock.advance(minutes=1)
    assert reason_of(client) == EndReason.SESSION_LENGTH


def test_session_without_a_providers_policy_ends_after_24_hours(
    client: Client, alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy()
    client.force_login(alice)
    clock.advance(hours=23, minutes=59, seconds=59)
    assert is_signed_in(client)
    clock.advance(seconds=1)
    assert reason_of(client) == EndReason.FALLBACK_LIMIT


def test_a_tighter_policy_acts_at_once(
    client: Client, alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy()
    client.force_login(alice)
    clock.advance(hours=2)
    assert is_signed_in(client)
    policy(custom_length=True, max_session_length=timedelta(hours=1))
    assert reason_of(client) == EndReason.SESSION_LENGTH


def test_an_end_is_final_under_a_looser_policy(
    client: Client, alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    client.force_login(alice)
    clock.advance(hours=1)
    assert not is_signed_in(client)
    policy()
    assert reason_of(client) == EndReason.INACTIVITY


def test_a_touch_between_reading_and_ending_keeps_the_session(
    client: Client, alice: User, policy: PutInForce, clock: Clock, monkeypatch: Any
) -> None:
    policy(inactivity_enabled=True)
    client.force_login(alice)
    clock.advance(minutes=31)
    from sessionmgr.backends import door

    original = door.end

    def touched_first(session_id: int, reason: EndReason, **kwargs: Any) -> bool:
        UserSession.objects.touch(kwargs["now"] - timedelta(minutes=1))
        return original(session_id, reason, **kwargs)

    monkeypatch.setattr(door, "end", touched_first)
    assert is_signed_in(client)
    assert only_row().state == State.LIVE


# --- what Django does with keys and users


def test_sign_in_again_starts_both_clocks_anew_under_a_new_key(
    client: Client, alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy(custom_length=True, max_session_length=timedelta(minutes=60))
    client.force_login(alice)
    old_key, started = client.session.session_key, only_row().started_at
    clock.advance(minutes=50)
    client.post(
        "/accounts/sign-in/", {"username": "alice", "password": "alice-demo", "next": "/healthz/"}
    )
    row = only_row()
    assert client.session.session_key != old_key
    assert not Session.objects.filter(session_key=old_key).exists()
    assert row.started_at == started
    assert row.authenticated_at >= started + timedelta(minutes=50)
    clock.advance(minutes=50)
    assert is_signed_in(client)


def test_a_silent_key_change_does_not_move_the_clocks(client: Client, alice: User) -> None:
    client.force_login(alice)
    before = only_row()
    session = client.session
    session.cycle_key()
    row = only_row()
    assert row.session_id == session.session_key != before.session_id
    assert row.authenticated_at == before.authenticated_at
    assert Session.objects.count() == 1


def test_a_sign_out_that_meets_a_key_change_is_not_lost(client: Client, alice: User) -> None:
    """Plain Django deletes by key, and so misses the session under its new one."""
    client.force_login(alice)
    leaving = SessionStore(client.session.session_key)
    assert SESSION_KEY in leaving
    changing = SessionStore(client.session.session_key)
    changing.cycle_key()
    leaving.flush()
    assert SESSION_KEY not in SessionStore(changing.session_key)
    assert Session.objects.count() == 0
    assert only_row().ended_reason == EndReason.SIGNED_OUT


def test_a_key_change_that_comes_after_a_sign_out_is_refused(client: Client, alice: User) -> None:
    client.force_login(alice)
    changing = SessionStore(client.session.session_key)
    assert SESSION_KEY in changing
    client.logout()
    with pytest.raises(UpdateError):
        changing.cycle_key()
    assert Session.objects.count() == 0


def test_a_save_that_comes_after_a_sign_out_is_refused(client: Client, alice: User) -> None:
    client.force_login(alice)
    saving = SessionStore(client.session.session_key)
    saving["cart"] = ["tea"]
    client.logout()
    with pytest.raises(UpdateError):
        saving.save()
    assert Session.objects.count() == 0


def test_password_change_keeps_this_session_and_ends_the_others(
    client: Client, admin: User
) -> None:
    other = Client()
    for browser in (client, other):
        browser.force_login(admin)
    client.post(
        "/admin/password_change/",
        {
            "old_password": "admin-demo",
            "new_password1": "kA3-long-one",
            "new_password2": "kA3-long-one",
        },
    )
    assert is_signed_in(client)
    assert reason_of(other) == EndReason.CREDENTIALS_CHANGED


def test_a_deactivated_user_is_out_on_the_next_request(client: Client, alice: User) -> None:
    client.force_login(alice)
    get_user_model().objects.filter(pk=alice.pk).update(is_active=False)  # Fires no signal.
    assert reason_of(client) == EndReason.ACCOUNT_DISABLED


def test_deactivating_by_save_ends_the_sessions_at_once(client: Client, alice: User) -> None:
    client.force_login(alice)
    alice.is_active = False
    alice.save()
    assert only_row().ended_reason == EndReason.ACCOUNT_DISABLED


@pytest.mark.parametrize("by", ["instance", "queryset"])
def test_a_deleted_user_is_out(client: Client, alice: User, by: str) -> None:
    client.force_login(alice)
    if by == "instance":
        alice.delete()
    else:
        get_user_model().objects.filter(pk=alice.pk)._raw_delete("default")
    assert reason_of(client) == EndReason.ACCOUNT_DISABLED
    assert only_row().ended_reason == EndReason.ACCOUNT_DISABLED


def test_signing_in_as_another_user_ends_the_first_ones_row(
    client: Client, alice: User, bob: User
) -> None:
    client.force_login(alice)
    client.post(
        "/accounts/sign-in/", {"username": "bob", "password": "bob-demo", "next": "/healthz/"}
    )
    rows = {row.user_id: row for row in UserSession.objects.all()}
    assert rows[alice.pk].ended_reason == EndReason.SIGNED_OUT
    assert rows[bob.pk].state == State.LIVE


def test_a_user_put_into_the_payload_by_hand_gets_a_row_of_their_own(
    client: Client, alice: User, bob: User
) -> None:
    client.force_login(alice)
    session = client.session
    session[SESSION_KEY] = str(bob.pk)
    session[HASH_SESSION_KEY] = bob.get_session_auth_hash()
    session.save()
    assert is_signed_in(client)
    rows = {row.user_id: row for row in UserSession.objects.all()}
    assert rows[alice.pk].ended_reason == EndReason.SIGNED_OUT
    assert rows[bob.pk].state == State.LIVE


def test_a_user_taken_out_of_the_payload_by_hand_is_signed_out(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    session = client.session
    del session[SESSION_KEY]
    session["cart"] = ["tea"]
    session.save()
    assert not is_signed_in(client)
    assert client.session["cart"] == ["tea"]
    assert only_row().ended_reason == EndReason.SIGNED_OUT


def test_a_hand_made_switch_that_meets_an_end_is_refused(
    client: Client, alice: User, bob: User
) -> None:
    client.force_login(alice)
    switching = client.session
    switching[SESSION_KEY] = str(bob.pk)
    client.logout()
    with pytest.raises(UpdateError):
        switching.save()
    assert not UserSession.objects.live().exists()


def test_an_anonymous_cart_has_no_row_and_survives_sign_in(client: Client, alice: User) -> None:
    session = client.session
    session["cart"] = ["tea"]
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key or ""
    assert not UserSession.objects.exists()
    client.post(
        "/accounts/sign-in/", {"username": "alice", "password": "alice-demo", "next": "/healthz/"}
    )
    assert client.session["cart"] == ["tea"]
    assert UserSession.objects.count() == 1


def test_a_signed_in_payload_made_in_one_go_gets_its_row(alice: User) -> None:
    session = SessionStore()
    session[SESSION_KEY] = str(alice.pk)
    session.save()
    assert only_row().session_id == session.session_key


def test_a_new_key_after_sign_in_in_the_same_request_moves_the_row(alice: User) -> None:
    session = SessionStore()
    session[SESSION_KEY] = str(alice.pk)
    session.save()
    session.cycle_key()
    assert only_row().session_id == session.session_key


def test_a_session_never_loaded_can_be_deleted_by_key(client: Client, alice: User) -> None:
    client.force_login(alice)
    SessionStore().delete(client.session.session_key)
    assert only_row().ended_reason == EndReason.SIGNED_OUT
    assert Session.objects.count() == 0
    SessionStore().delete()


def test_secret_key_fallback_renews_the_hash_and_the_key(
    client: Client, alice: User, settings: Any
) -> None:
    client.force_login(alice)
    old_key = client.session.session_key
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, as long as a key should be, and as random"
    assert client.get("/admin/").status_code == 302
    answer = client.get("/admin/password_change/")
    assert client.cookies["sessionid"].value != old_key
    assert answer.status_code == 302
    settings.SECRET_KEY_FALLBACKS = []
    assert is_signed_in(client)


# --- signals


def test_start_and_end_are_announced(
    client: Client, alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    heard: list[tuple[str, Any]] = []

    def started(**told: Any) -> None:
        heard.append(("started", told["user_id"]))

    def ended(**told: Any) -> None:
        heard.append(("ended", told["reason"]))

    session_started.connect(started)
    session_ended.connect(ended)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            client.force_login(alice)
            client.logout()
    finally:
        session_started.disconnect(started)
        session_ended.disconnect(ended)
    assert heard == [("started", alice.pk), ("ended", EndReason.SIGNED_OUT)]


# --- async


@pytest.mark.django_db(transaction=True)
async def test_async_client_signs_in_and_out(alice: User, async_client: AsyncClient) -> None:
    await async_client.aforce_login(alice)
    assert (await async_client.get(STATUS)).status_code == 200
    await async_client.alogout()
    assert (await async_client.get(STATUS)).status_code == 401
    row = await UserSession.objects.aget()
    assert row.ended_reason == EndReason.SIGNED_OUT


@pytest.mark.django_db(transaction=True)
async def test_async_methods_of_the_store(alice: User) -> None:
    session = SessionStore()
    await session.aset(SESSION_KEY, str(alice.pk))
    await session.asave()
    await session.acycle_key()
    assert (await UserSession.objects.aget()).session_id == session.session_key
    await session.aflush()
    assert (await UserSession.objects.aget()).ended_reason == EndReason.SIGNED_OUT
    await SessionStore.aclear_expired()


@pytest.mark.django_db(transaction=True)
async def test_async_load_refuses_an_ended_session(
    alice: User, policy: PutInForce, clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    session = SessionStore()
    await session.aset(SESSION_KEY, str(alice.pk))
    await session.asave()
    clock.advance(hours=1)
    assert await SessionStore(session.session_key).aget(SESSION_KEY) is None


# --- losing the database


def test_a_database_that_does_not_answer_is_not_a_missing_session(
    client: Client, alice: User, monkeypatch: Any
) -> None:
    client.force_login(alice)
    session = SessionStore(client.session.session_key)
    with connection.execute_wrapper(refuse), pytest.raises(SessionUnavailableError):
        session.load()
    assert session.unavailable
    with connection.execute_wrapper(refuse), pytest.raises(SessionUnavailableError):
        client.session.save()
    with connection.execute_wrapper(refuse), pytest.raises(SessionUnavailableError):
        SessionStore().delete("a" * 32)


def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    from django.db import OperationalError

    raise OperationalError("database is locked")


def test_an_error_that_is_not_an_outage_is_djangos(client: Client, alice: User) -> None:
    client.force_login(alice)

    def break_it(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        raise DatabaseError("something else")

    with connection.execute_wrapper(break_it), pytest.raises(DatabaseError):
        SessionStore(client.session.session_key).load()
    session = SessionStore()
    session["cart"] = []
    with connection.execute_wrapper(break_it), pytest.raises(DatabaseError):
        session.save()


# --- the engine's place in Django


def test_the_engine_reads_payloads_of_djangos_own_engines() -> None:
    for path in ("db", "cached_db"):
        plain = import_module(f"django.contrib.sessions.backends.{path}").SessionStore()
        plain["cart"] = ["tea"]
        plain.save()
        assert SessionStore(plain.session_key)["cart"] == ["tea"]


def test_judgement_tells_until_when_and_why(
    client: Client, alice: User, policy: PutInForce
) -> None:
    policy(inactivity_enabled=True)
    client.force_login(alice)
    request = HttpRequest()
    request.session = SessionStore(client.session.session_key)  # type: ignore[assignment]
    judged = judgement_of(request)
    assert judged is not None
    assert judged.user_id == alice.pk
    assert judged.decision.binding is not None
    assert judged.decision.binding.reason is EndReason.INACTIVITY
    assert get_user(request) == alice


def test_clearsessions_ends_what_is_stale_and_keeps_the_living(
    client: Client, alice: User, bob: User, policy: PutInForce, clock: Clock
) -> None:
    policy(custom_length=True, max_session_length=timedelta(minutes=60))
    client.force_login(alice)
    anonymous = SessionStore()
    anonymous.set_expiry(60)
    anonymous.save()
    clock.advance(minutes=61)
    other = Client()
    other.force_login(bob)
    call_command("clearsessions")
    assert UserSession.objects.get(user=alice).ended_reason == EndReason.SESSION_LENGTH
    assert list(Session.objects.values_list("pk", flat=True)) == [other.session.session_key]
