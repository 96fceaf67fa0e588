"""Stricter limits for groups: the tab, who gets what, and why somebody gets it (R14)."""

from __future__ import annotations

from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client

from sessionmgr.core.policy import MINUTE, Policy
from sessionmgr.core.policy import GroupLimits as Limits
from sessionmgr.models import UserSession
from sessionmgr.sources import current_policy
from settings_app import source
from settings_app.group_limits import remove_limits, set_limits
from settings_app.models import Environment, GroupLimits, SettingsChange
from settings_app.saving import Author, RefusedPolicyError, StaleVersionError, store, stored_policy
from tests.conftest import Clock
from tests.settings_app.conftest import URL

PAGE = "/admin/system-settings/main/groups/"
HISTORY = "/admin/system-settings/main/history/"
CAROL = Author(name="carol")

pytestmark = pytest.mark.django_db


@pytest.fixture
def payroll(db: None) -> Group:
    return Group.objects.create(name="Payroll")


@pytest.fixture
def limited(environment: Environment, payroll: Group, alice: User) -> Group:
    """Payroll, with 15 minutes of inactivity; alice is in it."""
    alice.groups.add(payroll)
    put(environment, payroll, idle=15)
    return payroll


def put(
    environment: Environment, group: Group, length: int | None = None, idle: int | None = None
) -> None:
    limits = Limits(
        group=group.pk,
        max_age=None if length is None else length * MINUTE,
        max_idle=None if idle is None else idle * MINUTE,
    )
    version = stored_policy(environment).version
    set_limits(environment, limits, based_on=version, author=CAROL, reason="Audit")
    source.invalidate()


def keep(environment: Environment, **values: Any) -> None:
    """Store limits for everybody."""
    version = stored_policy(environment).version
    store(environment, Policy(**values), based_on=version, author=CAROL)
    source.invalidate()


def values(limited: Group, /, **changes: Any) -> dict[str, Any]:
    usual = {
        "group": limited.pk,
        "max_session_length": "",
        "inactivity_duration": "15",
        "reason": "",
        "changing": "",
        "version": "0",
    }
    return usual | changes


def text_of(response: Any) -> str:
    return " ".join(unescape(response.content.decode()).split())


