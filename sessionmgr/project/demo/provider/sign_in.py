"""Signing in: what the app asks for, the password, and "Stay signed in?"."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from sessionmgr.project.demo.provider.backchannel import about, tell_soon
from sessionmgr.project.demo.provider.config import CLIENT_ID
from sessionmgr.project.demo.provider.exchange import Answer, Request, redirect
from sessionmgr.project.demo.provider.pages import NOTHING, Html, fill, page, trouble
from sessionmgr.project.demo.provider.protocol import SCOPES
from sessionmgr.project.demo.provider.sessions import Session
from sessionmgr.project.demo.provider.state import Attempt, Provider

CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
TOO_OLD = (
    "This sign-in is too old, or has been used already. Go back to the app and start it again."
)


class Wrong(Exception):  # noqa: N818
    """The app has asked in a way that it must be told about: error code and description."""

    def __init__(self, error: str, told: str = "") -> None:
        super().__init__(told)
        self.error = error


def authorize(provider: Provider, request: Request) -> Answer:
    """Let somebody in at the app at once, ask for the password, or refuse."""
    asked = request.parameters
    redirect_uri = asked.get("redirect_uri", "")
    base = provider.config.base_called_back(redirect_uri)
    if asked.get("client_id") != CLIENT_ID or base is None:
        told = "The app that sent you here is not known to this provider, so you stay here."
        return trouble(provider, told, code="unknown client_id or redirect_uri")
    try:
        attempt = Attempt(
            redirect_uri=redirect_uri,
            base=base,
            state=asked.get("state", ""),
            nonce=asked.get("nonce", ""),
            scope=_scope(asked.get("scope", "")),
            challenge=_challenge(asked.get("code_challenge", ""), asked),
            login_hint=asked.get("login_hint", "")[:100],
            began_at=provider.now(),
        )
        session = _session_that_will_do(provider, request, attempt)
    except Wrong as wrong:
        provider.journal.note(f"sign-in at the app refused: {wrong.error}")
        answer = {"error": wrong.error, "error_description": str(wrong)}
        state, issuer = asked.get("state", ""), provider.config.issuer
        return redirect(redirect_uri, {**answer, "state": state, "iss": issuer})
    if session is not None:
        return _let_in(provider, attempt, session)
    provider.begin(attempt)
    return _password_page(provider, attempt, attempt.login_hint)


def _scope(asked: str) -> str:
    scopes = asked.split()
    if "openid" not in scopes:
        raise Wrong("invalid_scope", "scope must have openid")
    return " ".join(scope for scope in SCOPES if scope in scopes)


def _challenge(challenge: str, asked: Mapping[str, str]) -> str:
    if asked.get("response_type") != "code":
        raise Wrong("unsupported_response_type", "response_type must be code")
    if asked.get("response_mode", "query") != "query":
        raise Wrong("invalid_request", "response_mode must be query")
    if asked.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(challenge):
        raise Wrong("invalid_request", "PKCE with code_challenge_method S256 is required")
    return challenge


def _session_that_will_do(
    provider: Provider, request: Request, attempt: Attempt
) -> Session | None:
    """Return the browser's session unless the app asks for credentials; raise ``Wrong``."""
    asked = request.parameters
    prompts = set(asked.get("prompt", "").split())
    if "none" in prompts and len(prompts) > 1:
        raise Wrong("invalid_request", "prompt none goes with no other")
    session = provider.session_of(request.session_key)
    if hint := asked.get("id_token_hint"):
        subject = provider.keys.read(hint, provider.now()).get("sub")
        expected = provider.accounts.with_subject(subject)
        if expected is None:
            raise Wrong("invalid_request", "id_token_hint is no ID token of this provider")
        attempt.login_hint = attempt.login_hint or expected.name
        if session is not None and session.account != expected:
            session = None
    if session is None or prompts & {"login", "select_account"}:
        will_do = False
    else:
        will_do = not _is_too_old(provider, session, asked.get("max_age", ""))
    if not will_do and "none" in prompts:
        raise Wrong("login_required", "nobody is signed in at the provider, or not lately enough")
    return session if will_do else None


