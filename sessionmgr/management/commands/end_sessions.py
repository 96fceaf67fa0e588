"""``end_sessions``: signs people out now, by an administrator's word."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.db.models import QuerySet, Value

from sessionmgr import clock
from sessionmgr.chunks import Walk, end_each
from sessionmgr.core.reasons import EndReason
from sessionmgr.management.counting import CountingCommand
from sessionmgr.models import UserSession, database
from sessionmgr.sources import DEFAULT_SCOPE
from sessionmgr.sweep import live_scopes

REVOKED = Value(EndReason.REVOKED_BY_ADMIN.value)


class Command(CountingCommand):
    help = "Signs out one user, everybody in one environment, or everybody."
    unit = "sessions ended"

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument("--user", metavar="NAME", help="Whose sessions end.")
        whom.add_argument("--environment", metavar="SLUG", help="Where sessions end.")
        whom.add_argument("--all", action="store_true", help="All sessions end.")

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        using = database()
        walk = Walk(clock.now(using), using, progress=progress, waits=True)
        live = UserSession.objects.using(using).live()
        ended: Counter[EndReason] = Counter()
        if options["user"] is not None:
            ended += end_each(
                live.filter(user_id=user_id_of(options["user"])), "pk", REVOKED, walk
            )
        else:
            for scope in scopes(options["environment"], using):
                ended += end_each(live.filter(scope=scope), "authenticated_at", REVOKED, walk)
        return {"ended": ended.total()}


def user_id_of(name: str) -> Any:
    """Return the key of the user of that name."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name).pk
    except model.DoesNotExist:
        raise CommandError(f"There is no user “{name}”.") from None


def scopes(environment: str | None, using: str) -> list[str]:
    """Return the environment of that name, or all that somebody is signed in to."""
    if environment is None:
        return list(live_scopes(using))
    known: QuerySet[UserSession] = UserSession.objects.using(using).filter(scope=environment)
    if environment != DEFAULT_SCOPE and not known.exists():
        raise CommandError(f"There is no environment “{environment}” that anybody signed in to.")
    return [environment]
