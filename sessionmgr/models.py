"""The ledger: one row per sign-in, kept after its end as the audit of ends."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.db import models, router
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from sessionmgr import clock
from sessionmgr.conf import conf
from sessionmgr.core.clients import BROWSER
from sessionmgr.core.policy import FALLBACK_LENGTH, Policy, strictest
from sessionmgr.core.reasons import EndReason, FallbackReason, LeaseSource, PolicySource
from sessionmgr.federation import FederatedIdentity as FederatedIdentity
from sessionmgr.federation import LogoutDelivery as LogoutDelivery
from sessionmgr.federation import ProviderGrant as ProviderGrant
from sessionmgr.federation import ProviderHealth as ProviderHealth
from sessionmgr.federation import SignInAttempt as SignInAttempt
from sessionmgr.memberships import members_of
from sessionmgr.tables import BarePage as BarePage
from sessionmgr.tables import HeldForm as HeldForm

if TYPE_CHECKING:
    from django.contrib.sessions.models import Session

#: Width of ``activity_bucket`` in seconds: wide enough that a stamp seldom touches an index.
BUCKET_SECONDS = 600


def bucket_of(instant: datetime) -> int:
    """Return the coarse, indexed step of time that ``instant`` lies in."""
    return int(instant.timestamp()) // BUCKET_SECONDS


def database() -> str:
    """Return the alias of the ledger's database: authority is never read from a replica."""
    return router.db_for_write(UserSession)


def payloads(using: str | None) -> models.QuerySet[Session]:
    """Return Django's own session rows; the import waits, so that a missing app is a check."""
    from django.contrib.sessions.models import Session

    return Session.objects.using(using)


class BucketNow(models.Func):
    """The bucket of the database's time, for a row whose times the database itself writes.

    Zero on other databases: a bucket may be too early (the row is looked at in vain), never late.
    """

    template = "0"
    output_field = models.IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        seconds = "EXTRACT(EPOCH FROM STATEMENT_TIMESTAMP())"
        template = f"FLOOR({seconds} / {BUCKET_SECONDS})::integer"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = f"(CAST(STRFTIME('%%%%s', 'NOW') AS INTEGER) / {BUCKET_SECONDS})"
        return self.as_sql(compiler, connection, template=template, **context)


def hash_of(session_key: str) -> bytes:
    """Return what stays of a session key after the end: its SHA-256."""
    return hashlib.sha256(session_key.encode()).digest()


class State(models.TextChoices):
    """A session's life has two states and one transition."""

    LIVE = "live", _("signed in")
    ENDED = "ended", _("ended")


class UserSessionQuerySet(models.QuerySet["UserSession"]):
    """Named filters, and the conditional transitions: their row count decides who made them."""

    def live(self) -> Self:
        return self.filter(state=State.LIVE)

    def stale(self, policy: Policy, now: datetime) -> Self:
        """Return live rows whose deadline under ``policy`` has come: ``decide`` as a query."""
        return self.live().filter(overdue(policy, now))

    def touch(self, at: datetime) -> int:
        """Move the last activity forward to ``at``; never back, never on an ended session (I2)."""
        return (
            self.live()
            .filter(last_activity_at__lt=at)
            .update(last_activity_at=at, activity_bucket=bucket_of(at))
        )

    def end(self, reason: EndReason, now: datetime | None = None) -> int:
        """End the live ones of these rows; each is ended once, for one reason (I3).

        ``now`` as learnt with the rows; ``None``: the database writes its own.
        """
        ended_at = clock.expression() if now is None else now
        return self.live().update(state=State.ENDED, ended_reason=reason, ended_at=ended_at)

    def payload_left(self) -> Self:
        """Return ended rows whose payload is still to be removed (a crash between the steps)."""
        return self.filter(state=State.ENDED, session__isnull=False)


#: No rows.
NONE = Q(pk__in=[])


def overdue(policy: Policy, now: datetime) -> Q:
    """Rows past any limit of ``policy``, their user's groups' included."""
    found = (
        aged(policy, now)
        | idle(policy, now)
        | lapsed(policy, now)
        | past_ceiling(policy, now)
        | past_host_expiry(now)
    )
    for limits in policy.groups:
        for_members = strictest(policy, {limits.group})
        found |= members_of(limits.group) & (aged(for_members, now) | idle(for_members, now))
    return found


def aged(policy: Policy, now: datetime) -> Q:
    """Rows past the session length, or past the fallback where they live by it.

    The shorter limit is no alternative but a bound, which makes it an index scan.
    """
    bound = _bound_by("from_session_length", policy, now)
    past_fallback = Q(authenticated_at__lte=now - FALLBACK_LENGTH)
    if policy.max_age is None:
        return past_fallback & Q(policy_source=PolicySource.FALLBACK) & bound
    past_length = Q(authenticated_at__lte=now - policy.max_age)
    if policy.max_age <= FALLBACK_LENGTH:
        return past_length & bound
    return past_fallback & (Q(policy_source=PolicySource.FALLBACK) | past_length) & bound


