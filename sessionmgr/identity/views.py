"""To the provider and back: where a sign-in begins, and where it ends, well or badly."""

from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from mozilla_django_oidc.views import (
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from sessionmgr import answers, clock, openings, sources
from sessionmgr.activity import passive
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.reasons import EndReason, LeaseSource
from sessionmgr.enforcement import ProviderSignIn, end, judgement_of
from sessionmgr.identity import attempts, freshness, grants, health, renewal
from sessionmgr.identity.attempts import Wish
from sessionmgr.identity.backend import PATH, SignedIn
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.outcomes import (
    Denied,
    InvalidToken,
    Misconfigured,
    Unreachable,
    outcome_of,
)
from sessionmgr.identity.pages import Failure, failed
from sessionmgr.identity.people import NotAdmittedError, Refusal
from sessionmgr.identity.provider import current_provider
from sessionmgr.identity.renewal import interval_of
from sessionmgr.identity.tokens import IdClaims
from sessionmgr.identity.wishes import wish_by_ticket, wish_of
from sessionmgr.models import SignInAttempt, UserSession, database
from sessionmgr.openings import Arrival, WrongTicketError


@method_decorator([never_cache, passive], name="dispatch")
class AuthenticateView(OIDCAuthenticationRequestView):  # type: ignore[misc]
    """Sends the browser to the provider, each time with a state of its own."""

    def __init__(self, **kwargs: Any) -> None:
        # Not OIDCAuthenticationRequestView's, which wants its endpoints as settings.
        super(OIDCAuthenticationRequestView, self).__init__(**kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Begin a sign-in, a re-authentication, or a question without a prompt."""
        back = answers.safe_path(request, request.GET.get("next", ""))
        config = provider_config()
        if config is None:
            return HttpResponseRedirect(answers.sign_in_url(back))
        wish = wish_of(request, back)
        if wish is None:
            return HttpResponseRedirect(answers.sign_in_url(back))
        return send_to_provider(request, wish, config)


def send_to_provider(request: HttpRequest, wish: Wish, config: ProviderConfig) -> HttpResponse:
    """Begin an attempt and send the browser there, unless the provider is out of reach."""
    try:
        address, browser = attempts.begin(request, wish, current_provider(), config)
    except (Unreachable, Misconfigured) as error:
        return out_of_reach(request, error, wish.next)
    response = HttpResponseRedirect(address)
    attempts.remember_browser(response, browser)
    return response


def go_by_ticket(
    request: HttpRequest, ticket_id: int, *, here: UserSession | None, back: str
) -> HttpResponse:
    """Send a browser that comes by a ticket to the provider; see ``wish_by_ticket``."""
    config = provider_config()
    if config is None:
        return HttpResponseRedirect(answers.sign_in_url(back))
    wish = wish_by_ticket(request, ticket_id, here=here, back=back)
    return send_to_provider(request, wish, config)


@method_decorator([never_cache, passive, sensitive_variables()], name="dispatch")
class CallbackView(OIDCAuthenticationCallbackView):  # type: ignore[misc]
    """Takes the browser back. Without a state of its own nothing happens at all."""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Finish what the attempt began; whatever fails, fails with a page that says so."""
        attempt = attempts.take(request)
        if attempt is None:
            return failed(request, Failure.EXPIRED)
        config = provider_config()
        issuer = request.GET.get("iss")
        if config is None or (issuer is not None and issuer != config.issuer):
            # RFC 9207: the answer of another provider.
            return failed(request, Failure.INVALID, next=attempt.next)
        if "error" in request.GET or not request.GET.get("code"):
            return self.not_signed_in(request, attempt, request.GET.get("error", ""))
        try:
            answer = self.arrived(request, attempt, self.validated(request, attempt))
        except (Unreachable, Misconfigured) as error:
            return self.no_answer(request, attempt, error)
        except (InvalidToken, Denied):
            return failed(request, Failure.INVALID, next=attempt.next)
        except NotAdmittedError as error:
            return failed(request, REFUSALS[error.refusal], next=attempt.next)
        except WrongTicketError:
            return failed(request, Failure.WRONG_TICKET, next=attempt.next)
        return answer

    def validated(self, request: HttpRequest, attempt: SignInAttempt) -> SignedIn:
        """Exchange the code and return who has signed in; see ``backend`` for what it raises."""
        auth.authenticate(
            request,
            nonce=attempt.nonce,
            code_verifier=attempt.code_verifier,
            max_age=attempt.max_age,
            check=partial(check_ticket, request, attempt),
        )
        found: SignedIn | None = getattr(request, "sessionmgr_signed_in", None)
        if found is None:
            raise InvalidToken("no_user")
        return found

    def not_signed_in(
        self, request: HttpRequest, attempt: SignInAttempt, error: str
    ) -> HttpResponseBase:
        """Answer what the provider refused: a denial, an outage, or a mistake of ours."""
        outcome = outcome_of(error)
        if isinstance(outcome, Unreachable | Misconfigured):
            return self.no_answer(request, attempt, outcome)
        if attempt.prompt == "none" and attempt.session_id is not None:
            end(attempt.session_id, EndReason.POLICY_DENIED, using=database())
            return answers.refused(request, EndReason.POLICY_DENIED, attempt.next)
        return failed(request, Failure.REFUSED, next=attempt.next)

    def no_answer(
        self, request: HttpRequest, attempt: SignInAttempt, error: Unreachable | Misconfigured
    ) -> HttpResponseBase:
        """Let the outage rule decide about a session that goes on; else say what is the matter."""
        if attempt.prompt == "none" and attempt.session_id is not None:
            renewal.note_silent_failure(attempt.session_id, error)
            return HttpResponseRedirect(self.page_of(attempt))
        return out_of_reach(request, error, attempt.next)

    def arrived(
        self, request: HttpRequest, attempt: SignInAttempt, signed_in: SignedIn
    ) -> HttpResponseBase:
        """Start a session, go on with the one there is, or end it if somebody else came back."""
        going_on = session_here(request, attempt)
        if going_on is not None and not is_same_person(going_on, signed_in):
            health.end_for_other_person(going_on.pk, signed_in.claims.issuer, using=database())
            response = failed(request, Failure.MISMATCH)
            answers.ask_for_credentials(response)
            return response
        if attempt.prompt == "none":
            return self.confirmed(request, attempt, signed_in)
        claims = signed_in.claims
        is_told = claims.auth_time is not None
        health.note_auth_time(claims.issuer, signed_in.at, is_told=is_told, using=database())
        if not freshness.is_fresh(signed_in, asked_for_credentials=attempt.prompt == "login"):
            return self.too_old(request, attempt)
        arrival = arrival_of(request, attempt, claims)
        openings.check(arrival)
        self.sign_in(request, attempt, signed_in, arrival)
        if going_on is not None and going_on.pk != cast(SessionStore, request.session).ledger_id:
            # It was suspended, and its place is taken (ASVS 7.2.4).
            end(going_on.pk, EndReason.SIGNED_OUT, using=database())
        response = HttpResponseRedirect(self.page_of(attempt))
        response.delete_cookie(answers.MUST_GIVE_CREDENTIALS, samesite="Lax")
        return response

    def too_old(self, request: HttpRequest, attempt: SignInAttempt) -> HttpResponse:
        """Have the credentials given: by a button, or at once where a ticket would be lost."""
        config = provider_config()
        if config is None or attempt.ticket_id is None or attempt.prompt == "login":
            return failed(request, Failure.OLD_CREDENTIALS, next=attempt.next)
        wish = Wish(
            max_age=attempt.max_age,
            next=attempt.next,
            prompt="login",
            session_id=attempt.session_id,
            ticket_id=attempt.ticket_id,
        )
        return send_to_provider(request, wish, config)

    def confirmed(
        self, request: HttpRequest, attempt: SignInAttempt, signed_in: SignedIn
    ) -> HttpResponseBase:
        """Renew the lease of the session that the question was about, and nothing else of it."""
        session_id = cast(int, attempt.session_id)
        if renewal.confirm_silently(session_id, signed_in.tokens, signed_in.claims, signed_in.at):
            return HttpResponseRedirect(self.page_of(attempt))
        # It has ended meanwhile; a question without a prompt starts no other one (ASVS 7.6.2).
        return HttpResponseRedirect(answers.sign_in_url(attempt.next))

    def sign_in(
        self,
        request: HttpRequest,
        attempt: SignInAttempt,
        signed_in: SignedIn,
        arrival: Arrival,
    ) -> None:
        """Start the session, or both clocks of the one there is, under a new key."""
        session = cast(SessionStore, request.session)
        claims = signed_in.claims
        told = claims.stays_signed_in
        session.provider = ProviderSignIn(
            identity_id=signed_in.identity.pk,
            at=signed_in.at,
            interval=interval_of(claims.check_interval),
            sid=claims.sid or "",
            stays_signed_in=attempt.stays_signed_in if told is None else told,
            source=LeaseSource.SIGN_IN,
            bypass=openings.bypass_of(arrival, signed_in.identity.pk),
            replaces=attempt.ticket_id is not None,
        )
        auth.login(request, signed_in.identity.user, backend=PATH)
        session.save_early()
        if session.ledger_id is not None:
            grants.keep(session.ledger_id, signed_in.tokens, signed_in.at, using=database())

    def page_of(self, attempt: SignInAttempt) -> str:
        """Return where to go on."""
        return attempt.next or resolve_url(settings.LOGIN_REDIRECT_URL)


REFUSALS = {
    Refusal.NO_ACCOUNT: Failure.NO_ACCOUNT,
    Refusal.DISABLED: Failure.DISABLED,
}


def session_here(request: HttpRequest, attempt: SignInAttempt) -> UserSession | None:
    """Return the live session that the answer is about: the attempt's, else this browser's."""
    judged = judgement_of(request)
    session_id = attempt.session_id
    if judged is not None:
        session_id = judged.session_id
    if session_id is None:
        return None
    live = UserSession.objects.using(database()).live()
    return live.filter(pk=session_id).first()


def check_ticket(request: HttpRequest, attempt: SignInAttempt, claims: IdClaims) -> None:
    """Refuse a ticket of somebody else's before anything is stored of who came instead.

    Where a session goes on here, it must first be seen whether it is that person's (R16).
    """
    if attempt.session_id is None:
        openings.check(arrival_of(request, attempt, claims))


def arrival_of(request: HttpRequest, attempt: SignInAttempt, claims: IdClaims) -> Arrival:
    """Return who arrives where, and by which ticket."""
    return Arrival(
        issuer=claims.issuer,
        subject=claims.subject,
        sid=claims.sid or "",
        scope=sources.scope_of(request),
        ticket_id=attempt.ticket_id,
    )


def is_same_person(going_on: UserSession, signed_in: SignedIn) -> bool:
    """Return whether who came back is who was here (R16); before, perhaps, by a password."""
    identity = signed_in.identity
    return going_on.user_id == identity.user_id and going_on.identity_id in (None, identity.pk)


def out_of_reach(
    request: HttpRequest, error: Unreachable | Misconfigured, back: str
) -> HttpResponse:
    """Return the page for a provider that does not answer, or not to this site."""
    kind = Failure.OUTAGE if isinstance(error, Unreachable) else Failure.CONFIGURATION
    config = provider_config()
    if config is not None:
        using = database()
        health.note_failure(config.issuer, error, clock.now(using), using=using)
    return failed(request, kind, retry_after=5, next=back)
