"""What is done to environments as a whole: which is the default, and which may go."""

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessionmgr import models
from settings_app import source
from settings_app.models import Environment, database


def make_default(environment: Environment) -> None:
    """Have ``environment`` answer wherever no address leads elsewhere, instead of another."""
    using = database()
    rows = Environment.objects.using(using)
    with transaction.atomic(using=using):
        rows.filter(is_default=True).update(is_default=False)
        rows.filter(pk=environment.pk).update(is_default=True)
        transaction.on_commit(source.invalidate, using=using)


def why_kept(environment: Environment) -> list[str]:
    """Return why ``environment`` cannot be deleted, in sentences; none: it can."""
    reasons = []
    if environment.is_default:
        reasons.append(_("“%(name)s” is the default environment.") % {"name": environment.name})
    if count := live_sessions(environment.slug):
        reasons.append(
            ngettext(
                "%(count)s sign-in to “%(name)s” is live.",
                "%(count)s sign-ins to “%(name)s” are live.",
                count,
            )
            % {"count": count, "name": environment.name}
        )
    return reasons


def live_sessions(scope: str) -> int:
    """Return how many sign-ins are live in ``scope``."""
    rows = models.UserSession.objects.using(models.database())
    return rows.live().filter(scope=scope).count()
