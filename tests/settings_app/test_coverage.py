"""The Coverage tab: which pages do not warn, what to do, and a fresh start."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr.models import BarePage

pytestmark = pytest.mark.django_db

PAGE = "/admin/system-settings/main/coverage/"


@pytest.fixture
def bare_pages(db: None) -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    BarePage.objects.create(scope="main", route="wiki/<slug:page>/", sights=7, last_seen_at=at)
    BarePage.objects.create(scope="portal", route="of-another-environment/", last_seen_at=at)


def test_it_lists_the_pages_with_a_remedy(client: Client, auditor: User, bare_pages: None) -> None:
    client.force_login(auditor)
    page = client.get(PAGE).content.decode()
    assert "/wiki/&lt;slug:page&gt;/" in page
    assert "7 times" in page
    assert "{% load sessionmgr %}{% session_timeout %}" in page
    assert "of-another-environment" not in page
    assert "Begin the list anew" not in page


def test_it_is_a_tab_of_system_settings(client: Client, admin: User) -> None:
    client.force_login(admin)
    assert f'href="{PAGE}"' in client.get("/admin/system-settings/main/general/").content.decode()
    assert f'href="{PAGE}" aria-current="page"' in client.get(PAGE).content.decode()


def test_list_can_be_begun_anew(client: Client, admin: User, bare_pages: None) -> None:
    client.force_login(admin)
    assert "Begin the list anew" in client.get(PAGE).content.decode()
    client.post(PAGE)
    assert list(BarePage.objects.values_list("scope", flat=True)) == ["portal"]


def test_who_may_only_look_cannot_begin_anew(
    client: Client, auditor: User, bare_pages: None
) -> None:
    client.force_login(auditor)
    assert client.post(PAGE).status_code == 403
    assert BarePage.objects.count() == 2


def test_others_do_not_see_it(client: Client, alice: User) -> None:
    assert client.get(PAGE).status_code == 302
    client.force_login(alice)
    assert client.get(PAGE).status_code == 403


@pytest.mark.parametrize(
    ("is_on", "told"),
    [(True, "every page that was looked at warns"), (False, "SESSIONMGR_COVERAGE_REPORT")],
)
def test_empty_list_says_why(
    client: Client, admin: User, settings: Any, is_on: bool, told: str
) -> None:
    settings.SESSIONMGR_COVERAGE_REPORT = is_on
    client.force_login(admin)
    assert told in client.get(PAGE).content.decode()
