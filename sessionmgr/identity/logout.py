"""What the provider ends: by a logout token behind the users' backs, or by a frame in front.

OpenID Connect Back-Channel Logout 1.0 and Front-Channel Logout 1.0. Each end is written by the
same conditional transition as any other, with the reason ``provider_logout``.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Q

from sessionmgr import clock
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.tokens import SKEW, LogoutClaims
from sessionmgr.models import LogoutDelivery, UserSession, database

#: A replay is known for one for as long as the token could be believed, and some more.
REMEMBERED_FOR = timedelta(seconds=2 * SKEW)


def obey(claims: LogoutClaims, *, now: datetime, using: str) -> int | None:
    """End what a valid logout token names; return how many sessions, ``None``: it is a replay.

    A ``sid`` names one session at the provider; without it every session of the person is meant
    that was there when the token was made. The delivery and the ends are written together: who
    delivers it again, or at the same moment, ends nothing.
    """
    with transaction.atomic(using=using):
        if not _is_first(claims, now, using):
            return None
        return _end_each(_meant(claims), now, using)


def end_by_sid(sid: str, config: ProviderConfig) -> int:
    """End the sessions of one session at the provider; return how many there were."""
    using = database()
    meant = Q(provider_sid=sid, identity__issuer=config.issuer)
    return _end_each(meant, clock.now(using), using)


def _is_first(claims: LogoutClaims, now: datetime, using: str) -> bool:
    name = f"{claims.issuer}\0{claims.jti}"
    delivery = LogoutDelivery(
        id_hash=hashlib.sha256(name.encode()).digest(),
        delivered_at=now,
        expires_at=datetime.fromtimestamp(claims.exp, UTC) + REMEMBERED_FOR,
    )
    rows = LogoutDelivery.objects.using(using)
    if rows.filter(id_hash=delivery.id_hash).exists():
        return False
    # Of two at the same moment one waits here for the other's commit, and then writes nothing.
    rows.bulk_create([delivery], ignore_conflicts=True)
    return rows.filter(id_hash=delivery.id_hash, delivered_at=now).exists()


def _meant(claims: LogoutClaims) -> Q:
    person = Q(identity__issuer=claims.issuer)
    if claims.subject is not None:
        person &= Q(identity__subject=claims.subject)
    if claims.sid is not None:
        return person & Q(provider_sid=claims.sid)
    # It may come late: who has signed in again since it was made is not meant.
    made_at = datetime.fromtimestamp(claims.iat, UTC) + timedelta(seconds=SKEW)
    return person & Q(authenticated_at__lte=made_at)


def _end_each(meant: Q, now: datetime, using: str) -> int:
    # Said once more for the indexes, which know only sessions that have an identity.
    live = UserSession.objects.using(using).live().filter(identity__isnull=False)
    ids = list(live.filter(meant).values_list("pk", flat=True))
    return sum(end(pk, EndReason.PROVIDER_LOGOUT, now=now, using=using) for pk in ids)
