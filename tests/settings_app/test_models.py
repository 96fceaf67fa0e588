"""The database refuses what the page refuses, and keeps the record of changes."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from sessionmgr.core.policy import problems
from settings_app.models import Environment, SettingsChange, SystemSettings
from settings_app.saving import Author, store
from settings_app.values import DEFAULTS, MINUTE_FIELDS, policy_of

pytestmark = pytest.mark.django_db

edges = st.sampled_from([0, 1, 4, 5, 59, 60, 61, 1439, 1440, 1441])


@settings(max_examples=300)
@given(st.sampled_from(["default", "custom"]), st.tuples(*[edges] * 4))
def test_constraints_say_what_the_core_says(choice: str, numbers: tuple[int, ...]) -> None:
    values = {**DEFAULTS, "session_timeout": choice}
    values.update(zip(MINUTE_FIELDS, numbers, strict=True))
    row = SystemSettings(environment_id=1, **values)
    try:
        for constraint in SystemSettings._meta.constraints:
            constraint.validate(SystemSettings, row)
        is_refused = False
    except ValidationError:
        is_refused = True
    assert is_refused == bool(problems(policy_of(values)))


@pytest.mark.parametrize(
    "changes",
    [
        {"session_timeout": "other"},
        {"max_session_length": 59},
        {"max_session_length": 1441},
        {"session_warning": 0},
        {"max_session_length": 60, "session_warning": 60},
        {"inactivity_duration": 4},
        {"inactivity_duration": 1441},
        {"inactivity_warning": 0},
        {"inactivity_duration": 5, "inactivity_warning": 5},
        {"session_timeout": "custom", "max_session_length": 60, "inactivity_duration": 60},
    ],
)
def test_database_refuses_a_broken_rule(environment: Environment, changes: dict) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        SystemSettings.objects.create(environment=environment, **changes)


def test_database_accepts_the_edges(environment: Environment) -> None:
    SystemSettings.objects.create(
        environment=environment,
        session_timeout="custom",
        max_session_length=60,
        session_warning=59,
        inactivity_duration=59,
        inactivity_warning=58,
    )


def test_an_environment_has_one_row_of_settings(environment: Environment) -> None:
    SystemSettings.objects.create(environment=environment)
    with pytest.raises(IntegrityError), transaction.atomic():
        SystemSettings.objects.create(environment=environment)


def test_record_of_changes_is_only_added_to(environment: Environment) -> None:
    change = store(environment, policy_of(DEFAULTS), based_on=0, author=Author(name="somebody"))
    change.reason = "another"
    with pytest.raises(IntegrityError), transaction.atomic():
        change.save()
    with pytest.raises(TypeError):
        change.delete()
    assert SettingsChange.objects.get().reason == ""


def test_record_outlives_the_user(environment: Environment, bob) -> None:
    store(environment, policy_of(DEFAULTS), based_on=0, author=Author(name="bob", user=bob))
    bob.delete()
    change = SettingsChange.objects.get()
    assert (change.user, change.changed_by) == (None, "bob")


def test_migrating_makes_the_environment_main_once() -> None:
    Environment.objects.all()._raw_delete("default")
    call_command("migrate", "sessionmgr_settings", verbosity=0)
    call_command("migrate", "sessionmgr_settings", verbosity=0)
    assert [str(each) for each in Environment.objects.all()] == ["Main"]
    Environment.objects.get().full_clean()


@pytest.mark.parametrize("version", ["9", "9.2.", "v9.2", "9.2.0.1.5", "9.2\n", "٩.٢"])
def test_malformed_version_is_refused(version: str) -> None:
    with pytest.raises(ValidationError):
        Environment(slug="x", name="X", version=version).full_clean()
