"""Where the provider tells of its logouts, and where users ask for one there."""

import logging
import secrets
from http import HTTPStatus
from typing import Any

from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_POST
from mozilla_django_oidc.views import OIDCLogoutView

from sessionmgr import clock
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import judgement_of
from sessionmgr.identity import grants, logout
from sessionmgr.identity.attempts import with_query
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.outcomes import InvalidToken, Misconfigured, Unreachable
from sessionmgr.identity.provider import current_provider, key_for
from sessionmgr.identity.tokens import logout_token_claims
from sessionmgr.models import database

logger = logging.getLogger("sessionmgr.identity")

#: Seconds that a user who signs out waits for the provider's description, at most.
SIGN_OUT_SECONDS = 2.0
RETRY_AFTER = "5"
NO_STORE = "no-store"


@csrf_exempt
@require_POST
@sensitive_post_parameters()
@sensitive_variables()
def backchannel(request: HttpRequest) -> HttpResponse:
    """Take a logout token: 200 once it is obeyed, 400 for any other, 503 to have it sent again.

    Touches no session of the request, and tells nobody why a token is refused.
    """
    config = provider_config()
    if config is None:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    sent = request.POST.getlist("logout_token")
    if len(sent) != 1:
        return _refused("not one token")
    using = database()
    now = clock.now(using)
    try:
        claims = logout_token_claims(sent[0], config=config, key_for=key_for, now=now)
    except InvalidToken as error:
        return _refused(error.code)
    except (Unreachable, Misconfigured):
        # Its keys cannot be had, so nothing can be said of it: the provider tries again.
        answer = HttpResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
        answer["Retry-After"] = RETRY_AFTER
        answer["Cache-Control"] = NO_STORE
        return answer
    ended = logout.obey(claims, now=now, using=using)
    if ended is None:
        return _refused("replay")
    logger.info("The provider has ended %s of our sessions.", ended)
    answer = HttpResponse()
    answer["Cache-Control"] = NO_STORE
    return answer


def _refused(why: str) -> HttpResponse:
    logger.warning("A logout token was refused: %s.", why)
    answer = JsonResponse({"error": "invalid_request"}, status=HTTPStatus.BAD_REQUEST)
    answer["Cache-Control"] = NO_STORE
    return answer


@require_GET
@xframe_options_exempt
def frontchannel(request: HttpRequest) -> HttpResponse:
    """End the sessions of a ``sid`` that the provider's page names in a frame.

    No cookie is needed, which browsers would not send in a frame of another site.
    """
    config = provider_config()
    if config is None:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    issuer, sid = request.GET.get("iss"), request.GET.get("sid")
    if issuer != config.issuer or not sid or "\0" in sid:
        answer = HttpResponse(status=HTTPStatus.BAD_REQUEST)
    else:
        logout.end_by_sid(sid, config)
        answer = HttpResponse("<!doctype html><title>Signed out</title>")
        # In a frame of anybody's; there is nothing to click. django-csp leaves it as it is.
        answer["Content-Security-Policy"] = "default-src 'none'"
    answer["Cache-Control"] = NO_STORE
    return answer


@method_decorator([never_cache, csrf_protect], name="dispatch")
class LogoutView(OIDCLogoutView):  # type: ignore[misc]
    """Signs out here, always and first; then the browser goes to the provider (RP-Initiated)."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """Sign out here and go on to the provider, or to our own page if it cannot be had."""
        hint = self.hint_of(request)
        auth.logout(request)
        config = provider_config()
        address = None if config is None else self.address(request, config, hint)
        query = {"reason": EndReason.SIGNED_OUT.value}
        response = HttpResponseRedirect(
            address or with_query(reverse("sessionmgr:signed_out"), query)
        )
        response["Clear-Site-Data"] = '"cache"'
        return response

    def hint_of(self, request: HttpRequest) -> str:
        """Return the ID token of this session, by which the provider knows which one is meant."""
        judged = judgement_of(request)
        if judged is None:
            return ""
        tokens = grants.read(judged.session_id, using=database())
        return "" if tokens is None else tokens.id_token

    def address(self, request: HttpRequest, config: ProviderConfig, hint: str) -> str | None:
        """Return where the provider ends its session; ``None``: nowhere, or it is out of reach."""
        try:
            endpoint = current_provider(SIGN_OUT_SECONDS).end_session_endpoint
        except (Unreachable, Misconfigured):
            return None
        if endpoint is None:
            return None
        back = request.build_absolute_uri(reverse("sessionmgr:signed_out"))
        params: dict[str, Any] = {
            "client_id": config.client_id,
            "post_logout_redirect_uri": back,
            "state": secrets.token_urlsafe(16),
        }
        if hint:
            params["id_token_hint"] = hint
        return with_query(endpoint, params)
