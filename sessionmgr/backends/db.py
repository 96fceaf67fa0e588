"""The session engine: Django's ``db`` engine, held to the ledger.

The payload stays Django's own (``django_session``); beside it the ledger row says whether it is in
force. Whatever Django reads, writes or removes comes through here, sync and async: views, the
admin, API views, consumers.
"""

from datetime import datetime
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.db import IntegrityError, transaction
from django.db.models import Model

from sessionmgr import clock, sources
from sessionmgr.backends.door import Door
from sessionmgr.conf import conf
from sessionmgr.core.clients import BROWSER
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import ProviderSignIn, end, rekey, start
from sessionmgr.models import UserSession, database, payloads
from sessionmgr.sweep import sweep

#: In the payload of who stays signed in: when their cookie was last written, in Unix seconds.
COOKIE_KEY = "_sessionmgr_cookie"


class SessionStore(Door):
    """One request's session. An ended one is empty; ``Door`` says what was found.

    ``provider``: what a sign-in at the identity provider brings along; set before ``login()``.
    """

    provider: ProviderSignIn | None = None
    _saved_early: tuple[str | None, bytes] | None = None

    def get_session_cookie_age(self) -> int:
        """Return seconds; a signed-in payload outlives any limit of ours, which end it earlier."""
        if SESSION_KEY in getattr(self, "_session_cache", {}):
            return int(conf.SESSIONMGR_IDENTITY_LIFETIME.total_seconds())
        return super().get_session_cookie_age()

    def get_expire_at_browser_close(self) -> bool:
        """As Django's, but not for who chose to stay signed in; that lifts no limit (R6)."""
        return super().get_expire_at_browser_close() and COOKIE_KEY not in self._session

    def is_cookie_due(self, now: datetime) -> bool:
        """Return whether half of the time is over of the cookie of who stays signed in."""
        written_at = self._session.get(COOKIE_KEY)
        if written_at is None:
            return False
        return bool(now.timestamp() - written_at >= self.get_session_cookie_age() / 2)

    def keep_cookie(self, now: datetime) -> None:
        """Have the cookie written anew with this answer."""
        self[COOKIE_KEY] = int(now.timestamp())

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
                self._end_in_place(using, EndReason.SIGNED_OUT)
            if user_id is not None:
                self._mark_cookie(data)
                self._ledger_id = start(
                    cast(str, self.session_key),
                    user_id,
                    self._own_scope(),
                    using=using,
                    provider=self.provider,
                )
            self._write_payload(data, must_create, using)
        self._ledger_user = user_id

    def _mark_cookie(self, data: dict[str, Any]) -> None:
        data.pop(COOKIE_KEY, None)
        if self.provider is not None and self.provider.stays_signed_in:
            data[COOKIE_KEY] = int(self.provider.at.timestamp())

    def _own_scope(self) -> str:
        return sources.DEFAULT_SCOPE if self.scope_source is None else self.scope_source()

    def _end_in_place(self, using: str, reason: EndReason) -> None:
        """End the row of who was signed in so far; the payload goes on without them."""
        rows = UserSession.objects.using(using).filter(pk=cast(int, self._ledger_id))
        if not rows.end(reason):
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
        """Start both clocks anew under a new key: the user has given credentials again (R8).

        Who came by another way than before, as the same user, gets a session of its own (I7):
        by another identity, or through another kind of client. So does who came by a link that
        opens a new one.
        """
        if self._ledger_id is None or self.judgement is None:
            return
        came_by = (self.judgement.identity_id, self.judgement.client_class)
        comes_by = (None, BROWSER) if self.provider is None else self.provider.way
        if self.provider is not None and self.provider.replaces:
            self._begin_anew(EndReason.REPLACED)
        elif comes_by == came_by:
            self._rekey(authenticated_again=True)
        else:
            self._begin_anew(EndReason.SIGNED_OUT)

    @property
    def ledger_id(self) -> int | None:
        """The id of the ledger row, once the session is signed in and stored."""
        return self._ledger_id

    def _begin_anew(self, reason: EndReason) -> None:
        """End the session, and give its payload a key that the next save starts a new one for."""
        using = database()
        with transaction.atomic(using=using):
            self._end_in_place(using, reason)
            payloads(using).filter(session_key=self.session_key).delete()
        self._ledger_user = None
        self._session_key = None
        self.modified = True

    def _rekey(self, authenticated_again: bool = False) -> None:
        using = database()
        old_key = self.session_key
        judged = self.judgement
        at = judged.decision.now if judged is not None and authenticated_again else None
        provider = self.provider if at is not None else None
        new_key = self._get_new_session_key()
        with transaction.atomic(using=using):
            is_live = rekey(
                cast(int, self._ledger_id),
                new_key,
                using=using,
                authenticated_at=at,
                provider=provider,
            )
            if not is_live:
                raise UpdateError
            self._session_key = new_key
            if provider is not None:
                self._mark_cookie(self._session)
            self._write_payload(self._session, must_create=True, using=using)
            payloads(using).filter(session_key=old_key).delete()
        self.modified = True
        if judged is not None and at is not None:
            self.judgement = judged.with_state(authenticated_at=at, last_activity_at=at)

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


def _columns(obj: Model) -> dict[str, Any]:
    fields = obj._meta.concrete_fields
    return {
        field.attname: getattr(obj, field.attname) for field in fields if not field.primary_key
    }
