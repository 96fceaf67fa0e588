"""Kinds of client: shipped and off, what is refused and where, and in force at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client

from sessionmgr import clock as seam
from sessionmgr import sources
from settings_app import exempting, source
from settings_app.clients import SHIPPED, ClientClass, exemptions
from settings_app.models import Environment, SystemSettings
from settings_app.receivers import create_shipped_kinds
from settings_app.saving import Author, store
from tests.conftest import Clock
from tests.sessionmgr.ledger import end_of, is_live, leased, session_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LIST = "/admin/sessionmgr_settings/clientclass/"


def now() -> datetime:
    return seam.now("default")


def kind(slug: str = "mobile", /, **values: Any) -> ClientClass:
    """Return a shipped kind that is switched on, not yet stored, with ``values``."""
    found = ClientClass.objects.get(slug=slug)
    on = {"client_id": f"{slug}-client", "owner": "Field services", "expires_at": now() + 30 * DAY}
    for name, value in {**on, **values}.items():
        setattr(found, name, value)
    return found


class TestShipped:
    """The four of the source document, and the browser that is not exempt."""

    def test_they_are_there_and_off(self) -> None:
        exempt = dict(ClientClass.objects.values_list("slug", "from_session_length"))
        assert exempt == {
            "mail-add-in": True,
            "mobile": True,
            "service-desk-wpf": True,
            "service-desk-ie": False,
            "live-assist": True,
        }
        assert exemptions() == {}
        assert sources.current_policy("main").exemptions == {}

    def test_who_has_changed_them_keeps_the_changes(self) -> None:
        ClientClass.objects.exclude(slug="mobile").delete()
        create_shipped_kinds("default")
        assert ClientClass.objects.count() == 1
        ClientClass.objects.all().delete()
        create_shipped_kinds("default")
        assert ClientClass.objects.count() == len(SHIPPED)

    def test_each_can_be_switched_on(self) -> None:
        for slug, *_rest in SHIPPED:
            exempting.store(kind(slug))
        assert len(exemptions()) == len(SHIPPED)


REFUSED = [
    pytest.param({"expires_at": None}, "expires_at", True, id="without-an-end"),
    pytest.param({"expires_at": -DAY}, "expires_at", False, id="an-end-in-the-past"),
    pytest.param({"expires_at": timedelta()}, "expires_at", False, id="an-end-now"),
    pytest.param({"client_id": "taken"}, "client_id", True, id="another's-client-id"),
    pytest.param({"client_id": "sessionmgr"}, "client_id", False, id="the-browsers'-client-id"),
    pytest.param({"client_id": "a\tb"}, "client_id", False, id="unprintable"),
    pytest.param({"ceiling": 59}, "ceiling", True, id="a-ceiling-too-low"),
    pytest.param({"ceiling": 44_641}, "ceiling", True, id="a-ceiling-too-high"),
    pytest.param({"owner": ""}, "owner", True, id="without-an-owner"),
    pytest.param({"reason": ""}, "reason", True, id="without-a-reason"),
    pytest.param({"slug": "phone"}, "slug", False, id="another-short-name"),
]


def given(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: now() + value if isinstance(value, timedelta) else value
        for name, value in values.items()
    }


@pytest.fixture
def taken(settings: Any) -> None:
    settings.OIDC_RP_CLIENT_ID = "sessionmgr"
    exempting.store(kind("mail-add-in", client_id="taken"))


class TestRefused:
    """Each message at its field, and nothing is stored."""

    @pytest.mark.parametrize(("values", "field", "_is_constraint"), REFUSED)
    def test_by_the_model(
        self, taken: None, values: dict[str, Any], field: str, _is_constraint: bool
    ) -> None:
        with pytest.raises(ValidationError) as refused:
            exempting.store(kind(**given(values)))
        assert list(refused.value.message_dict) == [field]
        assert "mobile" not in exemptions()

    @pytest.mark.parametrize(("values", "field", "is_constraint"), REFUSED)
    def test_by_the_database(
        self, taken: None, values: dict[str, Any], field: str, is_constraint: bool
    ) -> None:
        bad = kind(**given(values))
        if is_constraint:
            with pytest.raises(IntegrityError), transaction.atomic():
                bad.save()

    @pytest.mark.parametrize(("values", "field", "_is_constraint"), REFUSED)
    def test_by_the_page(
        self,
        taken: None,
        admin_page: Client,
        values: dict[str, Any],
        field: str,
        _is_constraint: bool,
    ) -> None:
        if field == "slug":
            return  # The page has no such field.
        bad = kind(**given(values))
        response = admin_page.post(f"{LIST}{bad.pk}/change/", form_of(bad))
        assert response.status_code == 200
        assert list(response.context["adminform"].errors) == [field]
        assert "mobile" not in exemptions()

    def test_what_is_off_needs_none_of_it(self) -> None:
        exempting.store(kind(client_id="", owner="", reason="", expires_at=now() - DAY))

    def test_both_ends_of_the_ceiling_are_good(self) -> None:
        for ceiling in (60, 44_640):
            exempting.store(kind(ceiling=ceiling))
        assert exemptions()["mobile"].ceiling == timedelta(days=31)

    def test_of_two_at_once_the_second_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        exempting.store(kind("mail-add-in", client_id="taken"))
        late, whole = kind(client_id="taken"), ClientClass.full_clean
        monkeypatch.setattr(ClientClass, "full_clean", lambda self: None)
        with pytest.raises(IntegrityError):
            exempting.store(late)
        monkeypatch.setattr(ClientClass, "full_clean", whole)
        with pytest.raises(ValidationError):
            exempting.store(late)


def form_of(stored: ClientClass, **changes: str) -> dict[str, str]:
    """Return what the page sends for ``stored``."""
    ends = stored.expires_at
    boxes = {"from_session_length": stored.from_session_length}
    boxes["from_inactivity"] = stored.from_inactivity
    return {
        "name": stored.name,
        "client_id": stored.client_id,
        "ceiling": "" if stored.ceiling is None else str(stored.ceiling),
        "owner": stored.owner,
        "reason": stored.reason,
        "expires_at_0": "" if ends is None else ends.strftime("%Y-%m-%d"),
        "expires_at_1": "" if ends is None else ends.strftime("%H:%M:%S"),
        **{name: "on" for name, is_on in boxes.items() if is_on},
        **changes,
    }


class TestInForce:
    """At once for the stricter, and reviving nobody for the looser (I4)."""

    def test_a_kind_is_in_every_scopes_policy(self, environment: Environment) -> None:
        SystemSettings.objects.create(environment=environment, session_warning=7)
        exempting.store(kind())
        source.invalidate()
        for scope in ("main", "a scope without settings"):
            found = source.current_policy(scope).exemptions["mobile"]
            assert (found.client_id, found.from_inactivity) == ("mobile-client", True)

    def test_restoring_the_defaults_takes_them_out_of_force(self, settings: Any) -> None:
        exempting.store(kind())
        settings.SESSIONMGR_RESTORE_DEFAULTS = True
        assert source.current_policy("main").exemptions == {}

    def test_an_exemption_revives_nobody(self) -> None:
        stale = session_of(age=2 * DAY, client_class="mobile")
        exempting.store(kind())
        assert end_of(stale) == ("ended", "fallback_limit")

    def test_nor_does_one_that_ends_later(self, clock: Clock) -> None:
        exempting.store(kind(expires_at=now() + DAY))
        exempt = session_of(age=2 * DAY, client_class="mobile")
        exempting.store(kind(owner="Somebody else"))
        assert is_live(exempt)
        clock.advance(days=31)
        exempting.store(kind(expires_at=now() + DAY))
        assert end_of(exempt) == ("ended", "fallback_limit")

    def test_looser_settings_end_nobody_who_is_exempt(self, environment: Environment) -> None:
        author = Author(name="a test")
        strict = source.read().policy_of("main")
        strict = type(strict)(custom_length=True, max_session_length=timedelta(hours=1))
        exempting.store(kind())
        store(environment, strict, based_on=0, author=author)
        exempt = session_of(age=DAY / 2, client_class="mobile", **leased())
        browser = session_of(age=DAY / 2, **leased())
        store(environment, type(strict)(), based_on=1, author=author)
        assert is_live(exempt)
        assert end_of(browser) == ("ended", "session_length")

    def test_removed_its_sessions_are_bound_at_once(self) -> None:
        exempting.store(kind())
        exempt = session_of(age=2 * DAY, client_class="mobile")
        exempting.remove(ClientClass.objects.get(slug="mobile"))
        assert source.read().policy_of("main").exemptions == {}
        assert is_live(exempt)  # Until the door or the sweep looks.


class TestPage:
    """The admin's own page, its rights and its history."""

    def test_a_kind_is_switched_on_and_it_is_written_down(self, admin_page: Client) -> None:
        new = kind(ceiling=600)
        response = admin_page.post(f"{LIST}{new.pk}/change/", form_of(new))
        assert response.status_code == 302
        assert exemptions()["mobile"].ceiling == timedelta(hours=10)
        entry = LogEntry.objects.get(object_id=str(new.pk))
        assert "Client id" in entry.get_change_message()

    def test_one_is_added_and_deleted(self, admin_page: Client) -> None:
        values = form_of(kind(), slug="kiosk", name="Kiosk", client_id="kiosk")
        assert admin_page.post(f"{LIST}add/", values).status_code == 302
        kiosk = ClientClass.objects.get(slug="kiosk")
        admin_page.post(f"{LIST}{kiosk.pk}/delete/", {"post": "yes"})
        assert not ClientClass.objects.filter(slug="kiosk").exists()

    def test_several_are_deleted_at_once(self, admin_page: Client) -> None:
        chosen = list(ClientClass.objects.values_list("pk", flat=True)[:2])
        action = {"action": "delete_selected", "_selected_action": chosen, "post": "yes"}
        admin_page.post(LIST, action)
        assert ClientClass.objects.count() == len(SHIPPED) - 2

    def test_the_short_name_stays(self, admin_page: Client) -> None:
        new = kind()
        admin_page.post(f"{LIST}{new.pk}/change/", form_of(new, slug="phone"))
        assert ClientClass.objects.filter(slug="mobile", client_id="mobile-client").exists()

    def test_who_may_only_look_changes_nothing(self, client: Client, auditor: User) -> None:
        client.force_login(auditor)
        new = kind()
        assert client.get(LIST).status_code == 200
        assert client.post(f"{LIST}{new.pk}/change/", form_of(new)).status_code == 403
        assert exemptions() == {}

    def test_who_has_no_right_sees_nothing(self, client: Client, auditor: User) -> None:
        auditor.user_permissions.remove(*Permission.objects.filter(codename="view_clientclass"))
        client.force_login(auditor)
        assert client.get(LIST).status_code == 403

    def test_it_is_called_by_its_name(self) -> None:
        assert str(kind()) == "Phone and tablet apps"
