"""The General form: what it reads, and what it refuses at the field."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from sessionmgr.core.policy import MINUTE, Policy, problems
from settings_app.forms import GeneralForm
from settings_app.values import MINUTE_FIELDS, policy_of
from tests.settings_app.conftest import form_values

BAD_NUMBERS = [
    pytest.param("", id="empty"),
    pytest.param("sixty", id="letters"),
    pytest.param("-60", id="negative"),
    pytest.param("0", id="zero"),
    pytest.param("60.5", id="fraction"),
    pytest.param("060.", id="full-stop"),
    pytest.param("6e1", id="exponent"),
    pytest.param("NaN", id="nan"),
    pytest.param("0x3c", id="hexadecimal"),
    pytest.param("1_440", id="underscore"),
    pytest.param("+60", id="plus"),
    pytest.param("\uff16\uff10", id="full-width"),
    pytest.param("\u0666\u0660", id="arabic-indic"),
    pytest.param("9" * 5000, id="5000-nines"),
    pytest.param("9999", id="too-large"),
    pytest.param("60\x00", id="nul"),
    pytest.param(" 60", id="space"),
    pytest.param("60\n", id="newline"),
    pytest.param("²", id="superscript"),
    pytest.param(["60", "60"], id="sent-twice"),
    pytest.param(None, id="missing"),
]


def form_of(**changes: Any) -> GeneralForm:
    data = QueryDict(mutable=True)
    for name, value in form_values(**changes).items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return GeneralForm(data)


@pytest.mark.parametrize("field", MINUTE_FIELDS)
@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_bad_number_is_refused_at_the_field_with_its_range(field: str, value: Any) -> None:
    form = form_of(**{field: value})
    assert not form.is_valid()
    assert list(form.errors) == [field]
    (message,) = form.errors[field]
    least = {"max_session_length": "60", "inactivity_duration": "5"}.get(field, "1")
    assert f"from {least} to 14" in message


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        pytest.param(
            {"max_session_length": "60", "session_warning": "60"},
            "session_warning",
            ["Timeout warning", "Maximum session length", "1 to 59"],
            id="warning-as-long-as-session",
        ),
        pytest.param(
            {"inactivity_duration": "5", "inactivity_warning": "5"},
            "inactivity_warning",
            ["Inactivity warning", "Duration of inactivity", "1 to 4"],
            id="inactivity-warning-as-long-as-duration",
        ),
        pytest.param(
            {
                "session_timeout": "custom",
                "max_session_length": "60",
                "inactivity_duration": "60",
            },
            "inactivity_duration",
            ["Duration of inactivity", "Maximum session length", "5 to 59"],
            id="duration-as-long-as-custom-session",
        ),
    ],
)
def test_joint_rule_names_both_fields_and_the_range(
    changes: dict[str, str], field: str, words: list[str]
) -> None:
    form = form_of(**changes)
    assert list(form.errors) == [field]
    assert all(word in form.errors[field][0] for word in words)


def test_duration_may_be_1440_while_the_provider_decides_the_length() -> None:
    form = form_of(max_session_length="60", inactivity_duration="1440")
    assert form.is_valid()


def test_joint_rule_waits_until_both_fields_are_read() -> None:
    form = form_of(max_session_length="x", session_warning="1439")
    assert list(form.errors) == ["max_session_length"]


def test_two_mistakes_are_both_told() -> None:
    form = form_of(
        session_timeout="custom",
        max_session_length="60",
        inactivity_duration="60",
        inactivity_warning="60",
    )
    assert set(form.errors) == {"inactivity_duration", "inactivity_warning"}


@pytest.mark.parametrize("text", ["60", "060", "0060"])
def test_leading_zeros_are_digits(text: str) -> None:
    form = form_of(max_session_length=text)
    assert form.is_valid()
    assert form.policy().max_session_length == 60 * MINUTE


@pytest.mark.parametrize("value", [None, "", "other", "Custom", ["custom", "custom"], "custom\0"])
def test_unknown_choice_is_refused(value: Any) -> None:
    assert list(form_of(session_timeout=value).errors) == ["session_timeout"]


@pytest.mark.parametrize(
    ("value", "is_on"), [("on", True), ("true", True), ("1", True), ("off", False), (None, False)]
)
def test_switch_reads_what_a_box_sends(value: str | None, is_on: bool) -> None:
    form = form_of(inactivity_enabled=value)
    assert form.is_valid()
    assert form.policy().inactivity_enabled is is_on


@pytest.mark.parametrize("value", ["maybe", "2", ["on", "on"], ["", ""], "on\0"])
def test_switch_refuses_anything_else(value: Any) -> None:
    assert list(form_of(inactivity_enabled=value).errors) == ["inactivity_enabled"]


@pytest.mark.parametrize("value", [None, "", "-1", "x", "9" * 5000, ["0", "0"]])
def test_bad_version_is_refused(value: Any) -> None:
    assert list(form_of(version=value).errors) == ["version"]


@pytest.mark.parametrize("value", ["x" * 501, "a\0b"])
def test_bad_reason_is_refused(value: str) -> None:
    assert list(form_of(reason=value).errors) == ["reason"]


def test_forged_field_is_refused() -> None:
    assert list(form_of(environment="other").errors) == ["__all__"]


numbers = st.integers(0, 1500)


@given(st.sampled_from(["default", "custom"]), st.booleans(), st.tuples(*[numbers] * 4))
def test_form_refuses_exactly_what_the_core_refuses(
    choice: str, is_on: bool, given_minutes: tuple[int, ...]
) -> None:
    typed = dict(zip(MINUTE_FIELDS, given_minutes, strict=True))
    policy = policy_of({"session_timeout": choice, "inactivity_enabled": is_on, **typed})
    form = form_of(
        session_timeout=choice,
        inactivity_enabled="on" if is_on else None,
        **{field: str(value) for field, value in typed.items()},
    )
    assert set(form.errors) == {problem.field for problem in problems(policy)}


def test_empty_settings_are_the_defaults() -> None:
    assert form_of().is_valid()
    form = form_of()
    form.is_valid()
    assert form.policy() == Policy()
