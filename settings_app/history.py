"""The record of changes as people read it: who, when, which setting from what to what, why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from settings_app.models import Environment, SettingsChange, database
from settings_app.values import FIELDS
from settings_app.words import NAMES, value_words


@dataclass(frozen=True, slots=True)
class Move:
    """One field of a change, in words."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Told:
    """One change as a line of the history."""

    change: SettingsChange
    moves: list[Move]


def history_of(environment: Environment) -> QuerySet[SettingsChange]:
    """Return the changes of ``environment``, newest first."""
    return SettingsChange.objects.using(database()).filter(environment=environment)


def told_changes(changes: Iterable[SettingsChange]) -> list[Told]:
    """Return ``changes`` as lines of the history."""
    return [Told(change, moves_of(change.changes)) for change in changes]


def moves_of(changes: dict[str, list[Any]]) -> list[Move]:
    """Return ``{field: [from, to]}`` in words, in the order of the page; groups come last."""
    of_page = [field for field in FIELDS if field in changes]
    of_groups = [field for field in changes if field.startswith("group/")]
    return [
        Move(field_words(field), value_words(_plain(field), old), value_words(_plain(field), new))
        for field in [*of_page, *of_groups]
        for old, new in [changes[field]]
    ]


def field_words(field: str) -> str:
    """Return a field's short name; of a group's, ``group/<name>/<field>``, with the group's."""
    if not field.startswith("group/"):
        return str(NAMES[field])
    name = field.removeprefix("group/").rpartition("/")[0]
    return _("%(field)s for “%(group)s”") % {"field": NAMES[_plain(field)], "group": name}


def _plain(field: str) -> str:
    return field.rpartition("/")[2]
