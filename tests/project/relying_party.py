"""An app at the demo's identity provider, and a person with a browser: what a test drives."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import jwt
import requests

SECRET = "the-apps-own-secret"
VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
#: The provider's clock is the test's, so times are compared by the test as well.
UNAGED = {"verify_exp": False, "verify_iat": False}


def as_dict(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


class RelyingParty:
    """The app, and one browser that comes and goes."""

    def __init__(self, issuer: str, base: str) -> None:
        self.issuer = issuer
        self.base = base
        self.callback = f"{base}/oidc/callback/"
        self.browser = requests.Session()
        self.browser.trust_env = False

    # The browser

    def ask(self, **changed: str | None) -> requests.Response:
        """Come to the provider as the app sends people there; ``None`` leaves a parameter out."""
        parameters = {
            "client_id": "sessionmgr",
            "redirect_uri": self.callback,
            "response_type": "code",
            "scope": "openid profile email",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return self.get("/authorize", parameters | changed)

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> requests.Response:
        return self.browser.get(
            self.issuer + path, params=parameters, allow_redirects=False, timeout=10
        )

    def send(
        self, path: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """Send a form of the provider's, as its own page does unless ``headers`` say more."""
        sent = {"Origin": self.issuer, "Sec-Fetch-Site": "same-origin"} | dict(headers or {})
        return self.browser.post(
            self.issuer + path, data=form, headers=sent, allow_redirects=False, timeout=10
        )

    def type_password(
        self, page: requests.Response, name: str, password: str = ""
    ) -> requests.Response:
        found = re.search(r'name="attempt" value="([\w-]+)"', page.text)
        assert found is not None, page.text
        form = {"attempt": found[1], "username": name, "password": password or f"{name}-demo"}
        return self.send("/sign-in", form)

    def sign_in(self, name: str, *, stay: bool = False, **asked: str | None) -> dict[str, str]:
        """Go through both steps; return what the app is told."""
        second = self.type_password(self.ask(**asked), name)
        assert second.status_code == 303, second.text
        attempt = as_dict(second.headers["Location"])["attempt"]
        assert "Stay signed in?" in self.get("/sign-in/stay", {"attempt": attempt}).text
        form = {"attempt": attempt, "stay": "yes" if stay else "no"}
        return self.told(self.send("/sign-in/stay", form))

    def told(self, answer: requests.Response) -> dict[str, str]:
        """Return what a redirect to the app brings along."""
        assert answer.status_code == 303, answer.text
        assert answer.headers["Location"].startswith(f"{self.callback}?")
        return as_dict(answer.headers["Location"])

    # The app

    def call(self, path: str, form: Mapping[str, str], secret: str = SECRET) -> requests.Response:
        """Call an endpoint as the app does, with its secret in the header."""
        return requests.post(
            self.issuer + path, data=form, auth=("sessionmgr", secret), timeout=10
        )

    def exchange(self, code: str, /, **changed: str) -> requests.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
            "code_verifier": VERIFIER,
        }
        return self.call("/token", form | changed)

    def tokens(self, name: str, *, stay: bool = False, **asked: str | None) -> dict[str, Any]:
        """Sign somebody in and return the token endpoint's answer."""
        answer = self.exchange(self.sign_in(name, stay=stay, **asked)["code"])
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def renew(self, refresh_token: str) -> requests.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.call("/token", form)

    def read(self, token: str) -> dict[str, Any]:
        """Return the claims of a token, whose signature, issuer and audience must be right."""
        keys = jwt.PyJWKSet.from_dict(self.get("/jwks").json())
        claims: dict[str, Any] = jwt.decode(
            token,
            keys[jwt.get_unverified_header(token)["kid"]],
            algorithms=["RS256"],
            audience="sessionmgr",
            issuer=self.issuer,
            options=UNAGED,
        )
        return claims

    def introspect(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("/introspect", {"token": token}).json()
        return found

    def userinfo(self, access_token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(f"{self.issuer}/userinfo", headers=headers, timeout=10)

    def control(self, path: str, document: object = None) -> requests.Response:
        return requests.post(f"{self.issuer}/_control/{path}", json=document, timeout=10)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/_control/state").json()
        return found


class Receiver(HTTPServer):
    """Takes the logout tokens that the provider sends to an app at ``base``."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Taker)
        self.base = f"http://localhost:{port}"
        self.status = 200
        self.taken: Queue[str] = Queue()
        self.thread = Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def next(self) -> str:
        """Return the next logout token, and wait for it."""
        return self.taken.get(timeout=10)

    def end(self) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Taker(BaseHTTPRequestHandler):
    """Answers one logout message."""

    server: Receiver

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.path == "/oidc/backchannel-logout/"
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.taken.put(parse_qs(sent)["logout_token"][0])

    def log_message(self, format: str, *arguments: object) -> None:
        pass
