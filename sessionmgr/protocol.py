"""What the widget and API clients are told of a live session (contract §3).

Seconds left, never clock times: clients' clocks are wrong.
"""

from functools import lru_cache
from typing import Any, TypedDict

from django.conf import settings
from django.utils.crypto import salted_hmac

from sessionmgr.core.reasons import EndsBy
from sessionmgr.enforcement import Judgement

TAG_LENGTH = 12


class Status(TypedDict):
    """The JSON answer of ``status`` and ``touch`` for a live session; ``None`` is "no limit"."""

    state: str
    session_seconds: int | None
    idle_seconds: int | None
    warn_session_seconds: int
    warn_idle_seconds: int
    ends_by: str | None
    policy_version: int
    session_tag: str
    user_tag: str
    csrf_token: str


def status_of(judgement: Judgement, csrf_token: str) -> Status:
    """Return how the session stands; what is not in it is nobody's business."""
    binding = judgement.decision.binding
    return Status(
        state="live",
        session_seconds=judgement.decision.seconds_left(EndsBy.SESSION),
        idle_seconds=judgement.decision.seconds_left(EndsBy.INACTIVITY),
        warn_session_seconds=int(judgement.policy.session_warning.total_seconds()),
        warn_idle_seconds=int(judgement.policy.inactivity_warning.total_seconds()),
        ends_by=None if binding is None else str(binding.ends_by),
        policy_version=judgement.policy.version,
        session_tag=session_tag(judgement.session_id),
        user_tag=tag_of("user", judgement.user_id),
        csrf_token=csrf_token,
    )


def server_timing(judgement: Judgement) -> str:
    """Return the Server-Timing entry, which same-origin scripts can read of every answer."""
    idle = judgement.decision.seconds_left(EndsBy.INACTIVITY)
    length = judgement.decision.seconds_left(EndsBy.SESSION)
    return (
        f'session;desc="i={-1 if idle is None else idle};a={-1 if length is None else length}'
        f";w={int(judgement.policy.session_warning.total_seconds())}"
        f";x={int(judgement.policy.inactivity_warning.total_seconds())}"
        f';v={judgement.policy.version};s={session_tag(judgement.session_id)}"'
    )


def session_tag(session_id: int) -> str:
    """Return an opaque name of the sign-in: the same in every tab, useless to anybody else."""
    return tag_of("session", session_id)


def tag_of(kind: str, value: Any) -> str:
    """Return a truncated HMAC of ``value``: no key and no user id can be read from it."""
    return _tag_of(kind, str(value), settings.SECRET_KEY)


@lru_cache(maxsize=4096)
def _tag_of(kind: str, value: str, secret: str) -> str:
    # Every answer carries the tag, and the HMAC would be half of what the header costs.
    digest = salted_hmac(f"sessionmgr.{kind}", value, secret=secret, algorithm="sha256")
    return digest.hexdigest()[:TAG_LENGTH]
