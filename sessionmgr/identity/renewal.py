"""Renewing one session's lease: ask the provider, server to server, and store what it says (R2).

One renewal at a time for each session (I6): who takes the row may spend the refresh token, which a
provider accepts once. No transaction is open during the call, so that nobody waits for it; what
comes back is stored only if the session is still as it was when it was taken. A renewal is no
activity and moves no limit of ours.
"""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from sessionmgr import clock
from sessionmgr.backends.db import SessionStore
from sessionmgr.conf import conf
from sessionmgr.core.reasons import EndReason, LeaseSource, Outcome
from sessionmgr.enforcement import end, lease_columns
from sessionmgr.identity import calls, grants, health
from sessionmgr.identity.breaker import breaker_state
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.grants import Tokens, tokens_in
from sessionmgr.identity.outcomes import (
    Denied,
    InvalidToken,
    Misconfigured,
    Problem,
    Unreachable,
)
from sessionmgr.identity.provider import Provider, current_provider, key_for
from sessionmgr.identity.tokens import IdClaims, refreshed_id_token_claims
from sessionmgr.models import UserSession, database, payloads

logger = logging.getLogger("sessionmgr.identity")

#: Seconds that a user's request may take for it; a job has the whole deadline of a call.
REQUEST_SECONDS = 2.0
JOB_SECONDS = 8.0
#: How long a row stays taken by a process that was killed: longer than any call.
TAKEN_FOR = timedelta(seconds=15)
#: How soon a job tries again what the provider did not answer.
TRY_AGAIN = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Taken:
    """A session as it stood when it was taken for renewal."""

    session_id: int
    issuer: str
    subject: str
    generation: int
    interval: timedelta
    at: datetime
    #: Somebody took it before and never came back: the token may have been spent.
    was_abandoned: bool

    @property
    def still(self) -> Q:
        """What is true of the row until somebody else changes it: a sign-in, another renewal."""
        return Q(generation=self.generation)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The provider's word that the session's own person may go on."""

    tokens: Tokens
    source: LeaseSource
    interval: timedelta | None = None


class OtherPerson(Exception):  # noqa: N818 - it reads as what it tells
    """The provider's answer speaks of somebody else."""


class Unconfirmed(Exception):  # noqa: N818
    """The token was renewed, but nothing confirms for whom; the new token is worth keeping."""

    def __init__(self, tokens: Tokens, cause: Exception) -> None:
        super().__init__(str(cause))
        self.tokens = tokens
        self.cause = cause


def on_request(session_id: int) -> Outcome:
    """Renew for a user who waits: what the engine asks when a lease has run out."""
    return renew(session_id, due_by="lease_valid_until", seconds=REQUEST_SECONDS)


def ahead_of_time(session_id: int) -> Outcome:
    """Renew before the lease runs out: what the job does, and nobody waits for."""
    return renew(session_id, due_by="lease_renew_at", seconds=JOB_SECONDS)


def renew(session_id: int, *, due_by: str, seconds: float) -> Outcome:
    """Ask the provider about a live session within ``seconds``, and store what came of it.

    Unless another process has done so: the instant in the column ``due_by`` has moved then. Never
    raises for a fault of the provider; a database that does not answer does.
    """
    config = provider_config()
    if config is None:
        return Outcome.UNREACHABLE
    using = database()
    now = clock.now(using)
    row = _row(session_id, using)
    if row is None:
        return Outcome.DENIED
    if row[due_by] is None or row[due_by] > now:
        return Outcome.CONFIRMED
    tokens = grants.read(session_id, using=using)
    if tokens is None or not _can_ask(tokens, now):
        return _without_token(row, config, now, seconds, using)
    if not _may_call():
        return Outcome.UNREACHABLE
    taken = _take(row, now, using)
    if taken is None:
        return Outcome.BUSY if _row(session_id, using) else Outcome.DENIED
    return _ask(taken, tokens, config, seconds, using)


def _row(session_id: int, using: str) -> dict[str, Any] | None:
    live = UserSession.objects.using(using).live().filter(pk=session_id)
    row = live.values(
        "id",
        "generation",
        "renewing_until",
        "lease_checked_at",
        "lease_valid_until",
        "lease_renew_at",
        "lease_failed_at",
        "identity__issuer",
        "identity__subject",
    ).first()
    return None if row is None else dict(row)


def _person_in(row: dict[str, Any]) -> tuple[str, str]:
    return row["identity__issuer"], row["identity__subject"]


def _interval_in(row: dict[str, Any]) -> timedelta:
    """Return how long the present lease was granted for."""
    interval: timedelta = row["lease_valid_until"] - row["lease_checked_at"]
    return interval


def _can_ask(tokens: Tokens, now: datetime) -> bool:
    """Return whether a token is worth a question; an access token only while it is valid."""
    return bool(tokens.refresh_token) or tokens.access_until > now.timestamp()


def _may_call() -> bool:
    state = breaker_state()
    return not state.is_open or state.next_try_in_seconds <= 0


