"""Environments: refused at their fields and by the database, and kept while they are needed."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.test import Client

from settings_app import source
from settings_app.environments import make_default, why_kept
from settings_app.models import Address, Environment, Kind

pytestmark = pytest.mark.django_db

LIST = "/admin/sessionmgr_settings/environment/"


@pytest.fixture
def portal(environment: Environment) -> Environment:
    made = Environment.objects.create(
        slug="portal", name="Portal", version="9.2.0.1", kind=Kind.PORTAL
    )
    Address.objects.create(environment=made, host="portal.localhost")
    return made


def typed(**changes: Any) -> dict[str, Any]:
    """Return what the admin's form for an environment sends, with one address."""
    return {
        "slug": "legacy",
        "name": "Legacy",
        "version": "9.1.0.3000",
        "kind": "application",
        "client_id": "",
        "addresses-TOTAL_FORMS": "1",
        "addresses-INITIAL_FORMS": "0",
        "addresses-0-host": "legacy.localhost",
        "addresses-0-prefix": "",
        **changes,
    }


def errors_of(response: Any) -> dict[str, Any]:
    """Return the errors of both forms by field."""
    found = dict(response.context["adminform"].form.errors)
    for formset in response.context["inline_admin_formsets"]:
        for form in formset.formset.forms:
            found |= form.errors
    return found


def test_main_is_the_default_from_the_start(environment: Environment) -> None:
    assert environment.is_default
    environment.full_clean()


def test_admin_adds_an_environment_with_its_addresses(
    admin_page: Client, django_capture_on_commit_callbacks: Any
) -> None:
    assert admin_page.get(f"{LIST}add/").status_code == 200
    assert source.addresses().place_of("legacy.localhost", "/").scope == "main"
    with django_capture_on_commit_callbacks(execute=True):
        response = admin_page.post(f"{LIST}add/", typed())
    assert response["Location"] == LIST
    made = Environment.objects.get(slug="legacy")
    assert [str(each) for each in made.addresses.all()] == ["legacy.localhost"]
    assert "legacy.localhost" in admin_page.get(LIST).content.decode()
    assert source.addresses().place_of("legacy.localhost", "/").scope == "legacy"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"version": "9"}, "version"),
        ({"version": "9.2\u0661"}, "version"),
        ({"slug": "portal"}, "slug"),
        ({"slug": "a b"}, "slug"),
        ({"is_default": "on"}, "is_default"),
        ({"addresses-0-host": "portal.localhost"}, "host"),
        ({"addresses-0-host": "legacy.localhost:8000"}, "host"),
        ({"addresses-0-prefix": "legacy"}, "prefix"),
        ({"addresses-0-prefix": "/taken/"}, "prefix"),
        ({"kind": "other"}, "kind"),
    ],
)
def test_bad_input_is_told_at_its_field_and_nothing_is_stored(
    admin_page: Client, portal: Environment, changes: dict[str, str], field: str
) -> None:
    Address.objects.create(environment=portal, host="legacy.localhost", prefix="/taken/")
    before = list(Environment.objects.values()), list(Address.objects.values())
    response = admin_page.post(f"{LIST}add/", typed(**changes))
    assert response.status_code == 200
    assert list(errors_of(response)) == [field]
    assert (list(Environment.objects.values()), list(Address.objects.values())) == before


def test_two_like_addresses_in_one_form_are_refused(admin_page: Client) -> None:
    twice = {"addresses-TOTAL_FORMS": "2", "addresses-1-host": "legacy.localhost"}
    response = admin_page.post(f"{LIST}add/", typed(**twice))
    assert response.status_code == 200
    assert not Environment.objects.filter(slug="legacy").exists()


def test_refusals_name_who_has_it(portal: Environment) -> None:
    other = Environment(slug="x", name="X", version="1.0", is_default=True)
    with pytest.raises(ValidationError, match="“Main” is the default"):
        other.full_clean()
    with pytest.raises(ValidationError, match="belongs to “Portal” already"):
        Address(environment=portal, host="portal.localhost").full_clean()


def test_default_cannot_be_given_up_and_short_name_not_changed(environment: Environment) -> None:
    environment.is_default = False
    environment.slug = "other"
    with pytest.raises(ValidationError) as refused:
        environment.full_clean()
    assert set(refused.value.message_dict) == {"is_default", "slug"}


@pytest.mark.parametrize(
    "values",
    [{"is_default": True}, {"version": "nine"}, {"slug": "portal"}],
)
def test_database_refuses_an_environment(portal: Environment, values: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Environment.objects.create(**{"slug": "x", "name": "X", "version": "1.0", **values})


@pytest.mark.parametrize(
    ("host", "prefix"),
    [
        ("portal.localhost", ""),
        ("Upper.localhost", ""),
        ("a:80", ""),
        ("a\n", ""),
        ("", ""),
        ("", "/x"),
        ("a", "x/"),
    ],
)
def test_database_refuses_an_address(portal: Environment, host: str, prefix: str) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Address.objects.create(environment=portal, host=host, prefix=prefix)


def test_another_becomes_the_default_by_an_action(admin_page: Client, portal: Environment) -> None:
    action = {"action": "choose_default", "_selected_action": [portal.pk]}
    both = {**action, "_selected_action": [each.pk for each in Environment.objects.all()]}
    page = admin_page.post(LIST, both, follow=True).content.decode()
    assert "Choose one environment." in page
    assert [each.slug for each in Environment.objects.filter(is_default=True)] == ["main"]
    admin_page.post(LIST, action)
    assert [each.slug for each in Environment.objects.filter(is_default=True)] == ["portal"]
    assert source.read().addresses.default == "portal"


def test_default_is_kept_whoever_wants_it_gone(
    admin_page: Client, portal: Environment, environment: Environment
) -> None:
    with pytest.raises(ProtectedError), transaction.atomic():
        environment.delete()
    with pytest.raises(ProtectedError), transaction.atomic():
        Environment.objects.all().delete()
    page = admin_page.get(f"{LIST}{environment.pk}/delete/").content.decode()
    assert "is the default environment" in page
    admin_page.post(f"{LIST}{environment.pk}/delete/", {"post": "yes"})
    assert Environment.objects.count() == 2
    make_default(portal)
    environment.refresh_from_db()
    assert why_kept(environment) == ["1 sign-in to “Main” is live."]


def test_environment_goes_with_its_addresses_once_nobody_is_signed_in(
    admin_page: Client, portal: Environment
) -> None:
    admin_page.post(f"{LIST}{portal.pk}/delete/", {"post": "yes"})
    assert not Environment.objects.filter(slug="portal").exists()
    assert not Address.objects.exists()
    assert source.addresses().place_of("portal.localhost", "/").scope == "main"


def test_who_may_only_look_changes_no_address(client: Client, auditor: Any, portal: Any) -> None:
    client.force_login(auditor)
    page = client.get(f"{LIST}{portal.pk}/change/")
    assert page.status_code == 200
    assert "portal.localhost" in page.content.decode()
    response = client.post(f"{LIST}{portal.pk}/change/", typed(slug="portal"))
    assert response.status_code == 403
    assert Address.objects.get().environment == portal


def test_list_of_settings_leads_to_them(admin_page: Client, portal: Environment) -> None:
    page = admin_page.get("/admin/system-settings/").content.decode()
    assert "Portal" in page
    assert LIST in page
    one = admin_page.get("/admin/system-settings/portal/general/").content.decode()
    assert "Portal · portal" in one
