"""Storing kinds of client: the one way, so that an exemption revives nobody (I4)."""

from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.db.models import F

from sessionmgr import clock, models
from sessionmgr.core.policy import is_looser
from sessionmgr.sweep import live_scopes, sweep_scope
from settings_app import source
from settings_app.clients import ClientClass, database


def store(kind: ClientClass) -> None:
    """Store ``kind``; raises ValidationError, with nothing stored, where it breaks a rule.

    Before an exemption is given or widened, what is stale without it is ended.
    """
    kind.full_clean()
    try:
        _change(kind, lambda using: kind.save(using=using))
    except IntegrityError:
        # Somebody has stored the same name or client id at this moment: now it is seen.
        kind.full_clean()
        raise


def remove(kind: ClientClass) -> None:
    """Delete ``kind``: sessions of it are bound like a browser's from now on."""
    _change(kind, lambda using: kind.delete(using=using))


def _change(kind: ClientClass, write: Callable[[str], object]) -> None:
    using = database()
    with transaction.atomic(using=using), transaction.atomic(using=models.database()):
        # A write first, so that it waits for another one and sees its outcome.
        ClientClass.objects.using(using).filter(pk=kind.pk).update(slug=F("slug"))
        before = source.read()
        write(using)
        after = source.read()
        sessions = models.database()
        for scope in live_scopes(sessions):
            old, new = before.policy_of(scope), after.policy_of(scope)
            if is_looser(new, old):
                sweep_scope(scope, old, now=clock.now(sessions), using=sessions)
        transaction.on_commit(source.invalidate, using=using)