def _without_token(
    row: dict[str, Any], config: ProviderConfig, now: datetime, seconds: float, using: str
) -> Outcome:
    """Leave it to the browser, unless the provider is out of reach for everybody."""
    failed_at = row["lease_failed_at"]
    if not _may_call() or (failed_at is not None and now - failed_at < TRY_AGAIN):
        return Outcome.UNREACHABLE
    try:
        provider = current_provider(deadline=seconds)
        calls.get_json(provider.jwks_uri, config=config, deadline=seconds)
    except (Unreachable, Misconfigured) as error:
        if isinstance(error, Unreachable) and error.problem is Problem.BUSY:
            return Outcome.BUSY
        health.note_failure(config.issuer, error, now, using=using)
        return Outcome.UNREACHABLE
    return Outcome.NEEDS_BROWSER


def _take(row: dict[str, Any], now: datetime, using: str) -> Taken | None:
    """Take the row for renewal; ``None``: another process has it, or it has just been renewed."""
    rows = UserSession.objects.using(using).live().filter(pk=row["id"])
    is_free = Q(renewing_until=None) | Q(renewing_until__lte=now)
    if not rows.filter(is_free, generation=row["generation"]).update(
        renewing_until=now + TAKEN_FOR
    ):
        return None
    return Taken(
        session_id=row["id"],
        issuer=_person_in(row)[0],
        subject=_person_in(row)[1],
        generation=row["generation"],
        interval=_interval_in(row),
        at=now,
        was_abandoned=row["renewing_until"] is not None,
    )


def _ask(
    taken: Taken, tokens: Tokens, config: ProviderConfig, seconds: float, using: str
) -> Outcome:
    try:
        confirmed = question(tokens)(taken, tokens, config, seconds)
    except Denied:
        if taken.was_abandoned:
            return _token_is_lost(taken, using)
        end(taken.session_id, EndReason.POLICY_DENIED, using=using, still=taken.still)
        return Outcome.DENIED
    except OtherPerson:
        health.end_for_other_person(taken.session_id, taken.issuer, using=using, still=taken.still)
        return Outcome.OTHER_USER
    except Unconfirmed as error:
        with transaction.atomic(using=using):
            if _release(taken, using, generation=F("generation") + 1):
                grants.keep(taken.session_id, error.tokens, taken.at, using=using)
        return _failed(taken, error.cause, using)
    except (Unreachable, Misconfigured) as error:
        _release(taken, using)
        if isinstance(error, Unreachable) and error.problem is Problem.BUSY:
            return Outcome.BUSY
        return _failed(taken, error, using)
    except BaseException:
        _release(taken, using)
        raise
    return store(taken, confirmed, config, using)


Question = Callable[[Taken, Tokens, ProviderConfig, float], Confirmation]


def question(tokens: Tokens) -> Question:
    """Return how to ask with these tokens: the refresh grant, else introspection."""
    return _refresh if tokens.refresh_token else _introspect


def _refresh(taken: Taken, tokens: Tokens, config: ProviderConfig, seconds: float) -> Confirmation:
    provider = current_provider(deadline=seconds)
    answer = calls.token_request(
        provider.token_endpoint,
        {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token},
        config=config,
        deadline=seconds,
    )
    renewed = tokens.after(tokens_in(answer, taken.at))
    if not (id_token := answer.get("id_token")):
        return _confirmed_by_userinfo(taken, answer["access_token"], renewed, provider, config)
    try:
        claims = refreshed_id_token_claims(id_token, config=config, key_for=key_for, now=taken.at)
    except (InvalidToken, Unreachable) as error:
        raise Unconfirmed(renewed, error) from error
    if (claims.issuer, claims.subject) != (taken.issuer, taken.subject):
        raise OtherPerson
    return Confirmation(renewed, LeaseSource.REFRESH, interval_of(claims.check_interval))


def _confirmed_by_userinfo(
    taken: Taken, access_token: str, renewed: Tokens, provider: Provider, config: ProviderConfig
) -> Confirmation:
    """Confirm the person where the answer has no ID token: some providers send none."""
    try:
        if provider.introspection_endpoint:
            about = calls.introspect(provider.introspection_endpoint, access_token, config=config)
        elif provider.userinfo_endpoint:
            about = calls.userinfo(provider.userinfo_endpoint, access_token, config=config)
        else:
            raise Unreachable(Problem.MALFORMED)
    except (Unreachable, Misconfigured) as error:
        raise Unconfirmed(renewed, error) from error
    if about.get("sub") != taken.subject:
        raise OtherPerson
    return Confirmation(renewed, LeaseSource.REFRESH)


def _introspect(
    taken: Taken, tokens: Tokens, config: ProviderConfig, seconds: float
) -> Confirmation:
    provider = current_provider(deadline=seconds)
    if not provider.introspection_endpoint:
        raise Unreachable(Problem.MALFORMED)
    about = calls.introspect(
        provider.introspection_endpoint, tokens.access_token, config=config, deadline=seconds
    )
    if about.get("sub", taken.subject) != taken.subject:
        raise OtherPerson
    return Confirmation(tokens, LeaseSource.INTROSPECTION)


