"""The tables of the Admin Center: tickets of its Open links, and who has visited it (R4)."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.views.decorators.debug import sensitive_variables

#: How long a ticket is good, and how long one is kept that is not.
TICKET_LASTS = timedelta(minutes=2)
TICKET_KEPT = timedelta(days=1)


def hash_of(ticket: str) -> bytes:
    """Return what is stored of a ticket: its SHA-256."""
    return hashlib.sha256(ticket.encode()).digest()


class LaunchTicketQuerySet(models.QuerySet["LaunchTicket"]):
    """The one transition: a ticket is spent once."""

    @sensitive_variables()
    def spend(self, ticket: str, scope: str, now: datetime) -> LaunchTicket | None:
        """Return the ticket and use it up; ``None``: forged, used, too old, or for elsewhere."""
        good = self.filter(
            ticket_hash=hash_of(ticket), scope=scope, spent_at=None, expires_at__gt=now
        )
        return self.get(ticket_hash=hash_of(ticket)) if good.update(spent_at=now) else None

    @sensitive_variables()
    def issue(self, ticket: str, *, issued_at: datetime, **binding: Any) -> LaunchTicket:
        """Write a new ticket down."""
        made = LaunchTicket(
            ticket_hash=hash_of(ticket),
            issued_at=issued_at,
            expires_at=issued_at + TICKET_LASTS,
            **binding,
        )
        made.save(force_insert=True, using=self.db)
        return made

    def purge(self, now: datetime) -> int:
        """Delete what nobody can come with; return how many rows went."""
        return self.filter(expires_at__lte=now - TICKET_KEPT).delete()[0]


class LaunchTicket(models.Model):
    """One press on Open: for one environment, one person and one browser session, for two minutes.

    ``browser_session``: the SHA-256 of issuer, subject and the provider's ``sid``
    (``sessionmgr.openings``). ``session_id``: the session that asked for it.
    """

    ticket_hash = models.BinaryField(max_length=32, unique=True)
    browser_session = models.BinaryField(max_length=32)
    scope = models.CharField(max_length=50)
    session_id = models.BigIntegerField()
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    spent_at = models.DateTimeField(null=True)

    objects = LaunchTicketQuerySet.as_manager()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"ticket to {self.scope} of {self.issued_at:%Y-%m-%d %H:%M}"


class AdminCenterVisitQuerySet(models.QuerySet["AdminCenterVisit"]):
    """What is noted of visits, and forgotten."""

    def note(self, browser_session: bytes, scope: str, now: datetime) -> None:
        """Note a visit to the Admin Center of ``scope``."""
        same = self.filter(browser_session=browser_session, scope=scope)
        if not same.update(visited_at=now):
            made = AdminCenterVisit(browser_session=browser_session, scope=scope, visited_at=now)
            self.bulk_create([made], ignore_conflicts=True)

    def last_scope(self, browser_session: bytes, but: str) -> str | None:
        """Return where this browser session has visited it last, elsewhere than in ``but``."""
        visits = self.filter(browser_session=browser_session).exclude(scope=but)
        return visits.order_by("-visited_at").values_list("scope", flat=True).first()

    def purge(self, limit: datetime) -> int:
        """Delete visits from before ``limit``; return how many rows went."""
        return self.filter(visited_at__lt=limit).delete()[0]


class AdminCenterVisit(models.Model):
    """A browser session that has visited the Admin Center of an environment; no name is kept."""

    browser_session = models.BinaryField(max_length=32)
    scope = models.CharField(max_length=50)
    visited_at = models.DateTimeField(db_index=True)

    objects = AdminCenterVisitQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["browser_session", "scope"], name="admin_center_visit_once"
            ),
        ]

    def __str__(self) -> str:
        return f"visit in {self.scope} at {self.visited_at:%Y-%m-%d %H:%M}"
