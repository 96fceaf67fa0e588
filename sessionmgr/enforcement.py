"""The shell around the judge: what is known of a request's session, and every transition.

Lock order everywhere: the ledger row before the payload.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Greatest

from sessionmgr import clock
from sessionmgr.core.clients import BROWSER
from sessionmgr.core.decision import Decision, SessionState, decide
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason, FallbackReason, LeaseSource, PolicySource
from sessionmgr.models import BucketNow, State, UserSession, bucket_of, hash_of, payloads
from sessionmgr.signals import session_ended, session_started

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the door found for one session: the facts, the policy in force, and the decision."""

    session_id: int
    user_id: Any
    scope: str
    started_at: datetime
    state: SessionState
    policy: Policy
    decision: Decision
    identity_id: int | None = None
    client_class: str = BROWSER

    def with_state(self, **changes: Any) -> "Judgement":
        """Return the judgement after ``changes`` to the facts, at the same instant."""
        state = replace(self.state, **changes)
        return replace(self, state=state, decision=decide(self.policy, state, self.decision.now))


def judgement_of(request: "HttpRequest") -> Judgement | None:
    """Return how the request's live session stands; ``None`` for who is not signed in.

    Loads the session if nothing has yet.
    """
    request.session.get("_auth_user_id")
    return getattr(request.session, "judgement", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSignIn:
    """What a sign-in at the identity provider brings to the session that it starts (R1, R2).

    ``interval``: how long its lease lasts; ``None``: the provider grants none, and the session
    lives by the fallback. ``at``: the database's time, learnt by who validated the sign-in.
    ``client_class``: the kind of client that the provider has proven (R9). ``confirmed_at``: when
    the provider did so, where that was earlier. ``bypass``: why its policy does not count all the
    same (R4). ``replaces``: whatever the same user's browser has here gives way to a new session.
    """

    identity_id: int
    at: datetime
    interval: timedelta | None
    sid: str = ""
    stays_signed_in: bool = False
    source: LeaseSource = LeaseSource.SIGN_IN
    client_class: str = BROWSER
    confirmed_at: datetime | None = None
    bypass: FallbackReason | None = None
    replaces: bool = False

    @property
    def fallback_reason(self) -> FallbackReason | None:
        """Why the session lives by the fallback; ``None``: it lives by the provider's policy."""
        return FallbackReason.NO_PROVIDER_POLICY if self.interval is None else self.bypass

    @property
    def way(self) -> tuple[int, str]:
        """By whom and through what a session is begun: neither ever changes (I7)."""
        return self.identity_id, self.client_class

    def columns(self) -> dict[str, Any]:
        """Return what the ledger row says of it."""
        return {
            "identity_id": self.identity_id,
            "provider_sid": self.sid,
            "stays_signed_in": self.stays_signed_in,
            **lease_columns(self.confirmed_at or self.at, self.interval, self.source),
        }


def lease_columns(at: datetime, interval: timedelta | None, source: LeaseSource) -> dict[str, Any]:
    """Return the columns of a lease that the provider has granted at ``at``.

    No job renews one that an access token has brought: only its client can bring the next.
    """
    if interval is None:
        return {}
    return {
        "lease_source": source,
        "lease_checked_at": at,
        "lease_valid_until": at + interval,
        "lease_renew_at": None if source is LeaseSource.ACCESS_TOKEN else renew_at(at, interval),
        "lease_failed_at": None,
    }


def renew_at(at: datetime, interval: timedelta) -> datetime:
    """Return when a job renews a lease: in its last quarter, not all of them at once."""
    return at + interval * random.uniform(0.65, 0.75)  # noqa: S311 # nosec B311


def start(
    session_key: str,
    user_id: Any,
    scope: str,
    *,
    using: str,
    provider: ProviderSignIn | None = None,
) -> int:
    """Write the ledger row of a new sign-in and return its id; the database tells the time."""
    now: Any = clock.expression() if provider is None else provider.at
    fallback = FallbackReason.NO_PROVIDER_POLICY if provider is None else provider.fallback_reason
    row = UserSession(
        session_id=session_key,
        key_hash=hash_of(session_key),
        user_id=user_id,
        scope=scope,
        client_class=BROWSER if provider is None else provider.client_class,
        policy_source=PolicySource.PROVIDER if fallback is None else PolicySource.FALLBACK,
        fallback_reason=fallback or "",
        started_at=now,
        authenticated_at=now,
        last_activity_at=now,
        activity_bucket=BucketNow() if provider is None else bucket_of(provider.at),
        **({} if provider is None else provider.columns()),
    )
    row.save(force_insert=True, using=using)
    transaction.on_commit(
        lambda: session_started.send_robust(UserSession, session_id=row.pk, user_id=user_id),
        using=using,
    )
    return row.pk


def rekey(
    session_id: int,
    new_key: str,
    *,
    using: str,
    authenticated_at: datetime | None = None,
    provider: ProviderSignIn | None = None,
) -> bool:
    """Move a live session to ``new_key``; return whether it was still live.

    With ``authenticated_at`` the user has given credentials again: both clocks start anew; with
    ``provider``, at the identity provider. What is being renewed meanwhile comes too late then.
    """
    changes: dict[str, Any] = {"session_id": new_key, "key_hash": hash_of(new_key)}
    if authenticated_at is not None:
        changes["authenticated_at"] = authenticated_at
        changes["last_activity_at"] = Greatest(F("last_activity_at"), Value(authenticated_at))
        changes["activity_bucket"] = bucket_of(authenticated_at)
    if provider is not None:
        changes |= {**provider.columns(), "generation": F("generation") + 1}
    rows = UserSession.objects.using(using).filter(pk=session_id)
    return bool(rows.live().update(**changes))


def end(
    session_id: int,
    reason: EndReason,
    *,
    now: datetime | None = None,
    using: str,
    still: Q | None = None,
) -> bool:
    """End one session; return whether this call did it.

    ``now`` as learnt with the row, else the database's own. ``still`` is what must yet be true of
    the row: a deadline that a touch may have moved. The payload goes after the end is written,
    and the key after the payload: a crash in between leaves a row that ``payload_left`` finds.
    """
    rows = UserSession.objects.using(using).filter(pk=session_id)
    if not (rows.filter(still) if still is not None else rows).end(reason, now):
        return False
    remove_payloads(rows, using=using)
    announce_ends([session_id], using=using)
    return True


def remove_payloads(rows: "models.QuerySet[UserSession]", *, using: str) -> None:
    """Remove what is left of ended sessions' payloads, then their keys."""
    ended = rows.filter(state=State.ENDED, session__isnull=False)
    payloads(using).filter(pk__in=ended.values("session_id")).delete()
    ended.update(session=None)


def announce_ends(session_ids: list[int], *, using: str) -> None:
    """Send ``session_ended`` for each, once the ends are committed."""
    if session_ended.has_listeners(UserSession):
        transaction.on_commit(lambda: _send_ends(session_ids, using), using=using)


def _send_ends(session_ids: list[int], using: str) -> None:
    for row in UserSession.objects.using(using).filter(pk__in=session_ids):
        session_ended.send_robust(
            UserSession,
            session_id=row.pk,
            user_id=row.user_id,
            scope=row.scope,
            reason=EndReason(row.ended_reason),
            ended_at=row.ended_at,
        )
