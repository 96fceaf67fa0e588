"""System checks: what keeps the settings page from working or from having an effect.

Ids are listed in docs/reference/checks.md.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse

from sessionmgr.conf import conf as engine_conf
from settings_app.conf import conf

SOURCE = "settings_app.source.current_policy"

AppConfigs = Sequence[AppConfig] | None


def register_all() -> None:
    """Register the checks, once."""
    for check, tag in (
        (check_apps, Tags.compatibility),
        (check_settings, Tags.compatibility),
        (check_policy_source, Tags.compatibility),
        (check_pages, Tags.urls),
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
