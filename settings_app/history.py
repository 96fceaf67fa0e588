"""The record of changes as people read it: who, when, which setting from what to what, why."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

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
    """Return ``{field: [from, to]}`` in words, in the order of the page."""
    return [
        Move(str(NAMES[field]), value_words(field, old), value_words(field, new))
        for field in FIELDS
        if field in changes
        for old, new in [changes[field]]
    ]
