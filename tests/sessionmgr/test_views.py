"""The endpoints of contract §3, by what a client sees."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from sessionmgr import clock as seam
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason
from sessionmgr.models import State, UserSession
from sessionmgr.signals import session_extended
from sessionmgr.words import TOLD
from tests.conftest import Clock
from tests.sessionmgr.test_engine import refuse

pytestmark = pytest.mark.django_db

STATUS = "/session/status/"
TOUCH = "/session/touch/"
PutInForce = Callable[..., Policy]


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def strict(alice: User) -> Client:
    """A browser that has its CSRF cookie, against a server that asks for the token."""
    client = Client(enforce_csrf_checks=True)
    client.get("/accounts/sign-in/")
    client.force_login(alice)
    client.get("/accounts/sign-in/")
    return client


def last_activity() -> Any:
    return UserSession.objects.get().last_activity_at


# --- status


def test_status_says_how_the_session_stands(signed_in: Client, policy: PutInForce) -> None:
    policy(inactivity_enabled=True, version=7)
    body = signed_in.get(STATUS).json()
    tags = {name: body.pop(name) for name in ("session_tag", "user_tag", "csrf_token")}
    assert body == {
        "state": "live",
        "session_seconds": 86400,
        "idle_seconds": 1800,
        "warn_session_seconds": 1200,
        "warn_idle_seconds": 300,
        "ends_by": "inactivity",
        "policy_version": 7,
    }
    assert tags["session_tag"] != tags["user_tag"]
    assert signed_in.session.session_key not in tags.values()


def test_status_says_null_for_no_limit(signed_in: Client, policy: PutInForce) -> None:
    policy()
    body = signed_in.get(STATUS).json()
    assert body["idle_seconds"] is None
    assert body["ends_by"] == "session"


def test_status_is_passive_and_sets_no_cookie(signed_in: Client, clock: Clock) -> None:
    before = last_activity()
    clock.advance(minutes=5)
    response = signed_in.get(STATUS, headers={"Sec-Fetch-Mode": "navigate"})
    assert last_activity() == before
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]


def test_status_gives_a_csrf_token_that_works(strict: Client) -> None:
    token = strict.get(STATUS).json()["csrf_token"]
    assert strict.post(TOUCH, {"kind": "explicit"}).status_code == 403
    assert strict.post(TOUCH, {"kind": "explicit"}, headers={"X-CSRFToken": token}).json()


def test_status_of_nobody(client: Client) -> None:
    response = client.get(STATUS)
    assert response.status_code == 401
    assert response.json()["code"] == "sign_in_required"
    assert not response.cookies


def test_status_of_an_ended_session_keeps_telling_why(
    signed_in: Client, policy: PutInForce, clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    clock.advance(minutes=30)
    for _time in range(2):
        response = signed_in.get(STATUS)
        assert response.status_code == 401
        assert not response.cookies
        body = response.json()
        assert (body["code"], body["reason"]) == ("session_ended", "inactivity")
        assert body["sign_in_url"] == "/accounts/sign-in/"


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_status_takes_no_other_method(signed_in: Client, method: str) -> None:
    assert getattr(signed_in, method)(STATUS).status_code == 405


# --- touch


def test_touch_moves_the_deadline(signed_in: Client, policy: PutInForce, clock: Clock) -> None:
    policy(inactivity_enabled=True)
    clock.advance(minutes=20)
    assert signed_in.get(STATUS).json()["idle_seconds"] <= 600
    assert signed_in.post(TOUCH, {"kind": "explicit"}).json()["idle_seconds"] == 1800
    assert signed_in.get(STATUS).json()["idle_seconds"] == 1800


def test_touch_never_moves_the_session_length(
    signed_in: Client, policy: PutInForce, clock: Clock
) -> None:
    policy(custom_length=True, max_session_length=timedelta(hours=1))
    clock.advance(minutes=20)
    assert signed_in.post(TOUCH, {"kind": "explicit"}).json()["session_seconds"] <= 2400


def test_a_claim_can_only_make_the_user_look_older(signed_in: Client, clock: Clock) -> None:
    before = last_activity()
    clock.advance(minutes=20)
    signed_in.post(TOUCH, {"kind": "activity", "age": "600"})
    assert timedelta(minutes=9) < last_activity() - before < timedelta(minutes=11)
    moved = last_activity()
    signed_in.post(TOUCH, {"kind": "activity", "age": "999999999"})
    assert last_activity() == moved
    assert moved <= seam.now("default")


def test_a_touch_with_an_age_is_not_stamped_as_a_request_of_now(
    signed_in: Client, clock: Clock
) -> None:
    clock.advance(minutes=20)
    signed_in.post(TOUCH, {"kind": "activity", "age": "1200000"})
    assert last_activity() < seam.now("default") - timedelta(minutes=19)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"kind": "other"}, id="kind"),
        pytest.param({"kind": "activity", "age": "-1"}, id="negative"),
        pytest.param({"kind": "activity", "age": "1.5"}, id="fraction"),
        pytest.param({"kind": "activity", "age": "٦٠"}, id="arabic-indic"),
        pytest.param({"kind": "activity", "age": "9" * 5000}, id="huge"),
        pytest.param({"kind": "activity", "age": "\0"}, id="nul"),
        pytest.param({"kind": "activity", "age": ""}, id="empty"),
    ],
)
def test_a_touch_that_cannot_be_read_is_refused_and_changes_nothing(
    signed_in: Client, clock: Clock, values: dict[str, str]
) -> None:
    before = last_activity()
    clock.advance(minutes=5)
    response = signed_in.post(TOUCH, values)
    assert response.status_code == 400
    assert response.json()["field"] in ("kind", "age")
    assert last_activity() == before


def test_touch_never_revives(signed_in: Client, policy: PutInForce, clock: Clock) -> None:
    policy(inactivity_enabled=True)
    clock.advance(minutes=30)
    response = signed_in.post(TOUCH, {"kind": "explicit"})
    assert response.status_code == 401
    assert response.json()["reason"] == "inactivity"
    assert UserSession.objects.get().state == State.ENDED


def test_touch_that_meets_an_end_is_refused(
    signed_in: Client, clock: Clock, monkeypatch: Any
) -> None:
    from sessionmgr import views

    clock.advance(minutes=5)
    original = views._touched

    def ended_first(*args: Any) -> Any:
        UserSession.objects.all().end(EndReason.REVOKED_BY_ADMIN)
        return original(*args)

    monkeypatch.setattr(views, "_touched", ended_first)
    response = signed_in.post(TOUCH, {"kind": "explicit"})
    assert response.status_code == 401
    assert response.json()["reason"] == "revoked_by_admin"


def test_touch_that_meets_a_later_one_tells_the_later_deadline(
    signed_in: Client, policy: PutInForce, clock: Clock, monkeypatch: Any
) -> None:
    from sessionmgr import views

    policy(inactivity_enabled=True)
    clock.advance(minutes=5)
    original = views._touched

    def later_first(request: Any, judged: Any, at: Any) -> Any:
        UserSession.objects.update(last_activity_at=at + timedelta(seconds=1))
        return original(request, judged, at)

    monkeypatch.setattr(views, "_touched", later_first)
    assert signed_in.post(TOUCH, {"age": "60"}).json()["idle_seconds"] >= 1740


def test_touch_of_nobody_and_by_get(client: Client) -> None:
    assert client.post(TOUCH).status_code == 401
    assert client.get(TOUCH).status_code == 405


def test_only_an_explicit_touch_is_announced(signed_in: Client) -> None:
    heard: list[Any] = []

    def extended(**told: Any) -> None:
        heard.append(told["session_id"])

    session_extended.connect(extended)
    try:
        signed_in.post(TOUCH, {"kind": "activity"})
        assert heard == []
        signed_in.post(TOUCH, {"kind": "explicit"})
    finally:
        session_extended.disconnect(extended)
    assert heard == [UserSession.objects.get().pk]


# --- sign-out and the pages around it


def test_sign_out_by_get_does_nothing(signed_in: Client) -> None:
    assert signed_in.get("/session/sign-out/").status_code == 405
    assert signed_in.get(STATUS).status_code == 200


def test_sign_out_needs_the_csrf_token(strict: Client) -> None:
    assert strict.post("/session/sign-out/").status_code == 403
    assert strict.get(STATUS).status_code == 200


def test_sign_out_ends_the_session_and_clears_the_cache(signed_in: Client) -> None:
    response = signed_in.post("/session/sign-out/", {"next": "/healthz/"})
    assert response["Location"] == "/session/signed-out/?reason=signed_out&next=%2Fhealthz%2F"
    assert response["Clear-Site-Data"] == '"cache"'
    assert UserSession.objects.get().ended_reason == EndReason.SIGNED_OUT
    assert signed_in.get(STATUS).status_code == 401


FOREIGN = [
    "http://evil.example/",
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "http:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    " //evil.example",
    "\t//evil.example",
    "//evil.example\\@testserver/",
    "https:testserver@evil.example",
    ".evil.example",
    "evil.example",
    "/\n/evil.example",
    "\x00/evil",
]


@pytest.mark.parametrize("target", FOREIGN)
def test_next_never_leads_away(signed_in: Client, target: str) -> None:
    shown = Client().get("/session/signed-out/", {"next": target})
    assert 'href="/accounts/sign-in/"' in shown.content.decode()
    location = signed_in.post("/session/sign-out/", {"next": target})["Location"]
    assert location == "/session/signed-out/?reason=signed_out"


@pytest.mark.parametrize("target", FOREIGN)
def test_sign_in_never_leads_away(client: Client, alice: User, target: str, settings: Any) -> None:
    settings.LOGIN_REDIRECT_URL = "/healthz/"
    posted = {"username": "alice", "password": "alice-demo", "next": target}
    assert client.post("/accounts/sign-in/", posted)["Location"] == "/healthz/"


@pytest.mark.parametrize("reason", list(EndReason))
def test_signed_out_page_says_why_in_plain_words(client: Client, reason: EndReason) -> None:
    page = client.get("/session/signed-out/", {"reason": reason, "next": "/a/?b=1"})
    assert page.status_code == 200
    assert str(TOLD[reason]) in page.content.decode()
    assert 'href="/accounts/sign-in/?next=%2Fa%2F%3Fb%3D1"' in page.content.decode()


def test_signed_out_page_repeats_nothing_it_does_not_know(client: Client) -> None:
    page = client.get("/session/signed-out/", {"reason": "<script>alert(1)</script>"})
    assert "alert" not in page.content.decode()
    assert page.status_code == 200


def test_sign_in_page_refuses_wrong_credentials_in_place(client: Client, alice: User) -> None:
    page = client.post("/accounts/sign-in/", {"username": "alice", "password": "wrong"})
    assert page.status_code == 200
    assert "alice" in page.content.decode()
    assert not UserSession.objects.exists()


# --- health


def test_healthz_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz/").status_code == 200


def test_readyz_tells_whether_the_database_answers(client: Client) -> None:
    assert client.get("/readyz/").status_code == 200
    with connection.execute_wrapper(refuse):
        response = client.get("/readyz/")
    assert response.status_code == 503
    assert response["Retry-After"]
