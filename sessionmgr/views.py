"""The endpoints of contract §3: status, touch, sign-out, and the pages around them."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, cast

from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.db import DatabaseError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from sessionmgr import answers, held, protocol
from sessionmgr.activity import passive
from sessionmgr.backends.db import SessionStore
from sessionmgr.conf import conf
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import Judgement, judgement_of
from sessionmgr.models import HeldForm, UserSession, database
from sessionmgr.recent import MARK
from sessionmgr.signals import session_extended
from sessionmgr.words import told

#: Longest claim of a touch in digits: 30 years, and no number too long to read.
AGE_DIGITS = 9


@passive
@never_cache
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Say how the session stands: never activity, never a cookie."""
    return _status(request, judgement_of(request))


@passive
@never_cache
@require_POST
@csrf_protect
def touch(request: HttpRequest) -> HttpResponse:
    """Take note that the user is there, or was ``age`` seconds ago; never revives.

    A claim can only make the user look older than now (I5). The answer is as of ``status``.
    """
    kind = request.POST.get("kind", "activity")
    age = request.POST.get("age", "0")
    if kind not in ("activity", "explicit"):
        return _bad_request("kind", _("“kind” must be “activity” or “explicit”."))
    if not (age.isascii() and age.isdigit() and len(age) <= AGE_DIGITS):
        return _bad_request("age", _("“age” must be a whole number of seconds, 0 or more."))
    judged = judgement_of(request)
    if judged is None:
        return _status(request, None)
    at = judged.decision.now - timedelta(seconds=int(age))
    if at > judged.state.last_activity_at:
        judged = _touched(request, judged, at)
    if judged is not None and kind == "explicit":
        session_extended.send_robust(
            UserSession, session_id=judged.session_id, user_id=judged.user_id, at=at
        )
    return _status(request, judged)


def _touched(request: HttpRequest, judged: Judgement, at: datetime) -> Judgement | None:
    """Move the last activity to ``at`` and return how the session stands; ``None``: it ended."""
    session = cast(SessionStore, request.session)
    if UserSession.objects.using(database()).filter(pk=judged.session_id).touch(at):
        session.judgement = judged.with_state(last_activity_at=at)
    else:
        # Another tab was there later, or the session has ended in between: look again.
        fresh = SessionStore(session.session_key)
        fresh.get("_auth_user_id")
        session.judgement = fresh.judgement
        session.ended = fresh.ended
    return session.judgement


def _status(request: HttpRequest, judged: Judgement | None) -> HttpResponse:
    if judged is None:
        reason = cast(SessionStore, request.session).why_ended()
        response = answers.problem(reason, answers.sign_in_url(answers.referring_path(request)))
        response.sessionmgr_final = True  # type: ignore[attr-defined]
    else:
        # A token for a cookie that is not there would be no use, and would set one.
        token = get_token(request) if "CSRF_COOKIE" in request.META else ""
        response = JsonResponse(protocol.status_of(judged, token))
    response["Cache-Control"] = "no-store, private"
    return response


def _bad_request(field: str, message: str) -> HttpResponse:
    body = {
        "type": "about:blank",
        "title": message,
        "status": HTTPStatus.BAD_REQUEST,
        "code": "bad_request",
        "field": field,
    }
    return JsonResponse(
        body, status=HTTPStatus.BAD_REQUEST, content_type="application/problem+json"
    )


@never_cache
@require_safe
def resumed(request: HttpRequest) -> HttpResponse:
    """Tell the other tabs that somebody has signed in again: where the popup lands."""
    judged = judgement_of(request)
    if judged is None:
        return answers.refused(request, cast(SessionStore, request.session).why_ended())
    tags = {
        "session_tag": protocol.session_tag(judged.session_id),
        "user_tag": protocol.tag_of("user", judged.user_id),
    }
    return render(request, "sessionmgr/resumed.html", tags)


