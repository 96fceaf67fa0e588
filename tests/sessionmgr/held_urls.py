"""Forms to come too late with: sync and async, open to all, strict, sensitive and broken."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.debug import sensitive_post_parameters

from sessionmgr.project.urls import urlpatterns as project_urls

#: What the views were given, in order.
RUNS: list[dict[str, list[str]]] = []


def _run(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        RUNS.append(dict(request.POST.lists()))
    return HttpResponse("done")


@login_required
def report(request: HttpRequest) -> HttpResponse:
    return _run(request)


@login_required
async def areport(request: HttpRequest) -> HttpResponse:
    return _run(request)


def open_to_all(request: HttpRequest) -> HttpResponse:
    return _run(request)


@sensitive_post_parameters("diagnosis")
@login_required
def sensitive(request: HttpRequest) -> HttpResponse:
    return _run(request)


@sensitive_post_parameters()
@login_required
def all_sensitive(request: HttpRequest) -> HttpResponse:
    return _run(request)


@login_required
def failing(request: HttpRequest) -> HttpResponse:
    _run(request)
    raise RuntimeError("the view fails")


urlpatterns: list[Any] = [
    path("report/", report),
    path("areport/", areport),
    path("open/", open_to_all),
    path("sensitive/", sensitive),
    path("all-sensitive/", all_sensitive),
    path("failing/", failing),
    path("/evil.example/", report),
    path("", include(project_urls)),
]
