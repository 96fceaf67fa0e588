"""The door: what a session key opens. A session that has ended opens nothing.

The reading half of the engine; ``backends.db`` writes and ends.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import InterfaceError, OperationalError
from django.db.models import Model, Q

from sessionmgr import leases, memberships, sources
from sessionmgr.backends.people import Person, joins_plainly, person_behind
from sessionmgr.backends.statement import Found, Groups, LedgerRow, find
from sessionmgr.conf import conf
from sessionmgr.core.clients import BROWSER, NOTHING
from sessionmgr.core.decision import Decision, Lease, SessionState, decide, lives_by_lease
from sessionmgr.core.policy import Policy, strictest
from sessionmgr.core.reasons import EndReason, Outcome, PolicySource
from sessionmgr.enforcement import Judgement, end
from sessionmgr.models import State, UserSession, database, hash_of, lease_over, overdue

logger = logging.getLogger("sessionmgr")

#: Django's own keys; anything else never reaches the database (a NUL breaks PostgreSQL).
KEY_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")

#: How long a failed renewal is taken to mean that the provider is still out of reach.
FAILURE_COUNTS_FOR = timedelta(minutes=10)


class SessionUnavailableError(OperationalError):
    """The database cannot be asked now: neither signed in nor signed out. Answer 503 (I8)."""


class Door(DatabaseSessionStore):
    """One request's session. Beyond Django's: what the door found.

    ``judgement``: how a live signed-in session stands, else ``None``.
    ``ended``: why the presented session is over, where that is known.
    ``unavailable``: the database did not answer.
    ``needs_browser``: only a visit to the provider can tell whether the session may go on.
    ``is_suspended``: until that is known it opens nothing; it has not ended.
    ``needs_token``: no visit can tell, but an access token of the session's kind of client.
    """

    judgement: Judgement | None = None
    ended: EndReason | None = None
    unavailable = False
    has_forgotten_cookie = False
    needs_browser = False
    is_suspended = False
    needs_token = False

    #: Which scope the request is for; ``None``: loaded without a request, and so in no scope.
    scope_source: Callable[[], str] | None = None

    if TYPE_CHECKING:
        _session: dict[str, Any]
        _session_cache: dict[str, Any]

        def _get_session(self, no_load: bool = False) -> dict[str, Any]: ...
        def _get_new_session_key(self) -> str: ...

    _ledger_id: int | None = None
    _ledger_user: Any = None
    _user: Model | None = None
    _user_key: str | None = None
    _presented_key: str | None = None

    def _validate_session_key(self, key: object) -> bool:
        return isinstance(key, str) and 8 <= len(key) <= 40 and KEY_ALPHABET.issuperset(key)

    def load(self) -> dict[str, Any]:
        """Return the payload if it is in force, else nothing: one query."""
        with self._asking():
            return self._load()

    async def aload(self) -> dict[str, Any]:
        return await sync_to_async(self.load)()

    def _load(self) -> dict[str, Any]:
        using = database()
        self._presented_key = self.session_key
        # A touch or a renewal may move the deadline between the reading and the end: look again.
        for attempt in range(3):
            found = find(
                cast(str, self.session_key),
                using=using,
                with_user=joins_plainly(),
                groups=self._expected_groups(),
            )
            if found is None:
                return self._refuse(None)
            if found.ledger is None:
                return self._anonymous(found)
            if found.ledger.state == State.ENDED:
                return self._refuse(EndReason(found.ledger.ended_reason))
            if self._is_elsewhere(found.ledger.scope):
                return self._refuse(EndReason.WRONG_SCOPE)
            payload = self._judge(found, found.ledger, using, may_ask=attempt == 0)
            if payload is not None:
                return payload
        return self._refuse(None)

    def hold_to(self, scope_source: Callable[[], str]) -> None:
        """Open nothing but what began in the scope of the request; asked for where it matters."""
        self.scope_source = scope_source
        if self.judgement is not None and self._is_elsewhere(self.judgement.scope):
            # Somebody has looked before the request's scope was told.
            self.drop()
            self.ended = EndReason.WRONG_SCOPE

    def _is_elsewhere(self, scope: str) -> bool:
        """Return whether a session of ``scope`` is presented in another one.

        It is not ended: it goes on where it began. Else a link from one environment to another
        that gets the same cookie would sign people out.
        """
        return self.scope_source is not None and self.scope_source() != scope

    def _anonymous(self, found: Found) -> dict[str, Any]:
        payload: dict[str, Any] = self.decode(found.payload)
        if SESSION_KEY in payload or found.expires_at <= found.now:
            return self._refuse(None)
        return payload

    def _judge(
        self, found: Found, ledger: LedgerRow, using: str, may_ask: bool
    ) -> dict[str, Any] | None:
        """Return the payload of a live row, or nothing once ended; ``None``: it has changed."""
        payload: dict[str, Any] = self.decode(found.payload)
        person = person_behind(payload, ledger.user_id, found.user)
        policy = self._policy_for(ledger, found)
        state = SessionState(
            authenticated_at=ledger.authenticated_at,
            last_activity_at=ledger.last_activity_at,
            policy_source=PolicySource(ledger.policy_source),
            standing=person.standing,
            lease=_lease_of(ledger),
            payload_expires_at=_limit_of_host(payload, found),
            exemption=policy.exemptions.get(ledger.client_class, NOTHING),
        )
        decision = decide(policy, state, found.now)
        if decision.is_live and state.lease is not None:
            is_unreachable = _has_failed_lately(ledger, found.now)
            if decision.is_check_due and may_ask:
                outcome = leases.ask(ledger.id)
                if outcome in SETTLED:
                    return None
                if outcome is Outcome.NEEDS_BROWSER:
                    self.needs_token = ledger.client_class != BROWSER
                    self.is_suspended = self.needs_token or lives_by_lease(policy, state)
                    self.needs_browser = not self.is_suspended
                if self.is_suspended:
                    return self._refuse(None)
                is_unreachable = outcome in OUTAGE
            if is_unreachable:
                state = replace(state, lease=replace(state.lease, is_unreachable=True))
                decision = decide(policy, state, found.now)
        if decision.reason is None:
            self._admit(ledger, person, payload)
            self.judgement = Judgement(
                session_id=ledger.id,
                user_id=ledger.user_id,
                scope=ledger.scope,
                started_at=ledger.started_at,
                state=state,
                policy=policy,
                decision=decision,
                identity_id=ledger.identity_id,
                client_class=ledger.client_class,
            )
            return payload
        still = _what_must_still_be(policy, decision)
        if end(ledger.id, decision.reason, now=found.now, using=using, still=still):
            return self._refuse(decision.reason)
        return None

    def _expected_groups(self) -> Groups:
        """Return the groups that have limits where the session is expected to belong."""
        if self.scope_source is None:
            return ()
        groups = limited_groups(sources.current_policy(self.scope_source()))
        return groups if groups and memberships.joins_plainly() else ()

    def _policy_for(self, ledger: LedgerRow, found: Found) -> Policy:
        """Return the policy in force for the session's user, with what their groups make stricter.

        Where the statement was not asked for all of these groups, a query of its own is.
        """
        policy = sources.current_policy(ledger.scope)
        groups = limited_groups(policy)
        if not groups:
            return policy
        is_known = found.asked_for.issuperset(groups)
        member_of = found.groups if is_known else memberships.groups_of(ledger.user_id, groups)
        return strictest(policy, member_of)

    def _admit(self, ledger: LedgerRow, person: Person, payload: dict[str, Any]) -> None:
        self._ledger_id, self._ledger_user = ledger.id, ledger.user_id
        self._user, self._user_key = person.user, payload[SESSION_KEY]

    def _refuse(self, reason: EndReason | None) -> dict[str, Any]:
        self.ended = reason
        self._session_key = None
        return {}

    def verified_user(self) -> Model | None:
        """Return the user that came with the payload, checked as Django checks; ``None``: ask it.

        ``None`` also once the payload names another user than it did when it was loaded.
        """
        return self._user if self.get(SESSION_KEY) == self._user_key else None

    def why_ended(self) -> EndReason | None:
        """Return why the session that the browser presented is over, if the ledger knows.

        One query where the payload is gone already: only asked when sign-in is demanded.
        """
        if self.ended is None:
            reason = self._of_last_end("ended_reason")
            self.ended = EndReason(reason) if reason else None
        return self.ended

    def whose(self) -> Any:
        """Return the id of who was signed in with the presented session, if it is known."""
        return self._of_last_end("user_id")

    def presented_row(self) -> int | None:
        """Return the id of the presented session's row; of one that has ended, of its last end."""
        row: int | None = self._of_last_end("pk") if self._ledger_id is None else self._ledger_id
        return row

    def _of_last_end(self, column: str) -> Any:
        if self._presented_key is None or self.session_key is not None:
            return None
        state = State.LIVE if self.is_suspended else State.ENDED
        rows = UserSession.objects.using(database()).filter(
            key_hash=hash_of(self._presented_key), state=state
        )
        return rows.order_by("-ended_at").values_list(column, flat=True).first()

    def is_empty(self) -> bool:
        """As Django's, but keep a dead cookie until its end has been told (``forget_cookie``)."""
        return super().is_empty() and (self.modified or self._presented_key is None)

    def forget_cookie(self) -> None:
        """Let Django remove the cookie with this response, unless it opens another scope."""
        if self.ended is not EndReason.WRONG_SCOPE:
            self._presented_key = None
            self.has_forgotten_cookie = True

    def drop(self) -> None:
        """Forget what is here: the session has ended while the request was under way."""
        self._forget()
        self._session_cache = {}
        self._session_key = None
        self.modified = False

    def _forget(self) -> None:
        self._ledger_id = self._ledger_user = self._user = self.judgement = None

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Tell a database that does not answer from a session that is not there (I8)."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            self.unavailable = True
            logger.error("The session database does not answer: %s", error)
            raise SessionUnavailableError("The session database does not answer.") from error


