"""The page where a sign-in popup lands."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.conftest import Clock

pytestmark = pytest.mark.django_db

RESUMED = "/session/resumed/"


def test_it_tells_the_tags_that_status_tells(client: Client, alice: User) -> None:
    client.force_login(alice)
    tags = client.get("/session/status/").json()
    response = client.get(RESUMED)
    page = response.content.decode()
    assert f'data-session="{tags["session_tag"]}" data-user="{tags["user_tag"]}"' in page
    assert "no-store" in response["Cache-Control"]


def test_its_script_is_external(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.get(RESUMED).content.decode()
    assert '<script type="module" src="/static/sessionmgr/session-timeout-resumed.js">' in page


def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client) -> None:
    response: Any = client.get(RESUMED)
    assert response.url == "/accounts/sign-in/?next=%2Fsession%2Fresumed%2F"


def test_who_is_no_longer_signed_in_is_told_why(client: Client, alice: User, clock: Clock) -> None:
    client.force_login(alice)
    clock.advance(days=2)
    response: Any = client.get(RESUMED)
    assert response.url.startswith("/session/signed-out/?reason=")


def test_it_is_only_read(client: Client, alice: User) -> None:
    client.force_login(alice)
    assert client.post(RESUMED).status_code == 405
