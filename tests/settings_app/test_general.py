"""The General tab as its users meet it: show, save, refuse, ask, conflict, history."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils.html import escape

from sessionmgr.core.policy import MINUTE, Policy
from sessionmgr.models import UserSession
from settings_app import general
from settings_app.models import Environment, SettingsChange, SystemSettings
from settings_app.saving import Author, StaleVersionError, store, stored_policy
from settings_app.values import FIELDS, MINUTE_FIELDS
from settings_app.words import LABELS
from tests.settings_app.conftest import URL, form_values
from tests.settings_app.test_forms import BAD_NUMBERS

LIST = "/admin/system-settings/"
HISTORY = "/admin/system-settings/main/history/"


def save_elsewhere(environment: Environment, **values: Any) -> SettingsChange:
    """Store a change as another admin would."""
    version = stored_policy(environment).version
    author = Author(name="carol")
    return store(environment, Policy(**values), based_on=version, author=author, reason="Audit")


def test_page_shows_every_field_with_label_default_range_and_way_back(admin_page: Client) -> None:
    html = admin_page.get(URL).content.decode()
    for field in FIELDS:
        assert escape(str(LABELS[field])) in html
        assert f'name="reset" value="{field}"' in html
    assert "60 to 1440" in html
    assert "5 to 1440, and less than the maximum session length if that is custom" in html
    assert "1 to 1439, and less than the duration of inactivity" in html
    assert html.count("Default:") == len(FIELDS)


def test_looking_stores_nothing(admin_page: Client) -> None:
    admin_page.get(LIST)
    admin_page.get(URL)
    admin_page.get(HISTORY)
    assert not SystemSettings.objects.exists()


def test_page_has_the_breadcrumb_and_no_inline_script_or_style(admin_page: Client) -> None:
    html = admin_page.get(URL).content.decode()
    crumbs = html[html.index('class="breadcrumbs"') :].split("</div>")[0]
    words = [crumbs.index(word) for word in ("Settings<", "Administration<", "System Settings<")]
    assert words == sorted(words)
    assert "<style" not in html
    assert " style=" not in html
    assert all(" src=" in each.split(">")[0] for each in html.split("<script")[1:])
    assert " onclick=" not in html


def test_save_stores_raises_the_version_and_records_who_and_what(
    admin_page: Client, environment: Environment, admin: Any
) -> None:
    sent = form_values(
        session_timeout="custom",
        max_session_length="120",
        reason="Policy 7",
        inactivity_enabled="on",
    )
    response = admin_page.post(URL, sent)
    assert (response.status_code, response["Location"]) == (302, URL)
    row = SystemSettings.objects.get()
    assert row.policy == Policy(
        custom_length=True, max_session_length=120 * MINUTE, inactivity_enabled=True, version=1
    )
    change = SettingsChange.objects.get()
    assert (change.user, change.changed_by, change.reason) == (admin, "admin", "Policy 7")
    assert change.changes == {
        "session_timeout": ["default", "custom"],
        "max_session_length": [1440, 120],
        "inactivity_enabled": [False, True],
    }
    html = admin_page.get(URL).content.decode()
    assert "1440 minutes (24 hours)" in html
    assert "120 minutes (2 hours)" in html
    assert "Policy 7" in html
    assert 'name="version" value="1"' in html


def test_values_of_a_switched_off_group_are_stored(admin_page: Client) -> None:
    admin_page.post(URL, form_values(max_session_length="90", inactivity_duration="45"))
    policy = SystemSettings.objects.get().policy
    assert policy.max_session_length == 90 * MINUTE
    assert (policy.max_age, policy.max_idle) == (None, None)


@pytest.mark.parametrize("field", MINUTE_FIELDS)
@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_bad_number_answers_422_at_the_field_and_stores_nothing(
    admin_page: Client, field: str, value: Any
) -> None:
    response = admin_page.post(URL, form_values(**{field: value}))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert f'id="id_{field}_error"' in response.content.decode()
    assert not SystemSettings.objects.exists()
    assert not SettingsChange.objects.exists()


def test_refusal_keeps_what_was_typed(admin_page: Client) -> None:
    sent = form_values(max_session_length="1_440", session_warning="33", reason="Because")
    html = admin_page.post(URL, sent).content.decode()
    assert 'value="1_440"' in html
    assert 'value="33"' in html
    assert 'value="Because"' in html
    assert 'aria-invalid="true"' in html


@pytest.mark.parametrize("extra", [{"environment": "2"}, {"is_superuser": "1"}])
def test_forged_field_is_refused(admin_page: Client, extra: dict[str, str]) -> None:
    assert admin_page.post(URL, form_values(**extra)).status_code == 422
    assert not SystemSettings.objects.exists()


@pytest.mark.parametrize("version", [None, "", "x", "-1", "9" * 5000])
def test_missing_version_is_refused_and_the_page_brings_the_right_one(
    admin_page: Client, environment: Environment, version: str | None
) -> None:
    save_elsewhere(environment, session_warning=7 * MINUTE)
    response = admin_page.post(URL, form_values(version=version, session_warning="9"))
    html = response.content.decode()
    assert response.status_code == 422
    assert "without its version" in html
    assert 'name="version" value="1"' in html
    assert 'value="9"' in html
    assert stored_policy(environment).session_warning == 7 * MINUTE


def test_post_without_csrf_token_is_refused(admin: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(URL, form_values()).status_code == 403
    assert not SystemSettings.objects.exists()


def test_stale_version_answers_409_with_both_versions(
    admin_page: Client, environment: Environment
) -> None:
    save_elsewhere(environment, session_warning=7 * MINUTE)
    sent = form_values(session_warning="9", max_session_length="300")
    response = admin_page.post(URL, sent)
    html = response.content.decode()
    assert response.status_code == 409
    assert "carol" in html
    assert "20 minutes" in html
    told = {move.name: (move.old, move.new) for move in response.context["conflict"]}
    assert told == {
        "Maximum session length": ("1440 minutes (24 hours)", "300 minutes (5 hours)"),
        "Timeout warning": ("7 minutes", "9 minutes"),
    }
    assert 'value="9"' in html
    assert stored_policy(environment) == Policy(session_warning=7 * MINUTE, version=1)
    goes_on = admin_page.post(URL, {**sent, "version": "1"})
    assert goes_on.status_code == 302
    assert 'name="version" value="1"' in html


@pytest.mark.parametrize("version", ["1", "999999999"])
def test_version_from_the_future_is_stale(admin_page: Client, version: str) -> None:
    assert admin_page.post(URL, form_values(version=version)).status_code == 409
    assert not SystemSettings.objects.exists()


def test_stale_and_invalid_tells_both(admin_page: Client, environment: Environment) -> None:
    save_elsewhere(environment)
    response = admin_page.post(URL, form_values(session_warning="x" * 50))
    assert response.status_code == 409
    assert "session_warning" in response.context["form"].errors
    assert "x" * 50 in response.content.decode()


def test_same_values_sent_twice_say_that_nothing_is_left(admin_page: Client) -> None:
    sent = form_values(session_warning="9")
    assert admin_page.post(URL, sent).status_code == 302
    response = admin_page.post(URL, sent)
    assert response.status_code == 409
    assert "nothing is left to save" in response.content.decode()


def test_who_loses_the_race_after_the_look_is_told(
    admin_page: Client, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*args: Any, **kwargs: Any) -> None:
        save_elsewhere(environment, session_warning=7 * MINUTE)
        raise StaleVersionError

    monkeypatch.setattr(general, "store", overtaken)
    response = admin_page.post(URL, form_values(session_warning="9"))
    assert response.status_code == 409
    assert 'name="version" value="1"' in response.content.decode()
    assert stored_policy(environment).session_warning == 7 * MINUTE


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("max_session_length", 'name="max_session_length" value="1440"'),
        ("session_warning", 'name="session_warning" value="20"'),
    ],
)
def test_back_to_the_default_fills_in_and_stores_nothing(
    admin_page: Client, field: str, shown: str
) -> None:
    typed = form_values(
        max_session_length="1_0", session_warning="x", inactivity_warning="4", reset=field
    )
    response = admin_page.post(URL, typed)
    html = response.content.decode()
    assert response.status_code == 200
    assert shown in html
    assert 'name="inactivity_warning" value="4"' in html
    assert not SystemSettings.objects.exists()


def test_back_to_the_default_of_choice_and_switch(admin_page: Client) -> None:
    typed = form_values(session_timeout="custom", inactivity_enabled="on")
    form = admin_page.post(URL, {**typed, "reset": "session_timeout"}).context["form"]
    assert (form["session_timeout"].value(), form["inactivity_enabled"].value()) == (
        "default",
        True,
    )
    form = admin_page.post(URL, {**typed, "reset": "inactivity_enabled"}).context["form"]
    assert (form["session_timeout"].value(), form["inactivity_enabled"].value()) == (
        "custom",
        False,
    )


def test_unknown_reset_is_refused(admin_page: Client) -> None:
    assert admin_page.post(URL, form_values(reset="version")).status_code == 400


def test_restoring_all_defaults_asks_first(admin_page: Client, environment: Environment) -> None:
    save_elsewhere(environment, custom_length=True, session_warning=7 * MINUTE)
    sent = form_values(version="1", session_warning="x", restore="all", reason="Clean up")
    asked = admin_page.post(URL, sent)
    assert asked.status_code == 200
    html = asked.content.decode()
    assert "Restore all defaults?" in html
    assert '<input type="hidden" name="session_warning" value="x">' in html
    assert stored_policy(environment).version == 1
    assert admin_page.post(URL, {**sent, "confirm": "restore"}).status_code == 302
    assert stored_policy(environment) == Policy(version=2)
    assert SettingsChange.objects.first().reason == "Clean up"


def test_restoring_upon_a_stale_version_is_refused(
    admin_page: Client, environment: Environment
) -> None:
    save_elsewhere(environment, session_warning=7 * MINUTE)
    sent = form_values(version="0", restore="all", confirm="restore")
    assert admin_page.post(URL, sent).status_code == 409
    assert stored_policy(environment).session_warning == 7 * MINUTE


def test_save_that_ends_the_savers_own_sign_in_asks_first(
    admin_page: Client, clock: Any, environment: Environment, settings: Any
) -> None:
    settings.SESSIONMGR_SETTINGS_MAX_AUTH_AGE = None
    clock.advance(minutes=90)
    sent = form_values(session_timeout="custom", max_session_length="60", reason="Strict")
    asked = admin_page.post(URL, sent)
    html = asked.content.decode()
    assert asked.status_code == 200
    assert "This would sign you out" in html
    assert '<input type="hidden" name="max_session_length" value="60">' in html
    assert '<input type="hidden" name="reason" value="Strict">' in html
    assert not SystemSettings.objects.exists()
    assert admin_page.post(URL, {**sent, "confirm": "own"}).status_code == 302
    assert stored_policy(environment).max_age == 60 * MINUTE


def test_a_change_needs_credentials_of_the_last_hour(admin_page: Client, clock: Any) -> None:
    clock.advance(minutes=60)
    assert admin_page.get(URL).status_code == 200
    asked = admin_page.post(URL, form_values(inactivity_enabled="on"))
    assert "reauth=1" in asked["Location"]
    assert not SystemSettings.objects.exists()


def test_answering_no_goes_back_to_the_form_as_typed(admin_page: Client) -> None:
    html = admin_page.post(URL, form_values(max_session_length="61", edit="back")).content.decode()
    assert 'name="max_session_length" value="61"' in html
    assert not SystemSettings.objects.exists()


def test_being_at_work_is_no_inactivity(admin_page: Client, clock: Any) -> None:
    clock.advance(minutes=20)
    sent = form_values(inactivity_enabled="on", inactivity_duration="5", inactivity_warning="1")
    assert admin_page.post(URL, sent).status_code == 302


def test_looser_limits_do_not_revive_who_was_over_the_old_ones(
    admin_page: Client, client: Client, alice: Any, clock: Any, environment: Environment
) -> None:
    save_elsewhere(environment, custom_length=True, max_session_length=60 * MINUTE)
    other = Client()
    other.force_login(alice)
    clock.advance(minutes=61)
    admin_page.logout()
    admin_page.force_login(environment_admin())
    response = admin_page.post(URL, form_values(version="1"))
    assert response.status_code == 302
    row = UserSession.objects.get(user=alice)
    assert (row.state, row.ended_reason) == ("ended", "session_length")


def environment_admin() -> Any:
    from django.contrib.auth.models import User

    return User.objects.get(username="admin")


def test_auditor_sees_everything_and_changes_nothing(client: Client, auditor: Any) -> None:
    client.force_login(auditor)
    html = client.get(URL).content.decode()
    form = html[html.index('<form method="post" novalidate') :].split("</form>")[0]
    assert form.count(" disabled") == form.count("<input")
    assert "<button" not in form
    assert 'type="submit"' not in form
    for forged in ({}, {"reset": "session_warning"}, {"restore": "all"}, {"edit": "back"}):
        assert client.post(URL, form_values(**forged)).status_code == 403
    assert not SystemSettings.objects.exists()


def test_right_taken_away_meanwhile_is_refused(client: Client, auditor: Any) -> None:
    right = Permission.objects.get(codename="change_systemsettings")
    auditor.user_permissions.add(right)
    client.force_login(auditor)
    assert client.post(URL, form_values()).status_code == 302
    auditor.user_permissions.remove(right)
    assert client.post(URL, form_values(version="1")).status_code == 403
    auditor.user_permissions.clear()
    assert client.get(URL).status_code == 403


@pytest.mark.parametrize("url", [LIST, URL, HISTORY])
def test_staff_without_the_right_gets_403(
    client: Client, url: str, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_user("clerk", is_staff=True))
    assert client.get(url).status_code == 403
    assert client.post(url, form_values()).status_code in (403, 405)


@pytest.mark.parametrize("url", [LIST, URL, HISTORY])
def test_right_without_being_staff_gets_403(client: Client, alice: Any, url: str) -> None:
    alice.user_permissions.add(*Permission.objects.filter(codename__endswith="systemsettings"))
    client.force_login(alice)
    assert client.get(url).status_code == 403


@pytest.mark.parametrize("url", [LIST, URL, HISTORY])
def test_who_is_not_signed_in_is_sent_to_sign_in(client: Client, db: None, url: str) -> None:
    response = client.get(url)
    assert response.status_code == 302
    assert response["Location"] == f"/accounts/sign-in/?next={url}"


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(admin_page: Client, method: str) -> None:
    assert getattr(admin_page, method)(URL).status_code == 405


def test_single_environment_opens_straight_away(admin_page: Client) -> None:
    assert admin_page.get(LIST)["Location"] == URL


def test_several_environments_are_listed(admin_page: Client) -> None:
    Environment.objects.create(slug="legacy", name="Legacy", version="9.1.0.3000")
    html = admin_page.get(LIST).content.decode()
    assert "/admin/system-settings/legacy/general/" in html
    assert URL in html
    assert "9.1.0.3000" in html


def test_unknown_environment_is_not_found(admin_page: Client) -> None:
    assert admin_page.get("/admin/system-settings/other/general/").status_code == 404


def test_environments_are_independent(admin_page: Client, environment: Environment) -> None:
    legacy = Environment.objects.create(slug="legacy", name="Legacy", version="9.1.0.3000")
    other = "/admin/system-settings/legacy/general/"
    assert admin_page.post(other, form_values(session_warning="9")).status_code == 302
    assert stored_policy(legacy).session_warning == 9 * MINUTE
    assert stored_policy(environment) == Policy()


def test_history_is_newest_first_and_the_rest_a_page_away(
    admin_page: Client, environment: Environment
) -> None:
    for minutes in range(1, 24):
        save_elsewhere(environment, session_warning=minutes * MINUTE)
    response = admin_page.get(URL)
    versions = [told.change.version for told in response.context["changes"]]
    assert versions == list(range(23, 3, -1))
    assert HISTORY in response.content.decode()
    everything = admin_page.get(HISTORY)
    assert len(everything.context["changes"]) == 23


@pytest.mark.parametrize("page", ["x", "0", "99", "-1", "9" * 5000])
def test_history_survives_any_page_number(
    admin_page: Client, environment: Environment, page: str
) -> None:
    save_elsewhere(environment)
    assert admin_page.get(HISTORY, {"page": page}).status_code == 200


def test_restored_defaults_are_told_on_the_page(
    admin_page: Client, environment: Environment, settings: Any
) -> None:
    save_elsewhere(environment, custom_length=True, max_session_length=60 * MINUTE)
    settings.SESSIONMGR_RESTORE_DEFAULTS = True
    html = admin_page.get(URL).content.decode()
    assert "SESSIONMGR_RESTORE_DEFAULTS" in html
    assert "up to the identity provider" in html


def test_reason_is_shown_as_text(admin_page: Client) -> None:
    admin_page.post(URL, form_values(reason="<script>alert(1)</script>"))
    assert "<script>alert" not in admin_page.get(URL).content.decode()


def test_admin_index_leads_to_the_page(admin_page: Client) -> None:
    assert (
        "/admin/sessionmgr_settings/systemsettings/" in admin_page.get("/admin/").content.decode()
    )
    assert admin_page.get("/admin/sessionmgr_settings/systemsettings/")["Location"] == LIST


@pytest.mark.parametrize("path", ["add/", "main/change/", "1/change/", "1/delete/", "1/history/"])
def test_admin_has_no_other_way_in(admin_page: Client, path: str) -> None:
    save_url = f"/admin/sessionmgr_settings/systemsettings/{path}"
    assert admin_page.get(save_url).status_code == 404
    assert admin_page.post(save_url, form_values()).status_code == 404


def test_lost_database_answers_503(admin_page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    def locked(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(general, "store", locked)
    response = admin_page.post(URL, form_values())
    assert response.status_code == 503
    assert response["Retry-After"]


@pytest.mark.parametrize("language", ["en", "de", "fr", "ar"])
def test_page_is_served_in_each_language(admin_page: Client, language: str) -> None:
    response = admin_page.get(URL, headers={"Accept-Language": language})
    assert response.status_code == 200
    direction = "rtl" if language == "ar" else "ltr"
    assert f'dir="{direction}"' in response.content.decode()