def limited_groups(policy: Policy) -> Groups:
    """Return the groups that have limits of their own, for the statement to ask for."""
    return tuple(limits.group for limits in policy.groups)


#: After these the row says how the session stands: look again.
SETTLED = frozenset({Outcome.CONFIRMED, Outcome.DENIED, Outcome.OTHER_USER})
#: By these nobody is denied anything (R6).
OUTAGE = frozenset({Outcome.UNREACHABLE, Outcome.MISCONFIGURED})


def _lease_of(ledger: LedgerRow) -> Lease | None:
    if ledger.lease_checked_at is None or ledger.lease_valid_until is None:
        return None
    return Lease(
        checked_at=ledger.lease_checked_at,
        valid_until=ledger.lease_valid_until,
        stays_signed_in=ledger.stays_signed_in,
        lifetime=conf.SESSIONMGR_IDENTITY_LIFETIME,
        grace=conf.SESSIONMGR_OUTAGE_GRACE,
    )


def _what_must_still_be(policy: Policy, decision: Decision) -> Q:
    """Return what must be true of the row as it is ended: a touch or a renewal may come first."""
    if decision.reason is EndReason.LEASE_EXPIRED:
        return lease_over(decision.now)
    return overdue(policy, decision.now) if decision.is_timed_out else Q()


def _has_failed_lately(ledger: LedgerRow, now: datetime) -> bool:
    failed_at = ledger.lease_failed_at
    return failed_at is not None and now - failed_at < FAILURE_COUNTS_FOR


def _limit_of_host(payload: dict[str, Any], found: Found) -> datetime | None:
    """Return when the payload runs out, where the host has said so or the time has come.

    Else it only means that the payload is written anew long before that.
    """
    is_limit = "_session_expiry" in payload or found.expires_at <= found.now
    return found.expires_at if is_limit else None
