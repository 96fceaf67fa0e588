"""What can go wrong with an answer, each by a name.

``TRANSPORT``: no answer, or not in time. ``ANSWERS``: another answer. ``TWISTS``: a good answer
of the token endpoint, but odd; those of ``ON_REFRESH`` only where a token is renewed.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.identity.providers.forgeries import ABSENT, CLIENT_ID


class Answer(NamedTuple):
    """One answer over HTTP."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = (("Cache-Control", "no-store"),)


def told(content: dict[str, Any], status: int = 200) -> Answer:
    """Return an answer in JSON."""
    return Answer(status, json.dumps(content).encode())


def sent_to(url: str) -> Answer:
    """Return a redirect."""
    return Answer(302, headers=(("Location", url),))


def page(text: str, status: int = 200) -> Answer:
    return Answer(status, f"<!doctype html>{text}".encode(), "text/html")


#: OAuth errors: JSON from the endpoints, a redirect back from the authorization endpoint.
ERRORS = {
    "temporarily_unavailable": 400,
    "server_error": 400,
    "invalid_client": 401,
    "invalid_grant": 400,
    "login_required": 400,
    "interaction_required": 400,
}

TRANSPORT = ("refuse", "hang", "trickle")
ANSWERS: dict[str, Answer] = {
    "503": page("<h1>Service Unavailable</h1>", 503),
    "429": Answer(429, headers=(("Retry-After", "1"),)),
    "500": page("<h1>Internal Server Error</h1>", 500),
    **{error: told({"error": error}, status) for error, status in ERRORS.items()},
    "empty_error": told({"error": ""}, 400),
    "login_page": page("<form method=post><input name=user><button>Sign in</button></form>"),
    "malformed_json": Answer(200, b'{"access_token": "half'),
    "no_object": Answer(200, b'"a word"'),
    "inactive": told({"active": False}),
}
ON_REFRESH = ("another_user", "no_id_token", "no_refresh_token")
TWISTS: dict[str, dict[str, Any]] = {
    **{mode: {} for mode in ON_REFRESH},
    "no_sid": {"sid": ABSENT},
    "auth_time_zero": {"auth_time": 0},
    "auth_time_absent": {"auth_time": ABSENT},
    "aud_list": {"aud": [CLIENT_ID], "azp": CLIENT_ID},
}
MODES = (*TRANSPORT, *ANSWERS, *TWISTS)
