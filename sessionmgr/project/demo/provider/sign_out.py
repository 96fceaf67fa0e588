"""Signing out at the provider, as the app asks for it (RP-Initiated Logout 1.0)."""

from sessionmgr.project.demo.provider.backchannel import about, tell_soon
from sessionmgr.project.demo.provider.config import CLIENT_ID
from sessionmgr.project.demo.provider.exchange import Answer, Request, redirect
from sessionmgr.project.demo.provider.pages import fill, page, trouble
from sessionmgr.project.demo.provider.sessions import NO_COOKIE, Session
from sessionmgr.project.demo.provider.state import Provider


def logout(provider: Provider, request: Request) -> Answer:
    """Sign out whom a valid hint names; ask everybody else."""
    asked = request.parameters
    back, state = asked.get("post_logout_redirect_uri", ""), asked.get("state", "")
    hint = provider.keys.read(asked.get("id_token_hint", ""), provider.now())
    client = asked.get("client_id", CLIENT_ID)
    if client != CLIENT_ID or (back and not provider.config.takes_back(back)):
        told = "The app that sent you here wants you back at a place that is not known here."
        return trouble(provider, told, code="unknown client_id or post_logout_redirect_uri")
    session = provider.sessions.find(request.session_key)
    if session is None:
        return _signed_out(provider, back, state)
    if hint.get("aud") == CLIENT_ID and hint.get("sub") == session.account.subject:
        return _end(provider, session, back, state)
    who = session.account.email
    content = fill("sign_out", email=who, back=back, state=state)
    return page(provider, "Sign out?", content)


def confirmed(provider: Provider, request: Request) -> Answer:
    """Sign out whoever has said yes."""
    back, state = request.form.get("back", ""), request.form.get("state", "")
    if back and not provider.config.takes_back(back):
        return trouble(provider, "That place is not known here.")
    session = provider.sessions.find(request.session_key)
    if session is None or request.form.get("answer") != "yes":
        return redirect(back, {"state": state}) if back else redirect("/")
    return _end(provider, session, back, state)


def _end(provider: Provider, session: Session, back: str, state: str) -> Answer:
    if provider.end(session):
        name = session.account.name
        provider.journal.note(f"{name} signed out at the provider", name)
        tell_soon(provider, about([session]))
    return _signed_out(provider, back, state)


def _signed_out(provider: Provider, back: str, state: str) -> Answer:
    if back:
        return redirect(back, {"state": state}, cookie=NO_COOKIE)
    content = fill("signed_out", app=provider.config.bases[0])
    return page(provider, "You are signed out", content, cookie=NO_COOKIE)
