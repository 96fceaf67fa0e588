"""What the app listens to: the first migration, and changed settings in tests."""

from typing import Any

from django.apps import apps as global_apps
from django.core.signals import setting_changed
from django.db import transaction
from django.db.models import ProtectedError
from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete

from sessionmgr.sources import DEFAULT_SCOPE
from settings_app.clients import SHIPPED


def connect(app_config: Any) -> None:
    """Connect each receiver, once."""
    post_migrate.connect(
        create_default_environment,
        sender=app_config,
        dispatch_uid="sessionmgr_settings.create_default_environment",
    )
    for name in ("Environment", "Address"):
        model = app_config.get_model(name)
        for signal in (post_save, post_delete):
            signal.connect(forget_held, sender=model, dispatch_uid=f"sessionmgr_settings.{name}")
    pre_delete.connect(
        refuse_deletion,
        sender=app_config.get_model("Environment"),
        dispatch_uid="sessionmgr_settings.refuse_deletion",
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
        main = {"slug": DEFAULT_SCOPE, "name": "Main", "version": "9.2.0.1"}
        has_default = any(field.name == "is_default" for field in environments.model._meta.fields)
        environments.create(**main, **({"is_default": True} if has_default else {}))


def forget_held(using: str, **kwargs: Any) -> None:
    """Have a changed environment or address seen at once here, within a second elsewhere."""
    from settings_app import source

    transaction.on_commit(source.invalidate, using=using)


def refuse_deletion(instance: Any, **kwargs: Any) -> None:
    """Keep an environment that is needed, whoever wants it gone."""
    from settings_app.environments import why_kept

    if reasons := why_kept(instance):
        raise ProtectedError(" ".join(reasons), {instance})


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
