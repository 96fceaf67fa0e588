"""System checks: what keeps the settings page from working or from having an effect.

Ids are listed in docs/reference/checks.md.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError
from django.urls import NoReverseMatch, reverse

from sessionmgr.conf import conf as engine_conf
from sessionmgr.core.policy import MINUTE
from settings_app.addresses import AddressBook
from settings_app.conf import conf

SOURCE = "settings_app.source.current_policy"
SCOPE_SOURCE = "settings_app.scopes.scope_of"
COOKIES = "sessionmgr.cookies.ScopedSessionMiddleware"

AppConfigs = Sequence[AppConfig] | None


def register_all() -> None:
    """Register the checks, once."""
    for check, tag in (
        (check_apps, Tags.compatibility),
        (check_settings, Tags.compatibility),
        (check_policy_source, Tags.compatibility),
        (check_pages, Tags.urls),
        (check_environments, Tags.database),
    ):
        register(check, tag)


def check_apps(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """The page stands in the admin and asks for permissions."""
    return [
        Error(
            f"settings_app needs {name}.",
            hint=f'Add "{name}" to INSTALLED_APPS.',
            id="sessionmgr_settings.E001",
        )
        for name in ("sessionmgr", "django.contrib.admin", "django.contrib.auth")
        if not apps.is_installed(name)
    ]


def check_settings(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Each setting has a value that can be worked with."""
    found: list[CheckMessage] = []
    if conf.SESSIONMGR_POLICY_REFRESH not in ("thread", "request"):
        message = f"SESSIONMGR_POLICY_REFRESH is {conf.SESSIONMGR_POLICY_REFRESH!r}."
        hint = 'It must be "thread" or "request".'
        found.append(Error(message, hint=hint, id="sessionmgr_settings.E002"))
    longest = conf.SESSIONMGR_SETTINGS_MAX_AUTH_AGE
    if longest is not None and not (isinstance(longest, timedelta) and longest >= MINUTE):
        message = f"SESSIONMGR_SETTINGS_MAX_AUTH_AGE is {longest!r}."
        hint = "It must be a timedelta of one minute or more, or None."
        found.append(Error(message, hint=hint, id="sessionmgr_settings.E004"))
    if not isinstance(conf.SESSIONMGR_RESTORE_DEFAULTS, bool):
        message = f"SESSIONMGR_RESTORE_DEFAULTS is {conf.SESSIONMGR_RESTORE_DEFAULTS!r}."
        hint = "It must be True or False."
        found.append(Error(message, hint=hint, id="sessionmgr_settings.E003"))
    elif conf.SESSIONMGR_RESTORE_DEFAULTS:
        message = "SESSIONMGR_RESTORE_DEFAULTS is on: the stored limits are not in force."
        hint = "Correct the settings, then remove it."
        found.append(Warning(message, hint=hint, id="sessionmgr_settings.W003"))
    return found


def check_policy_source(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """What is stored on the page is what is enforced."""
    if engine_conf.SESSIONMGR_POLICY_SOURCE == SOURCE:
        return []
    message = "The System Settings page has no effect: the limits come from somewhere else."
    hint = f'Set SESSIONMGR_POLICY_SOURCE = "{SOURCE}", or silence this check.'
    return [Warning(message, hint=hint, id="sessionmgr_settings.W001")]


def check_pages(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """The page can be reached."""
    try:
        reverse("system_settings:environments")
    except NoReverseMatch:
        message = "The System Settings page is not in the URL configuration."
        hint = (
            'Add path("admin/system-settings/", include("settings_app.urls")) to your '
            "urlpatterns, before the admin's own line."
        )
        return [Warning(message, hint=hint, id="sessionmgr_settings.W002")]
    return []


def check_environments(
    app_configs: AppConfigs, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Environments are told apart, and do not take each other's cookie.

    Looks at the stored ones, and so runs with the database checks: at ``migrate``, and at
    ``check --database default``.
    """
    from settings_app.models import database

    if database() not in (databases or ()):
        return []
    from settings_app import source

    try:
        held = source.read()
    except DatabaseError:
        return []  # Not migrated yet.
    if len(held.environments) < 2:
        return []
    return [*_unseen_addresses(), *_shared_cookies(held.addresses)]


def _unseen_addresses() -> Iterator[CheckMessage]:
    if engine_conf.SESSIONMGR_SCOPE_SOURCE != SCOPE_SOURCE:
        message = "There are several environments, and every request is taken for the same one."
        hint = f'Set SESSIONMGR_SCOPE_SOURCE = "{SCOPE_SOURCE}", or silence this check.'
        yield Warning(message, hint=hint, id="sessionmgr_settings.W004")


def _shared_cookies(addresses: AddressBook) -> Iterator[CheckMessage]:
    is_shared = bool(addresses.shared_hosts()) or settings.SESSION_COOKIE_DOMAIN is not None
    if is_shared and COOKIES not in settings.MIDDLEWARE:
        message = "Environments share a host and a session cookie: signing in to one takes the "
        hint = f'Put "{COOKIES}" in the place of SessionMiddleware in MIDDLEWARE.'
        yield Warning(message + "other's place.", hint=hint, id="sessionmgr_settings.W005")
