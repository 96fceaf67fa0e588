"""Signing out at the provider: reported by it (back channel, front channel), or asked of it."""

import logging
from http import HTTPStatus
from secrets import token_urlsafe
from time import monotonic
from typing import cast
from urllib.parse import parse_qs, urlsplit

from django.contrib import auth
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_POST
from mozilla_django_oidc.views import OIDCLogoutView

from sessionmgr import answers, clock
from sessionmgr.activity import passive
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end, judgement_of
from sessionmgr.identity import calls, grants, health, logout
from sessionmgr.identity.attempts import with_query
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.outcomes import InvalidToken, Misconfigured, Problem, Unreachable
from sessionmgr.identity.provider import Provider, current_provider
from sessionmgr.identity.tokens import NAME_LENGTH, TOKEN_LENGTH
from sessionmgr.identity.wire import USER_DEADLINE
from sessionmgr.models import database

logger = logging.getLogger("sessionmgr.identity")

#: Bytes of a delivery: a token, its field's name, and room for what else a provider sends.
BODY = TOKEN_LENGTH + 4096
FIELDS = 20


@csrf_exempt
@passive
@require_POST
@sensitive_variables()
def backchannel(request: HttpRequest) -> HttpResponse:
    """End what the provider's logout token names (OpenID Connect Back-Channel Logout 1.0).

    200 once it has ended; 400 for any token that is not good, or was obeyed before; 503 where the
    provider's keys cannot be had, so that it sends the token again.
    """
    config = provider_or_404()
    token = logout_token_in(request)
    if token is None:
        return invalid_request()
    using = database()
    try:
        logout.obey(token, config=config, now=clock.now(using), using=using)
    except InvalidToken as error:
        logger.info("A logout token was refused: %s.", error)
        return invalid_request()
    except (Unreachable, Misconfigured) as error:
        logger.warning("A logout token could not be judged: %s.", error)
        return answers.unavailable(request)
    return not_stored(HttpResponse())


def logout_token_in(request: HttpRequest) -> str | None:
    """Return the one ``logout_token`` of a form; the body is read no further than a token goes."""
    if request.content_type != "application/x-www-form-urlencoded":
        return None
    body = request.read(BODY + 1)
    if len(body) > BODY:
        return None
    try:
        form = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS)
    except ValueError:
        return None
    found = form.get("logout_token", [])
    return found[0] if len(found) == 1 else None


@passive
@require_GET
@xframe_options_exempt
def frontchannel(request: HttpRequest) -> HttpResponse:
    """End what belongs to the provider's session ``sid``, in a frame of the provider's page.

    No cookie is needed: browsers send none to a frame on another site (OpenID Connect
    Front-Channel Logout 1.0).
    """
    config = provider_or_404()
    issuers, sids = request.GET.getlist("iss"), request.GET.getlist("sid")
    if issuers != [config.issuer] or len(sids) != 1 or not is_name(sids[0]):
        return invalid_request()
    using = database()
    logout.end_visit(config.issuer, sids[0], now=clock.now(using), using=using)
    response = HttpResponse("<!doctype html>\n")
    ancestors = " ".join(sorted(origins_of(config)))
    # A header that is there is left alone by django-csp and by Django's own middleware.
    response["Content-Security-Policy"] = f"default-src 'none'; frame-ancestors {ancestors}"
    return not_stored(response)


def origins_of(config: ProviderConfig) -> set[str]:
    """Return where the provider's pages are, as far as it is known: one of them has the frame."""
    addresses = [config.issuer]
    try:
        provider = current_provider(deadline=USER_DEADLINE)
        addresses += [provider.authorization_endpoint, provider.end_session_endpoint or ""]
    except (Unreachable, Misconfigured):
        pass
    parts = [urlsplit(address) for address in addresses if address]
    return {f"{each.scheme}://{each.netloc}" for each in parts}


@method_decorator([never_cache, csrf_protect, sensitive_variables()], name="dispatch")
class LogoutView(OIDCLogoutView):  # type: ignore[misc]
    """Signs out here, whatever happens; then at the provider, if it can be reached."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign out, and send the browser on to the provider, which sends it back."""
        hint = sign_out(request)
        plain = reverse("sessionmgr:signed_out")
        page = with_query(plain, {"reason": EndReason.SIGNED_OUT.value})
        config = provider_config()
        endpoint = None if config is None else end_session_endpoint(config)
        if config is None:
            address = page
        elif endpoint is None:
            address = with_query(page, {"provider": "untold"})
        else:
            asked = {
                "client_id": config.client_id,
                "post_logout_redirect_uri": request.build_absolute_uri(plain),
                "state": token_urlsafe(16),
                **({"id_token_hint": hint} if hint else {}),
            }
            address = with_query(endpoint, asked)
        response = HttpResponseRedirect(address)
        response["Clear-Site-Data"] = '"cache"'
        return response


def sign_out(request: HttpRequest) -> str:
    """Sign out here, and return the ID token by which the provider knows whom it is about."""
    session = cast(SessionStore, request.session)
    is_here = judgement_of(request) is not None or session.is_suspended
    row = session.presented_row() if is_here else None
    tokens = None if row is None else grants.read(row, using=database())
    is_suspended = session.is_suspended
    auth.logout(request)
    if row is not None and is_suspended:
        # It opened nothing, so that Django had nothing to end.
        end(row, EndReason.SIGNED_OUT, using=database())
        session.forget_cookie()
    return "" if tokens is None else tokens.id_token


def end_session_endpoint(config: ProviderConfig) -> str | None:
    """Return where the provider signs people out; ``None``: nowhere, or it does not answer.

    It is asked for its keys first: a browser that is sent to a site that is down comes back from
    nowhere.
    """
    started = monotonic()
    try:
        provider = current_provider(deadline=USER_DEADLINE)
        if provider.end_session_endpoint is not None:
            ask_for_a_sign(provider, config, USER_DEADLINE - (monotonic() - started))
    except (Unreachable, Misconfigured) as error:
        using = database()
        health.note_failure(config.issuer, error, clock.now(using), using=using)
        return None
    return provider.end_session_endpoint


def ask_for_a_sign(provider: Provider, config: ProviderConfig, seconds: float) -> None:
    """Raise ``Unreachable`` where the provider does not answer now."""
    try:
        calls.get_json(provider.jwks_uri, config=config, deadline=max(seconds, 0.01))
    except Unreachable as error:
        # This process has calls enough on their way, which says nothing of the provider.
        if error.problem is not Problem.BUSY:
            raise


def provider_or_404() -> ProviderConfig:
    """Return what is set; without a provider there is no such page."""
    config = provider_config()
    if config is None:
        raise Http404
    return config


def invalid_request() -> HttpResponse:
    """Return the one answer to all that is wrong: who sends forgeries learns nothing from it."""
    return not_stored(JsonResponse({"error": "invalid_request"}, status=HTTPStatus.BAD_REQUEST))


def not_stored(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response


def is_name(sid: str) -> bool:
    """Return whether ``sid`` can be one that we have kept."""
    return 1 <= len(sid) <= NAME_LENGTH and sid.isprintable()
