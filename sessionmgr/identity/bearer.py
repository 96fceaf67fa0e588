"""Access tokens of the provider's as credentials of a request (RFC 6750).

A JWT is judged by its signature and claims (RFC 9068), any other token by asking the provider
(RFC 7662). Whoever brings one beside a session must be who is signed in (R16).
"""

import hashlib
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, wraps
from time import monotonic
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from jwt import PyJWS
from jwt.exceptions import PyJWTError

from sessionmgr import answers, clock
from sessionmgr.answers import TokenError
from sessionmgr.bearers import Verdict, token_in
from sessionmgr.conf import conf
from sessionmgr.enforcement import Judgement
from sessionmgr.identity import calls, health
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.outcomes import Denied, InvalidToken, Misconfigured, Unreachable
from sessionmgr.identity.provider import current_provider, key_for
from sessionmgr.identity.tokens import SKEW, TOKEN_LENGTH, access_token_claims
from sessionmgr.identity.wire import USER_DEADLINE
from sessionmgr.models import FederatedIdentity, database

#: Seconds that the provider's word on a token is taken for, and how many words are kept.
KEPT_FOR = 30.0
KEPT = 1000

#: What a token is made of (RFC 6750, 2.1).
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")

#: How providers name a token that needs no other proof.
TYPES = ("bearer", "access_token")

Json = dict[str, Any]
View = Callable[..., Any]

_jws = PyJWS()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose valid token it is, and what it allows.

    ``identity``: the person as this site knows them; ``None``: it does not.
    """

    issuer: str
    subject: str
    scopes: frozenset[str]
    identity: FederatedIdentity | None = field(repr=False)

    @property
    def user(self) -> Any:
        """The active user of this person, else ``None``."""
        user = None if self.identity is None else self.identity.user
        return user if getattr(user, "is_active", user is not None) else None


@sensitive_variables()
def verify(
    token: str,
    *,
    audience: str = "",
    deadline: float = USER_DEADLINE,
    now: datetime | None = None,
) -> Bearer:
    """Return whose access token this is, which must be meant for ``audience`` ("": the usual one).

    ``InvalidToken``: it is not good. ``Unreachable`` or ``Misconfigured``: nobody can tell now.
    """
    config = provider_config()
    if config is None:
        raise InvalidToken("no_provider")
    if len(token) > TOKEN_LENGTH or TOKEN.fullmatch(token) is None:
        raise InvalidToken("malformed")
    using = database()
    wanted = audience or conf.SESSIONMGR_API_AUDIENCE or config.client_id
    at = clock.now(using) if now is None else now
    read = _claims_in if _is_jwt(token) else _told_by_provider
    subject, scopes = read(token, wanted, config, deadline, at)
    known = FederatedIdentity.objects.using(using).filter(issuer=config.issuer, subject=subject)
    return Bearer(
        issuer=config.issuer,
        subject=subject,
        scopes=scopes,
        identity=known.select_related("user").first(),
    )


def judge(token: str, audience: str, judged: Judgement) -> Verdict:
    """Return whose token came beside a session; somebody else's ends it, with an alarm (R16)."""
    config = provider_config()
    if config is None:
        return Verdict.SAME
    using = database()
    try:
        bearer = verify(token, audience=audience, now=judged.decision.now)
    except InvalidToken:
        return Verdict.INVALID
    except (Unreachable, Misconfigured):
        return Verdict.UNREACHABLE
    if bearer.identity is not None and bearer.identity.pk == judged.identity_id:
        return Verdict.SAME
    health.end_for_other_person(judged.session_id, config.issuer, using=using)
    return Verdict.OTHER


