"""``rotate_token_keys``: encrypts the providers' tokens anew with the newest key."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.management import CommandError

from sessionmgr import sealing
from sessionmgr.conf import conf
from sessionmgr.management.counting import CountingCommand
from sessionmgr.models import database


class Command(CountingCommand):
    help = (
        "Encrypts every stored token anew with the first of SESSIONMGR_TOKEN_KEYS; the others can "
        "be removed afterwards."
    )
    unit = "tokens looked at"

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        if not conf.SESSIONMGR_TOKEN_KEYS:
            raise CommandError("SESSIONMGR_TOKEN_KEYS is empty: no token is stored without a key.")
        if not sealing.can_seal():
            raise CommandError("Install django-sessionmgr[encryption], which brings cryptography.")
        from sessionmgr.identity import grants

        return grants.rotate(using=database(), progress=progress)
