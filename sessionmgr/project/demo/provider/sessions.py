"""Who is signed in at the provider itself, in which browser."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import token_hex, token_urlsafe

from sessionmgr.project.demo.provider.accounts import Account

COOKIE = "demo_idp"
#: Seconds for which a browser keeps the cookie of somebody who stays signed in.
STAY_SECONDS = 90 * 24 * 60 * 60


@dataclass(eq=False)
class Session:
    """One browser that somebody has signed in with. ``sid`` is public, ``key`` is the cookie."""

    account: Account
    auth_time: int
    key: str = field(default_factory=token_urlsafe, repr=False)
    sid: str = field(default_factory=lambda: token_hex(12))
    #: The answer to "Stay signed in?"
    stays: bool = False
    #: The addresses of the app that this session has let its person in at.
    bases: set[str] = field(default_factory=set)

    @property
    def cookie(self) -> str:
        """Return the ``Set-Cookie`` header that keeps the session in the browser."""
        age = f"; Max-Age={STAY_SECONDS}" if self.stays else ""
        return f"{COOKIE}={self.key}; Path=/; HttpOnly; SameSite=Lax{age}"


#: The header that takes the cookie away.
NO_COOKIE = f"{COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"


class Sessions:
    """The provider's sessions; they live in memory, and end with the process."""

    def __init__(self) -> None:
        self._by_key: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_key.values()))

    def find(self, key: str) -> Session | None:
        return self._by_key.get(key)

    def of(self, account: Account) -> list[Session]:
        return [session for session in self if session.account == account]

    def start(self, account: Account, now: float) -> Session:
        session = Session(account, int(now))
        self._by_key[session.key] = session
        return session

    def authenticated_again(self, session: Session, now: float) -> Session:
        """Note a new password check: the session goes on, under a new key."""
        self._by_key.pop(session.key, None)
        session.key, session.auth_time = token_urlsafe(), int(now)
        self._by_key[session.key] = session
        return session

    def end(self, session: Session) -> bool:
        """Return whether this call ended it."""
        return self._by_key.pop(session.key, None) is not None
