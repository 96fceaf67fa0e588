"""Open links: a ticket is issued at one environment, spent at another, and checked on arrival.

Opened by its link an environment keeps the provider's policy; whoever keys its URL after a visit
to the Admin Center bypasses that (R4). A ticket signs nobody in: the provider says who has come,
and the ticket only that they came by the link.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from http import HTTPStatus
from secrets import token_urlsafe
from typing import NamedTuple, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from sessionmgr import clock, models, sources
from sessionmgr.activity import passive
from sessionmgr.backends.db import SessionStore
from sessionmgr.conf import conf as engine_conf
from sessionmgr.core.bypass import bypass_of, is_older
from sessionmgr.core.reasons import FallbackReason, PolicySource
from sessionmgr.enforcement import judgement_of
from sessionmgr.models import UserSession
from sessionmgr.openings import Arrival, WrongTicketError, browser_session, scopes_opened
from settings_app import source
from settings_app.models import database
from settings_app.tickets import AdminCenterVisit, LaunchTicket

#: Characters of a ticket of ours.
TICKET_LENGTH = 43


class Told(NamedTuple):
    """What a page says about a ticket that leads nowhere, and with which status."""

    status: HTTPStatus
    heading: str | Promise
    text: str | Promise


class NotOpened(Enum):
    """Why a ticket opens nothing. Nobody is told which of its rules it breaks."""

    INVALID = Told(
        HTTPStatus.BAD_REQUEST,
        _("This link is no longer valid"),
        _(
            "A link of the Admin Center works once, for two minutes, for one environment, and "
            "while whoever asked for it is signed in there. Go back and select Open again."
        ),
    )
    OTHER_PERSON = Told(
        HTTPStatus.FORBIDDEN,
        _("Somebody else is signed in here"),
        _(
            "The link was made for another person than the one who is signed in here, so nothing "
            "has been changed. Sign out here first, or use another browser."
        ),
    )


def session_behind(request: HttpRequest) -> UserSession | None:
    """Return the ledger row of who is signed in by the provider; ``None``: nobody is."""
    judged = judgement_of(request)
    if judged is None or judged.identity_id is None:
        return None
    rows = UserSession.objects.using(models.database()).select_related("identity")
    return rows.filter(pk=judged.session_id).first()


def browser_session_of(row: UserSession) -> bytes:
    """Return what the browser session at the provider is known by, that ``row`` belongs to."""
    identity = cast(models.FederatedIdentity, row.identity)
    return browser_session(identity.issuer, identity.subject, row.provider_sid)


def note_visit(row: UserSession) -> None:
    """Note that the browser session of ``row`` has visited the Admin Center, and forget old ones.

    Where the provider does not say which session it is, nothing can be noted.
    """
    if not row.provider_sid:
        return
    now = clock.now(models.database())
    visits = AdminCenterVisit.objects.using(database())
    visits.note(browser_session_of(row), row.scope, now)
    visits.purge(now - engine_conf.SESSIONMGR_IDENTITY_LIFETIME)


@sensitive_variables()
def issue(row: UserSession, scope: str) -> str:
    """Return a ticket for the person and browser session of ``row`` to open ``scope``."""
    tickets = LaunchTicket.objects.using(database())
    now = clock.now(models.database())
    tickets.purge(now)
    ticket = token_urlsafe(32)
    tickets.issue(
        ticket,
        browser_session=browser_session_of(row),
        scope=scope,
        session_id=row.pk,
        issued_at=now,
    )
    return ticket


@never_cache
@passive
@require_GET
@sensitive_variables()
def launch(request: HttpRequest) -> HttpResponse:
    """Spend the ticket that an Open link has brought, and go on to the provider, or in."""
    response = arrive(request, clock.now(models.database()))
    response["Referrer-Policy"] = "no-referrer"
    return response


@sensitive_variables()
def arrive(request: HttpRequest, now: datetime) -> HttpResponse:
    """Return where the browser goes on, or the page that says why it does not."""
    ticket = request.GET.get("ticket", "")
    if len(ticket) != TICKET_LENGTH:
        return not_opened(request, NotOpened.INVALID)
    spent = LaunchTicket.objects.using(database()).spend(ticket, sources.scope_of(request), now)
    rows = UserSession.objects.using(models.database()).live().select_related("identity")
    set_out_from = None if spent is None else rows.filter(pk=spent.session_id).first()
    if spent is None or set_out_from is None:
        return not_opened(request, NotOpened.INVALID)
    here = session_here(request)
    if here is not None and here.user_id != set_out_from.user_id:
        return not_opened(request, NotOpened.OTHER_PERSON)
    page = resolve_url(settings.LOGIN_REDIRECT_URL)
    if here is not None and stays(here, set_out_from):
        return HttpResponseRedirect(page)
    # Here, as it needs the packages of OpenID Connect, without which nobody has a ticket.
    from sessionmgr.identity.views import go_by_ticket

    return go_by_ticket(request, spent.pk, here=here, back=page)


def session_here(request: HttpRequest) -> UserSession | None:
    """Return the live session that the browser has in this environment already."""
    session = cast(SessionStore, request.session)
    is_there = judgement_of(request) is not None or session.is_suspended
    row = session.presented_row() if is_there else None
    if row is None:
        return None
    return UserSession.objects.using(models.database()).live().filter(pk=row).first()


def stays(here: UserSession, set_out_from: UserSession) -> bool:
    """Return whether the session here goes on, as a new one would be no better.

    One that lives by the fallback for want of a ticket gives way to one that has come by it.
    """
    if here.policy_source == PolicySource.PROVIDER:
        return True
    same = (here.identity_id, here.provider_sid) == (
        set_out_from.identity_id,
        set_out_from.provider_sid,
    )
    return same and here.fallback_reason != FallbackReason.MANUAL_ENTRY


def not_opened(request: HttpRequest, kind: NotOpened) -> HttpResponse:
    """Return the page for a ticket that opens nothing."""
    told = kind.value
    response = render(request, "settings_app/not_opened.html", {"told": told}, status=told.status)
    # What it says is said by it alone.
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response


def check(arrival: Arrival) -> None:
    """Raise ``WrongTicketError`` unless the ticket was spent here, for who arrives."""
    spent = LaunchTicket.objects.using(database()).filter(
        pk=cast(int, arrival.ticket_id),
        browser_session=arrival.browser_session,
        scope=arrival.scope,
        spent_at__isnull=False,
    )
    if not spent.exists():
        raise WrongTicketError


def tell(arrival: Arrival, identity_id: int) -> FallbackReason | None:
    """Return why a session that begins by ``arrival`` bypasses the provider's policy, if so.

    Browser sessions that the provider does not tell apart bypass nothing: there is no "before".
    """
    if not arrival.sid:
        return None
    version = version_of(arrival.scope)
    before = scopes_opened(identity_id, arrival.sid) if is_older(version) else set()
    has_ticket = arrival.ticket_id is not None
    visits = AdminCenterVisit.objects.using(database())
    return bypass_of(
        version,
        opened=map(version_of, before - {arrival.scope}),
        has_ticket=has_ticket,
        saw_admin_center=not has_ticket
        and visits.last_scope(arrival.browser_session, but=arrival.scope) is not None,
    )


def version_of(scope: str) -> str:
    """Return the version of an environment; "" where there is no such."""
    known = source.environments().get(scope)
    return "" if known is None else known.version
