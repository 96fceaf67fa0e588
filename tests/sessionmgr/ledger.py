"""Ledger rows for tests: signed-in sessions of any age, without a browser."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.contrib.sessions.models import Session

from sessionmgr import clock
from sessionmgr.models import State, UserSession, bucket_of, hash_of

MINUTE = timedelta(minutes=1)
numbers = count(10_000_000)


def now() -> datetime:
    return clock.now("default")


def session_of(
    age: timedelta = 2 * MINUTE,
    idle: timedelta = MINUTE,
    at: datetime | None = None,
    **values: Any,
) -> UserSession:
    """Store a session that began ``age`` ago and was last used ``idle`` ago, with its payload."""
    at = at or now()
    key = f"key{next(numbers)}"
    expires_at = values.pop("payload_expires_at", at + timedelta(days=90))
    if expires_at is not None:
        Session(session_key=key, session_data="", expire_date=expires_at).save(force_insert=True)
    values = {
        "user_id": 1,
        "scope": "main",
        "policy_source": "fallback",
        "fallback_reason": "no_provider_policy",
        "started_at": at - age,
        "authenticated_at": at - age,
        "last_activity_at": at - idle,
        "activity_bucket": bucket_of(at - idle),
        **values,
    }
    row = UserSession(session_id=key, key_hash=hash_of(key), **values)
    row.save(force_insert=True)
    return row


def leased(
    checked_at: datetime | None = None, lasts: timedelta = timedelta(hours=1), **values: Any
) -> dict[str, Any]:
    """Return what makes a row one of a provider's, confirmed at ``checked_at`` (now)."""
    checked_at = checked_at or now()
    return {
        "policy_source": "provider",
        "fallback_reason": "",
        "identity_id": 1,
        "lease_source": "sign_in",
        "lease_checked_at": checked_at,
        "lease_valid_until": checked_at + lasts,
        **values,
    }


def end_of(row: UserSession) -> tuple[str, str]:
    """Return state and reason as they are stored now."""
    return UserSession.objects.values_list("state", "ended_reason").get(pk=row.pk)


def is_live(row: UserSession) -> bool:
    return end_of(row) == (State.LIVE, "")


def payload_of(row: UserSession) -> bool:
    """Return whether the payload of a row is there."""
    return Session.objects.filter(session_key=row.session_id).exists()
