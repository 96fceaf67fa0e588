"""How a client of a certain kind signs somebody in: by an access token of its own (R9).

The kind is what the provider says it is: the token's client id, bound to a kind on the settings
page. Nothing else of a request can make a browser one. No cookie and no other ambient credential
is used, so that a page elsewhere can do nothing with it.

A token confirms its person as of its ``iat``: shown twice, it is worth no more than once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import NoReturn, cast

from django.contrib import auth
from django.db import transaction
from django.db.models import F, Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from sessionmgr import clock, protocol, sources
from sessionmgr.activity import passive
from sessionmgr.backends.db import SessionStore
from sessionmgr.bearers import token_in
from sessionmgr.conf import conf
from sessionmgr.core.clients import class_proven_by
from sessionmgr.core.reasons import NO_CREDENTIALS_AFTER, LeaseSource
from sessionmgr.enforcement import ProviderSignIn, judgement_of, lease_columns
from sessionmgr.identity import health, renewal
from sessionmgr.identity.backend import PATH
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.outcomes import InvalidToken, Misconfigured, Unreachable
from sessionmgr.identity.provider import key_for
from sessionmgr.identity.tokens import NAME_LENGTH, AccessClaims, access_token_claims
from sessionmgr.models import FederatedIdentity, State, UserSession, database

REALM = "client-session"

#: Seconds after which a client may ask again, where the provider's keys could not be had.
RETRY_AFTER = 5


class Refused(Exception):  # noqa: N818 - it reads as what it tells
    """No session for this request: ``error`` is RFC 6750's or RFC 9470's word for why, if any."""

    def __init__(
        self, status: HTTPStatus, code: str, title: str | Promise, error: str = "", rule: str = ""
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.title = status, code, title
        self.error, self.rule = error, rule


@dataclass(frozen=True, slots=True)
class Proof:
    """Whom and which kind of client a valid token proves, and when the provider said so."""

    claims: AccessClaims
    client_class: str
    issued_at: datetime
    at: datetime

    @property
    def person(self) -> tuple[str, str]:
        return self.claims.issuer, self.claims.subject


@csrf_exempt
@never_cache
@passive
@require_POST
@sensitive_variables()
def client_session(request: HttpRequest) -> HttpResponse:
    """Start a session of the token's kind (201), or renew the lease of the one there is (200)."""
    try:
        proof = proof_of(request)
        along = session_along(request)
        if along is None:
            return told(request, started(request, proof), HTTPStatus.CREATED)
        renew(along, proof)
        return told(request, cast(str, along.session_id), HTTPStatus.OK)
    except Refused as refused:
        return refusal(refused)
    except (Unreachable, Misconfigured) as error:
        return no_keys(error)


# For the middleware, which compares a token with the session it comes beside: done here.
client_session.sessionmgr_judges_bearer = True  # type: ignore[attr-defined]


def proof_of(request: HttpRequest) -> Proof:
    """Return what the request's access token proves."""
    token = token_in(request)
    if not token:
        raise Refused(HTTPStatus.UNAUTHORIZED, "token_required", _("An access token is required."))
    config = provider_config()
    if config is None:
        invalid("no_provider")
    now = clock.now(database())
    claims = read(token, config, now)
    name = class_of(claims, config, request, now)
    issued_at = min(now, datetime.fromtimestamp(cast(int, claims.iat), UTC))
    return Proof(claims, name, issued_at, now)


def read(token: str, config: ProviderConfig, now: datetime) -> AccessClaims:
    """Return what a token says that is meant for us, says when it was made, and is young."""
    audience = conf.SESSIONMGR_API_AUDIENCE or config.client_id
    try:
        claims = access_token_claims(
            token, audience=audience, config=config, key_for=key_for, now=now
        )
    except InvalidToken as error:
        invalid(error.code)
    if claims.iat is None:
        invalid("iat_missing")
    interval = renewal.interval_of(None)
    if interval is not None and claims.iat + interval.total_seconds() <= now.timestamp():
        invalid("too_old")
    return claims


def class_of(
    claims: AccessClaims, config: ProviderConfig, request: HttpRequest, now: datetime
) -> str:
    """Return the kind of client that the token was made for; its two names for it must agree."""
    client_id = claims.client_id or ""
    agrees = claims.claims.get("azp", client_id) == client_id
    exemptions = sources.current_policy(request).exemptions
    name = class_proven_by(client_id, exemptions, now) if agrees else None
    # The browser's own client is none, whatever is stored.
    if name is None or client_id == config.client_id:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "unknown_client",
            _("This client may not sign in here by an access token."),
        )
    return name


def session_along(request: HttpRequest) -> UserSession | None:
    """Return the live session whose cookie came along, also one that waits for a token."""
    judged = judgement_of(request)
    session = cast(SessionStore, request.session)
    if judged is not None:
        session_id: int | None = judged.session_id
    else:
        session_id = session.presented_row() if session.is_suspended else None
    live = UserSession.objects.using(database()).live().select_related("identity")
    return None if session_id is None else live.filter(pk=session_id).first()


