"""What the app listens to: the first migration, and changed settings in tests."""

from typing import Any

from django.apps import apps as global_apps
from django.core.signals import setting_changed
from django.db.models.signals import post_migrate

from sessionmgr.sources import DEFAULT_SCOPE
from settings_app.clients import SHIPPED


def connect(app_config: Any) -> None:
    """Connect each receiver, once."""
    post_migrate.connect(
        create_default_environment,
        sender=app_config,
        dispatch_uid="sessionmgr_settings.create_default_environment",
    )
    post_migrate.connect(
        create_shipped_kinds,
        sender=app_config,
        dispatch_uid="sessionmgr_settings.create_shipped_kinds",
    )
    setting_changed.connect(forget_policy, dispatch_uid="sessionmgr_settings.forget_policy")


def create_default_environment(using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """Make the environment ``main`` where there is none, as Django does for its sites.

    ``flush`` sends the signal too, and without ``apps``.
    """
    try:
        environments = apps.get_model("sessionmgr_settings", "Environment").objects.using(using)
    except LookupError:
        return  # Migrated back to nothing.
    if not environments.exists():
        environments.create(slug=DEFAULT_SCOPE, name="Main", version="9.2.0.1", kind="application")


def create_shipped_kinds(using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """Make the kinds of client of the source document where there are none; each is off."""
    try:
        kinds = apps.get_model("sessionmgr_settings", "ClientClass").objects.using(using)
    except LookupError:
        return  # Migrated back to before there were any.
    if not kinds.exists():
        kinds.bulk_create(
            kinds.model(
                slug=slug,
                name=name,
                from_session_length=is_exempt,
                from_inactivity=is_exempt,
                reason=reason,
            )
            for slug, name, is_exempt, reason in SHIPPED
        )


def forget_policy(setting: str, **kwargs: Any) -> None:
    """Ask anew once a setting of ours is another one."""
    from settings_app import source

    if setting.startswith("SESSIONMGR_"):
        source.invalidate()
