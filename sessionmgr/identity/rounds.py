"""The job that renews leases before they run out, a round each minute (R2).

Only of sessions that have been used during their present lease: who is away is asked about on
coming back. In an outage a round ends with its first failure, and tries again a minute later.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from sessionmgr.chunks import Progress
from sessionmgr.conf import conf
from sessionmgr.core.reasons import Outcome
from sessionmgr.identity import grants, renewal
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.jobs import Counts, alone
from sessionmgr.models import ProviderGrant, State, UserSession

#: How long a run that was killed keeps others from running; and how long a run goes on at most.
LEASE = timedelta(minutes=5)
ROUND_SECONDS = 50.0

#: Sessions read at a time.
CHUNK = 200

#: Of sessions that ended this lately, the tokens are revoked; of others only deleted.
ENDED_LATELY = timedelta(minutes=10)
REVOKED_AT_A_TIME = 50

OUTAGE = frozenset({Outcome.UNREACHABLE, Outcome.MISCONFIGURED})


def renew_identity_leases(progress: Progress | None = None) -> Counts:
    """Renew the leases that are due; return how many sessions, by what came of it."""

    def work(now: datetime, using: str) -> Mapping[str, int]:
        config = provider_config()
        if config is None:
            return {"due": 0}
        counts = _renew_due(now, using, progress)
        counts["revoked"] = _forget_ended(now, config, using)
        return {"due": sum(counts[each.value] for each in Outcome), **counts}

    return alone("renew", LEASE, work)


def due(now: datetime, using: str) -> QuerySet[UserSession]:
    """Return the sessions whose lease is to be renewed ahead of its end."""
    return UserSession.objects.using(using).live().filter(lease_renew_at__lte=now)


def _renew_due(now: datetime, using: str, progress: Progress | None) -> Counter[str]:
    _let_dormant_wait(now, using)
    counts: Counter[str] = Counter()
    pace = Pace(conf.SESSIONMGR_RENEWALS_PER_SECOND)
    for session_id in _in_turn(due(now, using)):
        pace.wait()
        outcome = renewal.ahead_of_time(session_id)
        counts[outcome.value] += 1
        if progress is not None:
            progress(1)
        if outcome in OUTAGE:
            _put_off(due(now, using), now)
            break
        if pace.elapsed > ROUND_SECONDS:
            break
    return counts


def _in_turn(rows: QuerySet[UserSession]) -> Iterator[int]:
    """Yield the ids of ``rows``, those due first first, each once."""
    place = Q()
    while True:
        ahead = rows.filter(place).order_by("lease_renew_at", "pk")
        batch = list(ahead.values_list("lease_renew_at", "pk")[:CHUNK])
        for _at, session_id in batch:
            yield session_id
        if len(batch) < CHUNK:
            return
        at, last = batch[-1]
        place = Q(lease_renew_at__gt=at) | Q(lease_renew_at=at, pk__gt=last)


def _let_dormant_wait(now: datetime, using: str) -> None:
    """Look at those who are away once more when their lease runs out, and then no more."""
    dormant = due(now, using).filter(last_activity_at__lt=F("lease_checked_at"))
    dormant.filter(lease_valid_until__lte=now).update(lease_renew_at=None)
    dormant.filter(lease_valid_until__gt=now).update(lease_renew_at=F("lease_valid_until"))


def _put_off(rows: QuerySet[UserSession], now: datetime) -> None:
    """Note for all that are due that the provider is out of reach, so that they are warned."""
    rows.update(lease_failed_at=now, lease_renew_at=now + renewal.TRY_AGAIN)


def _forget_ended(now: datetime, config: ProviderConfig, using: str) -> int:
    """Delete the tokens of sessions that have ended lately, and have the provider forget them."""
    ended = UserSession.objects.using(using).filter(
        state=State.ENDED, ended_at__gt=now - ENDED_LATELY
    )
    kept = ProviderGrant.objects.using(using).filter(session_id=OuterRef("pk"))
    ids = ended.filter(Exists(kept)).values_list("pk", flat=True)[:REVOKED_AT_A_TIME]
    revoked = 0
    for session_id in list(ids):
        tokens = grants.read(session_id, using=using)
        grants.forget(session_id, using=using)
        if tokens is not None and tokens.refresh_token:
            renewal.revoke(tokens, config)
            revoked += 1
    return revoked


class Pace:
    """At most so many calls in a second, spread evenly: a provider is no one's alone."""

    def __init__(self, per_second: float) -> None:
        self.step = 1.0 / per_second
        self.began = self.next = monotonic()
        self.pause = threading.Event()

    def wait(self) -> None:
        """Wait for this call's turn."""
        if (ahead := self.next - monotonic()) > 0:
            self.pause.wait(ahead)
        self.next = max(self.next, monotonic()) + self.step

    @property
    def elapsed(self) -> float:
        """Seconds since the round began."""
        return monotonic() - self.began