def idle(policy: Policy, now: datetime) -> Q:
    """Rows past the inactivity limit; none while it is off. The bucket makes it an index scan."""
    if policy.max_idle is None:
        return NONE
    limit = now - policy.max_idle
    past = Q(activity_bucket__lte=bucket_of(limit), last_activity_at__lte=limit)
    return past & _bound_by("from_inactivity", policy, now)


def _bound_by(timer: str, policy: Policy, now: datetime) -> Q:
    """Rows that a timer binds now: those of no kind of client that is exempt from it (R9)."""
    exempt = [
        name
        for name, exemption in policy.exemptions.items()
        if getattr(exemption, timer) and now < exemption.expires_at
    ]
    return ~Q(client_class__in=exempt) if exempt else Q()


def past_ceiling(policy: Policy, now: datetime) -> Q:
    """Rows of a kind of client whose sessions last no longer than they have."""
    past = NONE
    for name, exemption in policy.exemptions.items():
        if exemption.ceiling is not None:
            limit = now - exemption.ceiling
            # The first condition is the index's own.
            rows = Q(client_class__gt=BROWSER, client_class=name, authenticated_at__lte=limit)
            past |= rows
    return past


def lapsed(policy: Policy, now: datetime) -> Q:
    """Rows whose provider has not confirmed them for too long; a maximum of ours replaces that.

    But not for the kinds of client that are exempt from that maximum.
    """
    limit = now - conf.SESSIONMGR_IDENTITY_LIFETIME
    past = Q(policy_source=PolicySource.PROVIDER, lease_checked_at__lte=limit)
    if policy.honours_provider:
        return past
    exempt = [name for name, each in policy.exemptions.items() if each.from_session_length]
    return past & Q(client_class__in=exempt) if exempt else NONE


def lease_over(now: datetime) -> Q:
    """Rows that may not go on while the provider is out of reach (R6): the door alone asks for it.

    Nobody is ended for it who has not come back: the provider may answer by then.
    """
    late = now - conf.SESSIONMGR_OUTAGE_GRACE
    return Q(stays_signed_in=False, lease_valid_until__lte=now) | Q(lease_valid_until__lte=late)


def past_host_expiry(now: datetime) -> Q:
    """Rows whose payload the host lets expire (``set_expiry``).

    A correlated EXISTS, never a join: in an UPDATE a join becomes a subquery, and PostgreSQL
    does not look at that again after it has waited for a touch to commit.
    """
    expired = payloads(None).filter(pk=OuterRef("session_id"), expire_date__lte=now)
    return Q(Exists(expired))


