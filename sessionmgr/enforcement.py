"""The shell around the judge: what is known of a request's session, and every transition."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.sessions.models import Session
from django.db import models, transaction

from sessionmgr.core.decision import Decision, SessionState
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason
from sessionmgr.models import UserSession
from sessionmgr.signals import session_ended

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the door found for one session: the facts, the policy in force, and the decision."""

    session_id: int
    user_id: Any
    scope: str
    started_at: datetime
    state: SessionState
    policy: Policy
    decision: Decision


def judgement_of(request: "HttpRequest") -> Judgement | None:
    """Return how the request's live session stands; ``None`` for who is not signed in.

    Loads the session if nothing has yet.
    """
    session = request.session
    session.get("_auth_user_id")
    return getattr(session, "judgement", None)


def end(
    session_id: int,
    reason: EndReason,
    *,
    now: datetime,
    using: str,
    still: models.Q | None = None,
) -> bool:
    """End one session; return whether this call did it.

    ``still`` is what must yet be true of the row (a deadline that a touch may have moved). The
    payload goes after the end is written, and the key after the payload: whoever crashes in
    between leaves a row that ``payload_left`` finds.
    """
    rows = UserSession.objects.using(using).filter(pk=session_id)
    if not (rows.filter(still) if still is not None else rows).end(reason, now):
        return False
    remove_payloads(rows, using=using)
    announce_ends([session_id], using=using)
    return True


def remove_payloads(rows: "models.QuerySet[UserSession]", *, using: str) -> None:
    """Remove what is left of ended sessions' payloads, then their keys."""
    ended = rows.filter(state="ended", session__isnull=False)
    keys = list(ended.values_list("session_id", flat=True))
    Session.objects.using(using).filter(session_key__in=keys).delete()
    ended.filter(session_id__in=keys).update(session=None)


def announce_ends(session_ids: list[int], *, using: str) -> None:
    """Send ``session_ended`` for each, once the ends are committed."""
    if not session_ended.has_listeners(UserSession):
        return
    transaction.on_commit(lambda: _send_ends(session_ids, using), using=using)


def _send_ends(session_ids: list[int], using: str) -> None:
    for row in UserSession.objects.using(using).filter(pk__in=session_ids):
        session_ended.send_robust(
            UserSession,
            session_id=row.pk,
            user_id=row.user_id,
            scope=row.scope,
            reason=EndReason(row.ended_reason),
            ended_at=row.ended_at,
        )
