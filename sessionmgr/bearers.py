"""The way to whoever can tell whose an access token is, for requests that bring one (R16).

The middleware asks where such a request has a session of the provider's as well.
``sessionmgr.identity`` connects itself; where nobody can tell, tokens are none of our business.
"""

from collections.abc import Callable
from enum import StrEnum

from django.http import HttpRequest

from sessionmgr.enforcement import Judgement


class Verdict(StrEnum):
    """Whose the token is, seen from the session; the last two tell nothing about the person."""

    SAME = "same"
    #: Somebody else's: the session has been ended.
    OTHER = "other"
    INVALID = "invalid"
    UNREACHABLE = "unreachable"


#: Judges a token beside a live session, for an audience ("": the usual one).
Judge = Callable[[str, str, Judgement], Verdict]

SCHEME = "bearer"


class Bench:
    """Who judges; one for each process."""

    judge: Judge | None = None


_bench = Bench()


def connect(judge: Judge | None) -> None:
    """Let ``judge`` answer from now on."""
    _bench.judge = judge


def judge(token: str, audience: str, judged: Judgement) -> Verdict:
    """Return whose ``token`` is; one that nobody can judge counts as the session's own."""
    return Verdict.SAME if _bench.judge is None else _bench.judge(token, audience, judged)


def token_in(request: HttpRequest) -> str | None:
    """Return what an ``Authorization: Bearer`` header brings, perhaps nothing; ``None``: none."""
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == SCHEME else None
