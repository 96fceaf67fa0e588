"""Who is behind a payload: Django's user check (``django.contrib.auth.get_user``), at the door.

Where Django would find the user by the plain primary key, the joined row serves; else the
backend's own lookup is used: a second query, the same answer.
"""

from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Manager, Model
from django.utils.crypto import constant_time_compare

from sessionmgr.core.reasons import Standing
from sessionmgr.models import database


class Person(NamedTuple):
    """The user behind a session, and whether to serve them.

    In good standing without a user: only Django can tell (a backend that is not installed here,
    or a sign-in under an older secret key, which Django then renews).
    """

    standing: Standing
    user: Model | None = None


def joins_plainly() -> bool:
    """Return whether the user may be read by a join on the primary key, for every backend."""
    return _joins_plainly(tuple(settings.AUTHENTICATION_BACKENDS))


@cache
def _joins_plainly(backend_paths: tuple[str, ...]) -> bool:
    model = get_user_model()
    manager_is_plain = type(model._default_manager).get_queryset is Manager.get_queryset
    same_database = router.db_for_read(model) == database()
    backends_are_plain = all(
        getattr(type(load_backend(path)), "get_user", None) is ModelBackend.get_user
        for path in backend_paths
    )
    return manager_is_plain and same_database and backends_are_plain


def person_behind(payload: dict[str, Any], ledger_user_id: Any, joined: Model | None) -> Person:
    """Return who a signed-in payload belongs to; ``joined`` is the row found along with it."""
    if SESSION_KEY not in payload:
        return Person(Standing.UNREADABLE)
    try:
        user_id = get_user_model()._meta.pk.to_python(payload[SESSION_KEY])
    except ValidationError:
        return Person(Standing.UNREADABLE)
    if user_id != ledger_user_id:
        return Person(Standing.MISMATCH)
    path = payload.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return Person(Standing.GOOD)
    backend = load_backend(path)
    user = joined if joins_plainly() else backend.get_user(user_id)
    if user is None or not may_authenticate(backend, user):
        return Person(Standing.DISABLED)
    return _with_credentials(user, payload.get(HASH_SESSION_KEY))


def may_authenticate(backend: Any, user: Model) -> bool:
    """As ModelBackend.get_user asks; also of backends that override it without asking."""
    ask = getattr(backend, "user_can_authenticate", None)
    return bool(ask(user) if ask else getattr(user, "is_active", True))


def _with_credentials(user: Any, session_hash: str | None) -> Person:
    if not hasattr(user, "get_session_auth_hash"):
        return Person(Standing.GOOD, user)
    if not session_hash:
        return Person(Standing.CREDENTIALS_CHANGED)
    if constant_time_compare(session_hash, user.get_session_auth_hash()):
        return Person(Standing.GOOD, user)
    if any(
        constant_time_compare(session_hash, fallback)
        for fallback in user.get_session_auth_fallback_hash()
    ):
        return Person(Standing.GOOD)
    return Person(Standing.CREDENTIALS_CHANGED)
