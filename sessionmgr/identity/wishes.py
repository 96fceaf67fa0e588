"""What a sign-in asks of the provider: how old credentials may be, and whether to ask for them."""

from datetime import timedelta
from typing import cast

from django.http import HttpRequest

from sessionmgr import answers, sources
from sessionmgr.backends.db import SessionStore
from sessionmgr.conf import conf
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import NO_CREDENTIALS_AFTER
from sessionmgr.enforcement import judgement_of
from sessionmgr.identity import grants
from sessionmgr.identity.attempts import Wish
from sessionmgr.models import UserSession, database


def wish_of(request: HttpRequest, back: str) -> Wish | None:
    """Return what this sign-in is to be; ``None``: a question about a session that is not there.

    Credentials are asked for wherever somebody was signed in before, or is (R15): a visit by
    somebody new may be answered by the provider's own session.
    """
    session = cast(SessionStore, request.session)
    judged = judgement_of(request)
    is_there = judged is not None or session.is_suspended
    row = session.presented_row() if is_there else None
    prompt = request.GET.get("prompt", "")
    if prompt == "none":
        # Of another kind of client only its own access token tells.
        is_browser = not session.needs_token and (judged is None or not judged.client_class)
        if row is None or not is_browser:
            return None
        tokens = grants.read(row, using=database())
        return Wish(
            # The session lives on: how long, is not for the age of its credentials to say.
            max_age=_seconds(conf.SESSIONMGR_IDENTITY_LIFETIME),
            next=back,
            prompt="none",
            session_id=row,
            id_token_hint="" if tokens is None else tokens.id_token,
        )
    needs_credentials = prompt == "login" or is_there or was_signed_in(request)
    policy = sources.current_policy(request) if judged is None else judged.policy
    return Wish(
        max_age=longest_age(policy),
        next=back,
        prompt="login" if needs_credentials else "",
        stays_signed_in=request.GET.get("stay") == "on",
        session_id=row,
    )


def wish_by_ticket(
    request: HttpRequest, ticket_id: int, *, here: UserSession | None, back: str
) -> Wish:
    """Return what a sign-in by a ticket is to be: the provider's own session may answer.

    ``here``: the session that is live here, and gives way. Credentials are asked for where the
    browser comes from one that has ended (R15).
    """
    is_due = here is None and was_signed_in(request)
    return Wish(
        max_age=longest_age(sources.current_policy(request)),
        next=back,
        prompt="login" if is_due else "",
        session_id=None if here is None else here.pk,
        ticket_id=ticket_id,
    )


def longest_age(policy: Policy) -> int:
    """Return how old credentials may be for a session to begin by them, in seconds."""
    longest = conf.SESSIONMGR_CREDENTIALS_MAX_AGE
    if policy.max_age is not None:
        longest = min(longest, policy.max_age)
    return _seconds(longest)


def was_signed_in(request: HttpRequest) -> bool:
    """Return whether this browser comes from a session that has ended: its mark, or its cookie."""
    if answers.MUST_GIVE_CREDENTIALS in request.COOKIES:
        return True
    reason = cast(SessionStore, request.session).why_ended()
    return reason is not None and reason not in NO_CREDENTIALS_AFTER


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
