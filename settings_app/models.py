"""Environments, the settings of each, and the record of who changed what."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.policy import MINUTE, Policy
from sessionmgr.core.policy import GroupLimits as Limits
from settings_app.addresses import (
    HOST,
    MALFORMED_HOST,
    MALFORMED_PREFIX,
    MALFORMED_VERSION,
    PREFIX,
    VERSION,
    host_validator,
    prefix_validator,
    version_validator,
)
from settings_app.clients import ClientClass as ClientClass
from settings_app.constraints import constraints, group_constraints
from settings_app.tickets import AdminCenterVisit as AdminCenterVisit
from settings_app.tickets import LaunchTicket as LaunchTicket
from settings_app.values import CUSTOM, DEFAULTS, PROVIDER, policy_of


def database() -> str:
    """Return the alias of the settings' database: limits are never read from a replica."""
    return router.db_for_write(SystemSettings)


class Kind(models.TextChoices):
    """What people open: the application, or a portal with settings of its own (R13)."""

    APPLICATION = "application", _("application")
    PORTAL = "portal", _("portal")


class Environment(models.Model):
    """One scope with limits of its own (R7); its slug is the scope of its sign-ins.

    Just one is the default, which answers wherever no address leads elsewhere.
    """

    slug = models.SlugField(_("short name"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=80)
    version = models.CharField(_("version"), max_length=23, validators=[version_validator])
    kind = models.CharField(_("kind"), max_length=11, choices=Kind, default=Kind.APPLICATION)
    is_default = models.BooleanField(
        _("default"),
        default=False,
        help_text=_("Answers wherever no address leads to another environment."),
    )
    client_id = models.CharField(
        _("client id"),
        max_length=200,
        blank=True,
        help_text=_("At the identity provider, if it is not the site's own."),
    )

    class Meta:
        verbose_name = _("environment")
        verbose_name_plural = _("environments")
        ordering = ["name", "slug"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=Q(is_default=True),
                name="environment_one_default",
                violation_error_message=_("There is a default environment already."),
            ),
            models.CheckConstraint(
                name="environment_version_form",
                condition=Q(version__regex=VERSION),
                violation_error_message=MALFORMED_VERSION,
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse a second default, an end of the only one, and another short name."""
        others = Environment.objects.using(database()).exclude(pk=self.pk)
        default = others.filter(is_default=True).first()
        stored = Environment.objects.using(database()).filter(pk=self.pk).first()
        problems = {}
        if self.is_default and default is not None:
            problems["is_default"] = gettext(
                "“%(name)s” is the default. In the list, choose another one and “Make this the "
                "default”."
            ) % {"name": default.name}
        if not self.is_default and stored is not None and stored.is_default:
            problems["is_default"] = gettext(
                "There must be a default. In the list, choose another one and “Make this the "
                "default”."
            )
        if stored is not None and stored.slug != self.slug:
            problems["slug"] = gettext(
                "The short name cannot be changed: sign-ins and their history are kept under it."
            )
        if problems:
            raise ValidationError(problems)


class Instance(Environment):
    """An environment as the Admin Center shows it; here for its place in the admin."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("instance")
        verbose_name_plural = _("Instances")


class About(Environment):
    """What the About page tells of an environment; here for its place in the admin (R5)."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("About")
        verbose_name_plural = _("About")


class Address(models.Model):
    """Where an environment answers: a host, a path below one, or a path at every host.

    No two are alike, so that each request leads to one environment.
    """

    environment = models.ForeignKey(
        Environment,
        on_delete=models.CASCADE,
        related_name="addresses",
        verbose_name=_("environment"),
    )
    host = models.CharField(
        _("host"),
        max_length=253,
        blank=True,
        validators=[host_validator],
        help_text=_("Without scheme and port; empty for every host of this site."),
    )
    prefix = models.CharField(
        _("path"),
        max_length=200,
        blank=True,
        validators=[prefix_validator],
        help_text=_("Like /portal/; empty for the whole host."),
    )

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")
        default_permissions = ()
        ordering = ["host", "prefix"]
        constraints = [
            models.UniqueConstraint(
                fields=["host", "prefix"],
                name="address_once",
                violation_error_message=_("This address belongs to an environment already."),
            ),
            models.CheckConstraint(
                name="address_host_form",
                condition=Q(host="") | Q(host__regex=HOST),
                violation_error_message=MALFORMED_HOST,
            ),
            models.CheckConstraint(
                name="address_prefix_form",
                condition=Q(prefix="") | Q(prefix__regex=PREFIX),
                violation_error_message=MALFORMED_PREFIX,
            ),
            models.CheckConstraint(
                name="address_not_empty",
                condition=~Q(host="", prefix=""),
                violation_error_message=_("Enter a host, a path, or both."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.host}{self.prefix}"

    def clean(self) -> None:
        """Refuse an address that another environment has, at its field and by its name."""
        rows = Address.objects.using(database()).exclude(pk=self.pk)
        taken = rows.filter(host=self.host, prefix=self.prefix).select_related("environment")
        if found := taken.first():
            message = gettext("This address belongs to “%(name)s” already.") % {
                "name": found.environment.name
            }
            raise ValidationError({"prefix" if self.prefix else "host": message})


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


class GroupLimits(models.Model):
    """Stricter limits for the members of a group in one environment (R14); the strictest wins.

    Written by ``group_limits`` alone. One that is looser than the environment's is refused there:
    it takes two tables to tell, and the strictest wins whatever is stored.
    """

    environment = models.ForeignKey(
        Environment,
        on_delete=models.CASCADE,
        related_name="group_limits",
        verbose_name=_("environment"),
    )
    group = models.ForeignKey(
        "auth.Group",
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("group"),
    )
    max_session_length = models.PositiveSmallIntegerField(null=True)
    inactivity_duration = models.PositiveSmallIntegerField(null=True)
    reason = models.TextField(_("reason"), blank=True)

    class Meta:
        verbose_name = _("limits of a group")
        verbose_name_plural = _("limits of groups")
        default_permissions = ()
        ordering = ["group__name"]
        constraints = group_constraints()

    def __str__(self) -> str:
        return f"{self.environment_id}: group {self.group_id}"

    @property
    def limits(self) -> Limits:
        """The limits that this row stores."""
        return limits_of(self.group_id, self.max_session_length, self.inactivity_duration)


def limits_of(group: Any, length: int | None, idle: int | None) -> Limits:
    """Return limits as they are stored, in whole minutes."""
    return Limits(
        group=group,
        max_age=None if length is None else length * MINUTE,
        max_idle=None if idle is None else idle * MINUTE,
    )


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
