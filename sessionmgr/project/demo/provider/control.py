"""What can be done to people and to the provider: by the control panel, and as JSON for tests."""

from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from sessionmgr.project.demo.provider.accounts import Account
from sessionmgr.project.demo.provider.backchannel import Message, about, tell
from sessionmgr.project.demo.provider.exchange import Answer, Malformed, Request, document
from sessionmgr.project.demo.provider.journal import Event
from sessionmgr.project.demo.provider.outage import TOLD, Kind
from sessionmgr.project.demo.provider.state import INTERVALS, Provider

PREFIX = "/_control/"


class Done(NamedTuple):
    """What has been done: its line in the journal, and figures for a test."""

    event: Event
    figures: dict[str, int]


def disable(provider: Provider, account: Account) -> Done:
    """Let nothing count any more that the account was given, until it is enabled again."""
    provider.accounts.disabled.add(account.name)
    return _told(provider, account, f"{account.name} disabled")


def enable(provider: Provider, account: Account) -> Done:
    provider.accounts.disabled.discard(account.name)
    return _told(provider, account, f"{account.name} enabled")


def block(provider: Provider, account: Account) -> Done:
    """Refuse new sign-ins and renewals; an access token that is out goes on."""
    provider.accounts.blocked.add(account.name)
    return _told(provider, account, f"sign-in of {account.name} blocked")


def allow(provider: Provider, account: Account) -> Done:
    provider.accounts.blocked.discard(account.name)
    return _told(provider, account, f"sign-in of {account.name} allowed")


def revoke(provider: Provider, account: Account) -> Done:
    """Revoke every token; the person stays signed in at the provider."""
    families = provider.grants.revoke_of(account)
    return _told(provider, account, f"tokens of {account.name} revoked", families=families)


def logout(provider: Provider, account: Account) -> Done:
    """Tell the app that each session has ended, and end none; without any: see ``logout_all``."""
    messages = about(provider.sessions.of(account))
    if not messages:
        return logout_all(provider, account)
    taken = tell(provider, messages)
    return _told(provider, account, _messages(account, taken), notified=taken)


def logout_all(provider: Provider, account: Account) -> Done:
    """Tell the app, at all of its addresses, that every session of somebody's has ended."""
    taken = tell(provider, [Message(base, account) for base in provider.config.bases])
    return _told(provider, account, _messages(account, taken), notified=taken)


def end(provider: Provider, account: Account) -> Done:
    """End the person's sessions with all tokens, and tell the app."""
    ended = [session for session in provider.sessions.of(account) if provider.end(session)]
    taken = tell(provider, about(ended))
    told = f"{_count(len(ended), 'session')} of {account.name} ended, {_count(taken, 'message')}"
    told += " taken by the app"
    return _told(provider, account, told, notified=taken, sessions=len(ended))


def _messages(account: Account, taken: int) -> str:
    return f"back-channel logout of {account.name}: {_count(taken, 'message')} taken by the app"


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number in (0, 1) else 's'}"


def _told(provider: Provider, account: Account, told: str, **figures: int) -> Done:
    return Done(provider.journal.note(told, account.name), figures)


TO_PEOPLE: dict[str, Callable[[Provider, Account], Done]] = {
    "disable": disable,
    "enable": enable,
    "block": block,
    "allow": allow,
    "revoke": revoke,
    "logout": logout,
    "logout-all": logout_all,
    "end": end,
}


def rotate_key(provider: Provider) -> Done:
    """Sign with a new key; the old one stays published for a day."""
    provider.keys.rotate(provider.now())
    return Done(provider.journal.note("signing key rotated", "key"), {})


def set_outage(provider: Provider, kind: Kind) -> Done:
    provider.outage.switch(kind)
    told = f"outage begun: the provider {TOLD[kind]}" if kind else "outage ended"
    return Done(provider.journal.note(told, "outage"), {})


def set_interval(provider: Provider, seconds: int) -> Done:
    """Set the length of the check interval that ID tokens name from now on."""
    provider.interval = seconds
    return Done(provider.journal.note(f"check interval set to {seconds} seconds", "interval"), {})


def interval(value: object) -> int | None:
    """Return a length of the interval, as typed or as JSON; ``None``: it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in INTERVALS:
        return value
    return None


def control(provider: Provider, request: Request) -> Answer:
    """Do what a test asks for, and answer with the figures."""
    action, _, name = request.path.removeprefix(PREFIX).partition("/")
    if request.method == "GET":
        return document(state(provider)) if action == "state" else _unknown()
    if action in TO_PEOPLE:
        account = provider.accounts.named(name)
        return _unknown() if account is None else _figures(TO_PEOPLE[action](provider, account))
    if name:
        return _unknown()
    if action == "rotate-key":
        return _figures(rotate_key(provider))
    if action == "set":
        return _set(provider, request.document)
    return _unknown()


def _figures(done: Done) -> Answer:
    return document(done.figures)


def _unknown() -> Answer:
    return document({"error": "there is no such person or action"}, HTTPStatus.NOT_FOUND)


def _set(provider: Provider, asked: dict[str, object]) -> Answer:
    """Set what is named: ``pci``, ``outage``, ``kmsi``; a wrong value changes nothing."""
    wrong = asked.keys() - {"pci", "outage", "kmsi"}
    seconds = interval(asked.get("pci", provider.interval))
    outage, stays = asked.get("outage", provider.outage.kind), asked.get("kmsi", provider.stays)
    wrong |= {"pci"} if seconds is None else set()
    wrong |= {"outage"} if outage not in list(Kind) else set()
    wrong |= {"kmsi"} if not (stays is None or isinstance(stays, bool)) else set()
    if wrong or seconds is None:
        raise Malformed(f"wrong or unknown: {', '.join(sorted(wrong))}")
    if "pci" in asked:
        set_interval(provider, seconds)
    if "outage" in asked:
        set_outage(provider, Kind(str(outage)))
    provider.stays = None if stays is None else bool(stays)
    return document(state(provider))


def state(provider: Provider) -> dict[str, object]:
    """Return what is the case, without any secret."""
    return {
        "pci": provider.interval,
        "outage": provider.outage.kind,
        "kmsi": provider.stays,
        "kid": provider.keys.kid,
        "people": {
            account.name: {
                "sub": account.subject,
                "disabled": account.name in provider.accounts.disabled,
                "blocked": account.name in provider.accounts.blocked,
                "renewable": provider.grants.renewable(account),
                "sessions": [
                    {"sid": each.sid, "auth_time": each.auth_time, "kmsi": each.stays}
                    for each in provider.sessions.of(account)
                ],
            }
            for account in provider.accounts.everybody
        },
        "events": [event.text for event in provider.journal],
    }
