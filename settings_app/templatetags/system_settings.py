"""The notice for the admin's pages that the identity provider does not answer."""

from typing import Any

from django import template
from django.contrib import admin
from django.http import HttpRequest
from django.template import Context
from django.urls import reverse

from sessionmgr import sources
from settings_app import provider
from settings_app.access import may_view
from settings_app.models import Environment, database

register = template.Library()

#: Set on a request whose page has the notice: base templates may ask for it more than once.
SHOWN = "sessionmgr_provider_notice"


@register.inclusion_tag("settings_app/provider_notice.html", takes_context=True)
def identity_provider_notice(context: Context) -> dict[str, Any]:
    """Print that the provider is out of reach, for who may see System Settings; once on a page."""
    request = context.get("request")
    if not isinstance(request, HttpRequest) or hasattr(request, SHOWN):
        return {}
    if context.get("hides_provider_notice"):
        return {}
    if not (provider.is_there() and admin.site.has_permission(request) and may_view(request.user)):
        return {}
    state = provider.state_now()
    if not state.is_failing:
        return {}
    setattr(request, SHOWN, True)
    return {"state": state, "page": _page_for(request)}


def _page_for(request: HttpRequest) -> str:
    """Return the tab of the environment that the request is for, as far as there is one."""
    slug = sources.scope_of(request)
    if Environment.objects.using(database()).filter(slug=slug).exists():
        return reverse("system_settings:provider", args=[slug])
    return reverse("system_settings:environments")
