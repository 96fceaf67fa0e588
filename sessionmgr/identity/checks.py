"""System checks of sign-in by an identity provider: none has anything to say where there is none.

The packages of OpenID Connect need not be installed for them.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import NoReverseMatch, reverse

from sessionmgr.conf import conf
from sessionmgr.identity.config import ProviderConfig, provider_config

BACKEND = "sessionmgr.identity.backend.ProviderBackend"
PLAIN_BACKEND = "mozilla_django_oidc.auth.OIDCAuthenticationBackend"
PLAIN_REFRESH = "mozilla_django_oidc.middleware.SessionRefresh"

AppConfigs = Sequence[AppConfig] | None


def register_all() -> None:
    """Register the checks, once."""
    register(check_provider, Tags.security)
    register(check_provider_pages, Tags.urls)


def check_provider(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """What is set of the provider can work, and is safe."""
    config = provider_config()
    if config is None:
        return []
    return [*_cannot_work(config), *_is_unsafe(config)]


def _cannot_work(config: ProviderConfig) -> Iterator[CheckMessage]:
    if find_spec("mozilla_django_oidc") is None:
        yield Error(
            "OIDC_ISSUER is set, but the packages of OpenID Connect are not installed.",
            hint='Install "django-sessionmgr[oidc]".',
            id="sessionmgr.E011",
        )
    if not _is_issuer(config.issuer):
        yield Error(
            f"OIDC_ISSUER is {config.issuer!r}.",
            hint="It must be the provider's issuer exactly as it calls itself: an https address "
            "without query (http only on the loopback).",
            id="sessionmgr.E012",
        )
    if not config.client_id:
        yield Error(
            "OIDC_ISSUER is set, but OIDC_RP_CLIENT_ID is not.",
            hint="Register this site at the provider, and set the client id it is given.",
            id="sessionmgr.E013",
        )
    if not config.algorithms:
        yield Error(
            "SESSIONMGR_SIGN_ALGORITHMS names no signature that can be accepted.",
            hint='Use ["RS256", "ES256"] or others with a public key; never HS256 or none.',
            id="sessionmgr.E014",
        )


def _is_unsafe(config: ProviderConfig) -> Iterator[CheckMessage]:
    backends = list(settings.AUTHENTICATION_BACKENDS)
    if BACKEND not in backends:
        yield Error(
            f"OIDC_ISSUER is set, but AUTHENTICATION_BACKENDS has no {BACKEND}.",
            hint=f'Add "{BACKEND}".',
            id="sessionmgr.E015",
        )
    if PLAIN_BACKEND in backends:
        yield Warning(
            f"{PLAIN_BACKEND} takes tokens that are meant for others, and users by their e-mail.",
            hint=f'Replace it by "{BACKEND}".',
            id="sessionmgr.W005",
        )
    if PLAIN_REFRESH in settings.MIDDLEWARE:
        yield Warning(
            f"{PLAIN_REFRESH} signs people out in an outage, and is not needed.",
            hint="Remove it: leases are renewed server to server.",
            id="sessionmgr.W006",
        )
    if not conf.SESSIONMGR_TOKEN_KEYS:
        yield Warning(
            "SESSIONMGR_TOKEN_KEYS is empty: no refresh token is kept.",
            hint="Set a Fernet key, else each hour the browser makes a detour by the provider.",
            id="sessionmgr.W007",
        )
    if config.verify is False:
        yield Warning(
            "OIDC_VERIFY_SSL is off: anybody on the way can be the provider.",
            hint="Remove it, or set it to the path of the authorities to trust.",
            id="sessionmgr.W008",
        )


def check_provider_pages(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """The endpoints that the provider and its users come to are there."""
    if provider_config() is None:
        return []
    try:
        reverse("oidc_authentication_init")
        reverse("oidc_authentication_callback")
    except NoReverseMatch:
        message = "OIDC_ISSUER is set, but the endpoints of OpenID Connect are not in the URLs."
        hint = 'Add path("oidc/", include("sessionmgr.identity.urls")) to your urlpatterns.'
        return [Error(message, hint=hint, id="sessionmgr.E016")]
    return []


def _is_issuer(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or parts.username)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    return bool(host) and is_plain and is_safe


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
