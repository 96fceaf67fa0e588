"""The tables of federated sign-in: who is who at the identity provider, and what is under way.

They need no package of OpenID Connect, and stay empty where there is no provider.
"""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

#: How long a sign-in may take at the provider, and how long its row is kept to refuse a replay.
ATTEMPT_LASTS = timedelta(minutes=10)
ATTEMPT_KEPT = timedelta(hours=1)


class FederatedIdentity(models.Model):
    """One person at one provider: the pair (issuer, subject) that every token must carry (R16).

    ``reauth_after``: the next sign-in needs credentials that were given later than this (R15). It
    is kept for ends that are purged from the ledger; of the others the ledger itself tells.
    """

    issuer = models.CharField(_("issuer"), max_length=255)
    subject = models.CharField(_("subject"), max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="sessionmgr_identities",
        verbose_name=_("user"),
    )
    linked_at = models.DateTimeField(_("linked at"))
    reauth_after = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        default_permissions = ("view", "delete")
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="sessionmgr_identity_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.issuer}"


class SignInAttemptQuerySet(models.QuerySet["SignInAttempt"]):
    """Named filters, and the one transition: an attempt is used once."""

    def take(self, state: str, browser: bytes, now: datetime) -> "SignInAttempt | None":
        """Return the attempt of this browser and use it up; ``None``: unknown, old, or used."""
        fresh = self.filter(
            pk=state, browser=browser, used_at=None, created_at__gt=now - ATTEMPT_LASTS
        )
        return self.get(pk=state) if fresh.update(used_at=now) else None

    def purge(self, now: datetime) -> int:
        """Delete what nobody can come back with; return how many rows went."""
        return self.filter(created_at__lte=now - ATTEMPT_KEPT).delete()[0]


class SignInAttempt(models.Model):
    """One way to the provider and back: its own state, nonce, verifier and page to go on to.

    ``browser`` is the SHA-256 of a cookie: nobody else's browser can come back with this state.
    ``session_id``: the live session it began in, whose person must come back. ``ticket_id``: the
    ticket it set out by, checked again then (``sessionmgr.openings``).
    """

    state = models.CharField(max_length=43, primary_key=True)
    browser = models.BinaryField(max_length=32)
    nonce = models.CharField(max_length=43)
    code_verifier = models.CharField(max_length=128)
    next = models.TextField(blank=True)
    #: What was asked of the provider: "", "login" or "none"; and in seconds.
    prompt = models.CharField(max_length=5, blank=True)
    max_age = models.PositiveIntegerField()
    stays_signed_in = models.BooleanField(default=False)
    session_id = models.BigIntegerField(null=True)
    ticket_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    objects = SignInAttemptQuerySet.as_manager()

    def __str__(self) -> str:
        return f"attempt of {self.created_at:%Y-%m-%d %H:%M}"


class ProviderGrant(models.Model):
    """What a session may ask its provider with: a token, encrypted, for this session alone."""

    session = models.OneToOneField(
        "sessionmgr.UserSession",
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        primary_key=True,
        related_name="sessionmgr_grant",
    )
    sealed = models.TextField(editable=False)
    stored_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"grant of session {self.session_id}"


class LogoutDeliveryQuerySet(models.QuerySet["LogoutDelivery"]):
    """What was delivered, and forgotten once nobody could replay it."""

    def purge(self, now: datetime) -> int:
        return self.filter(expires_at__lte=now).delete()[0]


class LogoutDelivery(models.Model):
    """A logout token that has been obeyed: a replay of it does nothing."""

    id_hash = models.BinaryField(max_length=32, unique=True)
    delivered_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    objects = LogoutDeliveryQuerySet.as_manager()

    def __str__(self) -> str:
        return f"logout of {self.delivered_at:%Y-%m-%d %H:%M}"


class ProviderHealthQuerySet(models.QuerySet["ProviderHealth"]):
    """What the processes tell each other, and administrators, of the provider."""

    def note_failure(
        self, issuer: str, problem: str, now: datetime, next_try_at: datetime
    ) -> bool:
        """Write a failure down; return whether it is the first one of an outage."""
        row = self.filter(issuer=issuer)
        latest = {"problem": problem, "next_try_at": next_try_at}
        if row.filter(unreachable_since__isnull=False).update(**latest):
            return False
        if row.update(unreachable_since=now, **latest):
            return True
        made = ProviderHealth(issuer=issuer, unreachable_since=now, **latest)
        self.bulk_create([made], ignore_conflicts=True)
        return True

    def note_success(self, issuer: str, now: datetime) -> bool:
        """Write down that the provider answers; return whether this ends an outage."""
        failing = self.filter(issuer=issuer, unreachable_since__isnull=False)
        return bool(
            failing.update(unreachable_since=None, problem="", next_try_at=None, recovered_at=now)
        )

    def note_auth_time(self, issuer: str, now: datetime, *, is_told: bool) -> bool:
        """Write down whether sign-ins tell ``auth_time``; return whether that is news."""
        row = self.filter(issuer=issuer)
        if is_told:
            silent = row.filter(auth_time_untold_since__isnull=False)
            return bool(silent.update(auth_time_untold_since=None))
        if row.filter(auth_time_untold_since=None).update(auth_time_untold_since=now):
            return True
        if row.exists():
            return False
        made = ProviderHealth(issuer=issuer, auth_time_untold_since=now)
        self.bulk_create([made], ignore_conflicts=True)
        return True

    def failing(self) -> Self:
        return self.filter(unreachable_since__isnull=False)


class ProviderHealth(models.Model):
    """Whether a provider answers, and since when not; a row only of one that once fell short."""

    issuer = models.CharField(max_length=255, primary_key=True)
    unreachable_since = models.DateTimeField(null=True)
    #: In a word or two, never what the provider sent.
    problem = models.CharField(max_length=100, blank=True)
    next_try_at = models.DateTimeField(null=True)
    recovered_at = models.DateTimeField(null=True)
    #: Since when its sign-ins do not tell when credentials were given (R15).
    auth_time_untold_since = models.DateTimeField(null=True)

    objects = ProviderHealthQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="sessionmgr_health_is_whole",
                condition=Q(unreachable_since=None, problem="")
                | Q(unreachable_since__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.issuer
