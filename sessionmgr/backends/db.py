"""The one door: a session that has ended loads as empty, whoever loads it.

Django's ``db`` engine with limits. The payload stays Django's own (``django_session``); beside it
the ledger row says whether it is still in force. Whatever Django writes, reads or removes comes
through here: sync and async views, the admin, API views, consumers.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessionStore
from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import Model, Q

from sessionmgr import clock, sources
from sessionmgr.backends.people import Person, joins_plainly, person_behind
from sessionmgr.backends.statement import Found, LedgerRow, find
from sessionmgr.conf import conf
from sessionmgr.core.decision import SessionState, decide
from sessionmgr.core.reasons import EndReason, PolicySource
from sessionmgr.enforcement import Judgement, end, rekey, start
from sessionmgr.models import State, UserSession, database, hash_of, overdue, payloads
from sessionmgr.sweep import sweep

logger = logging.getLogger("sessionmgr")

#: Django's own keys; anything else never reaches the database (a NUL breaks PostgreSQL).
KEY_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


class SessionUnavailableError(OperationalError):
    """The database cannot be asked now: neither signed in nor signed out. Answer 503 (I8)."""


class SessionStore(DatabaseSessionStore):
    """One request's session. Beyond Django's: what the door found.

    ``judgement``: how a live signed-in session stands, else ``None``.
    ``ended``: why the presented session is over, where that is known.
    ``unavailable``: the database did not answer.
    """

    judgement: Judgement | None = None
    ended: EndReason | None = None
    unavailable = False

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
    _saved_early: tuple[str | None, bytes] | None = None

    # --- reading

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
            payload = self._judge(found, found.ledger, using)
            if payload is not None:
                return payload
        return self._refuse(None)

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
            payload_expires_at=found.expires_at,
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
        if self.ended is None and self._presented_key and self.session_key is None:
            rows = UserSession.objects.using(database()).filter(
                key_hash=hash_of(self._presented_key), state=State.ENDED
            )
            reason = rows.order_by("-ended_at").values_list("ended_reason", flat=True).first()
            self.ended = EndReason(reason) if reason else None
        return self.ended

    def is_empty(self) -> bool:
        """As Django's, but keep a dead cookie until its end has been told (``forget_cookie``)."""
        return super().is_empty() and (self.modified or self._presented_key is None)

    def forget_cookie(self) -> None:
        """Let Django remove the cookie with this response."""
        self._presented_key = None

    def drop(self) -> None:
        """Forget what is here: the session has ended while the request was under way."""
        self._forget()
        self._session_cache = {}
        self._session_key = None
        self.modified = False

    def _forget(self) -> None:
        self._ledger_id = self._ledger_user = self._user = self.judgement = None

    # --- writing

    def get_session_cookie_age(self) -> int:
        """Return seconds; a signed-in payload outlives any limit of ours, which end it earlier."""
        if SESSION_KEY in getattr(self, "_session_cache", {}):
            return int(conf.SESSIONMGR_IDENTITY_LIFETIME.total_seconds())
        return super().get_session_cookie_age()

    def save(self, must_create: bool = False) -> None:
        """Store the payload; a signed-in one is stored with its ledger row or not at all.

        Raises UpdateError if the session has ended meanwhile, SessionUnavailableError if the
        database does not answer.
        """
        if self.session_key is None:
            return self.create()
        data = self._get_session(no_load=must_create)
        if self._saved_early is None or self._saved_early != self._fingerprint():
            with self._asking():
                self._save(data, must_create)
        return None

    def save_early(self) -> None:
        """Save now; the same save by SessionMiddleware, whose errors are nobody's, is left out."""
        self.save()
        self._saved_early = self._fingerprint()

    def _fingerprint(self) -> tuple[str | None, bytes]:
        return self.session_key, self.serializer().dumps(self._session)

    async def asave(self, must_create: bool = False) -> None:
        await sync_to_async(self.save)(must_create)

    async def acreate(self) -> None:
        await sync_to_async(self.create)()

    def _save(self, data: dict[str, Any], must_create: bool) -> None:
        using = database()
        user_key = data.get(SESSION_KEY)
        user_id = None if user_key is None else get_user_model()._meta.pk.to_python(user_key)
        if user_id == self._ledger_user:
            self._write_payload(data, must_create, using)
            return
        with transaction.atomic(using=using):
            if self._ledger_id is not None:
                self._end_in_place(using)
            if user_id is not None:
                self._ledger_id = start(
                    cast(str, self.session_key), user_id, sources.DEFAULT_SCOPE, using=using
                )
            self._write_payload(data, must_create, using)
        self._ledger_user = user_id

    def _end_in_place(self, using: str) -> None:
        """End the row of who was signed in so far; the payload goes on without them."""
        rows = UserSession.objects.using(using).filter(pk=cast(int, self._ledger_id))
        if not rows.end(EndReason.SIGNED_OUT):
            raise UpdateError
        rows.update(session=None)
        self._ledger_id = self.judgement = None

    def _write_payload(self, data: dict[str, Any], must_create: bool, using: str) -> None:
        obj = self.create_model_instance(data)
        if not must_create:
            # Not save(): it would call a locked database "session deleted", and needs a savepoint.
            if not payloads(using).filter(pk=obj.pk).update(**_columns(obj)):
                raise UpdateError
            return
        try:
            with transaction.atomic(using=using):
                obj.save(force_insert=True, using=using)
        except IntegrityError as error:
            raise CreateError from error

    def cycle_key(self) -> None:
        """Give the session a new key; a sign-out that meets this is not lost: it goes by row."""
        self._get_session()
        if self._ledger_id is None:
            super().cycle_key()
        else:
            self._rekey()

    async def acycle_key(self) -> None:
        await sync_to_async(self.cycle_key)()

    def authenticated_again(self) -> None:
        """Start both clocks anew under a new key: the user has given credentials again (R8)."""
        if self._ledger_id is not None and self.judgement is not None:
            self._rekey(authenticated_again=True)

    def _rekey(self, authenticated_again: bool = False) -> None:
        using = database()
        old_key = self.session_key
        judged = self.judgement
        at = judged.decision.now if judged is not None and authenticated_again else None
        new_key = self._get_new_session_key()
        with transaction.atomic(using=using):
            if not rekey(cast(int, self._ledger_id), new_key, using=using, authenticated_at=at):
                raise UpdateError
            self._session_key = new_key
            self._write_payload(self._session, must_create=True, using=using)
            payloads(using).filter(session_key=old_key).delete()
        self.modified = True
        if judged is not None and at is not None:
            self.judgement = judged.with_state(authenticated_at=at, last_activity_at=at)

    # --- ending

    def delete(self, session_key: str | None = None) -> None:
        """End the session by its row, and remove the payload; by key where there is no row."""
        key = session_key or self.session_key
        if key is None:
            return
        with self._asking():
            self._end_under(key, database())
        if key == self.session_key:
            self._forget()
            self.forget_cookie()

    def _end_under(self, key: str, using: str) -> None:
        ledger_id = self._ledger_id if key == self.session_key else None
        if ledger_id is None:
            rows = UserSession.objects.using(using).filter(session_id=key)
            ledger_id = rows.values_list("pk", flat=True).first()
        now = self.judgement.decision.now if self.judgement else None
        if ledger_id is None or not end(ledger_id, EndReason.SIGNED_OUT, now=now, using=using):
            payloads(using).filter(session_key=key).delete()

    async def adelete(self, session_key: str | None = None) -> None:
        await sync_to_async(self.delete)(session_key)

    @classmethod
    def clear_expired(cls) -> None:
        """End what is stale, then remove expired payloads that nobody is signed in with."""
        using = database()
        now = clock.now(using)
        sweep(now=now, using=using)
        payloads(using).filter(expire_date__lt=now, sessionmgr_ledger__isnull=True).delete()

    @classmethod
    async def aclear_expired(cls) -> None:
        await sync_to_async(cls.clear_expired)()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Tell a database that does not answer from a session that is not there (I8)."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            self.unavailable = True
            logger.error("The session database does not answer: %s", error)
            raise SessionUnavailableError("The session database does not answer.") from error


def _columns(obj: Model) -> dict[str, Any]:
    fields = obj._meta.concrete_fields
    return {
        field.attname: getattr(obj, field.attname) for field in fields if not field.primary_key
    }