def confirm_silently(session_id: int, tokens: Tokens, claims: IdClaims, at: datetime) -> bool:
    """Store that the browser came back from the provider as the same person; whether it counts.

    It may come while a job renews the session: the newer answer stays.
    """
    using = database()
    row = _row(session_id, using)
    if row is None or (claims.issuer, claims.subject) != _person_in(row):
        return False
    interval = interval_of(claims.check_interval) or _interval_in(row)
    lease = lease_columns(at, interval, LeaseSource.SILENT)
    rows = UserSession.objects.using(using).live().filter(pk=session_id)
    with transaction.atomic(using=using):
        same = rows.filter(generation=row["generation"])
        if not same.update(renewing_until=None, generation=F("generation") + 1, **lease):
            return rows.exists()
        grants.keep(session_id, tokens, at, using=using)
        keep_payload(session_id, at, using=using)
    health.note_success(claims.issuer, at, using=using)
    return True


def note_silent_failure(session_id: int, error: Unreachable | Misconfigured) -> None:
    """Note that the browser came back without an answer: the outage rule holds until the next."""
    using = database()
    now = clock.now(using)
    live = UserSession.objects.using(using).live().filter(pk=session_id)
    live.update(lease_failed_at=now)
    config = provider_config()
    if config is not None:
        health.note_failure(config.issuer, error, now, using=using)


def store(taken: Taken, confirmed: Confirmation, config: ProviderConfig, using: str) -> Outcome:
    """Store a confirmation, if the session is still live and as it was when it was taken."""
    interval = confirmed.interval or taken.interval
    lease = lease_columns(taken.at, interval, confirmed.source)
    with transaction.atomic(using=using):
        is_stored = _release(taken, using, generation=F("generation") + 1, **lease)
        if is_stored:
            grants.keep(taken.session_id, confirmed.tokens, taken.at, using=using)
            keep_payload(taken.session_id, taken.at, using=using)
    if not is_stored:
        # The session has ended meanwhile, or its user has signed in again: of no use to anybody.
        revoke(confirmed.tokens, config)
        return Outcome.DENIED
    health.note_success(config.issuer, taken.at, using=using)
    return Outcome.CONFIRMED


def keep_payload(session_id: int, now: datetime, *, using: str) -> None:
    """Let the payload live as long as the renewed lease may, unless the host has set its end."""
    key = UserSession.objects.using(using).filter(pk=session_id).values("session_id")
    stored = payloads(using).filter(pk__in=key)
    data = stored.values_list("session_data", flat=True).first()
    if data is not None and "_session_expiry" not in SessionStore().decode(data):
        stored.update(expire_date=now + conf.SESSIONMGR_IDENTITY_LIFETIME)


def revoke(tokens: Tokens, config: ProviderConfig) -> None:
    """Have the provider forget a refresh token, if it can be asked; never raises."""
    try:
        endpoint = current_provider().revocation_endpoint
    except (Unreachable, Misconfigured):
        return
    if tokens.refresh_token:
        calls.revoke(endpoint, tokens.refresh_token, config=config)


def interval_of(claimed: int | None) -> timedelta | None:
    """Return how long a lease lasts by the ID token's claim, else by the setting (R2)."""
    seconds = conf.SESSIONMGR_CHECK_INTERVAL if claimed is None else claimed
    if seconds is None:
        return None
    return min(timedelta(seconds=seconds), conf.SESSIONMGR_IDENTITY_LIFETIME)


def _release(taken: Taken, using: str, **changes: Any) -> bool:
    """Give the row back, with ``changes``; return whether it was still as it was taken."""
    rows = UserSession.objects.using(using).live()
    same = rows.filter(taken.still, pk=taken.session_id)
    return bool(same.update(renewing_until=None, **changes))


def _token_is_lost(taken: Taken, using: str) -> Outcome:
    """Ask the browser instead: who was killed between answer and commit lost the new token."""
    grants.forget(taken.session_id, using=using)
    _release(taken, using, generation=F("generation") + 1)
    return Outcome.NEEDS_BROWSER


def _failed(taken: Taken, error: Exception, using: str) -> Outcome:
    """Note that nothing was learnt; the lease stays what it was."""
    soon = taken.at + TRY_AGAIN * random.uniform(0.8, 1.5)  # noqa: S311 # nosec B311
    live = UserSession.objects.using(using).live().filter(pk=taken.session_id)
    live.update(lease_failed_at=taken.at, lease_renew_at=soon)
    if isinstance(error, Unreachable | Misconfigured):
        health.note_failure(taken.issuer, error, taken.at, using=using)
    else:
        logger.warning("Session %s could not be renewed: %s.", taken.session_id, error)
    is_mistake = isinstance(error, Misconfigured)
    return Outcome.MISCONFIGURED if is_mistake else Outcome.UNREACHABLE
