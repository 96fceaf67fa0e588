"""The bounds of the settings page, and which policy lets a session live longer."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmgr.core.policy import (
    BOUNDS,
    Code,
    GroupLimits,
    Policy,
    Problem,
    group_problems,
    is_looser,
    problems,
    strictest,
)

minutes = st.integers(-10, 1500).map(lambda value: timedelta(minutes=value))
policies = st.builds(
    Policy,
    custom_length=st.booleans(),
    max_session_length=minutes,
    session_warning=minutes,
    inactivity_enabled=st.booleans(),
    inactivity_duration=minutes,
    inactivity_warning=minutes,
)
MINUTE = timedelta(minutes=1)


def test_defaults_are_those_of_the_source_document() -> None:
    policy = Policy()
    assert problems(policy) == []
    assert policy.max_age is None
    assert policy.max_idle is None
    assert policy.max_session_length == timedelta(hours=24)
    assert policy.session_warning == timedelta(minutes=20)
    assert policy.inactivity_duration == timedelta(minutes=30)
    assert policy.inactivity_warning == timedelta(minutes=5)


def test_limits_are_in_force_only_when_switched_on() -> None:
    policy = Policy(custom_length=True, inactivity_enabled=True)
    assert policy.max_age == timedelta(hours=24)
    assert policy.max_idle == timedelta(minutes=30)


@pytest.mark.parametrize("field", BOUNDS)
@pytest.mark.parametrize("end", ["least", "most"])
def test_one_minute_outside_the_range_is_a_problem(field: str, end: str) -> None:
    step = -MINUTE if end == "least" else MINUTE
    outside = replace(Policy(), **{field: getattr(BOUNDS[field], end) + step})
    assert Problem(field, Code.OUT_OF_RANGE) in problems(outside)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        pytest.param(
            {"session_warning": 60, "max_session_length": 60},
            [Problem("session_warning", Code.NOT_BELOW, "max_session_length")],
            id="warning-at-length",
        ),
        pytest.param({"session_warning": 59, "max_session_length": 60}, [], id="warning-below"),
        pytest.param(
            {"inactivity_warning": 30},
            [Problem("inactivity_warning", Code.NOT_BELOW, "inactivity_duration")],
            id="inactivity-warning-at-duration",
        ),
        pytest.param(
            {"custom_length": True, "max_session_length": 60, "inactivity_duration": 60},
            [Problem("inactivity_duration", Code.NOT_BELOW, "max_session_length")],
            id="duration-at-custom-length",
        ),
        pytest.param(
            {"custom_length": False, "max_session_length": 60, "inactivity_duration": 1440},
            [],
            id="duration-up-to-1440-under-the-default",
        ),
    ],
)
def test_joint_rules(values: dict[str, int | bool], found: list[Problem]) -> None:
    spans = {
        name: value if isinstance(value, bool) else timedelta(minutes=value)
        for name, value in values.items()
    }
    assert problems(Policy(**spans)) == found  # type: ignore[arg-type]


@given(policies)
def test_a_policy_without_problems_keeps_every_rule(policy: Policy) -> None:
    keeps_all = (
        all(low <= getattr(policy, field) <= high for field, (low, high) in BOUNDS.items())
        and policy.session_warning < policy.max_session_length
        and policy.inactivity_warning < policy.inactivity_duration
        and (not policy.custom_length or policy.inactivity_duration < policy.max_session_length)
    )
    assert (problems(policy) == []) == keeps_all


@pytest.mark.parametrize(
    ("old", "new", "looser"),
    [
        pytest.param(Policy(custom_length=True), Policy(), True, id="length-off"),
        pytest.param(Policy(), Policy(custom_length=True), False, id="length-on"),
        pytest.param(Policy(inactivity_enabled=True), Policy(), True, id="inactivity-off"),
        pytest.param(
            Policy(inactivity_enabled=True),
            Policy(inactivity_enabled=True, inactivity_duration=timedelta(minutes=31)),
            True,
            id="longer-inactivity",
        ),
        pytest.param(
            Policy(custom_length=True),
            Policy(custom_length=True, max_session_length=timedelta(minutes=60)),
            False,
            id="shorter-length",
        ),
        pytest.param(Policy(), Policy(), False, id="same"),
    ],
)
def test_looser_is_what_lets_some_session_live_longer(
    old: Policy, new: Policy, looser: bool
) -> None:
    assert is_looser(new, old) is looser


# --- groups


group_limits = st.builds(
    GroupLimits,
    group=st.integers(1, 3),
    max_age=st.none() | minutes,
    max_idle=st.none() | minutes,
)
grouped = st.builds(
    lambda policy, limits: replace(policy, groups=tuple(limits)), policies, st.lists(group_limits)
)
memberships = st.sets(st.integers(1, 3))


@given(grouped, memberships)
def test_strictest_wins(policy: Policy, member_of: set[int]) -> None:
    made = strictest(policy, member_of)
    own = [limits for limits in policy.groups if limits.group in member_of]
    ages = [policy.max_age, *(limits.max_age for limits in own)]
    idles = [policy.max_idle, *(limits.max_idle for limits in own)]
    assert made.max_age == min((span for span in ages if span is not None), default=None)
    assert made.max_idle == min((span for span in idles if span is not None), default=None)
    assert made.honours_provider == policy.honours_provider
    assert not made.groups


@given(grouped, memberships, memberships)
def test_another_membership_makes_no_limit_looser(
    policy: Policy, fewer: set[int], more: set[int]
) -> None:
    assert not is_looser(strictest(policy, fewer | more), strictest(policy, fewer))


@given(grouped, memberships)
def test_warnings_come_before_their_limits(policy: Policy, member_of: set[int]) -> None:
    made = strictest(policy, member_of)
    assert made.max_age is None or made.session_warning < made.max_age
    assert made.max_idle is None or made.inactivity_warning < made.max_idle


def test_warning_that_fits_stays_as_it_is() -> None:
    limits = GroupLimits(group=1, max_age=60 * MINUTE, max_idle=6 * MINUTE)
    made = strictest(Policy(groups=(limits,)), {1})
    assert (made.session_warning, made.inactivity_warning) == (20 * MINUTE, 5 * MINUTE)
    assert strictest(Policy(groups=(limits,)), {2}) == Policy()


@given(grouped, grouped, memberships)
def test_looser_for_a_member_is_looser(new: Policy, old: Policy, member_of: set[int]) -> None:
    """What is stale for anybody is ended before it could go on (I4)."""
    if is_looser(strictest(new, member_of), strictest(old, member_of)):
        assert is_looser(new, old)


@pytest.mark.parametrize(
    ("age", "idle", "found"),
    [
        pytest.param(None, None, [Problem("max_session_length", Code.EMPTY)], id="empty"),
        pytest.param(60, 5, [], id="least"),
        pytest.param(120, 30, [], id="as-the-environment"),
        pytest.param(121, None, [Problem("max_session_length", Code.LOOSER)], id="longer"),
        pytest.param(None, 31, [Problem("inactivity_duration", Code.LOOSER)], id="idler"),
        pytest.param(59, None, [Problem("max_session_length", Code.OUT_OF_RANGE)], id="short"),
        pytest.param(None, 4, [Problem("inactivity_duration", Code.OUT_OF_RANGE)], id="hasty"),
    ],
)
def test_limits_of_a_group_are_checked(
    age: int | None, idle: int | None, found: list[Problem]
) -> None:
    policy = Policy(custom_length=True, max_session_length=120 * MINUTE, inactivity_enabled=True)
    assert group_problems(limits_of(age, idle), policy) == found


def limits_of(age: int | None, idle: int | None) -> GroupLimits:
    spans = [None if value is None else value * MINUTE for value in (age, idle)]
    return GroupLimits(group=1, max_age=spans[0], max_idle=spans[1])


def test_inactivity_of_a_group_is_less_than_the_length_that_its_members_have() -> None:
    policy = Policy(custom_length=True, max_session_length=120 * MINUTE)
    below = [Problem("inactivity_duration", Code.NOT_BELOW, "max_session_length")]
    assert group_problems(limits_of(None, 120), policy) == below
    assert group_problems(limits_of(None, 119), policy) == []
    assert group_problems(limits_of(60, 60), policy) == below


def test_where_the_environment_has_no_limit_a_group_may_have_any() -> None:
    assert group_problems(limits_of(1440, 1439), Policy()) == []
    assert group_problems(limits_of(60, 60), Policy()) == [
        Problem("inactivity_duration", Code.NOT_BELOW, "max_session_length")
    ]