@never_cache
@require_POST
@csrf_protect
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out here, then show the signed-out page."""
    logout(request)
    query: dict[str, str] = {"reason": EndReason.SIGNED_OUT}
    if back := answers.safe_path(request, request.POST.get("next", "")):
        query["next"] = back
    response = HttpResponseRedirect(f"{reverse('sessionmgr:signed_out')}?{urlencode(query)}")
    response["Clear-Site-Data"] = '"cache"'
    return response


@passive
@never_cache
@require_safe
def signed_out(request: HttpRequest) -> HttpResponse:
    """Say why, and offer the way back in; whatever the query says, it stays on this site."""
    # A provider at which somebody has signed out sends its answer along with the way back.
    is_back = "state" in request.GET
    given = EndReason.SIGNED_OUT.value if is_back else request.GET.get("reason", "")
    reason = EndReason(given) if given in set(EndReason) else None
    back = answers.safe_path(request, request.GET.get("next", ""))
    provider_sign_out_url = answers.provider_url(answers.PROVIDER_SIGN_OUT)
    context = {
        "reason": reason,
        "told": told(reason),
        "sign_in_url": answers.sign_in_url(back),
        "is_held": held.is_held_page(back),
        "provider_sign_out_url": "" if is_back else provider_sign_out_url,
        "provider_name": conf.SESSIONMGR_PROVIDER_NAME,
        # The provider was to be told, and could not be.
        "is_untold": request.GET.get("provider") == "untold",
    }
    return render(request, "sessionmgr/signed_out.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@csrf_protect
@sensitive_variables()
def held_form(request: HttpRequest, held_id: str) -> HttpResponse:
    """Show a form that came too late, filled in, to who typed it; a POST discards it."""
    judged = cast(Judgement, judgement_of(request))
    user_id, now = judged.user_id, judged.decision.now
    if request.method == "POST":
        forms = HeldForm.objects.using(database()).readable(user_id, now)
        is_done, _rows = forms.filter(pk=held_id).delete()
        return held.discarded(request) if is_done else held.gone(request)
    typed = held.open_form(request, held_id, user_id, now)
    if typed is None:
        return held.gone(request)
    context = {"typed": typed, "one_time": held.ONE_TIME, "held_id": held_id}
    return render(request, "sessionmgr/held.html", context)


@method_decorator([sensitive_post_parameters(), never_cache], name="dispatch")
class SignInView(LoginView):
    """The provider's button, and Django's own sign-in where that is on.

    Of ``next``, only a path of this site is followed. With ``reauth``, who is signed in gives
    credentials again, and nobody else (R15).
    """

    template_name = "sessionmgr/sign_in.html"

    def get_redirect_url(self, request: HttpRequest | None = None) -> str:
        return answers.safe_path(self.request, super().get_redirect_url())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign in by a password, unless this site takes none."""
        if not takes_passwords():
            context = self.get_context_data(form=self.get_form_class()(request))
            response: HttpResponse = self.render_to_response(context, status=HTTPStatus.FORBIDDEN)
            response.sessionmgr_final = True  # type: ignore[attr-defined]
            return response
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in, or refuse somebody else than who is to confirm that it is still them."""
        if self.is_again() and form.get_user().pk != self.request.user.pk:
            form.add_error(None, _("Give the password of who is signed in, or sign out first."))
            return self.form_invalid(form)
        return super().form_valid(form)

    def get_initial(self) -> dict[str, Any]:
        initial = super().get_initial()
        return {**initial, "username": self.request.user} if self.is_again() else initial

    def is_again(self) -> bool:
        """Return whether somebody who is signed in is asked for credentials."""
        given = self.request.POST if self.request.method == "POST" else self.request.GET
        return MARK in given and self.request.user.is_authenticated

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        back = self.get_redirect_url()
        asked = {"next": back} if back else {}
        if self.is_again():
            asked["prompt"] = "login"
        return super().get_context_data(
            **kwargs,
            is_again=self.is_again(),
            provider_url=answers.provider_url(),
            provider_query=asked,
            provider_href=f"{answers.provider_url()}?{urlencode(asked)}",
            provider_name=conf.SESSIONMGR_PROVIDER_NAME,
            asks_to_stay=conf.SESSIONMGR_ASK_TO_STAY,
            takes_passwords=takes_passwords(),
        )


def takes_passwords() -> bool:
    """Return whether a password of this site signs somebody in; always if it is the only way."""
    return conf.SESSIONMGR_LOCAL_SIGN_IN or not answers.provider_url()


@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process is up."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the database answers: 200 or 503."""
    try:
        with connections[database()].cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return answers.unavailable(request)
    return HttpResponse("ok\n", content_type="text/plain")
