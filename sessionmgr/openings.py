"""The way to whoever knows how a browser came to open an environment (R4).

The sign-in at the provider asks before a session begins. An app with environments connects itself;
where there is none, nobody bypasses anything.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from sessionmgr.core.clients import BROWSER
from sessionmgr.core.reasons import FallbackReason
from sessionmgr.models import State, UserSession, database


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A sign-in that the provider has vouched for, in the environment where it arrives.

    ``ticket_id``: the ticket by which the browser set out; ``None``: by none.
    """

    issuer: str
    subject: str
    sid: str
    scope: str
    ticket_id: int | None = None

    @property
    def browser_session(self) -> bytes:
        """Return what tells one person's browser session at the provider from all others."""
        return browser_session(self.issuer, self.subject, self.sid)


class WrongTicketError(Exception):
    """The ticket by which the browser set out is not for who arrives, or not for here."""


#: Raises ``WrongTicketError`` where the arrival is not what its ticket was made for.
Check = Callable[[Arrival], None]
#: Tells why a session of the identity of this id would bypass the provider's policy.
Tell = Callable[[Arrival, int], FallbackReason | None]


class Gate:
    """Who checks tickets, and who tells; one for each process."""

    check: Check | None = None
    tell: Tell | None = None


_gate = Gate()


def connect(*, check: Check | None, tell: Tell | None) -> None:
    """Let these answer from now on."""
    _gate.check, _gate.tell = check, tell


def check(arrival: Arrival) -> None:
    """Raise ``WrongTicketError`` unless the arrival has no ticket, or the right one."""
    if arrival.ticket_id is None:
        return
    if _gate.check is None:
        raise WrongTicketError
    _gate.check(arrival)


def bypass_of(arrival: Arrival, identity_id: int) -> FallbackReason | None:
    """Return why the session that is about to begin bypasses the provider's policy, if it does."""
    return None if _gate.tell is None else _gate.tell(arrival, identity_id)


def browser_session(issuer: str, subject: str, sid: str) -> bytes:
    """Return the SHA-256 of what a browser session at the provider is known by."""
    return hashlib.sha256("\0".join((issuer, subject, sid)).encode()).digest()


def scopes_opened(identity_id: int, sid: str) -> set[str]:
    """Return where this person's browsers have signed in by the provider's session ``sid``.

    Also what has ended since. Two indexed halves: live rows, and ended ones.
    """
    rows = UserSession.objects.using(database()).filter(
        identity_id=identity_id, provider_sid=sid, client_class=BROWSER
    )
    live, ended = (rows.filter(state=state).values_list("scope") for state in State)
    return {scope for (scope,) in live.union(ended)}
