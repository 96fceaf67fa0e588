"""Versions as numbers, and when the provider's policy is bypassed (R4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmgr.core.bypass import bypass_of, is_older, number_of

NEW, OLD = "9.1.0.3647", "9.1.0.3646"


@pytest.mark.parametrize(
    ("version", "older"),
    [
        ("9.1.0.3647", False),
        ("9.1.0.3646", True),
        ("9.1.0.10000", False),
        ("9.1.0.999", True),
        ("9.1.0.03647", False),
        ("9.1.0", True),
        ("9.2", False),
        ("10", False),
        ("9", True),
        ("9.1.0.3647.1", False),
        ("8.99999.0.0", True),
        pytest.param("", False, id="none"),
        pytest.param("nine", False, id="unreadable"),
        pytest.param("9.1.", False, id="half"),
        pytest.param("9.\u0661", False, id="other-digits"),
        pytest.param("1" * 5000, False, id="endless"),
    ],
)
def test_versions_compare_as_numbers(version: str, older: bool) -> None:
    assert is_older(version) is older


@given(st.lists(st.integers(0, 99_999), min_size=1, max_size=4))
def test_a_version_is_read_as_it_is_written(parts: list[int]) -> None:
    assert number_of(".".join(map(str, parts))) == tuple(parts)


@pytest.mark.parametrize(
    ("version", "opened", "has_ticket", "saw", "reason"),
    [
        (NEW, [], False, False, None),
        (NEW, [NEW, OLD], False, False, None),
        (NEW, [], False, True, "manual_entry"),
        (NEW, [], True, True, None),
        (OLD, [], False, False, None),
        (OLD, [OLD], False, False, None),
        (OLD, [OLD, NEW], False, False, "older_version"),
        (OLD, [NEW], True, True, "older_version"),
        (OLD, [NEW], False, True, "older_version"),
        (OLD, [], False, True, "manual_entry"),
        (OLD, [""], False, False, "older_version"),
        ("", [NEW], False, False, None),
    ],
)
def test_when_the_policy_is_bypassed(
    version: str, opened: list[str], has_ticket: bool, saw: bool, reason: str | None
) -> None:
    found = bypass_of(version, opened=opened, has_ticket=has_ticket, saw_admin_center=saw)
    assert found == reason
