"""The legs of the logout's benchmark, each in a process of its own; prints what it found as JSON.

A delivery goes through the whole of Django: the handler, every middleware, the view. The tests'
provider in this process has written the tokens, and publishes its keys.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from collections.abc import Callable
from contextlib import closing
from time import perf_counter
from typing import Any
from urllib.parse import urlencode

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.test import Client, override_settings  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from sessionmgr.models import FederatedIdentity, UserSession  # noqa: E402
from sessionmgr.project.urls import urlpatterns as project_urls  # noqa: E402
from tests.identity.providers.forgeries import ABSENT  # noqa: E402
from tests.identity.providers.rogue import Rogue  # noqa: E402

COUNT = 500
PAGE = "/oidc/backchannel-logout/"


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    """Read the form and answer: what Django and the machine need by themselves."""
    request.POST.get("logout_token")
    return HttpResponse()


urlpatterns: list[Any] = [path("nothing/", nothing), *project_urls]


def migrate() -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    return {}


def measure(sessions: str) -> dict[str, Any]:
    """Deliver tokens in turns and return the seconds that each kind took."""
    logging.disable(logging.CRITICAL)
    with closing(Rogue()) as provider:
        FederatedIdentity.objects.update(issuer=provider.issuer)
        own = override_settings(
            ROOT_URLCONF="benchmarks.logout_leg",
            OIDC_ISSUER=provider.issuer,
            OIDC_RP_CLIENT_ID=provider.client_id,
            OIDC_RP_CLIENT_SECRET=provider.client_secret,
        )
        with own:
            return delivered(provider, int(sessions))


def delivered(provider: Rogue, sessions: int) -> dict[str, Any]:
    numbers = random.Random("logout").sample(range(sessions // 3 - 1), 2 * COUNT + 1)  # noqa: S311
    people = iter(numbers)

    def of_one() -> str:
        person = next(people)
        return provider.logout_token(sub=f"person-{person}", sid=f"sid-{3 * person}")

    def of_all() -> str:
        return provider.logout_token(sub=f"person-{next(people)}", sid=ABSENT)

    first = timed(PAGE, of_one(), 200)
    obeyed = of_nobody(provider)
    timed(PAGE, obeyed, 200)
    kinds: dict[str, Callable[[], tuple[str, str, int]]] = {
        "nothing": lambda: ("/nothing/", obeyed, 200),
        "sid": lambda: (PAGE, of_one(), 200),
        "sub": lambda: (PAGE, of_all(), 200),
        "replay": lambda: (PAGE, obeyed, 400),
        "forged": lambda: (PAGE, provider.logout_token("other_key"), 400),
    }
    spans: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(COUNT):
        for kind, make in kinds.items():
            spans[kind].append(timed(*make()))
    ended = UserSession.objects.exclude(ended_reason="").count()
    assert ended == 1 + COUNT + 3 * COUNT, ended
    found = {kind: summary(each) for kind, each in spans.items()}
    return {"first": first, "ended": ended, "count": COUNT, "spans": found}


def of_nobody(provider: Rogue) -> str:
    return provider.logout_token(sub="nobody", sid=ABSENT, exp=provider.now + 86_400)


def timed(page: str, token: str, status: int) -> float:
    body, client = urlencode({"logout_token": token}), Client()
    began = perf_counter()
    response = client.post(page, body, content_type="application/x-www-form-urlencoded")
    took = perf_counter() - began
    assert response.status_code == status, response.status_code
    return took


def summary(spans: list[float]) -> dict[str, float]:
    ranked = sorted(spans)
    return {
        "median": ranked[len(ranked) // 2],
        "p99": ranked[len(ranked) * 99 // 100],
        "longest": ranked[-1],
    }


if __name__ == "__main__":
    legs: dict[str, Callable[..., dict[str, Any]]] = {
        leg.__name__: leg for leg in (migrate, measure)
    }
    print(json.dumps(legs[sys.argv[1]](*sys.argv[2:])))
