"""The middleware translates: activity, headers, and "not signed in" into the right answer.

It holds no limit: those hold wherever a session is loaded (``backends.db``).
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db import InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.functional import SimpleLazyObject

from sessionmgr import answers, bearers, coverage, held, sources
from sessionmgr.activity import is_activity, resolution
from sessionmgr.backends.db import SessionStore
from sessionmgr.backends.door import SessionUnavailableError
from sessionmgr.conf import conf
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import Judgement, judgement_of
from sessionmgr.models import UserSession, database
from sessionmgr.protocol import server_timing

logger = logging.getLogger("sessionmgr")

GetResponse = Callable[[HttpRequest], Any]


class SessionEnforcementMiddleware:
    """After AuthenticationMiddleware; sync and async by the same methods."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)
            # Else Django would send every request to a thread for it.
            self.process_view = self.aprocess_view  # type: ignore[assignment]

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.__acall__(request)
        self.before(request)
        return self.after(request, self.get_response(request))

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        if getattr(getattr(request, "session", None), "judgement", None) is None:
            self.before(request)
        else:
            # Opened already, so its scope is asked for at once.
            await sync_to_async(self.before)(request)
        response: HttpResponseBase = await self.get_response(request)
        if self.asks_database(request, response):
            return await sync_to_async(self.after)(request, response)
        return self.after(request, response)

    def before(self, request: HttpRequest) -> None:
        """Offer the user that the door brings along; nothing is asked until somebody looks."""
        session = getattr(request, "session", None)
        if isinstance(session, SessionStore):
            hold_to_scope(request, session)
            user: object = getattr(request, "user", None)
            if type(user) is SimpleLazyObject:
                # AuthenticationMiddleware's own, told whom to ask: a second one costs every page.
                user.__dict__["_setupfunc"] = partial(user_of, request)
            request.auser = partial(auser_of, request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        """Refuse a token of somebody else (R16), and let a form that was held be sent once.

        Here the CSRF check is through.
        """
        if bearers.token_in(request) is not None:
            refusal = check_bearer(request, view[0])
            if refusal is not None:
                return refusal
        return held.spend(request) if held.is_send(request) else None

    async def aprocess_view(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        """See process_view()."""
        if bearers.token_in(request) is not None:
            refusal = await sync_to_async(check_bearer)(request, view[0])
            if refusal is not None:
                return refusal
        return await sync_to_async(held.spend)(request) if held.is_send(request) else None

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer where the database is lost or locked, or the session ended under the view."""
        if is_outage(exception):
            return answers.unavailable(request)
        session = getattr(request, "session", None)
        if isinstance(exception, UpdateError) and getattr(session, "judgement", None) is not None:
            return interrupted(request, cast(SessionStore, session))
        return None

    def asks_database(self, request: HttpRequest, response: HttpResponseBase) -> bool:
        """Return whether ``after`` will need the database, and so a thread."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return False
        return (
            session.modified
            or answers.demands_sign_in(response)
            or failed_to_take(request, response)
            or due_stamp(request, session) is not None
        )

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Answer for the session as it stands now that the view is through."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return response
        try:
            if failed_to_take(request, response):
                held.give_back(request)
            if is_cookie_to_keep(request, session):
                session.keep_cookie(cast(Judgement, session.judgement).decision.now)
            if will_be_saved(session, response):
                session.save_early()
            if answers.demands_sign_in(response):
                response = answer_for(request, session, response)
            if session.needs_browser and is_navigation(request, response):
                return answers.asked_for_now(request)
            if session.judgement is not None:
                stamp(request, session)
                add_headers(response, session.judgement)
                coverage.look(request, response, session.judgement)
        except UpdateError:
            # Of an anonymous session that is gone SessionMiddleware tells by itself.
            return response if session.judgement is None else interrupted(request, session)
        except SessionUnavailableError:
            pass
        if session.unavailable:
            session.modified = False
            return answers.unavailable(request)
        if session.has_forgotten_cookie and session.ledger_id is None:
            answers.ask_for_credentials(response)
        return response


def hold_to_scope(request: HttpRequest, session: SessionStore) -> None:
    """Have the session opened in its own scope only, also one that was looked at already."""
    was_open = session.judgement is not None
    session.hold_to(partial(sources.scope_of, request))
    if was_open and session.judgement is None:
        request.user = AnonymousUser()
        for name in ("_cached_user", "_acached_user"):
            request.__dict__.pop(name, None)


def user_of(request: HttpRequest) -> Any:
    """Return the user of the request: the door's if it brought one, else Django's."""
    if not hasattr(request, "_cached_user"):
        session = cast(SessionStore, request.session)
        user = session.verified_user() or auth.get_user(request)
        request._cached_user = user  # type: ignore[attr-defined]
    return request._cached_user  # type: ignore[attr-defined]


async def auser_of(request: HttpRequest) -> Any:
    """See user_of()."""
    if not hasattr(request, "_acached_user"):
        session = cast(SessionStore, request.session)
        await session.aget(auth.SESSION_KEY)
        user = session.verified_user() or await auth.aget_user(request)
        request._acached_user = user  # type: ignore[attr-defined]
    return request._acached_user  # type: ignore[attr-defined]


def check_bearer(request: HttpRequest, view: Any) -> HttpResponseBase | None:
    """Return the refusal of an access token that does not go with the session, if it does not.

    Only a session that began at the provider says whose token it must be. A request that is
    refused is no activity.
    """
    session = getattr(request, "session", None)
    if not (conf.SESSIONMGR_BEARER_CHECK and isinstance(session, SessionStore)):
        return None
    if hasattr(view, "sessionmgr_judges_bearer"):
        return None
    judged = judgement_of(request)
    if judged is None or judged.identity_id is None:
        return None
    audience = getattr(view, "sessionmgr_audience", "")
    verdict = bearers.judge(bearers.token_in(request) or "", audience, judged)
    if verdict is bearers.Verdict.SAME:
        return None
    request.sessionmgr_passive = True  # type: ignore[attr-defined]
    if verdict is bearers.Verdict.UNREACHABLE:
        return answers.unavailable(request)
    if verdict is bearers.Verdict.INVALID:
        return answers.token_refused(answers.TokenError.INVALID)
    session.drop()
    session.forget_cookie()
    # Nobody who brings a token by hand is on the way to a page.
    response = answers.problem(
        EndReason.IDENTITY_MISMATCH, answers.sign_in_url(answers.referring_path(request))
    )
    response["Cache-Control"] = "no-store"
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response


def answer_for(
    request: HttpRequest, session: SessionStore, response: HttpResponseBase
) -> HttpResponseBase:
    """Replace an answer that demands sign-in by ours, which says why; leave any other."""
    session.get(auth.SESSION_KEY)
    if session.judgement is not None or hasattr(response, "sessionmgr_final"):
        return response
    if session.needs_token:
        return answers.token_needed()
    if session.is_suspended:
        return answers.asked_for_now(request, held.keep(request, session))
    reason = session.why_ended()
    is_page = answers.asker_of(request) is answers.Asker.PAGE
    if reason is None and (is_page or not answers.leads_to_sign_in(response)):
        return response
    back = held.keep(request, session) if is_page else ""
    if is_page:
        session.forget_cookie()
    return answers.refused(request, reason, back)


def is_cookie_to_keep(request: HttpRequest, session: SessionStore) -> bool:
    """Return whether who chose to stay signed in has come back with a cookie half over."""
    judged = session.judgement
    return (
        judged is not None and session.is_cookie_due(judged.decision.now) and is_activity(request)
    )


def is_navigation(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether the answer is a page that the user can as well see after a detour."""
    is_page = answers.asker_of(request) is answers.Asker.PAGE and request.method == "GET"
    content_type = response.headers.get("Content-Type", "")
    return is_page and response.status_code == 200 and content_type.startswith("text/html")


def failed_to_take(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether a form that was held has met an error of the site."""
    is_error = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return is_error and hasattr(request, "sessionmgr_spent")


def will_be_saved(session: SessionStore, response: HttpResponseBase) -> bool:
    """Return whether SessionMiddleware is going to save the session."""
    is_error = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return session.modified and not session.is_empty() and not is_error


def interrupted(request: HttpRequest, session: SessionStore) -> HttpResponseBase:
    """Answer for a session that ended while the view ran: nothing of it is stored or shown."""
    session.drop()
    reason = session.why_ended()
    session.forget_cookie()
    return answers.refused(request, reason)


def due_stamp(request: HttpRequest, session: SessionStore) -> datetime | None:
    """Return the activity to write down, if the request is any and the last one is old enough."""
    judged = session.judgement
    if judged is None:
        return None
    now = judged.decision.now
    is_due = now - judged.state.last_activity_at >= resolution(judged.policy)
    return now if is_due and is_activity(request) else None


def stamp(request: HttpRequest, session: SessionStore) -> None:
    """Write the activity down. A lost stamp is logged: the answer was allowed when it was made."""
    at = due_stamp(request, session)
    if at is None or session.judgement is None:
        return
    rows = UserSession.objects.using(database()).filter(pk=session.judgement.session_id)
    try:
        if rows.touch(at):
            session.judgement = session.judgement.with_state(last_activity_at=at)
    except (OperationalError, InterfaceError):
        logger.warning("An activity could not be written down.", exc_info=True)


def add_headers(response: HttpResponseBase, judgement: Judgement) -> None:
    """Add the clock for scripts, and keep signed-in pages out of caches (ASVS 14.3.2)."""
    if "public" in response.headers.get("Cache-Control", ""):
        return
    timing = response.headers.get("Server-Timing")
    entry = server_timing(judgement)
    response.headers["Server-Timing"] = f"{timing}, {entry}" if timing else entry
    if response.headers.get("Content-Type", "").startswith("text/html"):
        # Vary: Cookie is SessionMiddleware's part, for a session that was looked at.
        if "Cache-Control" in response.headers:
            patch_cache_control(response, no_store=True, private=True)
        else:
            response.headers["Cache-Control"] = "no-store, private"


def is_outage(error: Exception) -> bool:
    """Return whether ``error`` means that the database is lost or locked, whoever asked it."""
    if isinstance(error, SessionUnavailableError):
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return "locked" in str(error) or not connections[database()].is_usable()
