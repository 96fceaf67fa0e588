"""The Admin Center's Instances tab: every environment, its live sessions, and Open."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import admin
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from sessionmgr import sources
from sessionmgr.core.bypass import is_older
from sessionmgr.models import UserSession
from sessionmgr.models import database as sessions_database
from settings_app import launch, source
from settings_app.access import for_readers
from settings_app.homes import Home, home_of
from settings_app.models import Environment, database
from settings_app.words import fallback_words, policy_line


@dataclass(frozen=True, slots=True)
class Instance:
    """One environment as the tab shows it. ``home``: ``None`` where no address leads to it."""

    environment: Environment
    is_here: bool
    home: Home | None
    policy: str
    live: int
    #: How many of the live ones live by the 24-hour fallback, by why.
    fallbacks: list[tuple[str, int]]

    @property
    def is_older(self) -> bool:
        """Whether opening it after a newer one bypasses the provider's policy."""
        return is_older(self.environment.version)


@require_safe
@for_readers
def instances(request: HttpRequest) -> HttpResponse:
    """List the environments; note that this browser session has visited the Admin Center (R4)."""
    row = launch.session_behind(request)
    if row is not None and request.method == "GET":
        launch.note_visit(row)
    listed = instances_for(request)
    context = {
        **admin.site.each_context(request),
        "title": _("Admin Center"),
        "listed": listed,
        "is_by_provider": row is not None,
        "has_older": any(each.is_older for each in listed),
    }
    response = render(request, "settings_app/instances.html", context)
    # As django-csp's csp_update does: Open is a form, and browsers hold all of its way to this.
    origins = sorted({each.home.origin for each in listed if each.home is not None})
    response._csp_update = {"form-action": origins}  # type: ignore[attr-defined]
    return response


@require_POST
@for_readers
@sensitive_variables()
def open_instance(request: HttpRequest, slug: str) -> HttpResponse:
    """Go to an environment: with a ticket, where a provider's policy is there to be kept."""
    home = home_of(request, slug)
    if home is None or slug not in source.environments():
        raise Http404
    address = home.address
    row = launch.session_behind(request)
    if row is not None and home.launch and slug != sources.scope_of(request):
        address = f"{home.launch}?ticket={launch.issue(row, slug)}"
    response = HttpResponseRedirect(address)
    response["Referrer-Policy"] = "no-referrer"
    return response


def instances_for(request: HttpRequest) -> list[Instance]:
    """Return every environment, as who asks sees it from here."""
    live = live_by_reason()
    return [
        Instance(
            environment=each,
            is_here=each.slug == sources.scope_of(request),
            home=home_of(request, each.slug),
            policy=policy_line(source.current_policy(each.slug)),
            live=sum(live[each.slug].values()),
            fallbacks=[
                (fallback_words(reason), count)
                for reason, count in sorted(live[each.slug].items())
                if reason
            ],
        )
        for each in Environment.objects.using(database())
    ]


def live_by_reason() -> Mapping[str, dict[str, int]]:
    """Return how many are signed in to each environment, by the reason of their fallback."""
    rows = UserSession.objects.using(sessions_database()).live().order_by()
    counts: defaultdict[str, dict[str, int]] = defaultdict(dict)
    grouped = rows.values_list("scope", "fallback_reason").annotate(count=Count("pk"))
    for scope, reason, count in grouped:
        counts[scope][reason] = count
    return counts
