"""A provider in this process that a test can bend: it starts honest, and does what it is told.

Its clock is the process's, moved as a test moves the app's.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock
from typing import Any
from urllib.parse import unquote, urlencode

import requests

from sessionmgr import clock
from tests.identity.providers import faults
from tests.identity.providers.faults import Answer, sent_to, told
from tests.identity.providers.forgeries import (
    ABSENT,
    CLIENT_ID,
    ID_TOKEN_CHANGES,
    LOGOUT_EVENT,
    LOGOUT_TOKEN_CHANGES,
    ODD_ID_TOKENS,
    SIGNATURES,
    USERINFO_CHANGES,
    changed,
    token,
)
from tests.identity.providers.keys import Claims, SigningKey
from tests.identity.providers.loopback import Loopback, Request
from tests.identity.providers.walk import SECONDS

ENDPOINTS = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "jwks": "jwks_uri",
    "userinfo": "userinfo_endpoint",
    "introspect": "introspection_endpoint",
    "revoke": "revocation_endpoint",
    "logout": "end_session_endpoint",
}
LIFE = timedelta(minutes=10)


class Refused(Exception):  # noqa: N818 - it reads as what it tells
    """An endpoint refuses: the message is OAuth's word for why."""


@dataclass(frozen=True)
class Visit:
    """One sign-in of a person here."""

    person: str
    sid: str
    auth_time: int


@dataclass
class Family:
    """The refresh tokens that descend from one sign-in; ``current`` is the one that is good."""

    visit: Visit
    asked: dict[str, str]
    current: str = ""
    alive: bool = True


