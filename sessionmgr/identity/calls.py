"""Calls to the provider's endpoints: an answer, or ``Unreachable``, ``Misconfigured``, ``Denied``.

docs/adr/0010-calls-to-the-provider.md says what counts as what. Nothing that was sent or received
is part of an exception or of a log.
"""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import quote_plus

from sessionmgr.identity import breaker
from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.outcomes import (
    Denial,
    Denied,
    Misconfigured,
    Mistake,
    Problem,
    Unreachable,
    outcome_of,
)
from sessionmgr.identity.wire import DEADLINE, Answer, Request, exchange

logger = logging.getLogger("sessionmgr.identity")

Json = dict[str, Any]
Found = TypeVar("Found")

#: What a userinfo endpoint answers with that signs or encrypts.
JWT_TYPES = ("application/jwt", "application/jwe")


def get_json(url: str, *, config: ProviderConfig, deadline: float = DEADLINE) -> Json:
    """Return the JSON object at ``url``: the provider's description, or its keys."""
    request = _request("GET", url, config)
    return _call(request, _document, deadline)


def token_request(
    endpoint: str,
    params: Mapping[str, str],
    *,
    config: ProviderConfig,
    deadline: float = DEADLINE,
) -> Json:
    """Return the token endpoint's answer, which has an ``access_token``.

    ``params`` are the grant; who we are is added.
    """
    return _call(_request_as_client(endpoint, params, config), _tokens, deadline)


def userinfo(
    endpoint: str, access_token: str, *, config: ProviderConfig, deadline: float = DEADLINE
) -> Json:
    """Return what the provider tells about the user whose token it is."""
    headers = {"Authorization": f"Bearer {access_token}"}
    return _call(_request("GET", endpoint, config, headers=headers), _userinfo, deadline)


def introspect(
    endpoint: str, token: str, *, config: ProviderConfig, deadline: float = DEADLINE
) -> Json:
    """Return what the provider tells about a token that is active; ``Denied`` if it is not."""
    return _call(_request_as_client(endpoint, {"token": token}, config), _introspection, deadline)


def revoke(
    endpoint: str | None,
    token: str,
    *,
    config: ProviderConfig,
    kind: Literal["refresh_token", "access_token"] = "refresh_token",
    deadline: float = DEADLINE,
) -> bool:
    """Ask the provider to forget a token; return whether it agreed. Never raises."""
    if not endpoint:
        return False
    form = {"token": token, "token_type_hint": kind}
    try:
        return _call(_request_as_client(endpoint, form, config), _revocation, deadline)
    except (Unreachable, Misconfigured) as outcome:
        logger.info("A token was not revoked: %s.", outcome)
        return False


def _request(
    method: Literal["GET", "POST"],
    url: str,
    config: ProviderConfig,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
) -> Request:
    return Request(
        method=method,
        url=url,
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            **(headers or {}),
        },
        form=form,
        verify=config.verify,
        proxies=dict(config.proxies),
    )


def _request_as_client(url: str, form: Mapping[str, str], config: ProviderConfig) -> Request:
    """Return a POST that says who we are: in the form, or as RFC 6749, 2.3.1 has it."""
    if config.client_secret and config.uses_basic_auth:
        pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret)}"
        headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return _request("POST", url, config, headers=headers, form=form)
    form = {**form, "client_id": config.client_id}
    if config.client_secret:
        form["client_secret"] = config.client_secret
    return _request("POST", url, config, form=form)


