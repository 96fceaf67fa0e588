"""What an ``Actor`` does with System Settings: an admin who saves, or a server that looks."""

from __future__ import annotations

import json
import sys
from time import monotonic, monotonic_ns
from typing import Any

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

from settings_app import source  # noqa: E402
from settings_app.models import SettingsChange, SystemSettings  # noqa: E402

URL = "/admin/system-settings/main/general/"
#: A server that has not seen a save by then never will.
PATIENCE = 20.0

client = Client(raise_request_exception=False)


def migrate() -> None:
    call_command("migrate", verbosity=0)


def sign_in(name: str) -> None:
    """Sign an admin of that name in."""
    client.force_login(get_user_model().objects.create_superuser(name))


def save(version: int, warning: int, at: int = 0) -> int:
    """Send the form at the instant ``at``; return the answer's status."""
    form = {
        "session_timeout": "custom",
        "max_session_length": "1440",
        "session_warning": str(warning),
        "inactivity_duration": "30",
        "inactivity_warning": "5",
        "version": str(version),
    }
    while monotonic_ns() < at:
        pass
    return client.post(URL, form).status_code


def stored() -> dict[str, Any]:
    """Return what is stored, and the record of how it came to be."""
    changes = SettingsChange.objects.order_by("version")
    return {
        "rows": list(SystemSettings.objects.values_list("version", "session_warning")),
        "versions": list(changes.values_list("version", flat=True)),
        "warnings": [change.changes.get("session_warning") for change in changes],
    }


def forget() -> None:
    """Begin anew, as if nobody had ever saved."""
    SettingsChange.objects.all().delete()
    SystemSettings.objects.all().delete()


def save_and_tell() -> float:
    """Save once; return the instant at which the answer was there."""
    assert save(0, 7) == 302
    return monotonic()


def look_until(version: int) -> float:
    """Ask as a busy server would, until the policy is that version; return the instant."""
    with override_settings(SESSIONMGR_POLICY_REFRESH="thread"):
        until = monotonic() + PATIENCE
        while source.current_policy("main").version < version and monotonic() < until:
            source._holder.stopping.wait(0.005)
        return monotonic()


def is_looking() -> bool:
    """Return whether the policy is kept fresh beside the requests."""
    thread = source._holder.thread
    return thread is not None and thread.is_alive()


ACTIONS = {
    each.__name__: each
    for each in (migrate, sign_in, save, stored, forget, save_and_tell, look_until, is_looking)
}

if __name__ == "__main__":
    for line in sys.stdin:
        action, arguments = json.loads(line)
        print(json.dumps(ACTIONS[action](**arguments)), flush=True)  # noqa: T201
