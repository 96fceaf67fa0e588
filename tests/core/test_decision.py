"""The judge: limits to the tick, in any order, and what outranks them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmgr.core.decision import Lease, SessionState, decide, explain, is_recent
from sessionmgr.core.policy import FALLBACK_LENGTH, Policy, is_looser
from sessionmgr.core.reasons import (
    REASON_OF_STANDING,
    EndReason,
    EndsBy,
    PolicySource,
    Standing,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)

spans = st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(hours=30))
instants = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=3)).map(
    lambda span: NOON + span
)
policies = st.builds(
    Policy,
    custom_length=st.booleans(),
    max_session_length=spans,
    inactivity_enabled=st.booleans(),
    inactivity_duration=spans,
)


@st.composite
def states(draw: st.DrawFn) -> SessionState:
    authenticated_at = draw(instants)
    return SessionState(
        authenticated_at=authenticated_at,
        last_activity_at=authenticated_at + draw(spans),
        policy_source=draw(st.sampled_from(PolicySource)),
        payload_expires_at=draw(st.none() | instants),
    )


def state(**changes: object) -> SessionState:
    plain = SessionState(
        authenticated_at=NOON,
        last_activity_at=NOON,
        policy_source=PolicySource.PROVIDER,
        lease=Lease(checked_at=NOON, valid_until=NOON + HOUR),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


LIMITS = [
    pytest.param(
        Policy(custom_length=True, max_session_length=HOUR),
        state(),
        NOON + HOUR,
        EndReason.SESSION_LENGTH,
        id="session-length",
    ),
    pytest.param(
        Policy(inactivity_enabled=True, inactivity_duration=HOUR),
        state(),
        NOON + HOUR,
        EndReason.INACTIVITY,
        id="inactivity",
    ),
    pytest.param(
        Policy(),
        state(policy_source=PolicySource.FALLBACK),
        NOON + FALLBACK_LENGTH,
        EndReason.FALLBACK_LIMIT,
        id="fallback",
    ),
    pytest.param(
        Policy(),
        state(payload_expires_at=NOON + HOUR),
        NOON + HOUR,
        EndReason.HOST_EXPIRY,
        id="host-expiry",
    ),
]


@pytest.mark.parametrize(("policy", "session", "ends_at", "reason"), LIMITS)
def test_session_is_live_one_tick_before_its_limit(
    policy: Policy, session: SessionState, ends_at: datetime, reason: EndReason
) -> None:
    decision = decide(policy, session, ends_at - TICK)
    assert decision.is_live
    assert decision.binding is not None
    assert decision.binding.ends_at == ends_at
    assert decision.seconds_left(decision.binding.ends_by) == 1


@pytest.mark.parametrize("late", [timedelta(), TICK])
@pytest.mark.parametrize(("policy", "session", "ends_at", "reason"), LIMITS)
def test_session_ends_at_its_limit(
    policy: Policy,
    session: SessionState,
    ends_at: datetime,
    reason: EndReason,
    late: timedelta,
) -> None:
    decision = decide(policy, session, ends_at + late)
    assert not decision.is_live
    assert decision.reason is reason
    assert decision.is_timed_out
    assert decision.seconds_left(decision.limits[0].ends_by) == 0


def test_a_renewed_lease_is_no_limit_that_people_see() -> None:
    decision = decide(Policy(), state(), NOON + timedelta(minutes=30))
    assert decision.is_live
    assert decision.binding is not None
    assert decision.binding.ends_by is EndsBy.LEASE
    assert decision.seconds_left(EndsBy.SESSION) is None
    assert decision.seconds_left(EndsBy.INACTIVITY) is None
    assert [each.reason for each in explain(decision)] == [EndReason.IDENTITY_LIFETIME]


@pytest.mark.parametrize("standing", [item for item in Standing if item is not Standing.GOOD])
def test_standing_ends_a_session_whatever_its_limits(standing: Standing) -> None:
    policy = Policy(inactivity_enabled=True, inactivity_duration=HOUR)
    for now in (NOON, NOON + 2 * HOUR):
        decision = decide(policy, state(standing=standing), now)
        assert decision.reason is REASON_OF_STANDING[standing]
        assert not decision.is_timed_out


def test_an_end_on_record_stays_what_it_is() -> None:
    ended = state(ended_reason=EndReason.SIGNED_OUT, standing=Standing.DISABLED)
    assert decide(Policy(), ended, NOON).reason is EndReason.SIGNED_OUT


def test_of_limits_at_one_instant_the_administrators_gives_the_reason() -> None:
    policy = Policy(custom_length=True, inactivity_enabled=True, inactivity_duration=24 * HOUR)
    session = state(policy_source=PolicySource.FALLBACK, payload_expires_at=NOON + 24 * HOUR)
    reasons = [limit.reason for limit in decide(policy, session, NOON).limits]
    assert reasons == [
        EndReason.SESSION_LENGTH,
        EndReason.INACTIVITY,
        EndReason.FALLBACK_LIMIT,
        EndReason.HOST_EXPIRY,
    ]


def test_idle_and_session_length_are_counted_apart() -> None:
    policy = Policy(custom_length=True, inactivity_enabled=True, inactivity_duration=HOUR)
    session = state(last_activity_at=NOON + 3 * HOUR)
    decision = decide(policy, session, NOON + 3 * HOUR)
    assert decision.seconds_left(EndsBy.INACTIVITY) == 3600
    assert decision.seconds_left(EndsBy.SESSION) == 21 * 3600


def test_explain_names_each_limit_and_the_one_that_binds() -> None:
    policy = Policy(inactivity_enabled=True, inactivity_duration=HOUR)
    lines = explain(decide(policy, state(policy_source=PolicySource.FALLBACK), NOON))
    assert [(line.reason, line.left, line.binds) for line in lines] == [
        (EndReason.INACTIVITY, HOUR, True),
        (EndReason.FALLBACK_LIMIT, 24 * HOUR, False),
    ]


@given(policies, states(), instants, spans)
def test_an_ended_session_stays_ended_as_time_goes_on(
    policy: Policy, session: SessionState, now: datetime, later: timedelta
) -> None:
    if not decide(policy, session, now).is_live:
        assert not decide(policy, session, now + later).is_live


@given(policies, states(), instants, spans)
def test_activity_never_shortens_a_session_and_never_moves_its_length(
    policy: Policy, session: SessionState, now: datetime, later: timedelta
) -> None:
    active = replace(session, last_activity_at=session.last_activity_at + later)
    before, after = decide(policy, session, now), decide(policy, active, now)
    assert after.is_live or not before.is_live
    assert before.seconds_left(EndsBy.SESSION) == after.seconds_left(EndsBy.SESSION)


@given(policies, states(), instants)
def test_the_strictest_limit_wins(policy: Policy, session: SessionState, now: datetime) -> None:
    decision = decide(policy, session, now)
    if decision.limits:
        first = min(limit.ends_at for limit in decision.limits)
        assert decision.binding is not None
        assert decision.binding.ends_at == first
        assert decision.is_live == (now < first)


@given(policies, policies, states(), instants)
def test_only_a_looser_policy_lets_a_session_live_longer(
    old: Policy, new: Policy, session: SessionState, now: datetime
) -> None:
    """What is not looser cannot revive: the settings page ends the stale ones before it is."""
    if not decide(old, session, now).is_live and decide(new, session, now).is_live:
        assert is_looser(new, old)


def leased(**changes: object) -> SessionState:
    lease = Lease(checked_at=NOON, valid_until=NOON + HOUR)
    return state(lease=replace(lease, **changes))  # type: ignore[arg-type]


class TestLease:
    """What the provider's leave means (R1, R3, R6, R7)."""

    def test_the_provider_is_to_be_asked_at_the_end_of_a_lease(self) -> None:
        assert not decide(Policy(), leased(), NOON + HOUR - TICK).is_check_due
        assert decide(Policy(), leased(), NOON + HOUR).is_check_due

    def test_its_end_alone_ends_nobody(self) -> None:
        assert decide(Policy(), leased(), NOON + 48 * HOUR).is_live

    def test_out_of_reach_the_session_ends_with_the_lease(self) -> None:
        session = leased(is_unreachable=True)
        assert decide(Policy(), session, NOON + HOUR - TICK).is_live
        assert decide(Policy(), session, NOON + HOUR).reason is EndReason.LEASE_EXPIRED

    def test_who_chose_to_stay_goes_on_for_the_grace(self) -> None:
        session = leased(is_unreachable=True, stays_signed_in=True)
        assert decide(Policy(), session, NOON + 25 * HOUR - TICK).is_live
        assert decide(Policy(), session, NOON + 25 * HOUR).reason is EndReason.LEASE_EXPIRED

    def test_in_an_outage_people_see_how_long_they_have(self) -> None:
        decision = decide(Policy(), leased(is_unreachable=True), NOON)
        assert decision.seconds_left(EndsBy.SESSION) == 3600
        assert decision.binding is not None
        assert decision.binding.ends_by is EndsBy.LEASE

    def test_90_days_without_a_renewal_are_the_end(self) -> None:
        days = timedelta(days=90)
        assert decide(Policy(), leased(), NOON + days - TICK).is_live
        assert decide(Policy(), leased(), NOON + days).reason is EndReason.IDENTITY_LIFETIME

    def test_a_custom_length_replaces_the_time_limits_of_the_provider(self) -> None:
        policy = Policy(custom_length=True, max_session_length=10 * HOUR)
        decision = decide(policy, leased(is_unreachable=True), NOON + 2 * HOUR)
        assert decision.is_live
        assert decision.is_check_due
        assert [limit.reason for limit in decision.limits] == [EndReason.SESSION_LENGTH]

    def test_inactivity_holds_whatever_the_provider_says(self) -> None:
        policy = Policy(inactivity_enabled=True)
        assert decide(policy, leased(), NOON + HOUR).reason is EndReason.INACTIVITY

    def test_a_provider_without_a_lease_falls_back(self) -> None:
        session = state(lease=None)
        assert decide(Policy(), session, NOON + 24 * HOUR).reason is EndReason.FALLBACK_LIMIT


def test_credentials_are_recent_for_less_than_their_span() -> None:
    assert is_recent(state(), HOUR, NOON + HOUR - TICK)
    assert not is_recent(state(), HOUR, NOON + HOUR)
