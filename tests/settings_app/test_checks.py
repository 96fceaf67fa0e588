"""Each wrong or missing setting is told by a check with a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import OperationalError
from django.test import Client
from django.urls import clear_url_caches

from settings_app import source
from settings_app.models import Address, Environment

# Since 6.0 some of Django's own checks ask the database what it can do.
pytestmark = pytest.mark.django_db


def found() -> dict[str, str]:
    """Return our messages' hints by id."""
    return {
        str(message.id): str(message.hint)
        for message in run_checks()
        if str(message.id).startswith("sessionmgr_settings.")
    }


def test_reference_project_has_nothing_to_say() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("name", "value", "check_id"),
    [
        ("SESSIONMGR_POLICY_REFRESH", "never", "sessionmgr_settings.E002"),
        ("SESSIONMGR_RESTORE_DEFAULTS", "yes", "sessionmgr_settings.E003"),
        ("SESSIONMGR_SETTINGS_MAX_AUTH_AGE", 3600, "sessionmgr_settings.E004"),
        ("SESSIONMGR_RESTORE_DEFAULTS", True, "sessionmgr_settings.W003"),
        (
            "SESSIONMGR_POLICY_SOURCE",
            "sessionmgr.sources.fixed_policy",
            "sessionmgr_settings.W001",
        ),
    ],
)
def test_setting_is_told_with_its_remedy(
    settings: Any, name: str, value: Any, check_id: str
) -> None:
    setattr(settings, name, value)
    assert list(found()) == [check_id]
    assert found()[check_id]


def test_missing_admin_is_told(settings: Any) -> None:
    from settings_app.checks import check_apps

    settings.INSTALLED_APPS = [
        app for app in settings.INSTALLED_APPS if app != "django.contrib.admin"
    ]
    (message,) = check_apps(None)
    assert message.id == "sessionmgr_settings.E001"
    assert "django.contrib.admin" in str(message.hint)


urlpatterns: list[Any] = []


@pytest.mark.urls(__name__)
def test_missing_urls_are_told() -> None:
    assert "sessionmgr_settings.W002" in found()


def test_admin_hides_the_link_where_the_page_is_not_mounted(
    admin_page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from settings_app import admin

    monkeypatch.setattr(admin, "is_mounted", lambda name: False)
    assert "systemsettings" not in admin_page.get("/admin/").content.decode()
    clear_url_caches()


def told_of_environments() -> list[str]:
    """Return what the database checks say, as ``migrate`` runs them."""
    return [
        str(message.id)
        for message in run_checks(databases=["default"])
        if str(message.id).startswith("sessionmgr_settings.")
    ]


@pytest.fixture
def two_hosts(environment: Environment) -> Environment:
    made = Environment.objects.create(slug="other", name="Other", version="1.0")
    Address.objects.create(environment=made, host="other.localhost")
    return made


def without_cookies(settings: Any) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware" if "cookies" in path else path
        for path in settings.MIDDLEWARE
    ]


def test_single_environment_is_told_nothing(environment: Environment, settings: Any) -> None:
    without_cookies(settings)
    settings.SESSIONMGR_SCOPE_SOURCE = "sessionmgr.sources.single_scope"
    assert told_of_environments() == []


def test_environments_that_no_request_is_for_are_told(
    two_hosts: Environment, settings: Any
) -> None:
    assert told_of_environments() == []
    settings.SESSIONMGR_SCOPE_SOURCE = "sessionmgr.sources.single_scope"
    assert told_of_environments() == ["sessionmgr_settings.W004"]
    assert found() == {}


def test_environments_that_share_a_cookie_are_told(two_hosts: Environment, settings: Any) -> None:
    without_cookies(settings)
    assert told_of_environments() == []
    settings.SESSION_COOKIE_DOMAIN = ".localhost"
    assert told_of_environments() == ["sessionmgr_settings.W005"]
    settings.SESSION_COOKIE_DOMAIN = None
    Address.objects.create(environment=two_hosts, prefix="/other/")
    assert told_of_environments() == ["sessionmgr_settings.W005"]


def test_database_without_tables_is_not_the_checks_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> source.Held:
        raise OperationalError("no such table")

    monkeypatch.setattr(source, "read", missing)
    assert told_of_environments() == []
