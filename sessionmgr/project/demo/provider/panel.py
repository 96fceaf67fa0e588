"""The control panel: who is who at the provider, what it does, and what has happened."""

from collections.abc import Callable
from http import HTTPStatus
from time import localtime, strftime

from sessionmgr.project.demo.provider import control
from sessionmgr.project.demo.provider.accounts import Account
from sessionmgr.project.demo.provider.exchange import Answer, Request, redirect
from sessionmgr.project.demo.provider.journal import Event
from sessionmgr.project.demo.provider.outage import TOLD, Kind
from sessionmgr.project.demo.provider.pages import NOTHING, Html, fill, joined, page, trouble
from sessionmgr.project.demo.provider.sessions import Session
from sessionmgr.project.demo.provider.state import INTERVALS, Provider

BUTTONS = {
    Kind.UNAVAILABLE: "Answer 503",
    Kind.HANG: "Do not answer",
    Kind.TRICKLE: "A byte a second",
}


def show(provider: Provider, request: Request) -> Answer:
    """Show it all, with what the button before has done."""
    return _panel(provider, provider.journal.find(request.query.get("done", "")))


def act(provider: Provider, request: Request) -> Answer:
    """Do what a button says, then show the panel again."""
    action, _, about = request.form.get("action", "").partition("/")
    if action == "interval":
        typed = request.form.get("seconds", "").strip()
        seconds = control.interval(typed)
        if seconds is None:
            return _panel(provider, None, typed=typed)
        done = control.set_interval(provider, seconds)
    elif action == "outage" and about in set(Kind):
        done = control.set_outage(provider, Kind(about))
    elif action == "rotate-key":
        done = control.rotate_key(provider)
    else:
        account = provider.accounts.named(about)
        if account is None or action not in control.TO_PEOPLE:
            return trouble(provider, "There is no such button.", HTTPStatus.NOT_FOUND)
        done = control.TO_PEOPLE[action](provider, account)
    return redirect(f"/?done={done.event.number}#{done.event.about}")


def _panel(provider: Provider, done: Event | None, typed: str | None = None) -> Answer:
    error = NOTHING
    if typed is not None:
        told = f"Enter a whole number from {INTERVALS[0]} to {INTERVALS[-1]}."
        error = fill("error", told=told, id="wrong")

    def note(about: str) -> Html:
        is_here = done is not None and done.about == about
        return fill("done", told=_sentence(done.text)) if is_here and done else NOTHING

    content = fill(
        "panel",
        issuer=provider.config.issuer,
        app=provider.config.bases[0],
        outage_banner=_outage_banner(provider),
        people=joined([_person(provider, each, note) for each in provider.accounts.everybody]),
        outage=_outage(provider),
        outage_note=note("outage"),
        seconds=provider.interval if typed is None else typed,
        least=INTERVALS[0],
        most=INTERVALS[-1],
        interval_error=error,
        invalid=Html('aria-invalid="true" autofocus') if error else NOTHING,
        described="wrong interval-help" if error else "interval-help",
        interval_note=note("interval"),
        kid=provider.keys.kid,
        key_note=note("key"),
        events=joined([_event(event) for event in provider.journal])
        or fill("nothing", told="Nothing has happened yet."),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    title = "Error: Control panel" if error else "Control panel"
    return page(provider, title, content, status=status, kind="wide")


def _person(provider: Provider, account: Account, note: Callable[[str], Html]) -> Html:
    is_disabled = account.name in provider.accounts.disabled
    is_blocked = account.name in provider.accounts.blocked
    sessions = provider.sessions.of(account)
    renewable = provider.grants.renewable(account)
    states = [
        _state("on", "Signed in") if sessions else _state("off", "Not signed in"),
        *([_state("stop", "Disabled")] if is_disabled else []),
        *([_state("stop", "Sign-in blocked")] if is_blocked else []),
    ]
    known = [_session(each) for each in sessions]
    told = {0: "No sign-in at the app.", 1: "One sign-in at the app, which can be renewed."}.get(
        renewable, f"{renewable} sign-ins at the app, which can be renewed."
    )
    actions = [
        ("enable", "Enable") if is_disabled else ("disable", "Disable"),
        ("allow", "Allow sign-in") if is_blocked else ("block", "Block sign-in"),
        ("revoke", "Revoke tokens"),
        ("logout", "Send back-channel logout"),
        ("end", "End session"),
    ]
    return fill(
        "person",
        name=account.name,
        shown=account.name.capitalize(),
        initial=account.name[0].upper(),
        email=account.email,
        states=joined(states),
        sessions=joined([*known, fill("fact", told=told)]),
        buttons=joined(
            [
                fill("button", value=f"{what}/{account.name}", label=label, about=account.name)
                for what, label in actions
            ]
        ),
        note=note(account.name),
    )


def _state(kind: str, told: str) -> Html:
    return fill("state", kind=kind, told=told)


def _session(session: Session) -> Html:
    return fill(
        "session",
        sid=session.sid[:6],
        since=_clock(session.auth_time),
        stays="stays signed in" if session.stays else "until the browser closes",
    )


def _outage_banner(provider: Provider) -> Html:
    kind = provider.outage.kind
    return fill("outage_on", told=TOLD[kind]) if kind else NOTHING


def _outage(provider: Provider) -> Html:
    if provider.outage.kind:
        return fill("button_strong", value="outage/", label="End the outage")
    return joined(
        [
            fill("button", value=f"outage/{kind}", label=label, about="as an outage")
            for kind, label in BUTTONS.items()
        ]
    )


def _event(event: Event) -> Html:
    return fill("event", at=_clock(event.at), told=event.text)


def _clock(instant: float) -> str:
    """Return the time of day where the provider runs, which is where it is looked at."""
    return strftime("%H:%M:%S", localtime(instant))


def _sentence(told: str) -> str:
    return f"{told[0].upper()}{told[1:]}."
