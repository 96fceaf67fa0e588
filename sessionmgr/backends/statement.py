"""The one statement: payload, ledger row, user, groups and the database's time, by session key.

The ORM compiles it once per process; each request executes it with a cursor. Only this module
knows the compiler's internals; if a Django release changes them, the same query goes through the
ORM each time, with the same answer (tests/sessionmgr/test_statement.py pins both).
"""

import logging
import re
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models import Model, QuerySet

from sessionmgr import clock
from sessionmgr.memberships import has_member
from sessionmgr.models import payloads

logger = logging.getLogger("sessionmgr")

#: Stands for the key while compiling; no session key contains a colon.
MARK = "sessionmgr:key"

#: Columns are read by position: without names the statement is half as long to send and scan.
COLUMN_NAME = re.compile(r' AS "\w+"')

LEDGER_COLUMNS = (
    "id",
    "user_id",
    "scope",
    "state",
    "policy_source",
    "started_at",
    "authenticated_at",
    "last_activity_at",
    "ended_reason",
    "identity_id",
    "lease_checked_at",
    "lease_valid_until",
    "lease_failed_at",
    "stays_signed_in",
    "client_class",
)


class LedgerRow(NamedTuple):
    """What the ledger says of one sign-in, in the order of LEDGER_COLUMNS."""

    id: int
    user_id: Any
    scope: str
    state: str
    policy_source: str
    started_at: datetime
    authenticated_at: datetime
    last_activity_at: datetime
    ended_reason: str
    identity_id: int | None
    lease_checked_at: datetime | None
    lease_valid_until: datetime | None
    lease_failed_at: datetime | None
    stays_signed_in: bool
    client_class: str


class Found(NamedTuple):
    """One session as the database knows it at ``now``.

    ``groups``: those of ``asked_for`` that its user is a member of.
    """

    payload: str
    expires_at: datetime
    ledger: LedgerRow | None
    user: Model | None
    now: datetime
    groups: frozenset[Hashable] = frozenset()
    asked_for: frozenset[Hashable] = frozenset()


#: The groups that a statement asks for.
Groups = tuple[Hashable, ...]


class Statement(NamedTuple):
    """A compiled query: where the key goes, and how each column is converted."""

    sql: str
    params: tuple[Any, ...]
    key_at: int
    converters: dict[int, tuple[list[Callable[..., Any]], Any]]


def find(session_key: str, *, using: str, with_user: bool, groups: Groups = ()) -> Found | None:
    """Return the session stored under ``session_key``, in one query; ``None`` if there is none.

    ``with_user=False`` leaves the user out, where a plain join would not be the host's lookup.
    ``groups``: whether the user is a member of these comes along.
    """
    statement = _compiled(using, with_user, groups)
    if statement is None:
        row: Sequence[Any] | None = _query(session_key, using, with_user, groups).first()
    else:
        row = _execute(statement, session_key, using)
    return None if row is None else _found(row, using, with_user, groups)


def _execute(statement: Statement, session_key: str, using: str) -> Sequence[Any] | None:
    params = list(statement.params)
    params[statement.key_at] = session_key
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, params)
        row = cursor.fetchone()
    if row is None:
        return None
    values = list(row)
    for index, (converters, expression) in statement.converters.items():
        for convert in converters:
            values[index] = convert(values[index], expression, connection)
    return values


def _found(row: Sequence[Any], using: str, with_user: bool, groups: Groups) -> Found:
    ledger = LedgerRow(*row[2 : 2 + len(LEDGER_COLUMNS)])
    now = clock.read(row[-1])
    user_end = len(row) - 1 - len(groups)
    if ledger.id is None:
        return Found(row[0], row[1], None, None, now)
    user = None
    if with_user:
        model, names, key_at = _user_model()
        values = row[2 + len(LEDGER_COLUMNS) : user_end]
        # The ORM reads the user's key off the ledger: who is gone shows in the other columns.
        if any(value is not None and at != key_at for at, value in enumerate(values)):
            user = model.from_db(using, names, values)
    if not groups:
        return Found(row[0], row[1], ledger, user, now)
    of_theirs = frozenset(
        group for group, is_member in zip(groups, row[user_end:-1], strict=True) if is_member
    )
    return Found(row[0], row[1], ledger, user, now, of_theirs, frozenset(groups))


#: Which groups have limits changes as seldom as an administrator changes it.
@lru_cache(maxsize=64)
def _compiled(using: str, with_user: bool, groups: Groups = ()) -> Statement | None:
    try:
        query = _query(MARK, using, with_user, groups).query
        # Drivers look through the whole of it each time: short names for the tables pay.
        query.change_aliases({name: f"t{at}" for at, name in enumerate(query.alias_map)})
        compiler = query.get_compiler(using)
        sql, params = compiler.as_sql()
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        bare = COLUMN_NAME.sub("", sql)
        return Statement(bare, tuple(params), params.index(MARK), converters)
    except Exception:
        logger.exception("The session statement cannot be compiled; each request builds it anew.")
        return None


def _query(
    session_key: str, using: str, with_user: bool, groups: Groups
) -> QuerySet[Any, tuple[Any, ...]]:
    ledger = [f"sessionmgr_ledger__{name}" for name in LEDGER_COLUMNS]
    user = (
        [f"sessionmgr_ledger__user__{name}" for name in _user_model().columns] if with_user else []
    )
    of_groups = {
        f"in_group_{at}": has_member(group, "sessionmgr_ledger__user_id")
        for at, group in enumerate(groups)
    }
    return (
        payloads(using)
        .filter(session_key=session_key)
        .annotate(now=clock.DatabaseNow(), **of_groups)
        .order_by()
        .values_list("session_data", "expire_date", *ledger, *user, *of_groups, "now")
    )


class UserModel(NamedTuple):
    """The host's user model, the columns it is made from, and which of them is the key."""

    model: type[Model]
    columns: list[str]
    key_at: int


@cache
def _user_model() -> UserModel:
    model = get_user_model()
    columns = [field.attname for field in model._meta.concrete_fields]
    return UserModel(model, columns, columns.index(model._meta.pk.attname))