def bearer_required(audience: str = "", scope: str = "") -> Callable[[View], View]:
    """Admit requests with an access token of an active user of ours alone; no session counts.

    ``scope``: all of these words must be in the token. The view finds the user in ``request.user``
    and what the token says in ``request.bearer``; sync and async alike. As a token is not sent by
    a browser on its own, no CSRF token is asked for.
    """
    needed = frozenset(scope.split())

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def aview(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
                refusal = await sync_to_async(_admit)(request, audience, needed)
                return _final(refusal or await view(request, *args, **kwargs))

            admitted: View = aview
        else:

            @wraps(view)
            def sync_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
                refusal = _admit(request, audience, needed)
                return _final(refusal or view(request, *args, **kwargs))

            admitted = sync_view
        # For the middleware, which judges a token that comes beside a session.
        admitted.sessionmgr_audience = audience  # type: ignore[attr-defined]
        return csrf_exempt(admitted)

    return decorate


def _admit(request: HttpRequest, audience: str, needed: frozenset[str]) -> HttpResponse | None:
    """Put the token's person into the request, or return the refusal."""
    token = token_in(request)
    if token is None:
        return answers.token_refused(TokenError.MISSING)
    try:
        bearer = verify(token, audience=audience)
    except InvalidToken:
        return answers.token_refused(TokenError.INVALID)
    except (Unreachable, Misconfigured):
        return answers.unavailable(request)
    if bearer.user is None:
        return answers.token_refused(TokenError.INVALID)
    if not needed <= bearer.scopes:
        return answers.token_refused(TokenError.SCOPE, " ".join(sorted(needed)))

    async def auser() -> Any:
        return bearer.user

    request.user = bearer.user
    request.auser = auser
    request.bearer = bearer  # type: ignore[attr-defined]
    return None


def _final(response: HttpResponseBase) -> HttpResponseBase:
    """Keep the middleware from answering for a session, which does not count here."""
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response


Said = tuple[str, frozenset[str]]


def _is_jwt(token: str) -> bool:
    try:
        _jws.get_unverified_header(token)
    except (PyJWTError, ValueError, RecursionError):
        return False
    return True


def _claims_in(
    token: str, audience: str, config: ProviderConfig, deadline: float, now: datetime
) -> Said:
    find = partial(key_for, deadline=deadline)
    claims = access_token_claims(token, audience=audience, config=config, key_for=find, now=now)
    _check_proof(claims.claims)
    return claims.subject, claims.scopes


def _told_by_provider(
    token: str, audience: str, config: ProviderConfig, deadline: float, now: datetime
) -> Said:
    told = _introspections.get(token, config, deadline)
    if told is None:
        raise InvalidToken("inactive")
    if told.get("iss", config.issuer) != config.issuer:
        raise InvalidToken("issuer")
    # Where no audience is told, a token is for the client that it was given to.
    meant_for = told.get("aud", told.get("client_id"))
    if audience not in (meant_for if isinstance(meant_for, list) else [meant_for]):
        raise InvalidToken("audience")
    if str(told.get("token_type", TYPES[0])).lower() not in TYPES:
        raise InvalidToken("type")
    _check_proof(told)
    exp, subject, scope = told.get("exp"), told.get("sub"), told.get("scope")
    if exp is not None and (type(exp) is not int or now.timestamp() > exp + SKEW):
        raise InvalidToken("expired")
    if not isinstance(subject, str) or not subject:
        raise InvalidToken("sub_missing")
    return subject, frozenset(scope.split() if isinstance(scope, str) else ())


def _check_proof(said: Json) -> None:
    """Refuse a token that is bound to a key (RFC 7800): alone it proves nothing."""
    if "cnf" in said:
        raise InvalidToken("proof_missing")


class Introspections:
    """What the provider has said of tokens, for a moment: by their SHA-256, never the tokens."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: dict[bytes, tuple[float, Json | None]] = {}

    def get(self, token: str, config: ProviderConfig, deadline: float) -> Json | None:
        """Return what is said of a token; ``None``: that it is not active."""
        place = hashlib.sha256(f"{config.issuer}\0{config.client_id}\0{token}".encode()).digest()
        with self.lock:
            asked_at, told = self.kept.get(place, (-KEPT_FOR, None))
        if monotonic() - asked_at < KEPT_FOR:
            return told
        asked_at = monotonic()
        told = _introspected(token, config, deadline)
        with self.lock:
            self.kept.pop(place, None)
            while len(self.kept) >= KEPT:
                del self.kept[next(iter(self.kept))]
            self.kept[place] = asked_at, told
        return told


def _introspected(token: str, config: ProviderConfig, deadline: float) -> Json | None:
    started = monotonic()
    endpoint = current_provider(deadline).introspection_endpoint
    if endpoint is None:
        raise InvalidToken("not_introspectable")
    rest = max(deadline - (monotonic() - started), 0.01)
    try:
        return calls.introspect(endpoint, token, config=config, deadline=rest)
    except Denied:
        return None


def forget() -> None:
    """Have the next use ask: for tests, and in a child process, whose locks are its own."""
    global _introspections
    _introspections = Introspections()


_introspections = Introspections()

os.register_at_fork(after_in_child=forget)
