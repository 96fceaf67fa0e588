"""What is told of the provider: an outage to administrators, a mistake of ours to whoever listens.

An alarm goes to the log and to a signal, so that a host can page somebody.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.identity.breaker import breaker_state
from sessionmgr.identity.outcomes import Misconfigured, Problem, Unreachable
from sessionmgr.models import ProviderHealth, UserSession
from sessionmgr.signals import identity_mismatch, provider_misconfigured

logger = logging.getLogger("sessionmgr.identity")

#: Not the provider's fault: this process was busy, or is waiting before it asks again.
OWN_PROBLEMS = frozenset({Problem.BUSY, Problem.WAITING})


def note_failure(
    issuer: str, error: Unreachable | Misconfigured, now: datetime, *, using: str
) -> None:
    """Write down that the provider did not answer, or not to us; the first time, tell."""
    if isinstance(error, Unreachable) and error.problem in OWN_PROBLEMS:
        return
    problem = str(error)
    next_try_at = now + timedelta(seconds=breaker_state().next_try_in_seconds)
    rows = ProviderHealth.objects.using(using)
    try:
        is_first = rows.note_failure(issuer, problem, now, next_try_at)
    except DatabaseError:
        logger.warning("An outage of the provider could not be written down.", exc_info=True)
        return
    if is_first and isinstance(error, Misconfigured):
        logger.error("The identity provider refuses this site: %s. Check its settings.", problem)
        provider_misconfigured.send_robust(ProviderHealth, issuer=issuer, problem=problem)
    elif is_first:
        logger.error("The identity provider is out of reach: %s.", problem)


def note_success(issuer: str, now: datetime, *, using: str) -> None:
    """Write down that the provider answers again, if it did not."""
    if ProviderHealth.objects.using(using).note_success(issuer, now):
        logger.warning("The identity provider answers again.")


def note_auth_time(issuer: str, now: datetime, *, is_told: bool, using: str) -> None:
    """Write down whether the provider tells when credentials were given; say so if it stops."""
    is_news = ProviderHealth.objects.using(using).note_auth_time(issuer, now, is_told=is_told)
    if is_news and not is_told:
        logger.warning(
            "The identity provider does not tell auth_time: where this site demands credentials, "
            "it has to believe that they were given (R15)."
        )


def end_for_other_person(
    session_id: int, issuer: str, *, using: str, still: Q | None = None
) -> bool:
    """End a session for which a token of somebody else came (R16), and raise the alarm."""
    if not end(session_id, EndReason.IDENTITY_MISMATCH, using=using, still=still):
        return False
    rows = UserSession.objects.using(using).filter(pk=session_id)
    user_id, scope = rows.values_list("user_id", "scope").get()
    logger.error("Session %s ended: a token of another person came for it.", session_id)
    about: dict[str, Any] = {"session_id": session_id, "user_id": user_id, "scope": scope}
    identity_mismatch.send_robust(UserSession, **about, issuer=issuer)
    return True
