"""Notices signed-in pages that do not warn: without the widget, and without the script that
brings it to other pages. For the coverage report; off unless SESSIONMGR_COVERAGE_REPORT.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponseBase

from sessionmgr import answers
from sessionmgr.conf import conf
from sessionmgr.enforcement import Judgement
from sessionmgr.models import BarePage, database

logger = logging.getLogger("sessionmgr")

#: How often one process looks at the pages of one URL pattern.
LOOK_EVERY = timedelta(hours=1)

#: Any of these in a page means that it warns.
MARKS = (b"<session-timeout", b"client-context.js", b"ClientGlobalContext.js.aspx")

#: When this process last looked, by scope and URL pattern.
_looked_at: dict[tuple[str, str], datetime] = {}


def look(request: HttpRequest, response: HttpResponseBase, judged: Judgement) -> None:
    """Look at a signed-in answer if it is time to; write it down once the answer is sent."""
    match = request.resolver_match
    if not conf.SESSIONMGR_COVERAGE_REPORT or match is None:
        return
    now = judged.decision.now
    page = (judged.scope, match.route)
    last = _looked_at.get(page)
    if (last is not None and now - last < LOOK_EVERY) or not is_page(request, response):
        return
    _looked_at[page] = now
    content = getattr(response, "content", b"")
    if not any(mark in content for mark in MARKS):
        # Run when the server closes the answer, which has reached the user by then.
        closers: list[Callable[[], None]] = response._resource_closers  # type: ignore[attr-defined]
        closers.append(partial(note, *page, now))


def is_page(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return whether the answer is a page as a browser shows it, and can be read here."""
    match = request.resolver_match
    return (
        response.status_code == 200
        and not response.streaming
        and response.headers.get("Content-Type", "").startswith("text/html")
        and "Content-Encoding" not in response.headers
        and answers.asker_of(request) is answers.Asker.PAGE
        and match is not None
        and "sessionmgr" not in match.namespaces
    )


def note(scope: str, route: str, now: datetime) -> None:
    """Write one sight down; a report is not worth an error."""
    rows = BarePage.objects.using(database())
    longest = BarePage._meta.get_field("route").max_length
    try:
        rows.note(scope, route[:longest], now)
    except DatabaseError:
        logger.warning("A page without the warning could not be noted.", exc_info=True)
