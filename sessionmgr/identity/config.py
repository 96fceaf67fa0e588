"""What the settings say about the identity provider, and about us as its client."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from sessionmgr.conf import conf

#: The signatures that can be asked for. None needs a secret that the provider's public key is.
ASYMMETRIC = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One provider and our account there, as set when it was read. Shows no secret."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid email profile offline_access"
    #: Never one of HS256's kind, never "none", whatever the setting says.
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    uses_basic_auth: bool = False
    #: As for requests: whether to check certificates, or the path of the authorities to trust.
    verify: bool | str = True
    #: Scheme and address of each proxy; a password may be in it.
    proxies: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    jwks_uri: str = ""
    check_interval_claim: str = "pci"
    stay_signed_in_claim: str = "signin_state"

    @property
    def has_endpoints(self) -> bool:
        """Return whether every endpoint is set, so that nothing need be discovered."""
        return bool(
            self.authorization_endpoint
            and self.token_endpoint
            and self.userinfo_endpoint
            and self.jwks_uri
        )


def provider_config() -> ProviderConfig | None:
    """Return what is set now; ``None``: this site has no identity provider."""
    issuer = _setting("OIDC_ISSUER", "")
    if not issuer:
        return None
    return ProviderConfig(
        issuer=issuer,
        client_id=_setting("OIDC_RP_CLIENT_ID", ""),
        client_secret=_setting("OIDC_RP_CLIENT_SECRET", ""),
        scopes=_setting("OIDC_RP_SCOPES", "openid email profile offline_access"),
        algorithms=tuple(name for name in conf.SESSIONMGR_SIGN_ALGORITHMS if name in ASYMMETRIC),
        uses_basic_auth=_setting("OIDC_TOKEN_USE_BASIC_AUTH", False),
        verify=_setting("OIDC_VERIFY_SSL", True),
        proxies=tuple(sorted(_setting("OIDC_PROXY", {}).items())),
        authorization_endpoint=_setting("OIDC_OP_AUTHORIZATION_ENDPOINT", ""),
        token_endpoint=_setting("OIDC_OP_TOKEN_ENDPOINT", ""),
        userinfo_endpoint=_setting("OIDC_OP_USER_ENDPOINT", ""),
        jwks_uri=_setting("OIDC_OP_JWKS_ENDPOINT", ""),
        check_interval_claim=conf.SESSIONMGR_CHECK_INTERVAL_CLAIM,
        stay_signed_in_claim=conf.SESSIONMGR_STAY_SIGNED_IN_CLAIM,
    )


def _setting(name: str, default: Any) -> Any:
    value = getattr(settings, name, default)
    return default if value is None else value
