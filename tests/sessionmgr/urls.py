"""Pages to try the middleware on: each kind of view that a host project has."""

from collections.abc import AsyncIterator
from typing import Any

from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.cache import cache_control

from sessionmgr.activity import passive
from sessionmgr.project.urls import urlpatterns as project_urls


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>plain</p>")


def whoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{request.user}</p>")


async def awhoami(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{await request.auser()}</p>")


@login_required
def protected(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{request.user}</p>")


@login_required
async def aprotected(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{await request.auser()}</p>")


@login_required
def as_json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": str(request.user)})


@permission_required("auth.add_user", raise_exception=True)
def permitted(request: HttpRequest) -> HttpResponse:
    return HttpResponse("permitted")


def api(request: HttpRequest) -> HttpResponse:
    if not request.user.is_authenticated:
        return HttpResponse("no", status=401)
    return HttpResponse("yes")


@passive
def poll(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.user}")


@passive
async def apoll(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{await request.auser()}")


@cache_control(public=True, max_age=60)
def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{request.user}")


def write(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = ["tea"]
    return HttpResponse(f"{request.user}")


def write_after_sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    from sessionmgr.backends.db import SessionStore

    request.session["cart"] = ["tea"]
    elsewhere = SessionStore(request.session.session_key)
    elsewhere.get("cart")
    elsewhere.flush()
    return HttpResponse(f"secret of {request.user}")


def change_key_after_sign_out_elsewhere(request: HttpRequest) -> HttpResponse:
    from sessionmgr.backends.db import SessionStore

    request.session.get("cart")
    elsewhere = SessionStore(request.session.session_key)
    elsewhere.get("cart")
    elsewhere.flush()
    request.session.cycle_key()
    return HttpResponse("never reached")


def timed(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(f"{request.user}")
    response["Server-Timing"] = "db;dur=5"
    return response


def broken(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return HttpResponse("still signed in")
    raise RuntimeError("a view that fails")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


@login_required
def events(request: HttpRequest) -> StreamingHttpResponse:
    async def stream() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"

    return StreamingHttpResponse(stream(), content_type="text/event-stream")


urlpatterns: list[Any] = [
    path("plain/", plain),
    path("whoami/", whoami),
    path("awhoami/", awhoami),
    path("protected/", protected),
    path("aprotected/", aprotected),
    path("json/", as_json),
    path("permitted/", permitted),
    path("api/", api),
    path("poll/", poll),
    path("apoll/", apoll),
    path("public-page/", public),
    path("write/", write),
    path("write-after-sign-out/", write_after_sign_out_elsewhere),
    path("change-key-after-sign-out/", change_key_after_sign_out_elsewhere),
    path("timed/", timed),
    path("broken/", broken),
    path("forbidden/", forbidden),
    path("events/", events),
    path("", include(project_urls)),
]
