"""The pages of a sign-in that has failed: what is the matter in plain words, and where to go on.

Nothing of what the provider or the address said is shown.
"""

from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessionmgr import answers
from sessionmgr.identity.attempts import with_query

Words = str | Promise

TRY_AGAIN = _("Try again")


@dataclass(frozen=True, slots=True)
class Told:
    """What one kind of failure says, with which status, and what its button does."""

    status: HTTPStatus
    heading: Words
    text: Words
    button: Words = TRY_AGAIN
    #: Asked of the provider by the button.
    query: dict[str, str] = field(default_factory=dict)
    #: The button leads to the sign-in page, where people can choose.
    leads_to_sign_in: bool = False


class Failure(Enum):
    """Why a sign-in has failed. Only an outage and a mistake of ours are the server's fault."""

    OUTAGE = Told(
        HTTPStatus.SERVICE_UNAVAILABLE,
        _("The sign-in service cannot be reached"),
        _("That is not your fault. Please try again in a moment."),
    )
    CONFIGURATION = Told(
        HTTPStatus.SERVICE_UNAVAILABLE,
        _("Signing in does not work at the moment"),
        _("Something is set wrongly here. The administrators have been told."),
    )
    EXPIRED = Told(
        HTTPStatus.BAD_REQUEST,
        _("This sign-in is no longer valid"),
        _("It took too long, was used already, or began in another browser. Please start again."),
        button=_("Start again"),
        leads_to_sign_in=True,
    )
    INVALID = Told(
        HTTPStatus.BAD_REQUEST,
        _("You could not be signed in"),
        _("The answer of the sign-in service could not be verified, so nobody was signed in."),
    )
    REFUSED = Told(
        HTTPStatus.FORBIDDEN,
        _("You were not signed in"),
        _("The sign-in service has refused, or you have cancelled."),
    )
    NO_ACCOUNT = Told(
        HTTPStatus.FORBIDDEN,
        _("You have no account here"),
        _("Your sign-in was right, but nobody has given you access to this site. Ask for it."),
        button=_("Back to the sign-in page"),
        leads_to_sign_in=True,
    )
    DISABLED = Told(
        HTTPStatus.FORBIDDEN,
        _("Your account is not active"),
        _("Your sign-in was right, but your account here has been switched off."),
        button=_("Back to the sign-in page"),
        leads_to_sign_in=True,
    )
    OLD_CREDENTIALS = Told(
        HTTPStatus.FORBIDDEN,
        _("Please give your credentials again"),
        _(
            "You have signed out here since you last gave them, or you were signed out. So that "
            "nobody else comes in by your sign-in, they are needed once more."
        ),
        button=_("Give my credentials"),
        query={"prompt": "login"},
    )
    WRONG_TICKET = Told(
        HTTPStatus.FORBIDDEN,
        _("This link is not for you"),
        _(
            "It was made for somebody else, or for another browser session, so nobody was signed "
            "in. Go back to the Admin Center and open the environment from there."
        ),
        button=_("Sign in without it"),
        leads_to_sign_in=True,
    )
    MISMATCH = Told(
        HTTPStatus.FORBIDDEN,
        _("Somebody else signed in"),
        _(
            "That was not who was signed in here. To be safe, the earlier sign-in has been ended, "
            "and nobody is signed in now."
        ),
        button=_("Sign in"),
        query={"prompt": "login"},
    )


def failed(
    request: HttpRequest, kind: Failure, *, retry_after: int | None = None, next: str = ""
) -> HttpResponse:
    """Return the page for a sign-in that has failed; ``next`` is where it was to lead.

    ``retry_after`` in seconds, where it makes sense to wait.
    """
    told = kind.value
    asked = {**told.query, **({"next": next} if next else {})}
    provider = answers.provider_url()
    sign_in = answers.sign_in_url(next)
    context = {
        "told": told,
        "go_on": sign_in if told.leads_to_sign_in or not provider else with_query(provider, asked),
        "sign_in_url": "" if told.leads_to_sign_in else sign_in,
    }
    page = "sessionmgr/identity/failed.html"
    response = render(request, page, context, status=told.status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    add_never_cache_headers(response)
    # What it says is said by it alone.
    response.sessionmgr_final = True  # type: ignore[attr-defined]
    return response
