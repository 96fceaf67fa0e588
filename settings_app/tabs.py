"""The tabs of System Settings, in their order."""

from typing import NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from settings_app.models import Environment

TABS: tuple[tuple[str, str | Promise], ...] = (
    ("general", _("General")),
    ("history", _("History")),
    ("coverage", _("Coverage")),
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
    ]
