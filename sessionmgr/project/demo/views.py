"""The demo's pages: what being signed in looks like from where a user sits."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from sessionmgr.activity import passive
from sessionmgr.core.reasons import EndsBy
from sessionmgr.enforcement import Judgement, judgement_of
from sessionmgr.project.demo.forms import VisitReportForm
from settings_app.about import confirmation_of, limits_of
from settings_app.words import policy_words


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Tell who is signed in, until when and why; tell everybody else what this is."""
    judged = judgement_of(request)
    if judged is None:
        return render(request, "demo/welcome.html")
    binding = judged.decision.binding
    context = {
        "limits": limits_of(judged.decision),
        "confirmation": confirmation_of(judged),
        "now": judged.decision.now,
        "moves_on": binding is not None and binding.ends_by is EndsBy.INACTIVITY,
        "signed_in_at": judged.state.authenticated_at,
        "policy": policy_words(judged.policy),
    }
    return render(request, "demo/home.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def form(request: HttpRequest) -> HttpResponse:
    """Show a long form; what is sent comes back as it was typed."""
    report = VisitReportForm(request.POST or None, label_suffix="")
    sent = report.cleaned_data if request.method == "POST" and report.is_valid() else None
    return render(request, "demo/form.html", {"form": report, "sent": sent})


@require_safe
@login_required
def polling(request: HttpRequest) -> HttpResponse:
    """Show a page that asks the server every few seconds, and so keeps nobody signed in."""
    return render(request, "demo/polling.html")


@passive
@never_cache
@require_safe
@login_required
def news(request: HttpRequest) -> HttpResponse:
    """Answer the polling page: how much time is left, and that this poll bought none."""
    judged = cast(Judgement, judgement_of(request))
    left = judged.decision.seconds_left
    return JsonResponse(
        {
            "idle_seconds": left(EndsBy.INACTIVITY),
            "session_seconds": left(EndsBy.SESSION),
            "told": _("The server has answered; your last activity stays what it was."),
        }
    )


@require_safe
def public(request: HttpRequest) -> HttpResponse:
    """Show a page for everybody: it stays open whatever becomes of a sign-in."""
    return render(request, "demo/public.html")
