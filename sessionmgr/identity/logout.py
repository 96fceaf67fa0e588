"""Ends that the provider reports: of one session of its own, or of all of a person's.

Ends are found by an index and made together, in one transaction with the note that the token was
obeyed: a token is obeyed once, and what it names has ended when the provider is told so.
"""

import hashlib
import logging
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet, Value

from sessionmgr.chunks import Walk, end_each
from sessionmgr.core.reasons import EndReason
from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.outcomes import InvalidToken
from sessionmgr.identity.provider import key_for
from sessionmgr.identity.tokens import LAST_INSTANT, SKEW, LogoutClaims, logout_token_claims
from sessionmgr.identity.wire import USER_DEADLINE
from sessionmgr.models import LogoutDelivery, UserSession

logger = logging.getLogger("sessionmgr.identity")

#: Ids in one statement.
STEP = 500


def obey(token: str, *, config: ProviderConfig, now: datetime, using: str) -> int:
    """End what a logout token names; return how many sessions that were.

    ``InvalidToken``: it is none, or it has been obeyed before. ``Unreachable``: it cannot be
    judged now, and nothing has been noted, so that the provider may send it again.
    """
    claims = logout_token_claims(
        token, config=config, key_for=partial(key_for, deadline=USER_DEADLINE), now=now
    )
    with transaction.atomic(using=using):
        _note(claims, now, using)
        if claims.sid is not None:
            ended = end_visit(
                claims.issuer, claims.sid, subject=claims.subject, now=now, using=using
            )
        else:
            ended = _end_all_of(claims, now, using)
    logger.info("The identity provider has ended %s sessions.", ended)
    return ended


def end_visit(
    issuer: str, sid: str, *, subject: str | None = None, now: datetime, using: str
) -> int:
    """End the sessions that belong to one session of the provider's, of this person if given."""
    named = Q(provider_sid=sid, identity__issuer=issuer)
    if subject is not None:
        named &= Q(identity__subject=subject)
    # Whoever signs in anew meanwhile comes by another sid, and stays.
    return _end(named, Q(provider_sid=sid), now, using)


def _end_all_of(claims: LogoutClaims, now: datetime, using: str) -> int:
    """End all sessions of a person that the provider can have meant when it wrote the token.

    Not one that began later: the token was on its way for a while then.
    """
    written_before = datetime.fromtimestamp(min(claims.iat + SKEW + 1, LAST_INSTANT), UTC)
    named = Q(identity__issuer=claims.issuer, identity__subject=claims.subject)
    still = Q(authenticated_at__lte=now, authenticated_at__lt=written_before)
    return _end(named, still, now, using)


def _end(named: Q, still: Q, now: datetime, using: str) -> int:
    """End what is ``named`` and ``still`` true of as each row is locked, in the order of ids.

    The ids come first, by the index of live sessions with an identity: an ordered query with a
    limit might go through all of them instead.
    """
    live = UserSession.objects.using(using).live()
    found = live.filter(named, still, identity__isnull=False).values_list("pk", flat=True)
    ids = iter(sorted(found))
    reason = Value(EndReason.PROVIDER_LOGOUT.value)
    walk = Walk(now, using, waits=True)
    ended = 0
    while step := list(islice(ids, STEP)):
        rows: QuerySet[UserSession] = live.filter(still, pk__in=step)
        ended += end_each(rows, "id", reason, walk).total()
    return ended


def _note(claims: LogoutClaims, now: datetime, using: str) -> None:
    """Write down that this token is obeyed; of several that come at once, one can."""
    until = min(claims.exp + SKEW + 1, LAST_INSTANT)
    delivery = LogoutDelivery(
        id_hash=hashlib.sha256(f"{claims.issuer}\0{claims.jti}".encode()).digest(),
        delivered_at=now,
        expires_at=datetime.fromtimestamp(until, UTC),
    )
    try:
        with transaction.atomic(using=using):
            delivery.save(force_insert=True, using=using)
    except IntegrityError:
        raise InvalidToken("replayed") from None
