"""Environments, the settings of each, and the record of who changed what."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models, router
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.policy import Policy
from settings_app.clients import ClientClass as ClientClass
from settings_app.constraints import constraints
from settings_app.values import CUSTOM, DEFAULTS, PROVIDER, policy_of

version_validator = RegexValidator(
    r"\A[0-9]{1,5}(\.[0-9]{1,5}){1,3}\Z", _("Enter a version like 9.2.0.1.")
)


def database() -> str:
    """Return the alias of the settings' database: limits are never read from a replica."""
    return router.db_for_write(SystemSettings)


class Kind(models.TextChoices):
    """What people open: the application, or a portal with settings of its own (R13)."""

    APPLICATION = "application", _("application")
    PORTAL = "portal", _("portal")


class Environment(models.Model):
    """One scope with limits of its own (R7); its slug is the scope of its sign-ins."""

    slug = models.SlugField(_("short name"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=80)
    version = models.CharField(_("version"), max_length=23, validators=[version_validator])
    kind = models.CharField(_("kind"), max_length=11, choices=Kind, default=Kind.APPLICATION)

    class Meta:
        verbose_name = _("environment")
        verbose_name_plural = _("environments")
        ordering = ["name", "slug"]

    def __str__(self) -> str:
        return self.name


class SystemSettings(models.Model):
    """The General tab of one environment. A missing row means ``Policy()``.

    Written by ``saving.store`` alone; the database refuses what the page refuses.
    """

    environment = models.OneToOneField(
        Environment,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="system_settings",
        verbose_name=_("environment"),
    )
    session_timeout = models.CharField(
        max_length=7, choices=[(PROVIDER, PROVIDER), (CUSTOM, CUSTOM)], default=PROVIDER
    )
    max_session_length = models.PositiveSmallIntegerField(default=DEFAULTS["max_session_length"])
    session_warning = models.PositiveSmallIntegerField(default=DEFAULTS["session_warning"])
    inactivity_enabled = models.BooleanField(default=False)
    inactivity_duration = models.PositiveSmallIntegerField(default=DEFAULTS["inactivity_duration"])
    inactivity_warning = models.PositiveSmallIntegerField(default=DEFAULTS["inactivity_warning"])
    version = models.PositiveIntegerField(default=1)

    class Meta:
        verbose_name = _("system settings")
        verbose_name_plural = _("System Settings")
        default_permissions = ("view", "change")
        constraints = constraints()

    def __str__(self) -> str:
        return f"{self.environment_id}: version {self.version}"

    @property
    def policy(self) -> Policy:
        """The limits that this row stores."""
        return policy_of(vars(self), self.version)


class SettingsChange(models.Model):
    """One save: who, when, each field from → to, and why. Only ever added to."""

    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="changes",
        verbose_name=_("environment"),
    )
    version = models.PositiveIntegerField(_("version"))
    at = models.DateTimeField(_("changed at"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("user"),
    )
    changed_by = models.CharField(_("changed by"), max_length=254)
    changes = models.JSONField(_("changes"))
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("change of settings")
        verbose_name_plural = _("changes of settings")
        default_permissions = ()
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint(fields=["environment", "version"], name="settings_change_once")
        ]

    def __str__(self) -> str:
        return f"{self.environment_id}: version {self.version} by {self.changed_by}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the record; a record that is there is never written again."""
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refuse: the record of changes is only ever added to."""
        raise TypeError("Changes of settings are kept.")
