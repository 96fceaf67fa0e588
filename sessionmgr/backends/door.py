"""The door: what a session key opens. A session that has ended opens nothing.

The reading half of the engine; ``backends.db`` writes and ends.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import InterfaceError, OperationalError
from django.db.models import Model, Q

from sessionmgr import sources
from sessionmgr.backends.people import Person, joins_plainly, person_behind
from sessionmgr.backends.statement import Found, LedgerRow, find
from sessionmgr.core.decision import SessionState, decide
from sessionmgr.core.reasons import EndReason, PolicySource
from sessionmgr.enforcement import Judgement, end
from sessionmgr.models import State, UserSession, database, hash_of, overdue

logger = logging.getLogger("sessionmgr")

#: Django's own keys; anything else never reaches the database (a NUL breaks PostgreSQL).
KEY_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


class SessionUnavailableError(OperationalError):
    """The database cannot be asked now: neither signed in nor signed out. Answer 503 (I8)."""


class Door(DatabaseSessionStore):
    """One request's session. Beyond Django's: what the door found.

    ``judgement``: how a live signed-in session stands, else ``None``.
    ``ended``: why the presented session is over, where that is known.
    ``unavailable``: the database did not answer.
    """

    judgement: Judgement | None = None
    ended: EndReason | None = None
    unavailable = False

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
        for _attempt in range(3):
            found = find(cast(str, self.session_key), using=using, with_user=joins_plainly())
            if found is None:
                return self._refuse(None)
            if found.ledger is None:
                return self._anonymous(found)
            if found.ledger.state == State.ENDED:
                return self._refuse(EndReason(found.ledger.ended_reason))
            if self._is_elsewhere(found.ledger.scope):
                return self._refuse(EndReason.WRONG_SCOPE)
            payload = self._judge(found, found.ledger, using)
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

    def _judge(self, found: Found, ledger: LedgerRow, using: str) -> dict[str, Any] | None:
        """Return the payload of a live row, or nothing once ended; ``None``: it has changed."""
        payload: dict[str, Any] = self.decode(found.payload)
        person = person_behind(payload, ledger.user_id, found.user)
        policy = sources.current_policy(ledger.scope)
        state = SessionState(
            authenticated_at=ledger.authenticated_at,
            last_activity_at=ledger.last_activity_at,
            policy_source=PolicySource(ledger.policy_source),
            standing=person.standing,
            payload_expires_at=_limit_of_host(payload, found),
        )
        decision = decide(policy, state, found.now)
        if decision.reason is None:
            self._admit(ledger, person, payload)
            self.judgement = Judgement(
                ledger.id, ledger.user_id, ledger.scope, ledger.started_at, state, policy, decision
            )
            return payload
        still = overdue(policy, found.now) if decision.is_timed_out else Q()
        if end(ledger.id, decision.reason, now=found.now, using=using, still=still):
            return self._refuse(decision.reason)
        return None

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
        """Return the id of who was signed in with the session that is over, if it is known."""
        return self._of_last_end("user_id")

    def _of_last_end(self, column: str) -> Any:
        if self._presented_key is None or self.session_key is not None:
            return None
        rows = UserSession.objects.using(database()).filter(
            key_hash=hash_of(self._presented_key), state=State.ENDED
        )
        return rows.order_by("-ended_at").values_list(column, flat=True).first()

    def is_empty(self) -> bool:
        """As Django's, but keep a dead cookie until its end has been told (``forget_cookie``)."""
        return super().is_empty() and (self.modified or self._presented_key is None)

    def forget_cookie(self) -> None:
        """Let Django remove the cookie with this response, unless it opens another scope."""
        if self.ended is not EndReason.WRONG_SCOPE:
            self._presented_key = None

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


def _limit_of_host(payload: dict[str, Any], found: Found) -> datetime | None:
    """Return when the payload runs out, where the host has said so or the time has come.

    Else it only means that the payload is written anew long before that.
    """
    is_limit = "_session_expiry" in payload or found.expires_at <= found.now
    return found.expires_at if is_limit else None
