"""The certified provider (npm oidc-provider) as a process, behind a wire that can be cut."""

from __future__ import annotations

from typing import Any

import requests

from tests.identity.providers.process import ROOT, ProviderProcess
from tests.identity.providers.proxy import FaultProxy
from tests.identity.providers.walk import SECONDS, Fields, walk
from tests.requirements import require, require_program

SCRIPT = "tests/identity/providers/certified.mjs"


class CertifiedProvider(ProviderProcess):
    """People: alice, bob, carol, admin; the password is the name and ``-demo``.

    ``issuer`` leads through ``wire``, a proxy that a test may bring down, hang or slow;
    what steers the provider goes past it and works all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.node = require_program("node", "apt-get install nodejs npm")
        require((ROOT / "node_modules" / "oidc-provider").is_dir(), "oidc-provider: run npm ci")
        self.wire = FaultProxy()
        self.issuer = self.wire.url

    def command(self) -> list[str]:
        return [self.node, SCRIPT]

    def environment(self) -> dict[str, str]:
        return {"PORT": "0", "ISSUER": self.issuer}

    def ready(self) -> bool:
        _ready, _, rest = self.log().partition("ready http://")
        if not (rest.endswith("\n") or "\n" in rest):
            return False
        self.address = rest.split()[0]
        host, port = self.address.split(":")
        self.wire.target = (host, int(port))
        return True

    def close(self) -> None:
        self.wire.close()
        super().close()

    def disable(self, user: str) -> None:
        """Take the account away: renewals are denied, nobody signs in as ``user``."""
        self._control(f"disable/{user}")

    def enable(self, user: str) -> None:
        self._control(f"enable/{user}")

    def end(self, user: str) -> int:
        """End the user's sessions at the provider; return how many were told to the app.

        The back-channel logout tokens have been delivered when this returns.
        """
        told: int = self._control(f"end/{user}")["told"]
        return told

    def revoke(self, user: str) -> int:
        """Revoke the user's refresh tokens and nothing else; return how many there were."""
        revoked: int = self._control(f"revoke/{user}")["revoked"]
        return revoked

    def set(self, **knobs: Any) -> None:
        """Set what ``defaults`` in certified.mjs lists, as ``pci=60, ttl={"IdToken": 60}``."""
        self._control("set", knobs)

    def allow(self, *bases: str) -> None:
        """Let these sites, and no other, sign people in; the last one gets logout tokens."""
        self.set(relying_parties=list(bases))

    def reset(self) -> None:
        """Forget every session, token and setting, and connect the wire."""
        self.wire.up()
        self._control("reset")

    def sign_in(
        self,
        session: requests.Session,
        authorization_url: str,
        user: str,
        password: str | None = None,
        stay: bool = False,
    ) -> str:
        """Sign ``user`` in, if the provider asks; return where it sends the browser then."""

        def fill(fields: Fields) -> Fields:
            return {
                **fields,
                "username": user,
                "password": password or f"{user}-demo",
                **({"stay": "1"} if stay else {}),
            }

        return walk(session, authorization_url, fill)

    def _control(self, path: str, knobs: dict[str, Any] | None = None) -> dict[str, Any]:
        url = f"http://{self.address}/_control/{path}"
        answer = requests.post(url, json=knobs, timeout=SECONDS)
        assert answer.ok, f"{path}: {answer.text}\n{self.log()}"
        answered: dict[str, Any] = answer.json()
        return answered
