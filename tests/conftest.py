"""Fixtures for every test: people, the policy in force, and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.utils import translation

from sessionmgr import clock as seam
from sessionmgr import sources
from sessionmgr.core.policy import Policy
from settings_app import source


class Clock:
    """Moves the app's idea of the database's time; the database's own clock stays."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def advance(self, **span: float) -> None:
        """Let ``span`` (as for timedelta) pass."""
        self.monkeypatch.setattr(seam, "shift", seam.shift + timedelta(**span))


@pytest.fixture(autouse=True)
def fresh_source() -> Iterator[None]:
    """No policy is held over from one test to the next."""
    source.invalidate()
    yield
    source.invalidate()


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """No test reads the language that a request of the one before asked for."""
    yield
    translation.deactivate()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Policy]:
    """Put a policy in force: ``policy(inactivity_enabled=True, ...)``."""

    def put_in_force(**values: Any) -> Policy:
        in_force = Policy(**values)
        monkeypatch.setattr(sources, "current_policy", lambda scope: in_force)
        return in_force

    return put_in_force


def _person(name: str, **flags: bool) -> User:
    user: User = get_user_model().objects.create_user(
        name, f"{name}@example.com", f"{name}-demo", **flags
    )
    return user


@pytest.fixture
def alice(db: None) -> User:
    return _person("alice")


@pytest.fixture
def bob(db: None) -> User:
    return _person("bob")


@pytest.fixture
def admin(db: None) -> User:
    return _person("admin", is_staff=True, is_superuser=True)


@pytest.fixture
def auditor(db: None) -> User:
    """A member of the staff who may look at the settings and change nothing."""
    user = _person("auditor", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(
            content_type__app_label="sessionmgr_settings", codename__startswith="view_"
        )
    )
    return user
