"""The provider as a whole: its configuration, its keys, and all that it remembers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe

from sessionmgr.project.demo.provider.accounts import Accounts
from sessionmgr.project.demo.provider.config import Config
from sessionmgr.project.demo.provider.grants import Family, Grants
from sessionmgr.project.demo.provider.journal import Journal
from sessionmgr.project.demo.provider.keys import SigningKeys
from sessionmgr.project.demo.provider.outage import Outage
from sessionmgr.project.demo.provider.sessions import Session, Sessions

#: Seconds for which somebody may think about a sign-in that the app has begun.
ATTEMPT_SECONDS = 30 * 60

#: What the length of the check interval may be, in seconds, and what it is at first.
INTERVALS = range(5, 86400 + 1)
INTERVAL = 3600


@dataclass(eq=False)
class Attempt:
    """A sign-in that the app has asked for and that is not through yet."""

    redirect_uri: str
    base: str
    state: str
    nonce: str
    scope: str
    challenge: str
    login_hint: str
    began_at: float
    id: str = field(default_factory=token_urlsafe, repr=False)
    #: Set once the password was right.
    session: Session | None = None


class Provider:
    """Everything in one place. ``clock`` is the only one who knows the time."""

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        self.config = config
        self.now = clock
        self.keys = SigningKeys(config.folder)
        self.accounts = Accounts()
        self.sessions = Sessions()
        self.grants = Grants(self.accounts)
        self.journal = Journal(clock)
        self.outage = Outage()
        self.interval = INTERVAL
        #: The answer to "Stay signed in?"; ``None``: people are asked.
        self.stays: bool | None = None
        self._attempts: dict[str, Attempt] = {}

    def session_of(self, key: str) -> Session | None:
        """Return the session behind a cookie, if its person may sign in."""
        session = self.sessions.find(key)
        may = session is not None and self.accounts.may_sign_in(session.account)
        return session if may else None

    def begin(self, attempt: Attempt) -> None:
        """Remember an attempt, and forget those that nobody came back to."""
        since = attempt.began_at - ATTEMPT_SECONDS
        recent = [each for each in self._attempts.values() if each.began_at > since]
        self._attempts = {each.id: each for each in (*recent, attempt)}

    def attempt(self, number: str) -> Attempt | None:
        """Return an attempt that is still open."""
        found = self._attempts.get(number)
        is_open = found is not None and self.now() < found.began_at + ATTEMPT_SECONDS
        return found if is_open else None

    def close(self, attempt: Attempt) -> bool:
        """Return whether this call closed it: an attempt ends in one code."""
        return self._attempts.pop(attempt.id, None) is not None

    def family(self, session: Session, scope: str) -> Family:
        """Return a new family of tokens with what is true of the session now."""
        return Family(
            account=session.account,
            sid=session.sid,
            auth_time=session.auth_time,
            stays=session.stays,
            scope=scope,
            began_at=self.now(),
        )

    def end(self, session: Session) -> bool:
        """End a session and all that came of it; return whether this call did."""
        self.grants.revoke_session(session.sid)
        return self.sessions.end(session)
