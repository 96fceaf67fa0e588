"""Environments below a path: found, answered as if mounted there, and linked to from there."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import AsyncClient, Client
from django.urls import reverse

from settings_app import source
from settings_app.models import Address, Environment

pytestmark = pytest.mark.django_db


@pytest.fixture
def below(environment: Environment) -> Environment:
    made = Environment.objects.create(slug="below", name="Below", version="9.2.0.1")
    Address.objects.create(environment=made, prefix="/below/")
    source.invalidate()
    return made


def test_pages_and_links_live_below_the_path(client: Client, below: Environment) -> None:
    page = client.get("/below/")
    assert page.status_code == 200
    assert "/below/accounts/sign-in/" in page.content.decode()
    assert client.get("/below/about/")["Location"] == (
        "/below/accounts/sign-in/?next=/below/about/"
    )
    assert reverse("about") == "/about/"
    assert "/below/" not in client.get("/").content.decode()


def test_path_without_its_last_slash_is_completed(client: Client, below: Environment) -> None:
    response = client.get("/below")
    assert (response.status_code, response["Location"]) == (301, "/below/")


def test_unknown_page_below_the_path_is_not_found(client: Client, below: Environment) -> None:
    assert client.get("/below/no-such-page/").status_code == 404
    assert client.get("/belowish/").status_code == 404


def test_server_that_mounts_the_project_itself_is_left_alone(
    client: Client, below: Environment
) -> None:
    response = client.get("/about/", SCRIPT_NAME="/below")
    assert response.request["SCRIPT_NAME"] == "/below"
    assert response["Location"] == "/below/accounts/sign-in/?next=/below/about/"


@pytest.mark.django_db(transaction=True)
async def test_async_pages_live_below_the_path_too(below: Environment) -> None:
    client = AsyncClient()
    for _time in ("asked in a thread", "held"):
        response: Any = await client.get("/below/about/")
        assert response["Location"] == "/below/accounts/sign-in/?next=/below/about/"