def _call(request: Request, read: Callable[[Answer], Found], deadline: float) -> Found:
    """Make the call if this process may, read the answer, and tell the breaker how it went."""
    call = breaker.enter(min(breaker.PATIENCE, deadline / 2))
    try:
        found = exchange(request, call, deadline)
        if isinstance(found, Problem):
            raise Unreachable(found)
        if isinstance(found, Mistake):
            raise Misconfigured(found)
        value = read(found)
    except (Denied, Misconfigured) as outcome:
        if isinstance(outcome, Misconfigured) and outcome.mistake is Mistake.BAD_ADDRESS:
            call.abandoned()  # Nobody was asked.
        else:
            call.succeeded()
        raise
    except Unreachable as outage:
        if outage.problem is Problem.BUSY:
            call.abandoned()
        else:
            pause = _retry_after(found) if isinstance(found, Answer) else 0.0
            outage.retry_at = call.failed(outage.problem, pause)
        raise
    except BaseException:  # A worker's own time limit, or the end of the process.
        call.abandoned()
        raise
    call.succeeded()
    return value


def _retry_after(answer: Answer) -> float:
    """Return the seconds that the provider asks for, if it says them as a number."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0


def _document(answer: Answer) -> Json:
    _raise_if_down(answer)
    if answer.status != 200:
        raise Unreachable(Problem.MALFORMED)
    return _object(answer)


def _tokens(answer: Answer) -> Json:
    tokens = _said_to_client(answer)
    token = tokens.get("access_token")
    others = (tokens.get(name, "") for name in ("id_token", "refresh_token"))
    if not isinstance(token, str) or not token or not all(isinstance(x, str) for x in others):
        raise Unreachable(Problem.MALFORMED)
    return tokens


def _introspection(answer: Answer) -> Json:
    found = _said_to_client(answer)
    if not isinstance(found.get("active"), bool):
        raise Unreachable(Problem.MALFORMED)
    if not found["active"]:
        raise Denied(Denial.INACTIVE)
    return found


def _userinfo(answer: Answer) -> Json:
    _raise_if_down(answer)
    if answer.status in (400, 401, 403):
        _raise_bearer_error(answer)
    if answer.status != 200:
        raise Unreachable(Problem.MALFORMED)
    if answer.headers.get("Content-Type", "").partition(";")[0].strip().lower() in JWT_TYPES:
        raise Misconfigured(Mistake.SIGNED_USERINFO)
    return _object(answer)


def _revocation(answer: Answer) -> bool:
    _raise_if_down(answer)
    return answer.status == 200


def _said_to_client(answer: Answer) -> Json:
    """Return what an endpoint that knows its clients said, unless it is an error."""
    _raise_if_down(answer)
    if answer.status == 401:
        _raise_unauthorized(answer)
    said = _object(answer)
    if answer.status != 200 or "error" in said:
        raise outcome_of(said.get("error"))
    return said


def _raise_unauthorized(answer: Answer) -> NoReturn:
    """401 is about us, whatever the body looks like; only a denial in so many words is not."""
    try:
        outcome = outcome_of(_object(answer).get("error"))
    except Unreachable:
        outcome = Misconfigured(Mistake.INVALID_CLIENT)
    if isinstance(outcome, Unreachable):
        outcome = Misconfigured(Mistake.INVALID_CLIENT)
    raise outcome


def _raise_bearer_error(answer: Answer) -> NoReturn:
    """RFC 6750, 3: the error is in a header. Who names none has not spoken of the token."""
    challenge = answer.headers.get("WWW-Authenticate", "").lower()
    for outcome in (Denied(Denial.INVALID_TOKEN), Misconfigured(Mistake.INSUFFICIENT_SCOPE)):
        if f'error="{outcome}"' in challenge:
            raise outcome
    try:
        error = _object(answer).get("error")
    except Unreachable:
        error = None
    if error == Denial.INVALID_TOKEN:
        raise Denied(Denial.INVALID_TOKEN)
    raise Misconfigured(Mistake.UNAUTHORIZED)


def _raise_if_down(answer: Answer) -> None:
    if answer.status == 429:
        raise Unreachable(Problem.RATE_LIMITED)
    if answer.status == 503:
        raise Unreachable(Problem.TEMPORARILY_UNAVAILABLE)
    if answer.status >= 500:
        raise Unreachable(Problem.SERVER_ERROR)


def _object(answer: Answer) -> Json:
    """Return the JSON object in the body; anything else is malformed."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unreachable(Problem.MALFORMED)
    return found
