"""A form that needs a sign-in first is not executed, and what was typed is not lost (WCAG 2.2.5).

It came after the end, or credentials were given too long ago. Its fields are kept, encrypted, for
the same user, who finds them filled in after signing in again, and sends them once.
docs/explanation/held-forms.md tells the rules.
"""

import json
import logging
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from sessionmgr import answers, clock, sealing
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import judgement_of
from sessionmgr.models import HeldForm, database

logger = logging.getLogger("sessionmgr")

HELD_FOR = timedelta(minutes=15)
PURPOSE = "held form"
#: The hidden field that lets a form be sent once.
ONE_TIME = "sessionmgr_held"

MAX_FIELDS = 200
MAX_BYTES = 256 * 1024
#: Forms of one user at a time; the oldest make room.
MAX_FORMS = 20

#: Longer values get a field of several lines.
MAX_LINE = 80

URLENCODED = "application/x-www-form-urlencoded"
FORM_TYPES = (URLENCODED, "multipart/form-data")
#: Never kept, whatever they hold.
SECRETS = re.compile(r"password|passwd|passphrase|pwd|secret|token|card|cvv|cvc", re.IGNORECASE)
#: Ends after which it is doubtful who typed.
DOUBTFUL = frozenset({EndReason.IDENTITY_MISMATCH})


