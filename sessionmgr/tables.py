"""The small tables beside the ledger: forms that came too late, pages that do not warn."""

from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models

#: A row outlives what it kept by this: a second send must still be known for one.
REMEMBERED_FOR = timedelta(days=1)


class HeldFormQuerySet(models.QuerySet["HeldForm"]):
    """Named filters, and the transitions: a conditional UPDATE decides who sends."""

    def readable(self, user_id: Any, now: datetime) -> Self:
        """Return what this user may still see: neither sent nor too old."""
        return self.filter(user_id=user_id, sent_at=None, expires_at__gt=now)

    def spend(self, held_id: str, user_id: Any, now: datetime) -> bool:
        """Let one request send the form; return whether this call did.

        Also after ``expires_at``: what the user still has on the screen must not be lost.
        """
        unsent = self.filter(pk=held_id, user_id=user_id, sent_at=None)
        return bool(unsent.update(sent_at=now))

    def give_back(self, held_id: str) -> None:
        """Let the form be sent again: the site failed to take it."""
        self.filter(pk=held_id).update(sent_at=None)

    def wipe(self, now: datetime) -> int:
        """Remove the content of what nobody may see any more."""
        return self.filter(expires_at__lte=now).exclude(sealed="").update(sealed="")

    def purge(self, now: datetime) -> int:
        """Delete the rows that no second send needs to meet."""
        return self.filter(expires_at__lte=now - REMEMBERED_FOR).delete()[0]


class HeldForm(models.Model):
    """What a user had typed when a form arrived after the end of their sign-in; encrypted.

    ``id`` is random and stands in the page's address; it opens nothing for anybody else.
    """

    id = models.CharField(max_length=43, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        editable=False,
    )
    path = models.TextField(editable=False)
    sealed = models.TextField(editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    sent_at = models.DateTimeField(null=True)

    objects = HeldFormQuerySet.as_manager()

    def __str__(self) -> str:
        return f"held for {self.user_id}"


class BarePageQuerySet(models.QuerySet["BarePage"]):
    """What is noted of pages, and forgotten."""

    def note(self, scope: str, route: str, now: datetime) -> None:
        """Count one more sight of a page without the warning."""
        more = {"sights": models.F("sights") + 1, "last_seen_at": now}
        if not self.filter(scope=scope, route=route).update(**more):
            self.bulk_create(
                [BarePage(scope=scope, route=route, last_seen_at=now)], ignore_conflicts=True
            )

    def purge(self, limit: datetime) -> int:
        """Delete what was not seen since ``limit``."""
        return self.filter(last_seen_at__lt=limit).delete()[0]


class BarePage(models.Model):
    """A signed-in page that was served without the warning: its URL pattern, never an address.

    ``sights`` is a sample: each process looks at a pattern once in an hour.
    """

    scope = models.CharField(max_length=50)
    route = models.CharField(max_length=300)
    sights = models.PositiveIntegerField(default=1)
    last_seen_at = models.DateTimeField()

    objects = BarePageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "route"], name="sessionmgr_bare_page_once"),
        ]

    def __str__(self) -> str:
        return f"{self.route} in {self.scope}"
