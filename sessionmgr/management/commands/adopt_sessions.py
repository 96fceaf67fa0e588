"""``adopt_sessions``: people who were signed in before the installation stay signed in.

For hosts that come from the ``db`` or ``cached_db`` engine: their payloads are where ours are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError

from sessionmgr import clock
from sessionmgr.backends.db import SessionStore
from sessionmgr.chunks import Walk
from sessionmgr.core.reasons import FallbackReason, PolicySource
from sessionmgr.management.counting import CountingCommand
from sessionmgr.models import UserSession, bucket_of, database, hash_of, payloads
from sessionmgr.sources import DEFAULT_SCOPE


class Command(CountingCommand):
    help = "Gives the sessions from before the installation their place in the ledger."
    unit = "payloads read"

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        using = database()
        walk = Walk(clock.now(using), using, progress=progress)
        counts = Counter({"adopted": 0, "anonymous": 0, "unreadable": 0})
        for batch in unknown_payloads(walk):
            rows = [row for row in (judged(each, walk.now, counts) for each in batch) if row]
            counts["adopted"] += adopt(rows, using)
            walk.tell(len(batch))
        return counts


def unknown_payloads(walk: Walk) -> Iterator[list[Session]]:
    """Yield the payloads in force that the ledger does not know, a chunk at a time."""
    rows = payloads(walk.using).filter(expire_date__gt=walk.now, sessionmgr_ledger=None)
    ordered = rows.order_by("session_key")
    batch = list(ordered[: walk.size])
    while batch:
        yield batch
        batch = list(ordered.filter(session_key__gt=batch[-1].session_key)[: walk.size])


def judged(payload: Session, now: datetime, counts: Counter[str]) -> UserSession | None:
    """Return the ledger row of a signed-in payload; others are counted."""
    content: dict[str, Any] = SessionStore().decode(payload.session_data)
    if SESSION_KEY not in content:
        counts["anonymous" if content else "unreadable"] += 1
        return None
    try:
        user_id = get_user_model()._meta.pk.to_python(content[SESSION_KEY])
    except ValidationError:
        counts["unreadable"] += 1
        return None
    return UserSession(
        session_id=payload.session_key,
        key_hash=hash_of(payload.session_key),
        user_id=user_id,
        scope=DEFAULT_SCOPE,
        policy_source=PolicySource.FALLBACK,
        fallback_reason=FallbackReason.NO_PROVIDER_POLICY,
        started_at=now,
        authenticated_at=now,
        last_activity_at=now,
        activity_bucket=bucket_of(now),
    )


def adopt(rows: list[UserSession], using: str) -> int:
    """Store the rows, but none for a session that has ended here: adopting is not reviving."""
    ledger = UserSession.objects.using(using)
    hashes = [row.key_hash for row in rows]
    ended = {
        bytes(known)
        for known in ledger.filter(key_hash__in=hashes).values_list("key_hash", flat=True)
    }
    new = [row for row in rows if bytes(row.key_hash) not in ended]
    ledger.bulk_create(new, ignore_conflicts=True)
    return len(new)