class Shown(NamedTuple):
    """One field as the page shows it; of the form only its names are known."""

    name: str
    value: str = ""

    @property
    def label(self) -> str:
        return re.sub(r"[_-]+", " ", self.name).strip().capitalize()

    @property
    def is_long(self) -> bool:
        return len(self.value) > MAX_LINE or len(self.value.splitlines()) > 1


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed, and for whom and what it was meant: no row can stand in for another."""

    user: str
    host: str
    path: str
    fields: list[tuple[str, str]]
    left_out: list[str]
    files: list[str]

    @classmethod
    def of(cls, request: HttpRequest, user_id: Any, path: str) -> Self:
        """Return the fields of a form in their order; a button is a field like any other."""
        private = getattr(request, "sensitive_post_parameters", None) or ()
        post = {
            name: values
            for name, values in request.POST.lists()
            if name not in ("", ONE_TIME, "csrfmiddlewaretoken")
        }
        left_out = [
            name
            for name in post
            if private == "__ALL__" or name in private or SECRETS.search(name)
        ]
        fields = [
            (name, str(value))
            for name, values in post.items()
            if name not in left_out
            for value in values
        ]
        files = [str(each.name) for _field, files in request.FILES.lists() for each in files]
        return cls(str(user_id), request.get_host(), path, fields, left_out, files)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        return cls(**json.loads(content))

    @property
    def shown(self) -> list[Shown]:
        return [Shown(name, value) for name, value in self.fields]

    @property
    def asked_again(self) -> list[Shown]:
        return [Shown(name) for name in self.left_out]

    @property
    def is_worth_keeping(self) -> bool:
        """Return whether anything was typed, and no more than a person types."""
        return any(value for _name, value in self.fields) and len(self.fields) <= MAX_FIELDS


@sensitive_variables()
def keep(request: HttpRequest, session: SessionStore) -> str:
    """Keep what a refused form carried; return the page that will show it, or nothing."""
    path = answers.safe_path(request, request.get_full_path())
    if not (path and sealing.can_seal() and is_from_own_form(request)):
        return ""
    judged = session.judgement
    user_id = session.whose() if judged is None else judged.user_id
    if user_id is None or session.why_ended() in DOUBTFUL:
        return ""
    try:
        content = _content(request, user_id, path)
        # From here on an error report must not show what the view would have been given.
        request.sensitive_post_parameters = "__ALL__"  # type: ignore[attr-defined]
        return _store(request, user_id, path, content) if content else ""
    except (DatabaseError, NoReverseMatch):
        # Without the error's text, which may quote the row.
        logger.warning("What was typed in a late form could not be kept.")
        return ""


@sensitive_variables()
def _content(request: HttpRequest, user_id: Any, path: str) -> bytes:
    try:
        typed = Typed.of(request, user_id, path)
    except (OSError, SuspiciousOperation, MultiPartParserError):
        return b""
    content = typed.to_bytes()
    return content if typed.is_worth_keeping and len(content) <= MAX_BYTES else b""


def _store(request: HttpRequest, user_id: Any, path: str, content: bytes) -> str:
    using = database()
    now = clock.now(using)
    forms = HeldForm.objects.using(using).filter(user_id=user_id)
    held_id = secrets.token_urlsafe(32)
    page = reverse("sessionmgr:held", args=[held_id])
    with transaction.atomic(using=using):
        if (earlier := request.POST.get(ONE_TIME)) is not None:
            # It came too late once more: the new row takes the place of the old one.
            if forms.filter(pk=earlier, sent_at__isnull=False).exists():
                return ""
            forms.filter(pk=earlier).delete()
        HeldForm(
            pk=held_id,
            user_id=user_id,
            path=path,
            sealed=sealing.seal(PURPOSE, content),
            created_at=now,
            expires_at=now + HELD_FOR,
        ).save(force_insert=True, using=using)
        too_many = forms.order_by("-created_at").values_list("pk", flat=True)[MAX_FORMS:]
        forms.filter(pk__in=list(too_many)).delete()
    return page


def is_from_own_form(request: HttpRequest) -> bool:
    """Return whether a browser sent a form of a page of this site; signing in and out is none."""
    match = request.resolver_match
    return (
        request.method == "POST"
        and request.content_type in FORM_TYPES
        and answers.asker_of(request) is answers.Asker.PAGE
        and is_same_origin(request)
        and request.path not in answers.sign_in_paths()
        and (match is None or "sessionmgr" not in match.namespaces)
    )


def is_same_origin(request: HttpRequest) -> bool:
    """Return whether the browser says that a page of this site has made the request."""
    headers = request.headers
    if headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = urlsplit(headers.get("Origin") or headers.get("Referer", ""))
    return (origin.scheme, origin.netloc) == (request.scheme, request.get_host())


@sensitive_variables()
def open_form(request: HttpRequest, held_id: str, user_id: Any, now: datetime) -> Typed | None:
    """Return what is held for this very user at this host; ``None``: nothing to be seen."""
    rows = HeldForm.objects.using(database()).readable(user_id, now)
    row = rows.filter(pk=held_id).first()
    content = row and sealing.unseal(PURPOSE, row.sealed)
    if row is None or not content:
        return None
    typed = Typed.from_bytes(content)
    is_meant = (typed.user, typed.host, typed.path) == (str(user_id), request.get_host(), row.path)
    return typed if is_meant else None


def is_send(request: HttpRequest) -> bool:
    """Return whether the request sends a form that was held; our page sends it urlencoded."""
    if request.method != "POST" or request.content_type != URLENCODED:
        return False
    try:
        return ONE_TIME in request.POST
    except OSError:
        return False  # The client is gone.


@sensitive_variables()
def spend(request: HttpRequest) -> HttpResponse | None:
    """Let the view run for the first send; ``None``. Any other is answered without it."""
    judged = judgement_of(request)
    if judged is None:
        return answers.refused(request, None)
    post = request.POST.copy()
    held_id = str(post.pop(ONE_TIME)[-1])
    forms = HeldForm.objects.using(database())
    if not forms.spend(held_id, judged.user_id, judged.decision.now):
        is_sent = forms.filter(pk=held_id, user_id=judged.user_id).exists()
        return already_sent(request) if is_sent else gone(request)
    # A strict form refuses a field that is not its own.
    post._mutable = False
    request.POST = post  # type: ignore[assignment]
    request.sessionmgr_spent = held_id  # type: ignore[attr-defined]
    return None


def give_back(request: HttpRequest) -> None:
    """Let the form be sent again, as the site has failed to take it."""
    HeldForm.objects.using(database()).give_back(request.sessionmgr_spent)  # type: ignore[attr-defined]


def already_sent(request: HttpRequest) -> HttpResponse:
    """Return the page for a second send."""
    heading = _("This was already sent")
    text = _("It was not sent a second time.")
    return _told(request, heading, text, HTTPStatus.CONFLICT)


def gone(request: HttpRequest) -> HttpResponse:
    """Return one and the same page for what is unknown, too old, sent, or somebody else's."""
    heading = _("This is no longer here")
    text = _("What you typed was kept for 15 minutes, for you alone, until you sent it.")
    return _told(request, heading, text, HTTPStatus.NOT_FOUND)


def discarded(request: HttpRequest) -> HttpResponse:
    """Return the page that confirms the removal."""
    heading = _("Discarded")
    return _told(request, heading, _("What you typed is no longer kept."), HTTPStatus.OK)


def _told(request: HttpRequest, heading: str, text: str, status: int) -> HttpResponse:
    context = {"heading": heading, "text": text, "start": get_script_prefix()}
    response = render(request, "sessionmgr/held_told.html", context, status=status)
    add_never_cache_headers(response)
    return response


def is_held_page(path: str) -> bool:
    """Return whether ``path`` is a page that shows a held form."""
    try:
        return resolve(urlsplit(path).path).view_name == "sessionmgr:held"
    except Resolver404:
        return False
