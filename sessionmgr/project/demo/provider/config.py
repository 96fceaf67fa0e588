"""What the provider's environment says: its port, its one app, where its key is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

CLIENT_ID = "sessionmgr"
HOST = "127.0.0.1"
PORTS = range(1, 65536)

CALLBACK = "/oidc/callback/"
BACKCHANNEL_LOGOUT = "/oidc/backchannel-logout/"
AFTER_SIGN_OUT = ("/", "/session/signed-out/")


class Unusable(Exception):  # noqa: N818 - it reads as what it tells
    """The provider cannot be started so; the message is one line that says why."""


@dataclass(frozen=True)
class Config:
    """Where the provider is, and the one app that it knows, under each of its addresses."""

    port: int
    bases: tuple[str, ...]
    folder: Path
    client_secret: str = field(repr=False)

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def hosts(self) -> tuple[str, str]:
        """Return what a ``Host`` header may say; other names are of other people's making."""
        return (f"localhost:{self.port}", f"{HOST}:{self.port}")

    def base_called_back(self, redirect_uri: str) -> str | None:
        """Return the address of the app that ``redirect_uri`` belongs to, to the letter."""
        return next((base for base in self.bases if redirect_uri == base + CALLBACK), None)

    def takes_back(self, uri: str) -> bool:
        """Return whether people may be sent to ``uri`` once they are signed out."""
        return any(uri == base + path for base in self.bases for path in AFTER_SIGN_OUT)


def from_environment(environment: Mapping[str, str]) -> Config:
    """Return the configuration, or raise ``Unusable``."""
    if environment.get("DEMO_PROVIDER") != "on":
        raise Unusable(
            "this provider lets everybody in and is for development only; "
            "set DEMO_PROVIDER=on to start it."
        )
    secret = environment.get("OIDC_CLIENT_SECRET", "")
    if not secret:
        raise Unusable("set OIDC_CLIENT_SECRET, the secret that the app shows at the provider.")
    return Config(
        port=_port(environment.get("IDP_PORT") or "9000"),
        bases=tuple(map(_base, (environment.get("RP") or "http://localhost:8000").split(","))),
        folder=Path(environment.get("IDP_FOLDER") or "var/demo/provider"),
        client_secret=secret,
    )


def _port(value: str) -> int:
    if value.isascii() and value.isdigit() and len(value) <= 5 and int(value) in PORTS:
        return int(value)
    raise Unusable(f"IDP_PORT is {value!r}; it must be a number from 1 to 65535.")


def _base(value: str) -> str:
    """Return an address of the app: plain HTTP, on this machine."""
    base = value.strip().rstrip("/")
    try:
        parts = urlsplit(base)
        is_ours = parts.scheme == "http" and is_loopback(parts.hostname or "")
        if is_ours and base == f"http://{parts.netloc}" and "@" not in base and parts.port != 0:
            return base
    except ValueError:
        pass
    raise Unusable(f"RP has {value!r}; it must be like http://localhost:8000, on this machine.")


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is this machine whatever a name server says."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