class Rogue:
    """Everyone is signed in at once, as ``person``. ``reset`` makes it honest again.

    ``calls`` counts the requests of each endpoint (``discovery``, and those of ``ENDPOINTS``),
    ``seen`` has what they carried; ``lost_families`` the people whose refresh token came twice.
    """

    client_id = CLIENT_ID
    client_secret = "rogue-secret-long-enough-to-be-a-key-of-hs256"

    def __init__(self) -> None:
        self.lock = Lock()
        self.healed = Event()
        self.server = Loopback(self._serve)
        self.issuer = self.server.url
        self.reset()

    def reset(self) -> None:
        """Forget everything, and be honest."""
        self.healed.set()
        self.healed = Event()
        self.person = "alice"
        self.gives_refresh_tokens = True
        self.ahead = timedelta()
        self.pace = 1.0
        self.calls: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.seen: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
        self.lost_families: list[str] = []
        self.disabled: set[str] = set()
        self.keys = [SigningKey()]
        self.bends: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.forgery: str | None = None
        self.faults: dict[str, tuple[str, int | None]] = {}
        self.delays: dict[str, float] = {}
        self.visits: dict[str, Visit] = {}
        self.codes: dict[str, Family] = {}
        self.refresh_tokens: dict[str, Family] = {}
        self.access_tokens: dict[str, Family] = {}

    def close(self) -> None:
        self.healed.set()
        self.server.close()

    # --- what a test bends

    def id_token(self, **changes: Any) -> None:
        """Change the claims of every ID token from now on (see ``forgeries.changed``)."""
        self.bends["id_token"].update(changes)

    def userinfo(self, **changes: Any) -> None:
        self.bends["userinfo"].update(changes)

    def introspection(self, **changes: Any) -> None:
        self.bends["introspect"].update(changes)

    def discovery(self, **changes: Any) -> None:
        self.bends["discovery"].update(changes)

    def forge(self, kind: str) -> None:
        """Make every ID token from now on this forgery, or this odd but good one."""
        if kind in USERINFO_CHANGES:
            self.userinfo(**USERINFO_CHANGES[kind])
        elif kind in SIGNATURES:
            self.forgery = kind
        else:
            self.id_token(**{**ID_TOKEN_CHANGES, **ODD_ID_TOKENS}[kind])
            self.forgery = kind

    def logout_token(self, forgery: str | None = None, **changes: Any) -> str:
        """Return a logout token for the last sign-in of ``person``, or a forgery of one."""
        visit = self.visits.get(self.person)
        usual = {
            "iss": self.issuer,
            "sub": subject(self.person),
            "aud": self.client_id,
            "iat": self.now,
            "exp": self.now + 120,
            "jti": secrets.token_hex(8),
            "events": {LOGOUT_EVENT: {}},
            "sid": visit.sid if visit else ABSENT,
        }
        forged = LOGOUT_TOKEN_CHANGES.get(forgery or "", {})
        claims = changed(usual, {**forged, **changes}, self.now)
        return token(claims, self.keys[-1], "logout+jwt", self.client_secret, forgery)

    def access_token(self, **changes: Any) -> str:
        """Return an access token of RFC 9068 for ``person``, as another client was given it."""
        usual = {
            "iss": self.issuer,
            "sub": subject(self.person),
            "aud": self.client_id,
            "client_id": "another-client",
            "iat": self.now,
            "exp": self.now + 300,
            "jti": secrets.token_hex(8),
        }
        typ = changes.pop("typ", "at+jwt")
        forgery = changes.pop("forgery", None)
        claims = changed(usual, changes, self.now)
        return token(claims, self.keys[-1], typ, self.client_secret, forgery)

    def fault(self, endpoint: str, mode: str, times: int | None = None) -> None:
        """Have ``endpoint`` fail by a name of ``faults``: always, or so many times."""
        assert endpoint in (*ENDPOINTS, "discovery"), endpoint
        assert mode in faults.MODES, mode
        self.faults[endpoint] = (mode, times)

    def heal(self) -> None:
        """Take every fault and delay away, and let go of those who hang."""
        self.faults.clear()
        self.delays.clear()
        self.healed.set()
        self.healed = Event()

    def delay(self, endpoint: str, seconds: float) -> None:
        """Let ``endpoint`` take so long before it answers."""
        self.delays[endpoint] = seconds

    def rotate_key(self, algorithm: str = "RS256", keep_old: bool = False) -> None:
        """Sign with a new key from now on; the key set has the old one only if it is kept."""
        number = self.keys[-1].number + 1
        new = SigningKey(number, algorithm, f"key-{number}")
        self.keys = [*(self.keys if keep_old else []), new]

    def lone_key_without_kid(self) -> None:
        """Have one key, without a name; tokens name none either."""
        self.keys = [replace(self.keys[-1], kid=None)]

    def disable(self, user: str) -> None:
        """Take the account away: ``invalid_grant``, ``login_required``, ``active: false``."""
        self.disabled.add(user)

    def enable(self, user: str) -> None:
        self.disabled.discard(user)

    def revoke(self, user: str) -> None:
        """Revoke the user's refresh tokens."""
        for family in self.refresh_tokens.values():
            family.alive = family.alive and family.visit.person != user

    def sign_in(
        self,
        session: requests.Session,
        authorization_url: str,
        user: str | None = None,
        password: str | None = None,
        stay: bool = False,
    ) -> str:
        """Return where the browser is sent, signed in as ``user``; no password is asked for."""
        self.person = user or self.person
        answer = session.get(authorization_url, allow_redirects=False, timeout=SECONDS)
        return answer.headers["location"]

    @property
    def now(self) -> int:
        moved = clock.shift + self.ahead
        return int((datetime.now(UTC) + moved).timestamp())  # noqa: TID251 - a clock of its own

    # --- the endpoints

    def _serve(self, request: Request) -> None:
        endpoint = "discovery" if ".well-known" in request.path else request.path.strip("/")
        with self.lock:
            self.calls[endpoint] += 1
            self.seen[endpoint].append(request.sent)
            mode, healed = self._fault(endpoint), self.healed
        if endpoint in self.delays:
            healed.wait(self.delays[endpoint])
        if mode == "refuse":
            return
        if mode == "hang":
            healed.wait()
            return
        answer = self._answer(endpoint, request, mode)
        self.answered[endpoint] += 1
        request.answer(answer, pace=self.pace if mode == "trickle" else 0, stopped=healed)

    def _fault(self, endpoint: str) -> str:
        mode, times = self.faults.get(endpoint, ("", None))
        if times is not None:
            self.faults[endpoint] = (mode, times - 1)
            if times <= 1:
                del self.faults[endpoint]
        return mode

    def _answer(self, endpoint: str, request: Request, mode: str) -> Answer:
        redirecting = endpoint == "authorize" and (mode in faults.ERRORS or mode == "empty_error")
        if mode in faults.ANSWERS and not redirecting:
            return faults.ANSWERS[mode]
        handler: Callable[..., Answer] = getattr(self, f"_{endpoint}", self._unknown)
        with self.lock:
            try:
                return handler(request, mode)
            except Refused as refused:
                word = str(refused)
                return told({"error": word}, faults.ERRORS.get(word, 400))

    def _unknown(self, request: Request, mode: str) -> Answer:
        return faults.page("<h1>Not found</h1>", 404)

    def _discovery(self, request: Request, mode: str) -> Answer:
        usual = {
            "issuer": self.issuer,
            **{name: f"{self.issuer}/{path}" for path, name in ENDPOINTS.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "code_challenge_methods_supported": ["S256"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }
        return told(changed(usual, self.bends["discovery"], self.now))

    def _jwks(self, request: Request, mode: str) -> Answer:
        return told({"keys": [key.jwk() for key in self.keys]})

    def _authorize(self, request: Request, mode: str) -> Answer:
        asked = request.sent
        back = {"state": asked.get("state", ""), "iss": self.issuer}
        last = self.visits.get(self.person)
        silent = asked.get("prompt") == "none"
        if mode in faults.ERRORS or mode == "empty_error":
            back["error"] = mode if mode in faults.ERRORS else ""
        elif self.person in self.disabled or (silent and last is None):
            back["error"] = "login_required"
        else:
            visit = last if silent and last else self._visit()
            back["code"] = secrets.token_urlsafe(24)
            self.codes[back["code"]] = Family(visit, asked)
        return sent_to(f"{asked['redirect_uri']}?{urlencode(back)}")

    def _visit(self) -> Visit:
        self.visits[self.person] = Visit(self.person, secrets.token_hex(8), self.now)
        return self.visits[self.person]

    def _token(self, request: Request, mode: str) -> Answer:
        self._known(request)
        if request.sent.get("grant_type") == "refresh_token":
            family = self._renewable(request.sent.get("refresh_token", ""))
            return told(self._tokens(family, mode, renewal=True))
        family = self.codes.pop(request.sent.get("code", ""), None) or _refuse("invalid_grant")
        proof = hashlib.sha256(request.sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (family.asked.get("code_challenge"), family.asked["redirect_uri"]) != (
            challenge,
            request.sent.get("redirect_uri"),
        ):
            raise Refused("invalid_grant")
        return told(self._tokens(family, mode))

    def _known(self, request: Request) -> None:
        """Refuse a client that cannot prove itself, by header or form."""
        sent = request.sent.get("client_id"), request.sent.get("client_secret")
        scheme, _, proof = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            name, _, secret = base64.b64decode(proof).decode().partition(":")
            sent = unquote(name), unquote(secret)
        if sent != (self.client_id, self.client_secret):
            raise Refused("invalid_client")

    def _renewable(self, sent: str) -> Family:
        family = self.refresh_tokens.get(sent) or _refuse("invalid_grant")
        if family.alive and sent != family.current:
            family.alive = False
            self.lost_families.append(family.visit.person)
        if not family.alive or family.visit.person in self.disabled:
            raise Refused("invalid_grant")
        return family

    def _tokens(self, family: Family, mode: str, renewal: bool = False) -> dict[str, Any]:
        access = secrets.token_urlsafe(24)
        self.access_tokens[access] = family
        content = {"access_token": access, "token_type": "Bearer", "expires_in": 600}
        if self.gives_refresh_tokens and not (renewal and mode == "no_refresh_token"):
            family.current = secrets.token_urlsafe(24)
            self.refresh_tokens[family.current] = family
            content["refresh_token"] = family.current
        if not (renewal and mode == "no_id_token"):
            content["id_token"] = self._signed(family, mode, renewal)
        return content

    def _signed(self, family: Family, mode: str, renewal: bool) -> str:
        visit, nonce = family.visit, family.asked.get("nonce", ABSENT)
        person = "mallory" if renewal and mode == "another_user" else visit.person
        usual = {
            "iss": self.issuer,
            **profile(person),
            "aud": self.client_id,
            "iat": self.now,
            "exp": self.now + int(LIFE.total_seconds()),
            "auth_time": visit.auth_time,
            "sid": visit.sid,
            "nonce": ABSENT if renewal else nonce,
        }
        twist = faults.TWISTS.get(mode, {})
        claims = changed(usual, {**twist, **self.bends["id_token"]}, self.now)
        return token(claims, self.keys[-1], "JWT", self.client_secret, self.forgery)

    def _userinfo(self, request: Request, mode: str) -> Answer:
        _, _, access = request.headers.get("Authorization", "").partition(" ")
        family = self.access_tokens.get(access)
        if family is None or family.visit.person in self.disabled:
            return told({"error": "invalid_token"}, 401)
        usual = profile(family.visit.person)
        return told(changed(usual, self.bends["userinfo"], self.now))

    def _introspect(self, request: Request, mode: str) -> Answer:
        self._known(request)
        sent = request.sent.get("token", "")
        family = self.access_tokens.get(sent) or self.refresh_tokens.get(sent)
        if family is None or not family.alive or family.visit.person in self.disabled:
            return told({"active": False})
        usual = {
            "active": True,
            "iss": self.issuer,
            "sub": subject(family.visit.person),
            "client_id": self.client_id,
            "sid": family.visit.sid,
        }
        return told(changed(usual, self.bends["introspect"], self.now))

    def _revoke(self, request: Request, mode: str) -> Answer:
        self._known(request)
        family = self.refresh_tokens.get(request.sent.get("token", ""))
        if family:
            family.alive = False
        return Answer(200)

    def _logout(self, request: Request, mode: str) -> Answer:
        self.visits.pop(self.person, None)
        back = request.sent.get("post_logout_redirect_uri")
        state = urlencode({"state": request.sent.get("state", "")})
        return sent_to(f"{back}?{state}") if back else faults.page("You are signed out.")


def _refuse(word: str) -> Any:
    raise Refused(word)


def subject(person: str) -> str:
    """Return the subject of a person here: it says nothing of the name."""
    return hashlib.sha256(f"rogue {person}".encode()).hexdigest()[:24]


def profile(person: str) -> Claims:
    """Return what userinfo tells of a person."""
    return {
        "sub": subject(person),
        "name": person,
        "email": f"{person}@example.com",
        "email_verified": True,
    }
