"""The reference project's pages: who sees what, and that each is sound."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr.core.policy import MINUTE, Policy
from tests.conftest import Clock

FOR_EVERYBODY = ["/", "/public/", "/accounts/sign-in/", "/session/signed-out/"]
SIGNED_IN = ["/demo/form/", "/demo/polling/", "/about/"]


@pytest.fixture
def idle_policy(policy: Callable[..., Policy]) -> Policy:
    return policy(
        inactivity_enabled=True, inactivity_duration=30 * MINUTE, inactivity_warning=5 * MINUTE
    )


@pytest.mark.django_db
@pytest.mark.parametrize("path", FOR_EVERYBODY)
def test_page_is_open_to_everybody_and_without_inline_code(client: Client, path: str) -> None:
    response = client.get(path)
    page = response.content.decode()
    assert response.status_code == 200
    assert "<title>" in page
    assert "style=" not in page
    assert "<style" not in page
    assert "<script>" not in page
    assert "site/site.css" in page


@pytest.mark.django_db
@pytest.mark.parametrize("path", SIGNED_IN)
def test_page_asks_strangers_to_sign_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/sign-in/?next={path}"


@pytest.mark.parametrize("path", [*FOR_EVERYBODY[:2], *SIGNED_IN])
def test_signed_in_page_carries_the_warning_and_a_way_out(
    client: Client, alice: User, path: str
) -> None:
    client.force_login(alice)
    response = client.get(path)
    assert response.status_code == 200
    assert "<session-timeout" in response.content.decode()
    assert 'action="/session/sign-out/"' in response.content.decode()


def test_home_says_who_until_when_and_why(
    client: Client, alice: User, idle_policy: Policy
) -> None:
    client.force_login(alice)
    page = client.get("/").content.decode()
    assert "Hello, alice" in page
    assert "if you do nothing" in page
    assert "comes first" in page


def test_home_says_that_nothing_moves_the_session_length(
    client: Client, alice: User, policy: Callable[..., Policy]
) -> None:
    policy(custom_length=True, max_session_length=60 * MINUTE, session_warning=MINUTE)
    client.force_login(alice)
    assert "whatever you do" in client.get("/").content.decode()


def test_form_shows_what_was_sent(client: Client, alice: User) -> None:
    client.force_login(alice)
    sent = {"customer": "Ada <b>", "purpose": "sales", "findings": "line one"}
    page = client.post("/demo/form/", sent).content.decode()
    assert "Ada &lt;b&gt;" in page
    assert "Write another one" in page


def test_form_keeps_what_was_typed_where_something_is_missing(client: Client, alice: User) -> None:
    client.force_login(alice)
    page = client.post("/demo/form/", {"findings": "a long story"}).content.decode()
    assert "a long story" in page
    assert "errorlist" in page


def test_polling_keeps_nobody_signed_in(
    client: Client, alice: User, idle_policy: Policy, clock: Clock
) -> None:
    client.force_login(alice)
    client.get("/demo/polling/")
    clock.advance(minutes=20)
    assert client.get("/demo/polling/news/").json()["idle_seconds"] <= 10 * 60
    clock.advance(minutes=10)
    ended = client.get("/demo/polling/news/", headers={"Sec-Fetch-Mode": "cors"})
    assert ended.status_code == 401
    assert ended.json()["reason"] == "inactivity"


def test_public_page_stays_open_after_the_end(
    client: Client, alice: User, idle_policy: Policy, clock: Clock
) -> None:
    client.force_login(alice)
    clock.advance(minutes=30)
    response = client.get("/public/")
    assert response.status_code == 200
    assert "You are not signed in" in response.content.decode()


def test_settings_link_is_for_the_staff_only(client: Client, alice: User, admin: User) -> None:
    client.force_login(alice)
    assert "/admin/system-settings/" not in client.get("/").content.decode()
    client.force_login(admin)
    assert "/admin/system-settings/" in client.get("/").content.decode()


@pytest.mark.django_db
def test_error_pages_are_in_the_projects_look(client: Client, alice: User) -> None:
    client.force_login(alice)
    missing = client.get("/nowhere/")
    assert missing.status_code == 404
    assert "There is no such page" in missing.content.decode()
    refused = client.get("/admin/system-settings/main/general/")
    assert refused.status_code in (302, 403)


@pytest.mark.django_db
def test_pages_are_mirrored_for_right_to_left(client: Client) -> None:
    page = client.get("/", headers={"Accept-Language": "ar"}).content.decode()
    assert '<html lang="ar" dir="rtl">' in page
