"""The kinds of client as they are stored: how each is proven, and what it is exempt from (R9)."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from sessionmgr import clock
from sessionmgr.core.clients import ClientExemption
from sessionmgr.core.policy import MINUTE

#: The ceiling in minutes: an hour to a month.
LEAST_CEILING, MOST_CEILING = 60, 44_640

OFF = Q(client_id="")
BOUND_BY_ALL = Q(from_session_length=False, from_inactivity=False)


class ClientClass(models.Model):
    """One kind of client; off while it has no client id. Written by ``exempting`` alone.

    The database refuses what the page refuses, but for what only the clock and the settings tell.
    """

    slug = models.SlugField(
        _("short name"),
        max_length=50,
        unique=True,
        help_text=_("Stored with each session of the kind; it cannot be changed."),
    )
    name = models.CharField(_("name"), max_length=80)
    client_id = models.CharField(
        _("client id"),
        max_length=255,
        blank=True,
        help_text=_(
            "The client's own id at the identity provider, which proves it. While there is none, "
            "the kind is switched off."
        ),
    )
    from_session_length = models.BooleanField(
        _("exempt from the session length"),
        default=False,
        help_text=_(
            "And from its 24-hour fallback. A denial or a revocation ends it all the same."
        ),
    )
    from_inactivity = models.BooleanField(_("exempt from inactivity"), default=False)
    ceiling = models.PositiveIntegerField(
        _("ceiling (minutes)"),
        null=True,
        blank=True,
        help_text=_(
            "How long a session of the kind lasts all the same, from 60 to 44640 minutes."
        ),
    )
    owner = models.CharField(_("owner"), max_length=120, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    expires_at = models.DateTimeField(
        _("exemption ends at"),
        null=True,
        blank=True,
        help_text=_("From then on the limits hold, and nobody signs in by this client."),
    )

    class Meta:
        verbose_name = _("kind of client")
        verbose_name_plural = _("kinds of client")
        ordering = ["name", "slug"]
        constraints = [
            models.UniqueConstraint(
                name="settings_client_id_once", fields=["client_id"], condition=~OFF
            ),
            models.CheckConstraint(name="settings_client_slug_given", condition=~Q(slug="")),
            models.CheckConstraint(
                name="settings_client_on_until", condition=OFF | Q(expires_at__isnull=False)
            ),
            models.CheckConstraint(
                name="settings_client_ceiling_range",
                condition=Q(ceiling=None)
                | Q(ceiling__gte=LEAST_CEILING, ceiling__lte=MOST_CEILING),
            ),
            models.CheckConstraint(
                name="settings_client_is_owned",
                condition=OFF | BOUND_BY_ALL | (~Q(owner="") & ~Q(reason="")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_exempt(self) -> bool:
        return self.from_session_length or self.from_inactivity

    def clean(self) -> None:
        """Refuse what breaks a rule, each message at its field."""
        super().clean()
        found: dict[str, list[ValidationError]] = {}
        for field, message in self.problems():
            found.setdefault(field, []).append(ValidationError(message, code="invalid"))
        if found:
            raise ValidationError(found)

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each broken rule: its field, and what is said there."""
        if self.pk and stored_like(self).exclude(slug=self.slug).exists():
            yield "slug", str(_("It is stored with sessions of this kind and cannot be changed."))
        if self.ceiling is not None and not LEAST_CEILING <= self.ceiling <= MOST_CEILING:
            yield "ceiling", str(_("Enter 60 to 44640 minutes, or nothing."))
        if not self.client_id:
            return
        if self.client_id != self.client_id.strip() or not self.client_id.isprintable():
            yield "client_id", str(_("Enter the client id exactly, without spaces around it."))
        elif self.client_id == getattr(settings, "OIDC_RP_CLIENT_ID", None):
            yield "client_id", str(_("This is the client id by which browsers sign in here."))
        elif others_with(self).exists():
            yield "client_id", str(_("Another kind of client is proven by this client id."))
        if self.expires_at is None:
            yield "expires_at", str(_("Enter until when the client may sign in."))
        elif self.expires_at <= clock.now(database()):
            yield "expires_at", str(_("Enter a time that lies in the future."))
        for field in ("owner", "reason"):
            if self.is_exempt and not getattr(self, field).strip():
                yield field, str(_("A kind of client that is exempt needs an owner and a reason."))

    def exemption(self) -> ClientExemption | None:
        """Return what is in force of it; ``None`` while it is off."""
        if not self.client_id or self.expires_at is None:
            return None
        return ClientExemption(
            client_id=self.client_id,
            expires_at=self.expires_at,
            from_session_length=self.from_session_length,
            from_inactivity=self.from_inactivity,
            ceiling=None if self.ceiling is None else self.ceiling * MINUTE,
        )


def database() -> str:
    """Return the alias of the settings' database: limits are never read from a replica."""
    return router.db_for_write(ClientClass)


def others_with(kind: ClientClass) -> models.QuerySet[ClientClass]:
    """Return the other kinds that are proven by the same client id."""
    rows = ClientClass.objects.using(database())
    return rows.filter(client_id=kind.client_id).exclude(pk=kind.pk)


def stored_like(kind: ClientClass) -> models.QuerySet[ClientClass]:
    """Return the row that ``kind`` is stored in."""
    return ClientClass.objects.using(database()).filter(pk=kind.pk)


def exemptions() -> dict[str, ClientExemption]:
    """Return every kind that is on, as stored now: one query."""
    rows = ClientClass.objects.using(database()).exclude(OFF)
    return {row.slug: found for row in rows if (found := row.exemption()) is not None}


#: The kinds of the source document: short name, name, whether exempt, why. All are off.
SHIPPED = (
    (
        "mail-add-in",
        "CE for Outlook (mail add-in)",
        True,
        "It works beside the mail program, where nobody could answer a warning.",
    ),
    (
        "mobile",
        "Phone and tablet apps",
        True,
        "The device's own lock protects them, and they work in the background.",
    ),
    (
        "service-desk-wpf",
        "Service-desk client on a WPF browser",
        True,
        "The desktop program ends its session itself.",
    ),
    (
        "service-desk-ie",
        "Service-desk client on Internet Explorer",
        False,
        "It is a browser like any other: the limits hold.",
    ),
    ("live-assist", "Live Assist chat", True, "A chat goes on while the agent only listens."),
)
