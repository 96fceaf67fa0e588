"""The least an app does with a provider, strictly: what the peers are proved with alone."""

from __future__ import annotations

import base64
import hashlib
import secrets
from queue import Queue
from threading import Event
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import requests

from tests.identity.providers.faults import Answer
from tests.identity.providers.loopback import Loopback, Request
from tests.identity.providers.walk import SECONDS

BASE = "http://testserver"

Claims = dict[str, Any]


class RelyingParty:
    """One site at one provider: code flow with PKCE, renewal, and tokens that are verified."""

    client_id = "sessionmgr"
    client_secret = "sessionmgr-secret"

    def __init__(self, issuer: str, base: str = BASE) -> None:
        self.issuer = issuer
        self.redirect_uri = f"{base}/oidc/callback/"
        url = f"{issuer}/.well-known/openid-configuration"
        self.discovery: dict[str, Any] = requests.get(url, timeout=SECONDS).json()
        self.attempts: dict[str, tuple[str, str]] = {}

    def authorization_url(self, **extra: Any) -> str:
        """Return where an attempt to sign in starts."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        digest = hashlib.sha256(verifier.encode()).digest()
        self.attempts[state] = (nonce, verifier)
        asked = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **extra,
        }
        return f"{self.discovery['authorization_endpoint']}?{urlencode(asked)}"

    def redeem(self, callback: str, **instead: str) -> requests.Response:
        """Exchange the code that came back for tokens; ``instead`` replaces what is sent."""
        returned = dict(parse_qsl(urlsplit(callback).query))
        self.nonce, verifier = self.attempts.pop(returned["state"])
        sent = {
            "grant_type": "authorization_code",
            "code": returned["code"],
            "redirect_uri": self.redirect_uri,
            "code_verifier": verifier,
        }
        return self.post("token_endpoint", **{**sent, **instead})

    def refresh(self, token: str) -> requests.Response:
        return self.post("token_endpoint", grant_type="refresh_token", refresh_token=token)

    def post(self, endpoint: str, **sent: str) -> requests.Response:
        """Ask one of the provider's endpoints, as the client that we are."""
        known = (self.client_id, self.client_secret)
        return requests.post(self.discovery[endpoint], data=sent, auth=known, timeout=SECONDS)

    def userinfo(self, access_token: str) -> Claims:
        bearer = {"Authorization": f"Bearer {access_token}"}
        url = self.discovery["userinfo_endpoint"]
        told: Claims = requests.get(url, headers=bearer, timeout=SECONDS).json()
        return told

    def verified(self, token: str, *required: str, leeway: float = 0) -> Claims:
        """Return the claims of a token of the provider's for us, or raise."""
        url = self.discovery["jwks_uri"]
        keys = jwt.PyJWKSet.from_json(requests.get(url, timeout=SECONDS).text)
        claims: Claims = jwt.decode(
            token,
            keys[jwt.get_unverified_header(token)["kid"]],
            algorithms=["RS256", "ES256"],
            audience=self.client_id,
            issuer=self.issuer,
            leeway=leeway,
            options={"require": ["iss", "aud", "iat", *required]},
        )
        return claims

    def id_token(self, token: str, leeway: float = 0) -> Claims:
        """Return the claims of the ID token that came with the last code."""
        claims = self.verified(token, "sub", "exp", "nonce", leeway=leeway)
        assert claims["nonce"] == self.nonce
        return claims


class Receiver:
    """A site that takes back-channel logouts: ``next`` returns the token that came."""

    def __init__(self) -> None:
        self.tokens: Queue[str] = Queue()
        self.server = Loopback(self._take)
        self.base = self.server.url
        self.close = self.server.close

    def _take(self, request: Request) -> None:
        assert request.path == "/oidc/backchannel-logout/"
        self.tokens.put(request.sent["logout_token"])
        request.answer(Answer(200), pace=0, stopped=Event())

    def next(self) -> str:
        """Return the next logout token, waiting for it if need be."""
        return self.tokens.get(timeout=SECONDS)
