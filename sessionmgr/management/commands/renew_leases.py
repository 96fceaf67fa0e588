"""``renew_leases``: the task ``renew_identity_leases`` without Celery."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from django.core.management import CommandError

from sessionmgr.management.counting import CountingCommand


class Command(CountingCommand):
    help = "Has the identity provider confirm the sessions in use whose lease is about to run out."
    unit = "sessions asked for"

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        if find_spec("mozilla_django_oidc") is None:
            raise CommandError("There is no provider to ask: install django-sessionmgr[oidc].")
        from sessionmgr.identity.rounds import renew_identity_leases

        return renew_identity_leases(progress)
