"""The pages of a sign-in that has failed."""

from enum import Enum
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse


class Failure(Enum):
    """Why a sign-in has failed, and with which status that is told."""

    OUTAGE = (HTTPStatus.SERVICE_UNAVAILABLE, 0)
    CONFIGURATION = (HTTPStatus.SERVICE_UNAVAILABLE, 1)
    EXPIRED = (HTTPStatus.BAD_REQUEST, 0)
    INVALID = (HTTPStatus.BAD_REQUEST, 1)
    REFUSED = (HTTPStatus.FORBIDDEN, 0)
    NO_ACCOUNT = (HTTPStatus.FORBIDDEN, 1)
    DISABLED = (HTTPStatus.FORBIDDEN, 2)
    OLD_CREDENTIALS = (HTTPStatus.FORBIDDEN, 3)
    MISMATCH = (HTTPStatus.FORBIDDEN, 4)


def failed(
    request: HttpRequest,
    kind: Failure,
    *,
    retry_after: int | None = None,
    next: str = "",
    problem: str = "",
) -> HttpResponse:
    """Return the page for a sign-in that has failed."""
    response = HttpResponse(kind.name, status=kind.value[0])
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response
