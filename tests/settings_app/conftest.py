"""Fixtures for the settings page: a fresh policy source, the environment, the form."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from settings_app.models import Environment
from tests.identity.conftest import at_rogue as at_rogue
from tests.identity.conftest import rogue as rogue

URL = "/admin/system-settings/main/general/"


@pytest.fixture
def environment(db: None) -> Environment:
    return Environment.objects.get(slug="main")


@pytest.fixture
def admin_page(client: Client, admin: Any) -> Client:
    """A browser in which the administrator is signed in."""
    client.force_login(admin)
    return client


def form_values(**changes: Any) -> dict[str, Any]:
    """Return what the form sends for the defaults, with ``changes``; ``None`` leaves one out."""
    values = {
        "session_timeout": "default",
        "max_session_length": "1440",
        "session_warning": "20",
        "inactivity_duration": "30",
        "inactivity_warning": "5",
        "reason": "",
        "version": "0",
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}
