"""The script for pages outside our templates, and the element that it asks for."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr.core.policy import Policy
from sessionmgr.models import UserSession
from tests.conftest import Clock

pytestmark = pytest.mark.django_db

SCRIPT = "/session/client-context.js"
ALIAS = "/WebResources/ClientGlobalContext.js.aspx"
WIDGET = "/session/widget/"


@pytest.mark.parametrize("address", [SCRIPT, ALIAS])
def test_script_is_the_same_for_everybody_and_sets_nothing(
    client: Client, alice: User, bob: User, address: str
) -> None:
    answers = [client.get(address)]
    for user in (alice, bob):
        client.force_login(user)
        answers.append(client.get(address))
    assert len({answer.content for answer in answers}) == 1
    for answer in answers:
        assert answer["Content-Type"] == "text/javascript; charset=utf-8"
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "Server-Timing" not in answer
        assert "Cookie" not in answer.get("Vary", "")
        assert not answer.cookies


def test_script_is_asked_for_again_only_in_another_version(client: Client, settings: Any) -> None:
    first = client.get(SCRIPT)
    assert first["Cache-Control"] == "public, no-cache"
    again = client.get(SCRIPT, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304
    assert again.content == b""
    settings.STATIC_URL = "/static-of-the-next-version/"
    assert client.get(SCRIPT, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_script_is_no_activity_and_asks_no_database(
    client: Client, django_assert_num_queries: Callable[..., Any]
) -> None:
    with django_assert_num_queries(0):
        client.get(SCRIPT)


def test_element_is_that_of_the_template_tag(client: Client, alice: User) -> None:
    client.force_login(alice)
    answer = client.get(WIDGET)
    tags = client.get("/session/status/").json()
    assert f'<session-timeout data-user="{tags["user_tag"]}"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer


def test_element_is_not_for_who_is_not_signed_in(client: Client) -> None:
    answer = client.get(WIDGET)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not answer.cookies


def test_element_is_not_for_whose_session_has_ended(
    client: Client, alice: User, clock: Clock
) -> None:
    client.force_login(alice)
    clock.advance(days=2)
    assert client.get(WIDGET).status_code == 204


def test_asking_for_the_element_is_no_activity(
    client: Client, alice: User, clock: Clock, policy: Callable[..., Policy]
) -> None:
    policy(inactivity_enabled=True)
    client.force_login(alice)
    before = UserSession.objects.get().last_activity_at
    clock.advance(minutes=5)
    client.get(WIDGET, headers={"Sec-Fetch-Mode": "navigate"})
    assert UserSession.objects.get().last_activity_at == before
