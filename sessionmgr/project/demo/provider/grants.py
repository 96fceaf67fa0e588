"""What the app has been given: codes, refresh tokens and access tokens, as families.

A sign-in at the app begins a family. Codes and refresh tokens are used once; a second use kills
the family, since one of the two users is a thief.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from threading import RLock

from sessionmgr.project.demo.provider.accounts import Account, Accounts

CODE_SECONDS = 60
ACCESS_SECONDS = 600
FAMILY_SECONDS = 90 * 24 * 60 * 60


class Refused(Exception):  # noqa: N818
    """The app does not get what it asked for; the message tells it why."""


@dataclass(eq=False)
class Family:
    """A sign-in at the app, with what was true of it then."""

    account: Account
    sid: str
    auth_time: int
    stays: bool
    scope: str
    began_at: float
    is_alive: bool = True

    def ends_at(self) -> float:
        return self.began_at + FAMILY_SECONDS


@dataclass(eq=False)
class Code:
    """An authorization code, not yet or already exchanged."""

    family: Family
    redirect_uri: str
    challenge: str
    nonce: str
    ends_at: float
    is_used: bool = False


@dataclass(eq=False)
class Token:
    """A refresh token or an access token. A used one is kept, to be known again."""

    family: Family
    issued_at: float
    ends_at: float
    is_used: bool = field(default=False)


class Grants:
    """All families and what belongs to them; each change is one step for all threads."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._lock = RLock()
        self._codes: dict[str, Code] = {}
        self._refresh: dict[str, Token] = {}
        self._access: dict[str, Token] = {}

    def renewable(self, account: Account) -> int:
        """Return how many sign-ins of somebody's the app could still renew."""
        with self._lock:
            return sum(
                each.family.account == account and each.family.is_alive and not each.is_used
                for each in self._refresh.values()
            )

    def code(self, family: Family, redirect_uri: str, challenge: str, nonce: str) -> str:
        """Return a code for ``family``, for 60 seconds from its beginning."""
        made = token_urlsafe()
        with self._lock:
            self._forget(family.began_at)
            until = family.began_at + CODE_SECONDS
            self._codes[made] = Code(family, redirect_uri, challenge, nonce, until)
        return made

    def redeem(self, code: str, redirect_uri: str, verifier: str, now: float) -> Code:
        """Return what stands behind ``code``, this once; raise ``Refused``."""
        with self._lock:
            found = self._codes.get(code)
            if found is None or now >= found.ends_at:
                raise Refused("the code is unknown or has expired")
            if found.is_used:
                found.family.is_alive = False
                raise Refused("the code was used before: all that came of it is void")
            found.is_used = True
            if redirect_uri != found.redirect_uri:
                raise Refused("redirect_uri is not the one that the code was asked for with")
            if not compare_digest(challenge_of(verifier), found.challenge.encode()):
                raise Refused("code_verifier does not belong to the code_challenge")
            if not found.family.is_alive or not self._accounts.may_sign_in(found.family.account):
                raise Refused("the sign-in was revoked, or its user may not sign in")
            return found

    def refresh_token(self, family: Family, now: float) -> str:
        made = token_urlsafe(40)
        with self._lock:
            self._refresh[made] = Token(family, now, family.ends_at())
        return made

    def access_token(self, family: Family, now: float) -> str:
        """Return the ``jti`` of a new access token."""
        made = token_urlsafe(16)
        with self._lock:
            self._access[made] = Token(family, now, now + ACCESS_SECONDS)
        return made

    def renew(self, token: str, now: float) -> Family:
        """Use up a refresh token and return its family; raise ``Refused``."""
        with self._lock:
            found = self._refresh.get(token)
            if found is None or now >= found.ends_at:
                raise Refused("the refresh token is unknown or has expired")
            if found.is_used:
                found.family.is_alive = False
                raise Refused("the refresh token was used before: its family is void")
            if not found.family.is_alive:
                raise Refused("the refresh token was revoked")
            # Not used up: it counts again once the user may sign in again.
            if not self._accounts.may_sign_in(found.family.account):
                raise Refused("the user may not sign in")
            found.is_used = True
            return found.family

    def refresh_in_force(self, token: str, now: float) -> Token | None:
        """Return the refresh token if it could be used now."""
        found = self._refresh.get(token)
        usable = found is not None and self._accounts.may_sign_in(found.family.account)
        return self._in_force(found, now) if usable else None

    def access_in_force(self, jti: object, now: float) -> Token | None:
        """Return the access token if it still opens anything."""
        found = self._access.get(jti) if isinstance(jti, str) else None
        usable = found is not None and self._accounts.may_use(found.family.account)
        return self._in_force(found, now) if usable else None

    @staticmethod
    def _in_force(token: Token | None, now: float) -> Token | None:
        if token is None or token.is_used or not token.family.is_alive or now >= token.ends_at:
            return None
        return token

    def revoke_refresh(self, token: str) -> Family | None:
        """Kill the family of a refresh token; return it."""
        with self._lock:
            found = self._refresh.get(token)
            if found is None:
                return None
            found.family.is_alive = False
            return found.family

    def revoke_access(self, jti: object) -> None:
        """Make one access token void; its family goes on."""
        with self._lock:
            found = self._access.get(jti) if isinstance(jti, str) else None
            if found is not None:
                found.is_used = True

    def revoke_of(self, account: Account) -> int:
        """Kill all families of somebody; return how many."""
        return self._kill(lambda family: family.account == account)

    def revoke_session(self, sid: str) -> int:
        """Kill all families that a session of the provider's has begun; return how many."""
        return self._kill(lambda family: family.sid == sid)

    def _kill(self, chosen: Callable[[Family], bool]) -> int:
        with self._lock:
            families = {code.family for code in self._codes.values()}
            families |= {token.family for token in self._refresh.values()}
            condemned = [each for each in families if each.is_alive and chosen(each)]
            for family in condemned:
                family.is_alive = False
            return len(condemned)

    def _forget(self, now: float) -> None:
        """Let go of what has expired: nobody can use it in any way."""
        self._codes = {key: each for key, each in self._codes.items() if now < each.ends_at}
        self._refresh = {key: each for key, each in self._refresh.items() if now < each.ends_at}
        self._access = {key: each for key, each in self._access.items() if now < each.ends_at}


def challenge_of(verifier: str) -> bytes:
    """Return the S256 challenge of a PKCE verifier (RFC 7636)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=")