def _is_too_old(provider: Provider, session: Session, max_age: str) -> bool:
    """Return whether the password was checked longer ago than the app puts up with."""
    if not max_age:
        return False
    if not (max_age.isascii() and max_age.isdigit() and len(max_age) <= 9):
        raise Wrong("invalid_request", "max_age must be a number of seconds")
    # Zero asks for credentials, whatever the clock's resolution.
    return int(max_age) == 0 or provider.now() - session.auth_time > int(max_age)


def _let_in(provider: Provider, attempt: Attempt, session: Session) -> Answer:
    """Send the browser back to the app with a code."""
    session.bases.add(attempt.base)
    family = provider.family(session, attempt.scope)
    code = provider.grants.code(family, attempt.redirect_uri, attempt.challenge, attempt.nonce)
    provider.journal.note(f"{session.account.name} let in at {attempt.base}", session.account.name)
    given = {"code": code, "state": attempt.state, "iss": provider.config.issuer}
    return redirect(attempt.redirect_uri, given, cookie=session.cookie)


def _password_page(provider: Provider, attempt: Attempt, name: str, error: str = "") -> Answer:
    content = fill(
        "password",
        attempt=attempt.id,
        name=name,
        app=attempt.base,
        people=", ".join(account.name for account in provider.accounts.everybody),
        error=fill("error", told=error, id="wrong") if error else NOTHING,
        invalid=Html('aria-invalid="true" aria-describedby="wrong"') if error else NOTHING,
        focus_name=NOTHING if name else Html("autofocus"),
        focus_password=Html("autofocus") if name else NOTHING,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    title = "Error: Sign in" if error else "Sign in"
    return page(provider, title, content, status=status)


def check_password(provider: Provider, request: Request) -> Answer:
    """Check name and password, and go on to the second step."""
    attempt = provider.attempt(request.form.get("attempt", ""))
    if attempt is None:
        return trouble(provider, TOO_OLD)
    name = request.form.get("username", "")[:100]
    account = provider.accounts.authenticate(name, request.form.get("password", ""))
    if account is None:
        provider.journal.note("sign-in refused: wrong name or password")
        return _password_page(provider, attempt, name, "The name or the password is wrong.")
    if not provider.accounts.may_sign_in(account):
        why = "disabled" if account.name in provider.accounts.disabled else "blocked"
        told = {
            "disabled": "This account is disabled. Ask whoever looks after it.",
            "blocked": "Signing in is blocked for this account. Ask whoever looks after it.",
        }[why]
        provider.journal.note(f"sign-in of {account.name} refused: {why}", account.name)
        return _password_page(provider, attempt, name, told)
    session = provider.sessions.find(request.session_key)
    if session is not None and session.account == account:
        provider.sessions.authenticated_again(session, provider.now())
    else:
        if session is not None and provider.end(session):
            tell_soon(provider, about([session]))
        session = provider.sessions.start(account, provider.now())
    attempt.session = session
    provider.journal.note(f"{account.name} gave the right password", account.name)
    if provider.stays is not None:
        return _answered(provider, attempt, session, provider.stays)
    return redirect("/sign-in/stay", {"attempt": attempt.id}, cookie=session.cookie)


def _at_second_step(provider: Provider, request: Request) -> tuple[Attempt, Session] | None:
    """Return the attempt whose password this browser has given, and its session."""
    attempt = provider.attempt(request.parameters.get("attempt", ""))
    session = provider.session_of(request.session_key)
    if attempt is None or session is None or attempt.session is not session:
        return None
    return attempt, session


def ask_to_stay(provider: Provider, request: Request) -> Answer:
    """Ask "Stay signed in?"."""
    found = _at_second_step(provider, request)
    if found is None:
        return trouble(provider, TOO_OLD)
    attempt, session = found
    content = fill("stay", attempt=attempt.id, email=session.account.email)
    return page(provider, "Stay signed in?", content)


def stay_or_not(provider: Provider, request: Request) -> Answer:
    """Take the answer, and send the browser back to the app."""
    found = _at_second_step(provider, request)
    if found is None:
        return trouble(provider, TOO_OLD)
    return _answered(provider, *found, request.form.get("stay") == "yes")


def _answered(provider: Provider, attempt: Attempt, session: Session, stays: bool) -> Answer:
    if not provider.close(attempt):
        return trouble(provider, TOO_OLD)
    session.stays = stays
    return _let_in(provider, attempt, session)