class TestTab:
    def test_limits_are_stored_in_force_and_recorded(
        self, admin_page: Client, payroll: Group
    ) -> None:
        response = admin_page.post(PAGE, values(payroll, reason="Audit"))
        assert (response.status_code, response["Location"]) == (302, PAGE)
        source.invalidate()
        assert current_policy("main").groups == (Limits(group=payroll.pk, max_idle=15 * MINUTE),)
        assert SettingsChange.objects.get().version == stored_policy_version()
        page = text_of(admin_page.get(PAGE))
        assert "Payroll" in page
        assert "Audit" in page
        told = text_of(admin_page.get(HISTORY))
        assert "Duration of inactivity for “Payroll”" in told
        assert "none of its own" in told
        assert "15 minutes" in told

    def test_they_can_be_changed_and_removed(
        self, admin_page: Client, limited: Group, environment: Environment
    ) -> None:
        form = text_of(admin_page.get(PAGE, {"change": limited.pk}))
        assert "Change the limits of a group" in form
        assert 'value="15"' in form
        changed = values(limited, version="1", changing=limited.pk, inactivity_duration="10")
        assert admin_page.post(PAGE, changed).status_code == 302
        assert stored_policy(environment).groups[0].max_idle == 10 * MINUTE
        removed = {"remove": limited.pk, "version": "2"}
        assert admin_page.post(PAGE, removed).status_code == 302
        assert stored_policy(environment).groups == ()
        source.invalidate()
        assert current_policy("main").groups == ()

    @pytest.mark.parametrize(
        ("typed", "told"),
        [
            ({"inactivity_duration": ""}, "Enter a length, a duration of inactivity, or both."),
            ({"inactivity_duration": "4"}, "5 to 1440"),
            ({"inactivity_duration": "1441"}, "5 to 1440"),
            ({"inactivity_duration": "+9"}, "Enter a whole number in digits from 5 to 1440."),
            ({"max_session_length": "59"}, "60 to 1440"),
            ({"max_session_length": "481"}, "looser than the environment's own 480 minutes"),
            ({"inactivity_duration": "31"}, "looser than the environment's own 30 minutes"),
            ({"group": "9999"}, "Select a valid choice"),
            ({"group": ""}, "This field is required."),
            ({"reason": "x" * 501}, "at most 500 characters"),
            ({"version": "x"}, "Nothing was saved"),
        ],
    )
    def test_what_is_refused_says_why_and_stores_nothing(
        self,
        admin_page: Client,
        environment: Environment,
        payroll: Group,
        typed: dict[str, Any],
        told: str,
    ) -> None:
        keep(
            environment,
            custom_length=True,
            max_session_length=480 * MINUTE,
            inactivity_enabled=True,
        )
        response = admin_page.post(PAGE, values(payroll, **{"version": "1", **typed}))
        assert response.status_code == 422
        page = text_of(response)
        assert told in page
        assert "<title>Error:" in page
        assert not GroupLimits.objects.exists()
        assert SettingsChange.objects.count() == 1

    def test_inactivity_must_be_the_shorter(self, admin_page: Client, payroll: Group) -> None:
        typed = values(payroll, max_session_length="60", inactivity_duration="60")
        response = admin_page.post(PAGE, typed)
        assert response.status_code == 422
        assert "60 minutes (1 hour) must be less than" in text_of(response)

    def test_inactivity_must_be_shorter_than_the_environments_length(
        self, admin_page: Client, environment: Environment, payroll: Group
    ) -> None:
        keep(environment, custom_length=True, max_session_length=120 * MINUTE)
        typed = values(payroll, version="1", inactivity_duration="120")
        response = admin_page.post(PAGE, typed)
        assert response.status_code == 422
        assert "“maximum session length” (120 minutes (2 hours))" in text_of(response).lower()
        assert not GroupLimits.objects.exists()

    def test_a_group_has_one_set_of_limits(self, admin_page: Client, limited: Group) -> None:
        response = admin_page.post(PAGE, values(limited, version="1"))
        assert response.status_code == 422
        assert "“Payroll” has limits already" in text_of(response)

    @pytest.mark.parametrize("typed", [{"version": "0"}, {"remove": "1", "version": "0"}])
    def test_who_was_slower_is_told(
        self, admin_page: Client, limited: Group, typed: dict[str, Any]
    ) -> None:
        other = Group.objects.create(name="Other")
        response = admin_page.post(PAGE, values(other, inactivity_duration="77", **typed))
        assert response.status_code == 409
        page = text_of(response)
        assert "Somebody else has saved meanwhile" in page
        assert 'value="77"' in page
        assert GroupLimits.objects.count() == 1

    def test_of_two_at_the_same_moment_one_wins(
        self,
        admin_page: Client,
        environment: Environment,
        payroll: Group,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def lose(*args: Any, **kwargs: Any) -> None:
            raise StaleVersionError

        monkeypatch.setattr("settings_app.groups.set_limits", lose)
        assert admin_page.post(PAGE, values(payroll)).status_code == 409

    def test_removing_what_is_gone_is_told(self, admin_page: Client, limited: Group) -> None:
        response = admin_page.post(PAGE, {"remove": "9999", "version": "1"})
        assert response.status_code == 409

    def test_auditors_look_and_others_do_not(
        self, client: Client, auditor: User, alice: User, limited: Group
    ) -> None:
        client.force_login(auditor)
        page = text_of(client.get(PAGE))
        assert "You may look at these settings but not change them." in page
        assert 'name="_save"' not in page
        assert client.post(PAGE, values(limited)).status_code == 403
        client.force_login(alice)
        assert client.get(PAGE).status_code == 403


class TestWhoGetsWhat:
    def test_the_general_tab_lists_it(self, admin_page: Client, limited: Group) -> None:
        page = text_of(admin_page.get(URL))
        assert "Who gets what" in page
        assert "Everybody" in page
        assert "Payroll" in page
        assert "Some groups have stricter limits" in page

    def test_why_does_somebody_get_15_minutes(
        self, admin_page: Client, environment: Environment, limited: Group, alice: User
    ) -> None:
        other = Group.objects.create(name="Clerks")
        alice.groups.add(other)
        put(environment, other, length=120, idle=20)
        page = text_of(admin_page.get(URL, {"user": "alice"}))
        found = page.partition("For “alice”")[2]
        assert "signed out after 15 minutes without activity" in found
        assert "signed out 120 minutes (2 hours) after signing in" in found
        assert found.index("Clerks") < found.index("Payroll")
        assert found.count("(decides)") == 2

    def test_of_somebody_in_no_group_everybodys_limits_decide(
        self, admin_page: Client, environment: Environment, limited: Group, auditor: User
    ) -> None:
        keep(environment, custom_length=True, max_session_length=480 * MINUTE)
        found = text_of(admin_page.get(URL, {"user": "auditor"})).partition("For “auditor”")[2]
        found = found.partition("History of changes")[0]
        assert "signed out 480 minutes (8 hours) after signing in" in found
        assert "Payroll" not in found
        assert found.count("(decides)") == 1

    def test_nobody_of_that_name(self, admin_page: Client) -> None:
        page = text_of(admin_page.get(URL, {"user": "<b>nobody"}))
        assert "There is no user “<b>nobody”." in page

    def test_limits_that_are_outdone_say_so(
        self, admin_page: Client, environment: Environment, limited: Group
    ) -> None:
        keep(environment, inactivity_enabled=True, inactivity_duration=10 * MINUTE)
        assert "no effect: the limits for everybody are as strict" in text_of(admin_page.get(PAGE))

    def test_restored_defaults_hold_for_groups_too(
        self, admin_page: Client, limited: Group, settings: Any
    ) -> None:
        settings.SESSIONMGR_RESTORE_DEFAULTS = True
        source.invalidate()
        assert current_policy("main") == Policy()


class TestInForce:
    """On requests, and for who is signed in already."""

    def test_a_member_is_held_to_it_and_nobody_else(
        self, client: Client, limited: Group, alice: User, auditor: User, clock: Clock
    ) -> None:
        other = Client()
        client.force_login(alice)
        other.force_login(auditor)
        status = client.get("/session/status/").json()
        assert status["idle_seconds"] <= 15 * 60
        assert other.get("/session/status/").json()["idle_seconds"] is None
        clock.advance(minutes=16)
        assert client.get("/session/status/").json()["reason"] == "inactivity"
        assert other.get("/session/status/").status_code == 200

    def test_about_says_that_it_is_of_a_group(
        self, client: Client, limited: Group, alice: User
    ) -> None:
        client.force_login(alice)
        page = text_of(client.get("/about/"))
        assert "stricter for a group of yours" in page

    def test_removing_limits_revives_nobody(
        self,
        client: Client,
        environment: Environment,
        limited: Group,
        alice: User,
        clock: Clock,
    ) -> None:
        client.force_login(alice)
        clock.advance(minutes=16)
        remove_limits(environment, limited.pk, based_on=1, author=CAROL)
        assert UserSession.objects.get().ended_reason == "inactivity"

    def test_limits_of_groups_cost_no_query(
        self,
        client: Client,
        environment: Environment,
        payroll: Group,
        alice: User,
        django_assert_num_queries: Any,
    ) -> None:
        client.force_login(alice)
        client.get("/session/status/")
        with django_assert_num_queries(1):
            client.get("/session/status/")
        put(environment, payroll, idle=15)
        # As after a commit: before it nothing is held that could yet be undone.
        connection.run_on_commit.clear()
        client.get("/session/status/")
        with django_assert_num_queries(1):
            client.get("/session/status/")

    def test_each_environment_has_its_own(self, environment: Environment, limited: Group) -> None:
        other = Environment.objects.create(name="Other", slug="other", version="1.0")
        put(other, limited, idle=7)
        found = {
            scope: [each.max_idle for each in current_policy(scope).groups]
            for scope in ("main", "other")
        }
        assert found == {"main": [15 * MINUTE], "other": [7 * MINUTE]}


class TestStored:
    """The rules that the database holds, and the one that only the code can hold."""

    @pytest.mark.parametrize(
        ("length", "idle"), [(None, None), (59, None), (1441, None), (None, 4), (60, 60)]
    )
    def test_the_database_refuses(
        self, environment: Environment, payroll: Group, length: int | None, idle: int | None
    ) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            GroupLimits.objects.create(
                environment=environment,
                group=payroll,
                max_session_length=length,
                inactivity_duration=idle,
            )

    def test_so_does_it_two_rows_of_one_group(
        self, environment: Environment, limited: Group
    ) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            GroupLimits.objects.create(
                environment=environment, group=limited, inactivity_duration=7
            )

    def test_looser_limits_are_refused_by_the_code(
        self, environment: Environment, payroll: Group
    ) -> None:
        keep(environment, inactivity_enabled=True)
        with pytest.raises(RefusedPolicyError):
            put(environment, payroll, idle=31)

    def test_a_group_with_limits_is_not_deleted(self, limited: Group) -> None:
        with pytest.raises(ProtectedError):
            limited.delete()

    def test_a_row_says_whose_it_is(self, limited: Group) -> None:
        assert str(GroupLimits.objects.get()).endswith(f"group {limited.pk}")

    def test_the_warning_fits_into_the_stricter_limit(
        self, client: Client, environment: Environment, payroll: Group, alice: User
    ) -> None:
        alice.groups.add(payroll)
        put(environment, payroll, idle=5)
        client.force_login(alice)
        status = client.get("/session/status/").json()
        assert status["warn_idle_seconds"] == timedelta(minutes=4).total_seconds()


def stored_policy_version() -> int:
    return stored_policy(Environment.objects.get(slug="main")).version
