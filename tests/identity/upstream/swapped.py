"""Our classes, made ready to stand where mozilla-django-oidc's tests expect its own."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any
from unittest import TestCase, TestResult
from unittest.mock import Mock

from django.http import HttpRequest
from mozilla_django_oidc import auth, views

from sessionmgr import clock
from sessionmgr.backends.db import SessionStore
from sessionmgr.identity import breaker, calls
from sessionmgr.identity.backend import ProviderBackend
from sessionmgr.identity.breaker import Call
from sessionmgr.identity.logout_views import LogoutView
from sessionmgr.identity.outcomes import Problem
from sessionmgr.identity.provider import forget
from sessionmgr.identity.views import AuthenticateView, CallbackView
from sessionmgr.identity.wire import DEADLINE, Answer, Request
from sessionmgr.models import database


def swap() -> None:
    """Put our classes in the place of the package's own, and its mock into our calls."""
    auth.OIDCAuthenticationBackend = Backend
    views.OIDCAuthenticationRequestView = as_reached(AuthenticateView)
    views.OIDCAuthenticationCallbackView = as_reached(CallbackView)
    views.OIDCLogoutView = as_reached(LogoutView)
    calls.exchange = mocked


class Backend(ProviderBackend):
    """In the middle of a sign-in from the start, with the PKCE verifier that none goes without."""

    def __init__(self) -> None:
        super().__init__()
        self.at = clock.now(database())
        self.until = monotonic() + DEADLINE
        self.max_age = None

    def authenticate(self, request: HttpRequest | None, **kwargs: Any) -> Any:
        return super().authenticate(request, **{"code_verifier": "v" * 43, **kwargs})


def as_reached(ours: type) -> type:
    """Return the view with requests as the middleware, and Django's test client, give it them."""

    def dispatch(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        request._dont_enforce_csrf_checks = True
        given = getattr(request, "session", {})
        if isinstance(given, dict):
            request.session = SessionStore()
            request.session.update(given)
        return ours.dispatch(self, request, *args, **kwargs)  # type: ignore[attr-defined]

    return type(ours.__name__, (ours,), {"dispatch": dispatch})


def mocked(request: Request, call: Call, deadline: float) -> Answer | Problem:
    """Return the answer that the running test has put in the place of the network."""
    call.left()
    network = auth.requests
    if not isinstance(network, Mock):
        return Problem.CONNECT
    send = network.post if request.method == "POST" else network.get
    answer = send(request.url, data=request.form, headers=request.headers)
    told = answer.headers if isinstance(answer.headers, dict) else {}
    headers = {name.title(): value for name, value in told.items()}
    body = answer.text if isinstance(answer.text, str) else json.dumps(answer.json())
    return Answer(status=200, headers=headers, body=body.encode())


class Outcomes(TestResult):
    """What was wrong with each test, in the words of the exception."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def startTest(self, test: TestCase) -> None:  # noqa: N802 - unittest's name
        breaker.reset()
        forget()
        self.found[name_of(test)] = ""
        super().startTest(test)

    def addError(self, test: Any, error: Any) -> None:  # noqa: N802
        self.found[name_of(test)] = f"{error[0].__name__}: {error[1]}"

    addFailure = addError  # noqa: N815


def name_of(test: TestCase) -> str:
    """Return the test's module, class and name."""
    return test.id().removeprefix("tests.")
