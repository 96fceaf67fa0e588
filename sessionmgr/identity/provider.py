"""The provider as it describes itself, and the keys that it signs with: asked for once an hour.

Both outlive an outage: what was learnt is used until the provider can be asked again.
"""

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from time import monotonic
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from jwt import PyJWK

from sessionmgr.identity.calls import Json, get_json
from sessionmgr.identity.config import ProviderConfig, provider_config
from sessionmgr.identity.keys import Keys
from sessionmgr.identity.outcomes import (
    InvalidToken,
    Misconfigured,
    Mistake,
    Problem,
    Unreachable,
)
from sessionmgr.identity.wire import DEADLINE

#: Seconds that a description and a set of keys are used before they are asked for again.
KEPT_FOR = 3600.0

#: Seconds between two looks for a key that is not among those that are kept.
LOOK_AGAIN = 60.0

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where the provider's endpoints are, and what it says it can do.

    Where it says nothing, as with endpoints that are set by hand, ``None`` and ``False`` stand for
    "not known".
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    introspection_endpoint: str | None = None
    revocation_endpoint: str | None = None
    end_session_endpoint: str | None = None
    has_backchannel_logout: bool = False
    has_backchannel_logout_session: bool = False
    has_pkce_s256: bool = False
    grants_offline_access: bool = False
    #: RFC 9207: every callback carries ``iss``, and one without it is forged.
    sends_issuer: bool = False


Kept = TypeVar("Kept")


class Keeper(Generic[Kept]):
    """One thing that the provider told, of one configuration. One thread asks at a time."""

    def __init__(self, ask: Callable[[ProviderConfig, float], Kept]) -> None:
        self.ask = ask
        self.lock = threading.Lock()
        self.config: ProviderConfig | None = None
        self.kept: Kept | None = None
        self.at = 0.0

    def get(self, config: ProviderConfig, deadline: float) -> Kept:
        """Return what is kept, asked for at most an hour ago unless there is an outage."""
        kept = self.held(config)
        if kept is not None and monotonic() - self.at < KEPT_FOR:
            return kept
        try:
            return self.renew(config, deadline, than=kept)
        except Unreachable:
            if kept is None:
                raise
            return kept

    def held(self, config: ProviderConfig) -> Kept | None:
        """Return what is kept, however old."""
        return self.kept if self.config == config else None

    def renew(self, config: ProviderConfig, deadline: float, *, than: Kept | None) -> Kept:
        """Ask, unless another thread has just brought something newer ``than`` this."""
        started = monotonic()
        if not self.lock.acquire(timeout=deadline if than is None else 0):
            raise Unreachable(Problem.BUSY)
        try:
            kept = self.held(config)
            if kept is not None and kept is not than:
                return kept
            kept = self.ask(config, max(deadline - (monotonic() - started), 0.01))
            self.config, self.kept, self.at = config, kept, monotonic()
            return kept
        finally:
            self.lock.release()


def current_provider(deadline: float = DEADLINE) -> Provider:
    """Return the provider; ``Unreachable`` if it was never learnt and cannot be now."""
    config = _config()
    return _set_by_hand(config) if config.has_endpoints else _known.provider.get(config, deadline)


def key_for(header: Mapping[str, Any], deadline: float = DEADLINE) -> PyJWK:
    """Return the key that a token with this header is signed with, of the provider's own.

    A key that is not among those kept is looked for at the provider, at most once a minute:
    ``InvalidToken`` if it is not there either, ``Unreachable`` if nobody could be asked.
    """
    config = _config()
    keys = _known.keys.get(config, deadline)
    key = keys.find(header)
    if key is None and _known.may_look_again():
        keys = _known.keys.renew(config, deadline, than=keys)
        _known.looked_again()
        key = keys.find(header)
    if key is None:
        raise InvalidToken("unknown_key")
    return key


def forget() -> None:
    """Have the next use ask: for tests, and in a child process, whose locks are its own."""
    global _known
    _known = Known()


class Known:
    """What this process has learnt."""

    def __init__(self) -> None:
        self.provider = Keeper(_discover)
        self.keys = Keeper(_fetch_keys)
        self.looked_at: float | None = None

    def may_look_again(self) -> bool:
        return self.looked_at is None or monotonic() - self.looked_at >= LOOK_AGAIN

    def looked_again(self) -> None:
        self.looked_at = monotonic()


def _config() -> ProviderConfig:
    config = provider_config()
    if config is None:
        raise Misconfigured(Mistake.NO_PROVIDER)
    return config


def _set_by_hand(config: ProviderConfig) -> Provider:
    return Provider(
        issuer=config.issuer,
        authorization_endpoint=_secure(config.authorization_endpoint),
        token_endpoint=_secure(config.token_endpoint),
        userinfo_endpoint=_secure(config.userinfo_endpoint),
        jwks_uri=_secure(config.jwks_uri),
    )


def _discover(config: ProviderConfig, deadline: float) -> Provider:
    """Ask the provider to describe itself, and take only its own word for it."""
    url = _secure(config.issuer.removesuffix("/") + WELL_KNOWN)
    found = get_json(url, config=config, deadline=deadline)
    if found.get("issuer") != config.issuer:
        raise Misconfigured(Mistake.WRONG_ISSUER)
    return Provider(
        issuer=config.issuer,
        authorization_endpoint=_needed(found, "authorization_endpoint"),
        token_endpoint=_needed(found, "token_endpoint"),
        jwks_uri=_needed(found, "jwks_uri"),
        userinfo_endpoint=_optional(found, "userinfo_endpoint"),
        introspection_endpoint=_optional(found, "introspection_endpoint"),
        revocation_endpoint=_optional(found, "revocation_endpoint"),
        end_session_endpoint=_optional(found, "end_session_endpoint"),
        has_backchannel_logout=found.get("backchannel_logout_supported") is True,
        has_backchannel_logout_session=found.get("backchannel_logout_session_supported") is True,
        has_pkce_s256=_lists(found, "code_challenge_methods_supported", "S256"),
        grants_offline_access=_lists(found, "scopes_supported", "offline_access"),
        sends_issuer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _fetch_keys(config: ProviderConfig, deadline: float) -> Keys:
    """Fetch the provider's keys; the time for its description is part of ``deadline``."""
    started = monotonic()
    provider = current_provider(deadline)
    rest = max(deadline - (monotonic() - started), 0.01)
    found = get_json(provider.jwks_uri, config=config, deadline=rest)
    if not isinstance(found.get("keys"), list):
        raise Unreachable(Problem.MALFORMED)
    return Keys(found["keys"])


def _needed(found: Json, name: str) -> str:
    address = _optional(found, name)
    if address is None:
        raise Misconfigured(Mistake.MISSING_ENDPOINT)
    return address


def _optional(found: Json, name: str) -> str | None:
    address = found.get(name)
    return _secure(address) if isinstance(address, str) and address else None


def _lists(found: Json, name: str, value: str) -> bool:
    listed = found.get(name)
    return isinstance(listed, list) and value in listed


def _secure(address: str) -> str:
    """Return an address that nobody on the way can read along; loopback has no way."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        raise Misconfigured(Mistake.BAD_ADDRESS) from None
    if not host or not (
        parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    ):
        raise Misconfigured(Mistake.BAD_ADDRESS)
    return address


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_known = Known()

os.register_at_fork(after_in_child=forget)
