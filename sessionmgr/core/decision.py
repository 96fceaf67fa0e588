"""The judge: is this session live at this instant, until when, and by which limit.

The only place in Python that compares a session's times (I4). Standard library only; the time is
an argument, never asked for.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sessionmgr.core.clients import NOTHING, ClientExemption
from sessionmgr.core.policy import FALLBACK_LENGTH, Policy
from sessionmgr.core.reasons import (
    REASON_OF_STANDING,
    EndReason,
    EndsBy,
    PolicySource,
    Standing,
)

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

#: How long after the last confirmation a session may go on (R3), and how long past the end of its
#: lease while the provider cannot be asked (R6), unless the project says otherwise.
IDENTITY_LIFETIME = timedelta(days=90)
OUTAGE_GRACE = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The identity provider's leave for a session to go on (R2), as it was last confirmed.

    At ``valid_until`` the provider must be asked again. ``is_unreachable``: it was, in vain; then
    the lease's end is a limit, put off by ``grace`` for who chose to stay signed in (R6).
    """

    checked_at: datetime
    valid_until: datetime
    stays_signed_in: bool = False
    is_unreachable: bool = False
    lifetime: timedelta = IDENTITY_LIFETIME
    grace: timedelta = OUTAGE_GRACE

    @property
    def holds_until(self) -> datetime:
        """When the session ends if the provider stays out of reach."""
        return self.valid_until + (self.grace if self.stays_signed_in else timedelta())

    @property
    def lapses_at(self) -> datetime:
        """When the session ends if nobody comes back to have the lease renewed."""
        return self.checked_at + self.lifetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """What the ledger, the payload and the user record say about one session.

    ``exemption``: what its kind of client is exempt from by the policy in force (R9).
    """

    authenticated_at: datetime
    last_activity_at: datetime
    policy_source: PolicySource = PolicySource.FALLBACK
    standing: Standing = Standing.GOOD
    lease: Lease | None = None
    payload_expires_at: datetime | None = None
    exemption: ClientExemption = NOTHING
    ended_reason: EndReason | None = None


class Limit(NamedTuple):
    """One limit on a session: it ends *at* ``ends_at``, which is the first instant refused."""

    reason: EndReason
    ends_at: datetime

    @property
    def ends_by(self) -> EndsBy:
        return ENDS_BY.get(self.reason, EndsBy.SESSION)

    @property
    def counts_down(self) -> EndsBy | None:
        """Which of the two clocks that people see it is on; ``None``: renewals move it unseen."""
        if self.reason is EndReason.IDENTITY_LIFETIME:
            return None
        return EndsBy.INACTIVITY if self.ends_by is EndsBy.INACTIVITY else EndsBy.SESSION


ENDS_BY = {
    EndReason.INACTIVITY: EndsBy.INACTIVITY,
    EndReason.LEASE_EXPIRED: EndsBy.LEASE,
    EndReason.IDENTITY_LIFETIME: EndsBy.LEASE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict at ``now``: ended for ``reason``, or live until the first of ``limits``.

    ``limits`` are in the order of their instants, earliest first. ``is_check_due``: the provider
    must be asked before the session may go on; only what it answers can end the session for it.
    """

    now: datetime
    reason: EndReason | None
    limits: tuple[Limit, ...]
    is_check_due: bool = False

    @property
    def is_live(self) -> bool:
        return self.reason is None

    @property
    def is_timed_out(self) -> bool:
        """Whether a limit ended it: a touch that comes first may yet move the deadline."""
        return any(limit.reason is self.reason for limit in self.limits)

    @property
    def binding(self) -> Limit | None:
        """The limit that ends the session first; ``None`` when nothing limits it."""
        return self.limits[0] if self.limits else None

    def seconds_left(self, kind: EndsBy) -> int | None:
        """Return whole seconds left on the clock ``kind``, rounded up; ``None``: no limit.

        Rounded up, so that a client which counts to zero and asks finds the session ended.
        """
        ends_at = next((limit.ends_at for limit in self.limits if limit.counts_down is kind), None)
        if ends_at is None:
            return None
        return max(0, math.ceil((ends_at - self.now) / SECOND))


def decide(policy: Policy, session: SessionState, now: datetime) -> Decision:
    """Judge ``session`` under ``policy`` at ``now`` (I4). A session ends at its deadline.

    A finding about the person outranks any time limit; between limits the earliest gives the
    reason, and of limits at the same instant the one listed first in ``limits_of``.
    """
    limits = tuple(sorted(limits_of(policy, session), key=lambda limit: limit.ends_at))
    return Decision(
        now=now,
        reason=_reason(session, limits, now),
        limits=limits,
        is_check_due=session.lease is not None and session.lease.valid_until <= now,
    )


def limits_of(policy: Policy, session: SessionState) -> list[Limit]:
    """Return each limit in force on ``session``, the administrator's own ones first."""
    exempt = session.exemption
    began, used = session.authenticated_at, session.last_activity_at
    max_age, max_idle = policy.max_age, policy.max_idle
    limits = []
    if max_age is not None:
        ends_at = exempt.length_until(began + max_age)
        limits.append(Limit(EndReason.SESSION_LENGTH, ends_at))
    if exempt.ceiling is not None:
        limits.append(Limit(EndReason.SESSION_LENGTH, began + exempt.ceiling))
    if max_idle is not None:
        limits.append(Limit(EndReason.INACTIVITY, exempt.idle_until(used + max_idle)))
    if session.policy_source is PolicySource.FALLBACK or session.lease is None:
        ends_at = exempt.length_until(began + FALLBACK_LENGTH)
        limits.append(Limit(EndReason.FALLBACK_LIMIT, ends_at))
    elif lives_by_lease(policy, session):
        limits.extend(_limits_of_lease(session.lease))
    if session.payload_expires_at is not None:
        limits.append(Limit(EndReason.HOST_EXPIRY, session.payload_expires_at))
    return limits


def lives_by_lease(policy: Policy, session: SessionState) -> bool:
    """Return whether the provider's own time policy is in force on ``session``.

    A maximum of ours replaces it (R7), but not for a client that is exempt from that maximum.
    """
    is_replaced = not policy.honours_provider and not session.exemption.from_session_length
    return session.policy_source is PolicySource.PROVIDER and not is_replaced


def _limits_of_lease(lease: Lease) -> Iterator[Limit]:
    """Yield the provider's own time limits."""
    if lease.is_unreachable:
        yield Limit(EndReason.LEASE_EXPIRED, lease.holds_until)
    yield Limit(EndReason.IDENTITY_LIFETIME, lease.lapses_at)


def _reason(session: SessionState, limits: tuple[Limit, ...], now: datetime) -> EndReason | None:
    if session.ended_reason is not None:
        return session.ended_reason
    if session.standing is not Standing.GOOD:
        return REASON_OF_STANDING[session.standing]
    if limits and limits[0].ends_at <= now:
        return limits[0].reason
    return None


def is_recent(session: SessionState, max_age: timedelta, now: datetime) -> bool:
    """Return whether credentials were given less than ``max_age`` ago; at it they are too old."""
    return now - session.authenticated_at < max_age


class Explanation(NamedTuple):
    """One line of "until when and why": a limit, the time it leaves, and whether it binds."""

    reason: EndReason
    ends_at: datetime
    left: timedelta
    binds: bool


def explain(decision: Decision) -> list[Explanation]:
    """Return what limits the session, first to end first; only the first one binds."""
    return [
        Explanation(limit.reason, limit.ends_at, limit.ends_at - decision.now, index == 0)
        for index, limit in enumerate(decision.limits)
    ]
