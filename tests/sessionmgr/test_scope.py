"""A session opens only in the scope that it began in, and goes on there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from pytest_django import DjangoAssertNumQueries

from sessionmgr.backends.db import SessionStore
from sessionmgr.core.reasons import EndReason
from sessionmgr.middleware import SessionEnforcementMiddleware
from sessionmgr.models import State, UserSession

pytestmark = pytest.mark.django_db

STATUS = "/session/status/"
PLAIN = "django.contrib.sessions.middleware.SessionMiddleware"
SCOPED = "sessionmgr.cookies.ScopedSessionMiddleware"


def by_header(request: HttpRequest) -> str:
    """Stand for a project's own way to tell its environments apart."""
    return request.headers.get("X-Scope", "main")


def look_early(get_response: Callable[[HttpRequest], HttpResponse]) -> Any:
    """Stand for a host's middleware that opens the session before ours has its turn."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.session.get("anything")
        str(request.user)
        return get_response(request)

    return middleware


@pytest.fixture(autouse=True)
def scopes(settings: Any) -> None:
    settings.SESSIONMGR_SCOPE_SOURCE = f"{__name__}.by_header"
    settings.ROOT_URLCONF = "tests.sessionmgr.urls"


@pytest.fixture(params=[SCOPED, PLAIN], ids=["scoped-cookie", "plain-cookie"])
def middleware(request: pytest.FixtureRequest, settings: Any) -> str:
    path: str = request.param
    settings.MIDDLEWARE = [path if name == SCOPED else name for name in settings.MIDDLEWARE]
    return path


def everywhere(client: Client) -> Client:
    """Put the session under each name that a cookie may have."""
    for name in ("sessionid", "sessionid_other"):
        client.cookies[name] = client.cookies["sessionid"].value
    return client


def test_session_loads_as_empty_elsewhere_and_goes_on_at_home(
    client: Client, alice: User, middleware: str
) -> None:
    client.force_login(alice)
    everywhere(client)
    elsewhere = client.get(STATUS, headers={"X-Scope": "other"})
    assert (elsewhere.status_code, elsewhere.json()["reason"]) == (401, "wrong_scope")
    assert client.get("/whoami/", headers={"X-Scope": "other"}).content == b"<p>AnonymousUser</p>"
    page = client.get("/protected/", headers={"X-Scope": "other"})
    assert "reason=wrong_scope" in page["Location"]
    assert not page.cookies
    assert client.get(STATUS).status_code == 200
    row = UserSession.objects.get()
    assert (row.state, row.scope) == (State.LIVE, "main")


def test_wrong_scope_costs_no_more_than_the_right_one(
    client: Client, alice: User, middleware: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(alice)
    everywhere(client)
    for headers in ({}, {"X-Scope": "other"}):
        with django_assert_num_queries(1):
            client.get(STATUS, headers=headers)


def test_own_end_is_told_before_the_wrong_scope(client: Client, alice: User) -> None:
    client.force_login(alice)
    UserSession.objects.all().end(EndReason.REVOKED_BY_ADMIN)
    everywhere(client)
    answer = client.get(STATUS, headers={"X-Scope": "other"})
    assert answer.json()["reason"] == "revoked_by_admin"


def test_sign_in_begins_in_the_scope_of_its_request(
    client: Client, alice: User, middleware: str
) -> None:
    form = {"username": "alice", "password": "alice-demo", "next": "/healthz/"}
    client.post("/accounts/sign-in/", form, headers={"X-Scope": "other"})
    row = UserSession.objects.get()
    assert row.scope == "other"
    names = {SCOPED: "sessionid_other", PLAIN: "sessionid"}
    assert [name for name in client.cookies if name != "csrftoken"] == [names[middleware]]
    assert client.get(STATUS, headers={"X-Scope": "other"}).status_code == 200


def test_session_loaded_without_a_request_is_in_no_scope(client: Client, alice: User) -> None:
    client.force_login(alice)
    store = SessionStore(client.session.session_key)
    assert store["_auth_user_id"] == str(alice.pk)


def test_session_that_was_opened_too_early_is_closed_again(
    client: Client, alice: User, settings: Any
) -> None:
    at = settings.MIDDLEWARE.index("sessionmgr.middleware.SessionEnforcementMiddleware")
    settings.MIDDLEWARE = [PLAIN if name == SCOPED else name for name in settings.MIDDLEWARE]
    settings.MIDDLEWARE.insert(at, f"{__name__}.look_early")
    client.force_login(alice)
    assert client.get("/whoami/").content == b"<p>alice</p>"
    assert client.get("/whoami/", headers={"X-Scope": "other"}).content == b"<p>AnonymousUser</p>"
    answer = client.get(STATUS, headers={"X-Scope": "other"})
    assert answer.json()["reason"] == "wrong_scope"
    assert client.get(STATUS).status_code == 200


@pytest.mark.django_db(transaction=True)
async def test_session_that_was_opened_too_early_is_closed_again_in_async(alice: User) -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(await request.auser()))

    client = AsyncClient()
    await client.aforce_login(alice)
    for scope, said in (("main", b"alice"), ("other", b"AnonymousUser")):
        request = HttpRequest()
        request.META = {"HTTP_X_SCOPE": scope}
        request.session = SessionStore(client.cookies["sessionid"].value)
        await request.session.aget("_auth_user_id")
        response = await SessionEnforcementMiddleware(answer)(request)  # type: ignore[misc]
        assert response.content == said
