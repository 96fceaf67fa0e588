"""Views that need credentials given lately: nothing runs without, and nothing typed is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import include, path

from sessionmgr.models import UserSession
from sessionmgr.recent import recent_authentication_required
from tests.conftest import Clock

ran: list[str] = []


@recent_authentication_required(timedelta(minutes=10))
def transfer(request: HttpRequest) -> HttpResponse:
    ran.append(request.POST.get("amount", ""))
    return HttpResponse("done")


@recent_authentication_required(600)
async def atransfer(request: HttpRequest) -> HttpResponse:
    ran.append(request.POST.get("amount", ""))
    return HttpResponse("done")


urlpatterns = [
    path("transfer/", transfer),
    path("atransfer/", atransfer),
    path("", include("tests.sessionmgr.urls")),
]

OWN_FORM = {
    "HTTP_ORIGIN": "http://testserver",
    "HTTP_SEC_FETCH_SITE": "same-origin",
    "HTTP_SEC_FETCH_MODE": "navigate",
}


@pytest.fixture(autouse=True)
def own_urls() -> Any:
    ran.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


@pytest.mark.parametrize("page", ["/transfer/", "/atransfer/"])
def test_lately_is_less_than_the_span_ago(signed_in: Client, clock: Clock, page: str) -> None:
    clock.advance(minutes=9, seconds=58)
    assert signed_in.post(page).status_code == 200
    clock.advance(seconds=2)
    answer = signed_in.get(page)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/sign-in/?next=")
    assert "reauth=1" in answer["Location"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", ["/transfer/", "/atransfer/"])
async def test_the_async_way_is_the_same(alice: User, clock: Clock, page: str) -> None:
    client = AsyncClient()
    await client.aforce_login(alice)
    assert (await client.get(page)).status_code == 200
    clock.advance(minutes=10)
    assert (await client.get(page)).status_code == 302


def test_who_is_not_signed_in_signs_in(client: Client, db: None) -> None:
    assert client.get("/transfer/")["Location"] == "/accounts/sign-in/?next=/transfer/"


def test_a_script_is_told_by_rfc_9470(signed_in: Client, clock: Clock) -> None:
    clock.advance(minutes=10)
    answer = signed_in.post("/transfer/", HTTP_ACCEPT="application/json")
    assert answer.status_code == 401
    assert answer.json()["code"] == "reauthentication_required"
    assert 'error="insufficient_user_authentication"' in answer["WWW-Authenticate"]
    assert "max_age=600" in answer["WWW-Authenticate"]


def test_htmx_may_be_led_there(signed_in: Client, clock: Clock, settings: Any) -> None:
    settings.SESSIONMGR_HTMX_REDIRECT = True
    clock.advance(minutes=10)
    answer = signed_in.post("/transfer/", HTTP_HX_REQUEST="true")
    assert "reauth=1" in answer["HX-Redirect"]


def test_what_was_typed_is_sent_after_signing_in_again(
    signed_in: Client, clock: Clock, alice: User
) -> None:
    clock.advance(minutes=10)
    page = signed_in.post("/transfer/", {"amount": "7"}, **OWN_FORM)["Location"]
    assert ran == []
    assert "Confirm that it is you" in signed_in.get(page).content.decode()
    before = UserSession.objects.get()
    answer = signed_in.post(
        "/accounts/sign-in/",
        {
            "username": "alice",
            "password": "alice-demo",
            "reauth": "1",
            "next": page.split("next=")[1].split("&")[0].replace("%2F", "/"),
        },
    )
    held = answer["Location"]
    assert held.startswith("/session/held/")
    form = signed_in.get(held)
    assert 'value="7"' in form.content.decode()
    sent = signed_in.post(
        "/transfer/", {"amount": "7", "sessionmgr_held": held.split("/")[-2]}, **OWN_FORM
    )
    assert sent.content == b"done"
    assert ran == ["7"]
    after = UserSession.objects.get()
    assert after.authenticated_at > before.authenticated_at
    assert after.session_id != before.session_id


def test_somebody_elses_password_confirms_nothing(
    signed_in: Client, clock: Clock, bob: User
) -> None:
    clock.advance(minutes=10)
    answer = signed_in.post(
        "/accounts/sign-in/", {"username": "bob", "password": "bob-demo", "reauth": "1"}
    )
    assert "or sign out first" in answer.content.decode()
    assert signed_in.get("/whoami/").content == b"<p>alice</p>"


@pytest.mark.parametrize("span", [None, "600", 1.5, True])
def test_a_span_of_no_kind_is_told_at_once(span: Any) -> None:
    with pytest.raises(TypeError, match="recent_authentication_required"):
        recent_authentication_required(span)


@pytest.mark.parametrize("span", [0, -5, timedelta()])
def test_a_span_of_no_time_is_told_at_once(span: Any) -> None:
    with pytest.raises(ValueError, match="one second or more"):
        recent_authentication_required(span)
