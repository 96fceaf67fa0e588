"""Storing settings: the one way, for the page, the command and imports."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from sessionmgr import clock, models
from sessionmgr.core.policy import Policy, Problem, is_looser, problems
from sessionmgr.signals import policy_changed
from sessionmgr.sweep import sweep_scope
from settings_app import source
from settings_app.clients import exemptions
from settings_app.conf import conf
from settings_app.models import Environment, SettingsChange, SystemSettings, database
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
    return Policy() if row is None else row.policy


def in_force(policy: Policy) -> Policy:
    """Return the policy that is enforced while ``policy`` is the one stored."""
    if conf.SESSIONMGR_RESTORE_DEFAULTS:
        return Policy()
    return replace(policy, exemptions=exemptions())


def store(
    environment: Environment, policy: Policy, *, based_on: int, author: Author, reason: str = ""
) -> SettingsChange:
    """Store ``policy`` as the version after ``based_on`` and record who changed what.

    Before a looser policy comes into force, what is stale under the old one is ended in the same
    transaction (I4). Of two saves based on one version the first wins.
    """
    if found := problems(policy):
        raise RefusedPolicyError(found)
    using = database()
    new = replace(policy, version=based_on + 1)
    with transaction.atomic(using=using), transaction.atomic(using=models.database()):
        old = _claim(environment, based_on, using)
        rows = SystemSettings.objects.using(using).filter(environment=environment)
        rows.update(**values_of(new))
        _end_what_is_stale(environment.slug, in_force(old), in_force(new))
        change = SettingsChange(
            environment=environment,
            version=new.version,
            at=clock.now(using),
            user=author.user,
            changed_by=author.name[:254],
            changes=changes_between(old, new),
            reason=reason,
        )
        change.save(using=using)
        transaction.on_commit(source.invalidate, using=using)
        announce = partial(_announce, environment.slug, old, new, author.user)
        transaction.on_commit(announce, using=using)
    return change


def _claim(environment: Environment, based_on: int, using: str) -> Policy:
    """Take the next version and return the policy it replaces.

    The first statement is a write, so that it waits for a save under way and sees its outcome:
    a read first would be a snapshot that SQLite cannot write from any more.
    """
    rows = SystemSettings.objects.using(using).filter(environment=environment)
    if rows.filter(version=based_on).update(version=F("version") + 1):
        return replace(rows.get().policy, version=based_on)
    if based_on or not _insert(environment, using):
        raise StaleVersionError
    return Policy()


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