class UserSession(models.Model):
    """One sign-in of one user in one scope: when it began, was last used, ended, and why.

    Never ``save()`` or ``delete()`` a live row: a transition is a conditional UPDATE by id.
    ``session`` holds the raw session key, which is needed to remove the payload; it stays out of
    the admin, logs, pages and ``__str__``. No foreign key has a constraint: the payload and the
    user may be deleted by others, and the ledger tells of it.
    """

    # One at most for each session; not a OneToOneField, which would bring a second index on the
    # key, and entries in both of them for every row that has ended.
    session = models.ForeignKey(
        "sessions.Session",
        on_delete=models.DO_NOTHING,
        db_column="session_key",
        db_constraint=False,
        db_index=False,
        null=True,
        editable=False,
        related_name="sessionmgr_ledger",
    )
    key_hash = models.BinaryField(max_length=32, db_index=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="sessionmgr_sessions",
        verbose_name=_("user"),
    )
    scope = models.CharField(_("environment"), max_length=50)
    #: The kind of client, as proven at the provider (R9); a browser has none. Never changes.
    client_class = models.CharField(
        _("kind of client"), max_length=50, blank=True, default=BROWSER, editable=False
    )
    state = models.CharField(max_length=5, choices=State, default=State.LIVE)
    policy_source = models.CharField(
        max_length=8, choices=[(item.value, item.value) for item in PolicySource]
    )
    fallback_reason = models.CharField(
        max_length=20, blank=True, choices=[(item.value, item.value) for item in FallbackReason]
    )
    # The pair (issuer, subject) of the person, and the provider's own session; neither changes.
    identity = models.ForeignKey(
        FederatedIdentity,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        editable=False,
        related_name="sessions",
    )
    provider_sid = models.CharField(max_length=255, blank=True, editable=False)
    stays_signed_in = models.BooleanField(_("stays signed in"), default=False)
    # The lease: what confirmed it when, until when it is good, when a job renews it ahead of that.
    lease_source = models.CharField(
        max_length=13, blank=True, choices=[(item.value, item.value) for item in LeaseSource]
    )
    lease_checked_at = models.DateTimeField(_("confirmed by the provider at"), null=True)
    lease_valid_until = models.DateTimeField(_("confirmed until"), null=True)
    lease_renew_at = models.DateTimeField(null=True)
    #: Of the last attempts to renew it: when the provider was found out of reach.
    lease_failed_at = models.DateTimeField(null=True)
    # One renewal at a time: who has set ``renewing_until`` at this ``generation`` may ask (I6).
    renewing_until = models.DateTimeField(null=True)
    generation = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(_("signed in at"))
    authenticated_at = models.DateTimeField(_("credentials given at"))
    last_activity_at = models.DateTimeField(_("last activity"))
    activity_bucket = models.IntegerField()
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    ended_reason = models.CharField(
        _("reason of the end"),
        max_length=24,
        blank=True,
        choices=[(item.value, item.value) for item in EndReason],
    )

    objects = UserSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        constraints = [
            models.UniqueConstraint(
                fields=["session"], name="sessionmgr_session", condition=Q(session__isnull=False)
            ),
            models.CheckConstraint(
                name="sessionmgr_end_is_whole",
                condition=Q(state=State.LIVE, ended_at=None, ended_reason="")
                | Q(
                    state=State.ENDED,
                    ended_at__isnull=False,
                    ended_reason__in=[item.value for item in EndReason],
                ),
            ),
            models.CheckConstraint(
                name="sessionmgr_times_in_order",
                condition=Q(authenticated_at__gte=models.F("started_at"))
                & Q(last_activity_at__gte=models.F("started_at")),
            ),
            models.CheckConstraint(
                name="sessionmgr_provider_has_lease",
                condition=~Q(policy_source=PolicySource.PROVIDER)
                | Q(
                    identity__isnull=False,
                    lease_checked_at__isnull=False,
                    lease_valid_until__isnull=False,
                ),
            ),
        ]
        indexes = [
            # Led by the scope: each has limits of its own, and looks at nobody else's rows.
            models.Index(
                "scope",
                "activity_bucket",
                "id",
                name="sessionmgr_live_activity",
                condition=Q(state="live"),
            ),
            models.Index(
                "scope",
                "authenticated_at",
                "id",
                name="sessionmgr_live_age",
                condition=Q(state="live"),
            ),
            # Those by the fallback alone: who lives by a provider may be far older.
            models.Index(
                "scope",
                "authenticated_at",
                "id",
                name="sessionmgr_live_fallback",
                condition=Q(state="live", policy_source="fallback"),
            ),
            models.Index(
                "scope",
                "lease_checked_at",
                "id",
                name="sessionmgr_live_lease",
                condition=Q(state="live", policy_source="provider"),
            ),
            # Of the few kinds of client that have a ceiling of their own.
            models.Index(
                "scope",
                "client_class",
                "authenticated_at",
                "id",
                name="sessionmgr_live_class",
                condition=Q(state="live", client_class__gt=""),
            ),
            models.Index(
                "lease_renew_at",
                "id",
                name="sessionmgr_lease_due",
                condition=Q(state="live", lease_renew_at__isnull=False),
            ),
            # A provider's logout names its session or its person (Back-Channel Logout 1.0).
            models.Index(
                "provider_sid",
                name="sessionmgr_live_sid",
                condition=Q(state="live", identity__isnull=False),
            ),
            models.Index(
                "identity",
                name="sessionmgr_live_identity",
                condition=Q(state="live", identity__isnull=False),
            ),
            models.Index(
                "identity",
                "ended_at",
                name="sessionmgr_identity_ends",
                condition=Q(state="ended", identity__isnull=False),
            ),
            # Nearly always empty: what a crash between the steps of an end has left.
            models.Index(
                "id",
                name="sessionmgr_payload_left",
                condition=Q(state="ended", session__isnull=False),
            ),
            models.Index(fields=["user"], name="sessionmgr_live_user", condition=Q(state="live")),
            models.Index("ended_at", "id", name="sessionmgr_ended", condition=Q(state="ended")),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.scope} ({self.state})"


class JobLeaseQuerySet(models.QuerySet["JobLease"]):
    """Who may run a job: a conditional UPDATE decides, with or without Redis (I8)."""

    def take(self, name: str, now: datetime, length: timedelta) -> bool:
        """Take the lease for ``length`` unless somebody holds it; return whether we have it."""
        self.bulk_create([JobLease(name=name, until=now)], ignore_conflicts=True)
        return bool(self.filter(name=name, until__lte=now).update(until=now + length))

    def give_back(self, name: str, now: datetime) -> None:
        """Let the next run begin at once."""
        self.filter(name=name).update(until=now)


class JobLease(models.Model):
    """One row per job: until when its present run may go on before another may begin."""

    name = models.CharField(max_length=50, primary_key=True)
    until = models.DateTimeField()

    objects = JobLeaseQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
