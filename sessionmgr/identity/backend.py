"""mozilla-django-oidc's backend as the transport of a sign-in; what it brings is judged by us.

Every override of that package is in this module and in ``views``; a test holds their signatures to
those upstream. docs/adr/0011-mozilla-django-oidc.md tells which and why.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from time import monotonic
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from mozilla_django_oidc.auth import OIDCAuthenticationBackend

from sessionmgr import clock
from sessionmgr.identity import calls
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.grants import Tokens, tokens_in
from sessionmgr.identity.outcomes import InvalidToken, Misconfigured, Mistake
from sessionmgr.identity.people import identity_of
from sessionmgr.identity.provider import Provider, current_provider, key_for
from sessionmgr.identity.tokens import IdClaims, id_token_claims, userinfo_matches
from sessionmgr.identity.wire import DEADLINE
from sessionmgr.models import FederatedIdentity, database

#: Raises where the claims are good, but not those of whom the sign-in is for.
Check = Callable[[IdClaims], None]

PATH = "sessionmgr.identity.backend.ProviderBackend"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A sign-in at the provider that has passed every test: who, by which token, when."""

    identity: FederatedIdentity
    claims: IdClaims
    tokens: Tokens
    at: datetime


class ProviderBackend(OIDCAuthenticationBackend):  # type: ignore[misc]
    """Exchanges the code, validates what comes back, and finds the user by (issuer, subject).

    Raises what ``outcomes`` and ``people`` name; never answers by somebody else's account. What
    was found is left at ``request.sessionmgr_signed_in``.
    """

    #: Django's own, so that the engine brings the user along in one query; it asks ``is_active``.
    get_user = ModelBackend.get_user

    def __init__(self) -> None:
        # Not super's: it wants every endpoint as a setting, and this runs on each request.
        self.UserModel = get_user_model()
        self.request: HttpRequest | None = None
        self.until = 0.0

    @property
    def config(self) -> ProviderConfig:
        """What is set; raises ImproperlyConfigured where there is no provider."""
        config = provider_config()
        if config is None:
            raise ImproperlyConfigured("OIDC_ISSUER is not set: there is no provider.")
        return config

    @property
    def provider(self) -> Provider:
        return current_provider(self.seconds)

    @property
    def seconds(self) -> float:
        """How many are left for the whole of the sign-in, however many calls it takes."""
        return max(0.1, self.until - monotonic())

    @property
    def OIDC_OP_TOKEN_ENDPOINT(self) -> str:  # noqa: N802 - mozilla-django-oidc's name
        return self.provider.token_endpoint

    @property
    def OIDC_OP_USER_ENDPOINT(self) -> str:  # noqa: N802
        return self.provider.userinfo_endpoint or ""

    @property
    def OIDC_OP_JWKS_ENDPOINT(self) -> str:  # noqa: N802
        return self.provider.jwks_uri

    @property
    def OIDC_RP_CLIENT_ID(self) -> str:  # noqa: N802
        return self.config.client_id

    @property
    def OIDC_RP_CLIENT_SECRET(self) -> str:  # noqa: N802
        return self.config.client_secret

    def authenticate(self, request: HttpRequest | None, **kwargs: Any) -> Any:
        """Return the user whose code came back with ``request``; ``None``: other credentials."""
        if request is None or "code_verifier" not in kwargs:
            return None
        self.at = clock.now(database())
        self.until = monotonic() + DEADLINE
        self.max_age: int | None = kwargs.pop("max_age", None)
        self.check: Check = kwargs.pop("check", accept)
        return super().authenticate(request, **kwargs)

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the token endpoint's answer; ``payload`` stays what it is."""
        grant = {
            name: value
            for name, value in payload.items()
            if name not in ("client_id", "client_secret")
        }
        endpoint = self.OIDC_OP_TOKEN_ENDPOINT
        answer = calls.token_request(endpoint, grant, config=self.config, deadline=self.seconds)
        if not answer.get("id_token"):
            raise Misconfigured(Mistake.INVALID_SCOPE)
        self.tokens = tokens_in(answer, self.at)
        return answer

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """Return the claims of an ID token that holds in every respect (OIDC Core 3.1.3.7)."""
        self.claims = id_token_claims(
            token,
            config=self.config,
            key_for=partial(key_for, deadline=self.seconds),
            nonce=kwargs.get("nonce") or "",
            now=self.at,
            max_age=self.max_age,
        )
        self.check(self.claims)
        return dict(self.claims.claims)

    def get_userinfo(
        self, access_token: str, id_token: str, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the claims of userinfo and ID token together; both must be the same person's."""
        endpoint = self.OIDC_OP_USER_ENDPOINT
        if not endpoint:
            return dict(payload)
        told = calls.userinfo(endpoint, access_token, config=self.config, deadline=self.seconds)
        if not userinfo_matches(self.claims, told):
            raise InvalidToken("userinfo_of_another_person")
        return {**told, **payload}

    def store_tokens(self, access_token: str, id_token: str) -> None:
        """Keep nothing in the session: the tokens go to the grants, encrypted."""

    def get_or_create_user(
        self, access_token: str, id_token: str, payload: Mapping[str, Any]
    ) -> Any:
        """Return the user of this (issuer, subject); raises NotAdmittedError."""
        profile = self.get_userinfo(access_token, id_token, payload)
        claims = with_email(self.claims, profile)
        identity = identity_of(claims, profile, self.at)
        found = SignedIn(identity, claims, self.tokens, self.at)
        self.request.sessionmgr_signed_in = found  # type: ignore[union-attr]
        return identity.user


def accept(claims: IdClaims) -> None:
    """Let anybody in whom the provider vouches for."""


def with_email(claims: IdClaims, profile: Mapping[str, Any]) -> IdClaims:
    """Return the claims with userinfo's e-mail, where the ID token has none or has the same.

    Address and "verified" always come from one source: a verified one vouches for no other.
    """
    email = profile.get("email")
    if not isinstance(email, str) or claims.email not in (None, email) or claims.email_verified:
        return claims
    return replace(claims, email=email, email_verified=profile.get("email_verified") is True)
