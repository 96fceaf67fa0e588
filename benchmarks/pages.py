"""The pages that are asked for: as little of their own as can be."""

from django.apps import apps
from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def page(request: HttpRequest) -> HttpResponse:
    """Say who is signed in."""
    return HttpResponse(f"<p>{request.user}</p>")


async def async_page(request: HttpRequest) -> HttpResponse:
    """Say who is signed in, from an async view."""
    return HttpResponse(f"<p>{await request.auser()}</p>")


def plain(request: HttpRequest) -> HttpResponse:
    """Look at neither session nor user."""
    return HttpResponse("<p>Hello</p>")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in as Django's own view does."""
    login(request, authenticate(request, username="alice", password="alice-demo"))
    return HttpResponse("<p>Welcome</p>")


urlpatterns = [
    path("page/", page),
    path("async-page/", async_page),
    path("plain/", plain),
    path("sign-in/", sign_in),
]
if apps.is_installed("session_security"):
    urlpatterns.append(path("session_security/", include("session_security.urls")))
