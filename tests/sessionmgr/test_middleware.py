"""The middleware: what counts as activity, what is said of the clock, and the right refusal.

Each behaviour is shown on a sync and on an async page, which run the same methods; ``Async``
drives the ASGI handler as well.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError, OperationalError, connection
from django.test import AsyncClient, Client
from pytest_django import DjangoAssertNumQueries

from sessionmgr.activity import resolution
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.models import State, UserSession
from tests.conftest import Clock
from tests.sessionmgr.ledger import leased

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.sessionmgr.urls")]

PutInForce = Callable[..., Policy]
BOTH = pytest.mark.parametrize("page", ["/whoami/", "/awhoami/"])
BOTH_PROTECTED = pytest.mark.parametrize("page", ["/protected/", "/aprotected/"])


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def ended(signed_in: Client) -> Client:
    """A browser whose session an administrator has ended."""
    end(UserSession.objects.get().pk, EndReason.REVOKED_BY_ADMIN, using="default")
    return signed_in


def last_activity() -> Any:
    return UserSession.objects.get().last_activity_at


# --- activity


@BOTH
@pytest.mark.parametrize(
    ("method", "headers", "counts"),
    [
        pytest.param("get", {"Sec-Fetch-Mode": "navigate"}, True, id="navigation"),
        pytest.param("get", {"Sec-Fetch-Mode": "cors"}, False, id="fetch"),
        pytest.param("get", {"Sec-Fetch-Mode": "same-origin"}, False, id="same-origin-fetch"),
        pytest.param("get", {"Sec-Fetch-Mode": "no-cors"}, False, id="image"),
        pytest.param("get", {"Sec-Fetch-Mode": "websocket"}, False, id="websocket"),
        pytest.param("post", {"Sec-Fetch-Mode": "cors"}, True, id="unsafe-fetch"),
        pytest.param("put", {}, True, id="put"),
        pytest.param("get", {}, True, id="api-client"),
        pytest.param("head", {}, True, id="head"),
        pytest.param("get", {"X-Session-Passive": "1"}, False, id="marked-passive"),
        pytest.param("post", {"X-Session-Passive": "1"}, False, id="post-marked-passive"),
        pytest.param("get", {"X-Session-Passive": "0"}, True, id="not-marked"),
        pytest.param(
            "get",
            {"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch;prerender"},
            False,
            id="prerender",
        ),
        pytest.param("get", {"Purpose": "prefetch"}, False, id="prefetch"),
    ],
)
def test_activity(
    signed_in: Client, clock: Clock, page: str, method: str, headers: dict[str, str], counts: bool
) -> None:
    before = last_activity()
    clock.advance(minutes=5)
    getattr(signed_in, method)(page, headers=headers)
    assert (last_activity() > before) is counts


@pytest.mark.parametrize("page", ["/poll/", "/apoll/"])
def test_a_passive_view_is_never_activity(signed_in: Client, clock: Clock, page: str) -> None:
    before = last_activity()
    clock.advance(minutes=5)
    assert signed_in.post(page).content == b"alice"
    assert last_activity() == before


def test_passive_paths_are_never_activity(signed_in: Client, clock: Clock, settings: Any) -> None:
    settings.SESSIONMGR_PASSIVE_PATHS = ["/who"]
    before = last_activity()
    clock.advance(minutes=5)
    signed_in.post("/whoami/")
    assert last_activity() == before


@BOTH
def test_activity_is_written_once_per_resolution(
    signed_in: Client, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries, page: str
) -> None:
    clock.advance(seconds=29)
    with django_assert_num_queries(1):
        signed_in.get(page)
    clock.advance(seconds=2)
    with django_assert_num_queries(2):
        signed_in.get(page)
    with django_assert_num_queries(1):
        signed_in.get(page)


@pytest.mark.parametrize(
    ("minutes", "seconds"), [(5, 5), (30, 30), (1440, 30)], ids=["least", "default", "most"]
)
def test_resolution_is_a_sixtieth_of_the_limit_within_bounds(minutes: int, seconds: int) -> None:
    policy = Policy(inactivity_duration=timedelta(minutes=minutes))
    assert resolution(policy) == timedelta(seconds=seconds)


def test_resolution_can_be_set(settings: Any) -> None:
    settings.SESSIONMGR_ACTIVITY_RESOLUTION = 2
    assert resolution(Policy()) == timedelta(seconds=2)


def test_a_stamp_never_moves_activity_back(signed_in: Client, clock: Clock) -> None:
    later = last_activity() + timedelta(minutes=10)
    UserSession.objects.update(last_activity_at=later)
    clock.advance(minutes=5)
    signed_in.get("/whoami/")
    assert last_activity() == later


def test_a_stamp_that_meets_an_end_changes_nothing(
    signed_in: Client, clock: Clock, monkeypatch: Any
) -> None:
    from sessionmgr import middleware

    before = last_activity()
    clock.advance(minutes=5)
    original = middleware.stamp

    def ended_first(*args: Any) -> None:
        UserSession.objects.all().end(EndReason.REVOKED_BY_ADMIN)
        original(*args)

    monkeypatch.setattr(middleware, "stamp", ended_first)
    signed_in.get("/whoami/")
    row = UserSession.objects.get()
    assert (row.state, row.last_activity_at) == (State.ENDED, before)


# --- headers


@BOTH
def test_server_timing_tells_the_clock(signed_in: Client, policy: PutInForce, page: str) -> None:
    policy(inactivity_enabled=True, version=7)
    tag = signed_in.get("/session/status/").json()["session_tag"]
    timing = signed_in.get(page)["Server-Timing"]
    assert timing == f'session;desc="i=1800;a=86400;w=1200;x=300;v=7;s={tag}"'


def test_server_timing_says_minus_one_for_no_limit(signed_in: Client, policy: PutInForce) -> None:
    policy()
    UserSession.objects.update(**leased())
    assert "i=-1;a=-1;" in signed_in.get("/whoami/")["Server-Timing"]


def test_server_timing_of_the_host_is_kept(signed_in: Client) -> None:
    assert signed_in.get("/timed/")["Server-Timing"].startswith("db;dur=5, session;desc=")


def test_server_timing_counts_from_the_activity_just_written(
    signed_in: Client, policy: PutInForce, clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    clock.advance(minutes=10)
    assert "i=1800;" in signed_in.get("/whoami/")["Server-Timing"]


@BOTH
def test_signed_in_html_is_not_stored(signed_in: Client, page: str) -> None:
    response = signed_in.get(page)
    assert {"no-store", "private"} <= set(response["Cache-Control"].split(", "))
    assert "Cookie" in response["Vary"]


def test_public_answers_tell_no_clock(signed_in: Client) -> None:
    response = signed_in.get("/public-page/")
    assert "Server-Timing" not in response
    assert "no-store" not in response["Cache-Control"]


def test_anonymous_pages_are_left_alone(client: Client, db: None) -> None:
    response = client.get("/whoami/")
    assert "Server-Timing" not in response
    assert "Cache-Control" not in response


# --- the right refusal


@BOTH_PROTECTED
def test_a_navigation_is_sent_to_the_page_that_says_why(ended: Client, page: str) -> None:
    response = ended.get(f"{page}?tab=2", headers={"Sec-Fetch-Mode": "navigate"})
    assert response.status_code == 302
    assert response["Location"] == (
        f"/session/signed-out/?reason=revoked_by_admin&next=%2F{page.strip('/')}%2F%3Ftab%3D2"
    )
    assert response.cookies["sessionid"].value == ""
    shown = ended.get(response["Location"])
    assert "signed out by an administrator" in shown.content.decode()


SCRIPTS = [
    pytest.param({"Sec-Fetch-Mode": "cors"}, id="fetch"),
    pytest.param({"X-Requested-With": "XMLHttpRequest"}, id="xhr"),
    pytest.param({"Accept": "application/json"}, id="json"),
    pytest.param({"HX-Request": "true", "Sec-Fetch-Mode": "cors"}, id="htmx"),
    pytest.param({"Accept": "text/event-stream"}, id="event-stream"),
]


@BOTH_PROTECTED
@pytest.mark.parametrize("headers", SCRIPTS)
def test_a_script_gets_401_and_a_body_that_says_why(
    ended: Client, page: str, headers: dict[str, str]
) -> None:
    response = ended.get(page, headers={**headers, "Referer": "http://testserver/inbox/?p=2"})
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == "session_ended"
    assert body["reason"] == "revoked_by_admin"
    assert body["status"] == 401
    assert body["sign_in_url"] == "/accounts/sign-in/?next=%2Finbox%2F%3Fp%3D2"
    assert "HX-Redirect" not in response
    assert "sessionid" not in response.cookies


@pytest.mark.parametrize("headers", SCRIPTS)
def test_a_script_that_was_never_signed_in_gets_401_too(
    client: Client, db: None, headers: dict[str, str]
) -> None:
    response = client.get("/protected/", headers=headers)
    assert response.status_code == 401
    assert response.json()["code"] == "sign_in_required"
    assert response.json()["reason"] is None


def test_an_event_stream_is_refused_by_401(ended: Client) -> None:
    assert ended.get("/events/", headers={"Accept": "text/event-stream"}).status_code == 401


def test_htmx_is_redirected_only_where_that_is_set(ended: Client, settings: Any) -> None:
    settings.SESSIONMGR_HTMX_REDIRECT = True
    response = ended.get("/protected/", headers={"HX-Request": "true"})
    assert response.status_code == 401
    assert response["HX-Redirect"].startswith("/session/signed-out/?reason=revoked_by_admin")


def test_a_navigation_that_was_never_signed_in_gets_the_hosts_own_answer(
    client: Client, db: None
) -> None:
    response = client.get("/protected/")
    assert response["Location"] == "/accounts/sign-in/?next=/protected/"


def test_a_posted_form_comes_back_to_the_page_that_sent_it(ended: Client) -> None:
    here = ended.post("/protected/", headers={"Referer": "http://testserver/form/?id=3"})
    assert here["Location"].endswith("next=%2Fform%2F%3Fid%3D3")


@pytest.mark.parametrize("referer", ["http://evil.example/form/", "http://testserver//evil/", ""])
def test_a_foreign_referer_is_not_followed(ended: Client, referer: str) -> None:
    there = ended.post("/protected/", headers={"Referer": referer})
    assert "next=" not in there["Location"]


def test_an_api_that_says_401_is_told_why(ended: Client) -> None:
    response = ended.get("/api/", headers={"Accept": "application/json"})
    assert response.json()["reason"] == "revoked_by_admin"


def test_an_api_that_says_401_to_strangers_keeps_its_answer(client: Client, db: None) -> None:
    response = client.get("/api/", headers={"Accept": "application/json"})
    assert response.content == b"no"


def test_a_right_that_is_missing_stays_403_for_who_is_signed_in(signed_in: Client) -> None:
    response = signed_in.get("/permitted/")
    assert response.status_code == 403
    assert "Server-Timing" in response


def test_403_without_a_session_in_use_looks_at_it_first(signed_in: Client) -> None:
    assert signed_in.get("/forbidden/").status_code == 403


@BOTH
def test_public_pages_stay_public_and_keep_the_reason_for_later(ended: Client, page: str) -> None:
    response = ended.get(page)
    assert response.content == b"<p>AnonymousUser</p>"
    assert "sessionid" not in response.cookies
    assert "reason=revoked_by_admin" in ended.get("/protected/")["Location"]


def test_writing_to_the_session_after_an_end_begins_an_anonymous_one(ended: Client) -> None:
    assert ended.get("/write/").content == b"AnonymousUser"
    assert ended.session["cart"] == ["tea"]
    assert not UserSession.objects.live().exists()


def test_signing_out_is_not_answered_by_why_one_is_signed_out(signed_in: Client) -> None:
    response = signed_in.post("/session/sign-out/")
    assert response["Location"] == "/session/signed-out/?reason=signed_out"
    assert response.cookies["sessionid"].value == ""
    assert not Session.objects.exists()


def test_a_session_that_ends_while_the_view_runs_shows_nothing_of_it(signed_in: Client) -> None:
    response = signed_in.get("/write-after-sign-out/")
    assert response.status_code == 302
    assert "reason=signed_out" in response["Location"]
    assert b"secret" not in response.content
    assert response.cookies["sessionid"].value == ""
    assert not Session.objects.exists()


def test_a_session_that_ends_before_its_key_changes_is_not_an_error(signed_in: Client) -> None:
    response = signed_in.get("/change-key-after-sign-out/", headers={"Accept": "application/json"})
    assert response.status_code == 401
    assert response.json()["reason"] == "signed_out"


def test_an_anonymous_session_that_is_gone_is_djangos_matter(client: Client, db: None) -> None:
    client.get("/write/")
    assert client.get("/write-after-sign-out/").status_code == 400


def test_without_our_urls_the_refusal_leads_to_the_sign_in_page(
    ended: Client, settings: Any, monkeypatch: Any
) -> None:
    from django.urls import NoReverseMatch

    from sessionmgr import answers

    def not_there(name: str, **kwargs: Any) -> str:
        raise NoReverseMatch(name)

    monkeypatch.setattr(answers, "reverse", not_there)
    assert ended.get("/protected/")["Location"] == "/accounts/sign-in/?next=%2Fprotected%2F"


# --- losing the database (I8)


def locked(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    raise OperationalError("database is locked")


def locked_for_writing(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    if sql.startswith("UPDATE"):
        raise OperationalError("database is locked")
    return execute(sql, params, many, context)


@BOTH_PROTECTED
def test_a_database_that_does_not_answer_is_503_and_never_signed_out(
    signed_in: Client, page: str
) -> None:
    with connection.execute_wrapper(locked):
        response = signed_in.get(page)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert "sessionid" not in response.cookies
    assert signed_in.get(page).status_code == 200


def test_a_script_is_told_503_as_json(signed_in: Client) -> None:
    with connection.execute_wrapper(locked):
        response = signed_in.get("/json/", headers={"Accept": "application/json"})
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == 503


@pytest.mark.django_db(transaction=True)
def test_a_session_that_cannot_be_saved_is_503(signed_in: Client) -> None:
    with connection.execute_wrapper(locked_for_writing):
        assert signed_in.get("/write/").status_code == 503
    assert signed_in.get("/whoami/").content == b"<p>alice</p>"


def test_a_stamp_that_is_lost_changes_no_answer(
    signed_in: Client, clock: Clock, caplog: Any
) -> None:
    clock.advance(minutes=5)
    with connection.execute_wrapper(locked_for_writing):
        assert signed_in.get("/whoami/").status_code == 200
    assert "could not be written down" in caplog.text


def test_a_refusal_that_cannot_look_at_the_session_is_503(signed_in: Client) -> None:
    signed_in.raise_request_exception = False  # The page for 403 shows who is signed in, too.
    with connection.execute_wrapper(locked):
        assert signed_in.get("/forbidden/").status_code == 503


def test_a_views_own_error_is_its_own(client: Client, db: None) -> None:
    client.raise_request_exception = False
    assert client.get("/broken/").status_code == 500


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (OperationalError("database is locked"), True),
        (OperationalError("no such column"), False),
        (DatabaseError("else"), False),
        (ValueError("else"), False),
    ],
)
def test_what_an_outage_is(db: None, error: Exception, outage: bool) -> None:
    from sessionmgr.middleware import is_outage

    assert is_outage(error) is outage


# --- ASGI


class TestAsync:
    """The same over the ASGI handler, where the middleware itself runs async."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @BOTH
    async def test_signed_in_page_and_stamp(
        self, async_client: AsyncClient, alice: User, clock: Clock, page: str
    ) -> None:
        await async_client.aforce_login(alice)
        before = (await UserSession.objects.aget()).last_activity_at
        response = await async_client.get(page)
        assert response.content == b"<p>alice</p>"
        assert "session;desc=" in response["Server-Timing"]
        clock.advance(minutes=5)
        await async_client.get(page)
        assert (await UserSession.objects.aget()).last_activity_at > before

    @BOTH_PROTECTED
    async def test_refusals(
        self, async_client: AsyncClient, alice: User, policy: PutInForce, clock: Clock, page: str
    ) -> None:
        policy(inactivity_enabled=True)
        await async_client.aforce_login(alice)
        clock.advance(hours=1)
        script = await async_client.get(page, headers={"Sec-Fetch-Mode": "cors"})
        assert script.status_code == 401
        assert script.json()["reason"] == "inactivity"
        navigation = await async_client.get(page)
        assert "reason=inactivity" in navigation["Location"]

    async def test_page_without_session_stays_untouched(
        self, async_client: AsyncClient, alice: User
    ) -> None:
        await async_client.aforce_login(alice)
        assert "Server-Timing" not in await async_client.get("/plain/")

    async def test_writing(self, async_client: AsyncClient, alice: User) -> None:
        await async_client.aforce_login(alice)
        response = await async_client.get("/write/")
        assert response.content == b"alice"
