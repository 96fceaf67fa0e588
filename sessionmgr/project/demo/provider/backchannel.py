"""Back-channel logout: telling the app, server to server, that somebody's session has ended."""

from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException
from threading import Thread
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from sessionmgr.project.demo.provider import tokens
from sessionmgr.project.demo.provider.accounts import Account
from sessionmgr.project.demo.provider.config import BACKCHANNEL_LOGOUT, HOST
from sessionmgr.project.demo.provider.sessions import Session
from sessionmgr.project.demo.provider.state import Provider

#: Seconds that the app has for its answer.
PATIENCE = 2.5


class Message(NamedTuple):
    """One message to one address of the app; no ``sid``: about all of the person's sessions."""

    base: str
    account: Account
    sid: str = ""


def about(sessions: Iterable[Session]) -> list[Message]:
    """Return a message for each address that each session has let its person in at."""
    return [
        Message(base, session.account, session.sid)
        for session in sessions
        for base in sorted(session.bases)
    ]


def tell(provider: Provider, messages: Iterable[Message]) -> int:
    """Send the messages and return how many were taken."""
    return sum(_deliver(provider, message) for message in messages)


def tell_soon(provider: Provider, messages: Iterable[Message]) -> None:
    """Send the messages while the caller goes on."""
    Thread(target=tell, args=(provider, list(messages)), daemon=True).start()


def _deliver(provider: Provider, message: Message) -> bool:
    who = message.account.name
    token = tokens.logout_token(provider, message.account, message.sid)
    target = urlsplit(message.base)
    # The name may be one of *.localhost, which not every resolver knows.
    connection = HTTPConnection(HOST, target.port or 80, timeout=PATIENCE)
    headers = {"Host": target.netloc, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"logout_token": token})
    try:
        connection.request("POST", BACKCHANNEL_LOGOUT, body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException):
        provider.journal.note(f"back-channel logout of {who}: {target.netloc} does not answer")
        return False
    finally:
        connection.close()
    is_taken = status in (200, 204)
    told = "taken" if is_taken else f"refused with {status}"
    provider.journal.note(f"back-channel logout of {who}: {told} by {target.netloc}")
    return is_taken
