"""Who is a member of a group, in the host's own user model; nobody is where it has no groups.

Read from the database each time: a membership that is held would let somebody go on for longer
than their groups allow.
"""

from collections.abc import Collection, Hashable
from functools import cache
from typing import Any, NamedTuple, cast

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.db.models import Exists, Model, OuterRef, Q, QuerySet


class Memberships(NamedTuple):
    """The table of memberships, and what its columns are called."""

    model: type[Model]
    user: str
    group: str


def groups_of(user_id: Any, among: Collection[Hashable]) -> set[Any]:
    """Return which of the groups ``among`` a user is a member of: one query."""
    table = memberships()
    if table is None:
        return set()
    rows = _rows(table).filter(**{table.user: user_id, f"{table.group}__in": among})
    return set(rows.values_list(table.group, flat=True))


def members_of(group: Hashable) -> Q:
    """Sessions of the members of ``group``.

    A correlated EXISTS, as in ``models.past_host_expiry``; where memberships live in another
    database, the members by name.
    """
    table = memberships()
    if table is None:
        return Q(pk__in=[])
    if not joins_plainly():
        rows = _rows(table).filter(**{table.group: group})
        return Q(user_id__in=list(rows.values_list(table.user, flat=True)))
    return Q(has_member(group, "user_id"))


def joins_plainly() -> bool:
    """Return whether memberships live beside the sessions: one statement can ask for both."""
    table = memberships()
    sessions = apps.get_model("sessionmgr", "UserSession")
    return table is not None and router.db_for_write(table.model) == router.db_for_write(sessions)


def has_member(group: Hashable, user: str) -> Exists:
    """Return whether ``group`` has the member whose id is in the column ``user``.

    Only where memberships join plainly.
    """
    table = cast(Memberships, memberships())
    return Exists(_rows(table).filter(**{table.group: group, table.user: OuterRef(user)}))


@cache
def memberships() -> Memberships | None:
    """Return where the host keeps who belongs to which group; ``None``: nowhere."""
    try:
        field: Any = get_user_model()._meta.get_field("groups")
    except FieldDoesNotExist:
        return None
    if not field.many_to_many:
        return None
    through = field.remote_field.through
    columns = (
        through._meta.get_field(name).attname
        for name in (field.m2m_field_name(), field.m2m_reverse_field_name())
    )
    return Memberships(through, *columns)


def _rows(table: Memberships) -> QuerySet[Any]:
    return table.model._default_manager.using(router.db_for_write(table.model))
