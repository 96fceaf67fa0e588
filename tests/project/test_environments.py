"""The demo's environments: made once, and found by their hosts."""

from __future__ import annotations

import pytest

from sessionmgr.project.demo import environments, launcher
from settings_app import source
from settings_app.models import Environment


@pytest.mark.django_db
def test_each_host_of_the_demo_leads_to_its_environment() -> None:
    for _run in range(2):
        environments.create()
    found = {each.slug: (each.version, each.kind) for each in Environment.objects.all()}
    assert found == {
        "main": ("9.2.0.1", "application"),
        "legacy": ("9.1.0.3000", "application"),
        "portal": ("9.2.0.1", "portal"),
    }
    book = source.read().addresses
    for host, scope in (
        ("localhost", "main"),
        ("127.0.0.1", "main"),
        ("legacy.localhost", "legacy"),
        ("portal.localhost", "portal"),
    ):
        assert book.place_of(host, "/about/").scope == scope


@pytest.mark.django_db
def test_what_somebody_has_changed_stays() -> None:
    environments.create()
    Environment.objects.filter(slug="legacy").update(name="Old")
    environments.create()
    assert Environment.objects.get(slug="legacy").name == "Old"


def test_welcome_names_every_environment() -> None:
    text = launcher.welcome(launcher.Ports(8123, 9123))
    for host in ("localhost", "legacy.localhost", "portal.localhost"):
        assert f"http://{host}:8123/" in text
