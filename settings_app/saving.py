"""Storing settings: the one way, for the page, the command and imports."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F

from sessionmgr import clock, models
from sessionmgr.core.policy import GroupLimits as Limits
from sessionmgr.core.policy import Policy, Problem, is_looser, problems
from sessionmgr.signals import policy_changed
from sessionmgr.sweep import sweep_scope
from settings_app import source
from settings_app.clients import exemptions
from settings_app.conf import conf
from settings_app.models import Environment, GroupLimits, SettingsChange, SystemSettings, database
from settings_app.values import changes_between, values_of


class StaleVersionError(Exception):
    """Somebody else has stored another version meanwhile; nothing was stored."""


class RefusedPolicyError(ValueError):
    """The policy breaks a rule; nothing was stored."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__(f"Refused: {found}")
        self.problems = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes settings: a user, or the command line."""

    name: str
    user: Any = None


def stored_policy(environment: Environment) -> Policy:
    """Return what is stored for ``environment``; the defaults where nothing is."""
    row = SystemSettings.objects.using(database()).filter(environment=environment).first()
    groups = stored_groups(environment)
    return replace(Policy() if row is None else row.policy, groups=groups)


def stored_groups(environment: Environment) -> tuple[Limits, ...]:
    """Return the groups that have stricter limits in ``environment``, by their names."""
    rows = GroupLimits.objects.using(database()).filter(environment=environment)
    return tuple(row.limits for row in rows)


def in_force(policy: Policy) -> Policy:
    """Return the policy that is enforced while ``policy`` is the one stored."""
    if conf.SESSIONMGR_RESTORE_DEFAULTS:
        return Policy()
    return replace(policy, exemptions=exemptions())


def store(
    environment: Environment, policy: Policy, *, based_on: int, author: Author, reason: str = ""
) -> SettingsChange:
    """Store ``policy`` as the version after ``based_on`` and record who changed what.

    The groups' limits stay as they are: where they are looser than ``policy``, that wins.
    """
    if found := problems(policy):
        raise RefusedPolicyError(found)

    def write(old: Policy, using: str) -> Written:
        new = replace(policy, version=based_on + 1, groups=old.groups)
        rows = SystemSettings.objects.using(using).filter(environment=environment)
        rows.update(**values_of(new))
        return Written(new, changes_between(old, new))

    return change(environment, write, based_on=based_on, author=author, reason=reason)


class Written(NamedTuple):
    """What a change has put in force, and ``{field: [from, to]}`` for the record."""

    policy: Policy
    moves: dict[str, list[Any]]


def change(
    environment: Environment,
    write: Callable[[Policy, str], Written],
    *,
    based_on: int,
    author: Author,
    reason: str,
) -> SettingsChange:
    """Let ``write`` make the version after ``based_on``, and record who changed what.

    Before a looser policy comes into force, what is stale under the old one is ended in the same
    transaction (I4). Of two changes based on one version the first wins.
    """
    using = database()
    with transaction.atomic(using=using), transaction.atomic(using=models.database()):
        old = _claim(environment, based_on, using)
        new, moves = write(old, using)
        _end_what_is_stale(environment.slug, in_force(old), in_force(new))
        made = SettingsChange(
            environment=environment,
            version=new.version,
            at=clock.now(using),
            user=author.user,
            changed_by=author.name[:254],
            changes=moves,
            reason=reason,
        )
        made.save(using=using)
        transaction.on_commit(source.invalidate, using=using)
        announce = partial(_announce, environment.slug, old, new, author.user)
        transaction.on_commit(announce, using=using)
    return made


def _claim(environment: Environment, based_on: int, using: str) -> Policy:
    """Take the next version and return the policy it replaces.

    The first statement is a write, so that it waits for a save under way and sees its outcome:
    a read first would be a snapshot that SQLite cannot write from any more.
    """
    rows = SystemSettings.objects.using(using).filter(environment=environment)
    if rows.filter(version=based_on).update(version=F("version") + 1):
        groups = stored_groups(environment)
        return replace(rows.get().policy, version=based_on, groups=groups)
    if based_on or not _insert(environment, using):
        raise StaleVersionError
    return Policy(groups=stored_groups(environment))


def _insert(environment: Environment, using: str) -> bool:
    """Write the first row of ``environment``; return whether nobody was faster."""
    try:
        with transaction.atomic(using=using):
            SystemSettings(environment=environment).save(force_insert=True, using=using)
    except IntegrityError:
        return False
    return True


def _end_what_is_stale(scope: str, old: Policy, new: Policy) -> None:
    if is_looser(new, old):
        using = models.database()
        sweep_scope(scope, old, now=clock.now(using), using=using)


def _announce(scope: str, old: Policy, new: Policy, user: Any) -> None:
    policy_changed.send_robust(SystemSettings, scope=scope, old=old, new=new, user=user)
