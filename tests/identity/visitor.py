"""A person with a browser: the app's client on one side, the provider's pages on the other."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from django.http import HttpResponse
from django.test import Client

from sessionmgr.models import UserSession

START = "/oidc/authenticate/"


class Visitor:
    """One browser. ``provider`` is any of the tests' providers: they sign people in alike."""

    def __init__(self, provider: Any, client: Client | None = None) -> None:
        self.provider = provider
        self.client = client or Client()
        self.there = requests.Session()

    def begin(self, **query: str) -> dict[str, str]:
        """Press the button; return what is asked of the provider."""
        return self.begin_at(f"{START}?{urlencode(query)}")

    def begin_at(self, address: str) -> dict[str, str]:
        """Follow the app's own redirect to ``address``; return what is asked of the provider."""
        self.sent_to = self.client.get(address)["Location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(self.sent_to).query).items()}

    def come_back(self, user: str = "alice", **how: Any) -> str:
        """Sign in at the provider; return the address at the app that it sends the browser to."""
        address = self.provider.sign_in(self.there, self.sent_to, user, **how)
        parts = urlsplit(address)
        return f"{parts.path}?{parts.query}"

    def sign_in(self, user: str = "alice", query: dict[str, str] | None = None, **how: Any) -> Any:
        """Go there and back; return the app's last answer."""
        self.begin(**(query or {}))
        return self.client.get(self.come_back(user, **how))

    def get(self, path: str = "/whoami/", **headers: Any) -> HttpResponse:
        return self.client.get(path, **headers)

    @property
    def name(self) -> str:
        """Who the app takes this browser for."""
        return self.get().content.decode().removeprefix("<p>").removesuffix("</p>")

    @property
    def row(self) -> UserSession:
        """The last session of all."""
        return UserSession.objects.order_by("-pk")[0]
