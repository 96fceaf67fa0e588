"""LemonLDAP::NG, as Debian has it, as a process: a provider whose answers have other shapes.

It is configured by two files in a folder of its own; nothing of the machine's is read or changed.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.identity.providers.keys import private_key
from tests.identity.providers.process import ProviderProcess
from tests.identity.providers.relying_party import BASE
from tests.identity.providers.walk import SECONDS, Fields, walk
from tests.requirements import require, require_program

PACKAGES = (
    "apt-get install liblemonldap-ng-portal-perl libplack-perl libgd-securityimage-perl "
    "libimage-magick-perl libio-string-perl libstring-random-perl"
)
#: The portal does not start without any of them, though Debian only recommends the last four.
MODULES = (
    "Lemonldap/NG/Portal.pm",
    "GD/SecurityImage.pm",
    "Image/Magick.pm",
    "IO/String.pm",
    "String/Random.pm",
)
PERL = (Path("/usr/share/perl5"), *Path("/usr/lib").glob("*/perl5/5.*"))

INI = """\
[all]
logLevel = notice
[configuration]
type = File
dirName = {folder}/conf
localStorage = Cache::FileCache
localStorageOptions = {{ 'namespace' => 'configuration', 'cache_root' => '{folder}/cache' }}
[portal]
templateDir = /usr/share/lemonldap-ng/portal/templates
staticPrefix = /static
languages = en
"""

#: HTTP::Server::PSGI knows no REQUEST_URI where there is no query.
APP = """\
use Lemonldap::NG::Portal;
my $portal = Lemonldap::NG::Portal->run({});
sub { my $env = shift; $env->{REQUEST_URI} ||= $env->{PATH_INFO}; $portal->($env) };
"""

#: Longer than any test lets pass on the app's side; the provider's own clock stands.
LONG = 10 * 86_400


class LemonLDAP(ProviderProcess):
    """People: dwho, rtyler, msmith; the password is the name. They cannot be disabled.

    Refresh tokens do not rotate, and end with the sign-in that they are from.
    """

    def __init__(self, base: str = BASE) -> None:
        super().__init__()
        self.plackup = require_program("plackup", PACKAGES)
        missing = [name for name in MODULES if not any((path / name).exists() for path in PERL)]
        require(not missing, f"{', '.join(missing)}: {PACKAGES}")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        for name in ("conf", "sessions/lock", "persistent/lock"):
            (self.path / name).mkdir(parents=True)
        (self.path / "conf" / "lmConf-1.json").write_text(json.dumps(self.configuration(base)))
        (self.path / "lemonldap-ng.ini").write_text(INI.format(folder=self.path))
        (self.path / "app.psgi").write_text(APP)

    def command(self) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        server = ["-s", "HTTP::Server::PSGI", "--env", "deployment"]
        return [self.plackup, *server, *where, str(self.path / "app.psgi")]

    def environment(self) -> dict[str, str]:
        return {"LLNG_DEFAULTCONFFILE": str(self.path / "lemonldap-ng.ini")}

    def ready(self) -> bool:
        try:
            url = f"{self.issuer}/.well-known/openid-configuration"
            return requests.get(url, timeout=SECONDS).ok
        except requests.ConnectionError:
            return False

    def configuration(self, base: str) -> dict[str, Any]:
        """Return all that differs from its defaults: one site, and people of its own."""
        key = private_key("RS256", 0)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        site = {
            "ClientID": self.client_id,
            "ClientSecret": self.client_secret,
            "RedirectUris": f"{base}/oidc/callback/",
            "PostLogoutRedirectUris": f"{base}/session/signed-out/",
            "LogoutBypassConfirm": 1,
            "BypassConsent": 1,
            "RequirePKCE": 1,
            "RefreshToken": 1,
            "IDTokenSignAlg": "RS256",
            "IDTokenForceClaims": 1,
            "IDTokenExpiration": LONG,
            "AccessTokenExpiration": LONG,
        }
        return {
            "cfgNum": 1,
            "cfgDate": 1,
            "key": "of no use outside the tests",
            "portal": f"{self.issuer}/",
            "domain": "127.0.0.1",
            "cookieName": "lemonldap",
            "securedCookie": 0,
            "timeout": LONG,
            "authentication": "Demo",
            "userDB": "Same",
            "passwordDB": "Null",
            "registerDB": "Null",
            "demoExportedVars": {"cn": "cn", "mail": "mail", "uid": "uid"},
            "globalStorage": "Apache::Session::File",
            "globalStorageOptions": self.store("sessions"),
            "persistentStorage": "Apache::Session::File",
            "persistentStorageOptions": self.store("persistent"),
            "locationRules": {"127.0.0.1": {"default": "accept"}},
            "requireToken": 0,
            "skipRenewConfirmation": 1,
            # Seconds for which it takes a sign-in for the answer to prompt=login.
            "portalForceAuthnInterval": 0,
            "cspFormAction": "*",
            "issuerDBOpenIDConnectActivation": 1,
            "oidcServiceMetaDataIssuer": self.issuer,
            "oidcServiceMetaDataAuthnContext": {"loa-1": 1},
            "oidcServiceKeyIdSig": "key-0",
            "oidcServicePrivateKeySig": private.decode(),
            "oidcServicePublicKeySig": public.decode(),
            "oidcRPMetaDataExportedVars": {"site": {"email": "mail", "name": "cn"}},
            "oidcRPMetaDataOptions": {
                "site": {f"oidcRPMetaDataOptions{name}": value for name, value in site.items()}
            },
        }

    def store(self, name: str) -> dict[str, str]:
        folder = self.path / name
        return {
            "Directory": str(folder),
            "LockDirectory": str(folder / "lock"),
            "generateModule": "Lemonldap::NG::Common::Apache::Session::Generate::SHA256",
        }

    def end(self, user: str) -> int:
        """End the user's sessions, as an administrator does; return how many there were."""
        return self._remove(lambda held: held["_session_kind"] == "SSO" and held["uid"] == user)

    def revoke_all(self) -> int:
        """Forget every token; return how many there were."""
        return self._remove(lambda held: held["_session_kind"] == "OIDCI")

    def reset(self) -> None:
        """Forget every session and token."""
        self._remove(lambda held: True)

    def age(self, seconds: int) -> None:
        """Have every session begin so much earlier: its clock cannot be moved."""
        for path, held in self._held():
            times = {"_utime", "_lastAuthnUTime"} & held.keys()
            path.write_text(json.dumps({**held, **{at: held[at] - seconds for at in times}}))

    def _remove(self, is_meant: Callable[[dict[str, Any]], bool]) -> int:
        meant = [path for path, held in self._held() if is_meant(held)]
        for path in meant:
            path.unlink()
        return len(meant)

    def _held(self) -> list[tuple[Path, dict[str, Any]]]:
        """Return each session and token: where it is stored, and as what."""
        files = [path for path in (self.path / "sessions").iterdir() if path.is_file()]
        return [(path, json.loads(path.read_text())) for path in files]

    def sign_in(
        self,
        session: requests.Session,
        authorization_url: str,
        user: str = "dwho",
        password: str | None = None,
        stay: bool = False,
    ) -> str:
        """Sign ``user`` in, if the provider asks; return where it sends the browser then."""

        def fill(fields: Fields) -> Fields:
            return {**fields, "user": user, "password": password or user}

        return walk(session, authorization_url, fill)
