"""The tabs of System Settings, in their order."""

from typing import NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from settings_app.models import Environment
from settings_app.provider import is_there

TABS: tuple[tuple[str, str | Promise], ...] = (
    ("general", _("General")),
    ("groups", _("Groups")),
    # With a context of its own: the admin's word for it is "story" in some languages.
    ("history", pgettext_lazy("tab", "History")),
    ("coverage", _("Coverage")),
    ("provider", _("Identity provider")),
)


class Tab(NamedTuple):
    """One tab as the page shows it."""

    label: str | Promise
    url: str
    is_current: bool


def tabs_of(environment: Environment, current: str) -> list[Tab]:
    """Return the tabs of ``environment``'s settings."""
    return [
        Tab(label, reverse(f"system_settings:{name}", args=[environment.slug]), name == current)
        for name, label in TABS
        if name != "provider" or is_there()
    ]