def renew(along: UserSession, proof: Proof) -> None:
    """Renew the lease of a session of the same person and kind of client.

    Nothing happens to one of another kind; one of another person ends (R16).
    """
    if along.client_class != proof.client_class:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "other_session",
            _("Another kind of client is signed in with this cookie."),
        )
    using = database()
    identity = along.identity
    if identity is None or (identity.issuer, identity.subject) != proof.person:
        health.end_for_other_person(along.pk, proof.claims.issuer, using=using)
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "identity_mismatch",
            _("The access token is somebody else's. The session has ended."),
        )
    lease = lease_columns(proof.issued_at, renewal.interval_of(None), LeaseSource.ACCESS_TOKEN)
    rows = UserSession.objects.using(using).live().filter(pk=along.pk)
    with transaction.atomic(using=using):
        older = rows.filter(lease_checked_at__lt=proof.issued_at)
        if lease and older.update(renewing_until=None, generation=F("generation") + 1, **lease):
            renewal.keep_payload(along.pk, proof.at, using=using)


def started(request: HttpRequest, proof: Proof) -> str:
    """Start a session of the token's person and kind; return its key."""
    identity = identity_of(proof)
    if are_too_old(identity, proof):
        raise Refused(
            HTTPStatus.UNAUTHORIZED,
            "credentials_required",
            _("Credentials must be given again at the identity provider."),
            error="insufficient_user_authentication",
        )
    session = cast(SessionStore, request.session)
    session.provider = ProviderSignIn(
        identity_id=identity.pk,
        at=proof.at,
        interval=renewal.interval_of(None),
        sid=sid_in(proof.claims),
        source=LeaseSource.ACCESS_TOKEN,
        client_class=proof.client_class,
        confirmed_at=proof.issued_at,
    )
    auth.login(request, identity.user, backend=PATH)
    session.save_early()
    return cast(str, session.session_key)


def identity_of(proof: Proof) -> FederatedIdentity:
    """Return the person, whom this site must know already, and let in."""
    issuer, subject = proof.person
    rows = FederatedIdentity.objects.using(database()).select_related("user")
    identity = rows.filter(issuer=issuer, subject=subject).first()
    if identity is None:
        raise Refused(
            HTTPStatus.FORBIDDEN, "no_account", _("There is no account for you here yet.")
        )
    if not getattr(identity.user, "is_active", True):
        raise Refused(
            HTTPStatus.FORBIDDEN, "account_disabled", _("Your account here is disabled.")
        )
    return identity


def are_too_old(identity: FederatedIdentity, proof: Proof) -> bool:
    """Return whether the person's last session of this kind ended after they gave credentials.

    Of a provider that does not tell when that was, a token made after the end is believed.
    """
    ends = UserSession.objects.using(database()).filter(
        identity=identity, client_class=proof.client_class, state=State.ENDED
    )
    demanding = ends.exclude(ended_reason__in=NO_CREDENTIALS_AFTER)
    since: datetime | None = demanding.aggregate(at=Max("ended_at"))["at"]
    told_at = proof.claims.auth_time
    given_at = proof.issued_at if told_at is None else datetime.fromtimestamp(told_at, UTC)
    return since is not None and given_at <= since


def sid_in(claims: AccessClaims) -> str:
    """Return the provider's own session, by which it may end ours; empty: not told."""
    sid = claims.claims.get("sid")
    is_name = isinstance(sid, str) and len(sid) <= NAME_LENGTH and sid.isprintable()
    return cast(str, sid) if is_name else ""


def invalid(rule: str) -> NoReturn:
    raise Refused(
        HTTPStatus.UNAUTHORIZED,
        "invalid_token",
        _("The access token is not valid here."),
        error="invalid_token",
        rule=rule,
    )


def told(request: HttpRequest, session_key: str, status: HTTPStatus) -> HttpResponse:
    """Return how the session stands by now, as ``/session/status/`` tells it."""
    fresh = SessionStore(session_key)
    fresh.get(auth.SESSION_KEY)
    if fresh.judgement is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "session_ended", _("The session has ended."))
    # A token for a cookie that is not there would be no use, and would set one.
    csrf_token = get_token(request) if "CSRF_COOKIE" in request.META else ""
    return JsonResponse(protocol.status_of(fresh.judgement, csrf_token), status=status)


def refusal(refused: Refused) -> HttpResponse:
    """Return ``application/problem+json`` with the challenge of RFC 6750; nothing of the token."""
    response = problem(refused.status, refused.code, refused.title)
    challenge = [f'Bearer realm="{REALM}"']
    if refused.error:
        challenge.append(f'error="{refused.error}"')
    if refused.rule:
        challenge.append(f'error_description="{refused.rule}"')
    response["WWW-Authenticate"] = ", ".join(challenge)
    return response


def no_keys(error: Unreachable | Misconfigured) -> HttpResponse:
    """Return 503: the token may be good, but the provider's keys cannot be had now."""
    config = provider_config()
    if config is not None:
        using = database()
        health.note_failure(config.issuer, error, clock.now(using), using=using)
    response = problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "provider_unreachable",
        _("The identity provider cannot be reached at the moment. Please try again."),
    )
    response["Retry-After"] = str(RETRY_AFTER)
    return response


def problem(status: HTTPStatus, code: str, title: str | Promise) -> HttpResponse:
    """Return RFC 9457's form of a refusal, which the middleware leaves as it is."""
    body = {"type": "about:blank", "title": str(title), "status": status, "code": code}
    response = JsonResponse(body, status=status, content_type="application/problem+json")
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response
