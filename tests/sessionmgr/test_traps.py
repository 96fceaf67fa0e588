"""One test for each trap that a prototype of the session engine fell into.

The numbers are those of docs/explanation/session-engine.md.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import SESSION_KEY, get_user
from django.contrib.auth.models import AnonymousUser, User, UserManager
from django.contrib.sessions.backends.db import SessionStore as DjangoStore
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from sessionmgr import clock as seam
from sessionmgr.backends import people
from sessionmgr.backends.db import SessionStore
from sessionmgr.checks import check_engine
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.middleware import SessionEnforcementMiddleware
from sessionmgr.models import State, UserSession, bucket_of, database
from tests.conftest import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.sessionmgr.urls")]

STATUS = "/session/status/"
OIDC_BACKEND = "mozilla_django_oidc.auth.OIDCAuthenticationBackend"
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def own_lookup() -> Any:
    """Let the test change how users are looked up: what is known of it is forgotten."""
    people._joins_plainly.cache_clear()
    yield
    people._joins_plainly.cache_clear()


def reason_of(client: Client) -> str | None:
    reason: str | None = client.get(STATUS).json().get("reason")
    return reason


def test_01_a_row_is_ended_whatever_digits_its_times_have(client: Client, alice: User) -> None:
    """SQLite compares times as text: the database writes 3 digits, Python 6 or none."""
    client.force_login(alice)
    row = UserSession.objects.get()
    as_written = UserSession.objects.filter(last_activity_at__lte=row.last_activity_at)
    assert as_written.filter(last_activity_at__gte=row.last_activity_at).count() == 1
    assert seam.read(row.last_activity_at.replace(microsecond=0)).microsecond
    assert end(row.pk, EndReason.SIGNED_OUT, using="default")


def test_01_the_bucket_that_the_database_writes_is_the_one_of_its_time(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    row = UserSession.objects.get()
    assert row.activity_bucket == bucket_of(row.last_activity_at)


def test_02_local_time_is_refused_by_a_check(settings: Any) -> None:
    settings.USE_TZ = False
    assert "sessionmgr.E003" in [message.id for message in check_engine(None)]


def test_03_a_manager_that_hides_users_is_asked(
    client: Client,
    alice: User,
    own_lookup: None,
    monkeypatch: Any,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client.force_login(alice)
    shown = UserManager.get_queryset
    monkeypatch.setattr(
        UserManager, "get_queryset", lambda self: shown(self).exclude(last_name="deleted")
    )
    people._joins_plainly.cache_clear()
    with django_assert_num_queries(2):
        assert client.get("/whoami/").content == b"<p>alice</p>"
    User.objects.filter(pk=alice.pk).update(last_name="deleted")
    assert reason_of(client) == EndReason.ACCOUNT_DISABLED


class PeopleElsewhere:
    """A router that keeps users in a database of their own."""

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "people" if model._meta.app_label == "auth" else None


@pytest.fixture
def second_name() -> Any:
    """Give the one database a second alias, which routers may send users to."""
    connections["people"] = connection
    yield
    del connections["people"]


def test_04_users_in_another_database_are_looked_up_there_and_held(
    client: Client, alice: User, own_lookup: None, second_name: None, settings: Any
) -> None:
    client.force_login(alice)
    settings.DATABASE_ROUTERS = ["tests.sessionmgr.test_traps.PeopleElsewhere"]
    people._joins_plainly.cache_clear()
    assert not people.joins_plainly()
    assert client.get("/whoami/").content == b"<p>alice</p>"
    User.objects.using("default").filter(pk=alice.pk).update(is_active=False)
    assert reason_of(client) == EndReason.ACCOUNT_DISABLED
    assert UserSession.objects.get().state == State.ENDED


@pytest.mark.parametrize("page", ["/whoami/", "/awhoami/"])
def test_05_an_inactive_user_is_out_whatever_the_backend_forgets_to_ask(
    client: Client, alice: User, own_lookup: None, settings: Any, page: str
) -> None:
    settings.AUTHENTICATION_BACKENDS = [OIDC_BACKEND, MODEL_BACKEND]
    settings.OIDC_OP_TOKEN_ENDPOINT = settings.OIDC_OP_USER_ENDPOINT = "http://localhost/"
    settings.OIDC_RP_CLIENT_ID = settings.OIDC_RP_CLIENT_SECRET = "demo"
    client.force_login(alice, backend=OIDC_BACKEND)
    assert client.get(page).content == b"<p>alice</p>"
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get(page).content == b"<p>AnonymousUser</p>"
    assert UserSession.objects.get().ended_reason == EndReason.ACCOUNT_DISABLED


def test_06_signing_in_again_as_the_same_user_changes_the_key(client: Client, alice: User) -> None:
    client.force_login(alice)
    key = client.session.session_key
    client.force_login(alice)
    assert client.session.session_key != key
    assert client.get("/whoami/").content == b"<p>alice</p>"


def test_07_a_ledger_row_that_cannot_be_written_does_not_loop(
    alice: User, monkeypatch: Any
) -> None:
    from sessionmgr.backends import db

    def fail(*args: Any, **kwargs: Any) -> int:
        raise IntegrityError("no row for you")

    monkeypatch.setattr(db, "start", fail)
    session = SessionStore()
    session[SESSION_KEY] = str(alice.pk)
    with pytest.raises(IntegrityError):
        session.save()
    assert not Session.objects.exists()


@pytest.mark.parametrize("payload", ["damaged", ""])
def test_08_an_unreadable_payload_has_a_reason_of_its_own(
    client: Client, alice: User, payload: str
) -> None:
    client.force_login(alice)
    Session.objects.update(session_data=payload)
    assert reason_of(client) == EndReason.UNREADABLE


def test_08_a_payload_of_another_user_is_a_mismatch(
    client: Client, alice: User, bob: User
) -> None:
    client.force_login(alice)
    UserSession.objects.update(user_id=bob.pk)
    assert reason_of(client) == EndReason.IDENTITY_MISMATCH


def test_08_a_user_id_that_is_none_is_unreadable(client: Client, alice: User) -> None:
    client.force_login(alice)
    payload = DjangoStore().encode({SESSION_KEY: "not a number"})
    Session.objects.update(session_data=payload)
    assert reason_of(client) == EndReason.UNREADABLE


def test_09_the_browser_is_told_why_after_payload_and_key_are_gone(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    end(UserSession.objects.get().pk, EndReason.REVOKED_BY_ADMIN, using="default")
    assert UserSession.objects.get().session_id is None
    assert not Session.objects.exists()
    assert reason_of(client) == EndReason.REVOKED_BY_ADMIN


def test_09_a_payload_left_by_a_crash_is_not_signed_in_and_can_be_found(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    UserSession.objects.all().end(EndReason.SIGNED_OUT)
    assert Session.objects.exists()
    assert reason_of(client) == EndReason.SIGNED_OUT
    assert UserSession.objects.all().payload_left().count() == 1


def test_10_a_signed_in_payload_outlives_djangos_fourteen_days(
    client: Client, alice: User
) -> None:
    client.force_login(alice)
    left = Session.objects.get().expire_date - seam.now("default")
    assert timedelta(days=89) < left < timedelta(days=91)


def test_10_a_hosts_own_expiry_is_judged_and_ends_the_row(
    client: Client, alice: User, clock: Clock
) -> None:
    client.force_login(alice)
    session = client.session
    session.set_expiry(60)
    session.save()
    assert client.get(STATUS).json()["session_seconds"] <= 60
    clock.advance(seconds=61)
    assert reason_of(client) == EndReason.HOST_EXPIRY
    assert UserSession.objects.get().ended_reason == EndReason.HOST_EXPIRY


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param("zzzzzzzz\000zz", id="nul"),
        pytest.param("x" * 7, id="short"),
        pytest.param("x" * 41, id="long"),
        pytest.param("x" * 5000, id="huge"),
        pytest.param("A" * 32, id="upper-case"),
        pytest.param("é" * 32, id="not-ascii"),
        pytest.param("'; drop table", id="sql"),
        pytest.param("", id="empty"),
    ],
)
def test_11_a_malformed_cookie_is_anonymous_and_never_reaches_the_database(
    client: Client, cookie: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.cookies["sessionid"] = cookie
    with django_assert_num_queries(0):
        assert client.get("/whoami/").content == b"<p>AnonymousUser</p>"


@pytest.mark.parametrize("made_up", [True, False], ids=["made-up", "cut"])
def test_11_a_wrong_key_is_anonymous(client: Client, alice: User, made_up: bool) -> None:
    client.force_login(alice)
    client.cookies["sessionid"] = "x" * 32 if made_up else (client.session.session_key or "")[:-1]
    assert client.get("/whoami/").content == b"<p>AnonymousUser</p>"


def test_12_an_end_that_was_rolled_back_is_found_again(
    client: Client, alice: User, policy: Callable[..., Any], clock: Clock, monkeypatch: Any
) -> None:
    policy(inactivity_enabled=True)
    client.force_login(alice)
    clock.advance(hours=1)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    with pytest.raises(RuntimeError):
        client.get("/broken/")
    assert UserSession.objects.get().state == State.LIVE
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", False)
    assert reason_of(client) == EndReason.INACTIVITY
    assert UserSession.objects.get().state == State.ENDED


def test_13_the_latest_end_is_never_a_live_row(client: Client, alice: User) -> None:
    client.force_login(alice)
    session = SessionStore(client.session.session_key)
    session._presented_key, session._session_key = session.session_key, None
    assert session.why_ended() is None


def test_14_a_payload_deleted_by_others_is_not_signed_in(client: Client, alice: User) -> None:
    client.force_login(alice)
    Session.objects.all().delete()
    assert client.get("/whoami/").content == b"<p>AnonymousUser</p>"


@pytest.mark.parametrize("session", [{}, None], ids=["dict", "none"])
def test_15_a_session_that_is_not_ours_passes_through(session: Any, rf: RequestFactory) -> None:
    request = rf.get("/")
    if session is not None:
        request.session = session
    middleware = SessionEnforcementMiddleware(lambda request: HttpResponse("ok", status=403))
    response = middleware(request)
    assert isinstance(response, HttpResponse)
    assert response.content == b"ok"


def test_16_the_accessor_on_djangos_session_is_named_for_us() -> None:
    assert Session.sessionmgr_ledger.rel.name == "sessionmgr_ledger"  # type: ignore[attr-defined]


def test_17_a_page_that_touches_nothing_pays_nothing(
    client: Client, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(alice)
    with django_assert_num_queries(0):
        response = client.get("/plain/")
    assert "Cookie" not in response.get("Vary", "")
    assert "Server-Timing" not in response


def _unchanged(client: Client, user: User) -> None:
    """Nothing happens."""


def _inactive(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def _deleted(client: Client, user: User) -> None:
    User.objects.filter(pk=user.pk)._raw_delete("default")


def _new_password(client: Client, user: User) -> None:
    user.set_password("another")
    User.objects.filter(pk=user.pk).update(password=user.password)


def _no_backend(client: Client, user: User) -> None:
    session = client.session
    session["_auth_user_backend"] = "gone.Backend"
    session.save()


def _no_hash(client: Client, user: User) -> None:
    session = client.session
    del session["_auth_user_hash"]
    session.save()


@pytest.mark.parametrize(
    "change", [_unchanged, _inactive, _deleted, _new_password, _no_backend, _no_hash]
)
@pytest.mark.parametrize("page", ["/whoami/", "/awhoami/"])
def test_18_our_answer_about_the_user_is_djangos(
    client: Client, alice: User, change: Callable[[Client, User], None], page: str
) -> None:
    client.force_login(alice)
    change(client, alice)
    request = HttpRequest()
    request.session = DjangoStore(client.session.session_key)  # type: ignore[assignment]
    djangos = get_user(request) if Session.objects.exists() else AnonymousUser()
    assert client.get(page).content.decode() == f"<p>{djangos}</p>"


class Replica:
    """A router that reads everything from a replica."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "people"


def test_19_authority_is_never_read_from_a_replica(
    client: Client, alice: User, settings: Any
) -> None:
    client.force_login(alice)
    settings.DATABASE_ROUTERS = ["tests.sessionmgr.test_traps.Replica"]
    assert database() == "default"
    assert client.get(STATUS).status_code == 200  # The replica is not open to this test.
