"""One browser at several environments: each host has cookies of its own, the provider one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import get_user_model
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from sessionmgr.core.reasons import EndReason
from sessionmgr.models import UserSession
from settings_app import source
from settings_app.models import Address, Environment
from tests.identity.providers.forgeries import ABSENT
from tests.identity.providers.rogue import Rogue
from tests.identity.visitor import Visitor

INSTANCES = "/admin/admin-center/instances/"

#: Host, and version.
PLACES = {
    "main": ("localhost", "9.2.0.1"),
    "new": ("portal.localhost", "9.1.0.3647"),
    "old": ("legacy.localhost", "9.1.0.3646"),
}


def make_places() -> None:
    """Make an environment of each version, at a host of its own."""
    for slug, (host, version) in PLACES.items():
        made, _is_new = Environment.objects.get_or_create(
            slug=slug, defaults={"name": slug.title(), "version": version}
        )
        Address.objects.create(environment=made, host=host)
    commit()


def commit() -> None:
    """Have what is stored held as if it were committed: what may yet be undone is not."""
    connection.run_on_commit.clear()
    source.invalidate()


class Browser:
    """Somebody's browser; every user may see the Admin Center. ``sid``: the provider's session."""

    def __init__(self, provider: Rogue, user: str = "alice", sid: Any = "one") -> None:
        self.user = user
        self.sid = sid
        self.provider = provider
        self.at = {
            slug: Visitor(provider, Client(SERVER_NAME=host))
            for slug, (host, _version) in PLACES.items()
        }

    def key(self, slug: str, **query: str) -> HttpResponse:
        """Sign in at an environment by its address; return the app's last answer."""
        self.provider.id_token(sid=self.sid)
        answer: HttpResponse = self.at[slug].sign_in(self.user, query)
        get_user_model().objects.update(is_staff=True, is_superuser=True)
        return answer

    def visit(self, slug: str = "main") -> HttpResponse:
        """Look at the Admin Center of an environment."""
        response = self.at[slug].client.get(INSTANCES)
        assert response.status_code == 200
        return response

    def ticket(self, slug: str, at: str = "main") -> str:
        """Select Open; return the address that the browser is sent to."""
        response = self.at[at].client.post(f"{INSTANCES}{slug}/open/")
        assert response.status_code == 302, response.content
        return response["Location"]

    def follow(self, slug: str, address: str) -> HttpResponse:
        """Arrive at an environment with a ticket; return its answer."""
        parts = urlsplit(address)
        return self.at[slug].client.get(f"{parts.path}?{parts.query}")

    def arrive(self, slug: str, answer: HttpResponse) -> HttpResponse:
        """Go on to the provider and back; return the app's last answer."""
        self.provider.id_token(sid=self.sid)
        self.at[slug].sent_to = answer["Location"]
        return self.at[slug].client.get(self.at[slug].come_back(self.user))

    def open(self, slug: str, at: str = "main") -> HttpResponse:
        """Select Open, and go where it leads."""
        answer = self.follow(slug, self.ticket(slug, at))
        return self.arrive(slug, answer) if "state=" in answer["Location"] else answer

    def forget_sid(self) -> None:
        self.sid = ABSENT

    def name(self, slug: str) -> str:
        """Who the environment takes this browser for."""
        return self.at[slug].name


def reason_in(slug: str) -> str | None:
    """Return why the live session in an environment is a fallback; "": it is the provider's."""
    row = UserSession.objects.live().filter(scope=slug).order_by("-pk").first()
    if row is None:
        return None
    assert (row.policy_source == "provider") == (row.fallback_reason == "")
    return row.fallback_reason


def end_in(slug: str) -> None:
    """End what is live in an environment, for a reason after which nobody asks for credentials."""
    UserSession.objects.filter(scope=slug).end(EndReason.LEASE_EXPIRED)
