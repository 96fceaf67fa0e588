"""What a kind of client is exempt from, to the tick, and what nothing exempts it from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionmgr.core.clients import NOTHING, ClientExemption, class_proven_by
from sessionmgr.core.decision import Lease, SessionState, decide
from sessionmgr.core.policy import FALLBACK_LENGTH, Policy, is_looser
from sessionmgr.core.reasons import REASON_OF_STANDING, EndReason, EndsBy, PolicySource, Standing

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LATER = NOON + 30 * DAY

EXEMPT = ClientExemption(
    client_id="mail-add-in", expires_at=LATER, from_session_length=True, from_inactivity=True
)
STRICT = Policy(custom_length=True, max_session_length=8 * HOUR, inactivity_enabled=True)


def session(exemption: ClientExemption = EXEMPT, **changes: object) -> SessionState:
    plain = SessionState(
        authenticated_at=NOON,
        last_activity_at=NOON,
        policy_source=PolicySource.PROVIDER,
        lease=Lease(checked_at=NOON, valid_until=NOON + HOUR),
        exemption=exemption,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class TestTimers:
    """The two timers, and no others, do not bind."""

    def test_neither_timer_ends_it(self) -> None:
        assert decide(STRICT, session(), NOON + 20 * DAY).is_live

    def test_nor_does_the_fallback(self) -> None:
        by_fallback = session(policy_source=PolicySource.FALLBACK, lease=None)
        assert decide(Policy(), by_fallback, NOON + FALLBACK_LENGTH).is_live

    @pytest.mark.parametrize(
        ("exemption", "reason", "ends_at"),
        [
            pytest.param(
                replace(EXEMPT, from_session_length=False),
                EndReason.SESSION_LENGTH,
                NOON + 8 * HOUR,
                id="from-inactivity-alone",
            ),
            pytest.param(
                replace(EXEMPT, from_inactivity=False),
                EndReason.INACTIVITY,
                NOON + HOUR / 2,
                id="from-the-length-alone",
            ),
            pytest.param(NOTHING, EndReason.INACTIVITY, NOON + HOUR / 2, id="from-nothing"),
        ],
    )
    def test_what_is_not_lifted_binds(
        self, exemption: ClientExemption, reason: EndReason, ends_at: datetime
    ) -> None:
        assert decide(STRICT, session(exemption), ends_at - TICK).is_live
        assert decide(STRICT, session(exemption), ends_at).reason is reason

    @pytest.mark.parametrize("standing", [each for each in Standing if each is not Standing.GOOD])
    def test_a_finding_about_the_person_ends_it(self, standing: Standing) -> None:
        ended = decide(STRICT, session(standing=standing), NOON)
        assert ended.reason is REASON_OF_STANDING[standing]

    def test_an_end_on_record_stays(self) -> None:
        revoked = session(ended_reason=EndReason.REVOKED_BY_ADMIN)
        assert decide(STRICT, revoked, NOON).reason is EndReason.REVOKED_BY_ADMIN

    def test_the_host_may_let_it_expire(self) -> None:
        limited = session(payload_expires_at=NOON + HOUR)
        assert decide(STRICT, limited, NOON + HOUR).reason is EndReason.HOST_EXPIRY

    @pytest.mark.parametrize("policy", [Policy(), STRICT], ids=["provider's", "custom"])
    def test_the_lease_binds_it_under_any_policy(self, policy: Policy) -> None:
        lease = Lease(checked_at=NOON, valid_until=NOON + HOUR, lifetime=10 * DAY)
        asked = decide(policy, session(lease=lease), NOON + HOUR)
        assert (asked.is_live, asked.is_check_due) == (True, True)
        unheard = session(lease=replace(lease, is_unreachable=True))
        assert decide(policy, unheard, NOON + HOUR).reason is EndReason.LEASE_EXPIRED
        lapsed = decide(policy, session(lease=lease), NOON + 10 * DAY)
        assert lapsed.reason is EndReason.IDENTITY_LIFETIME


class TestCeiling:
    """The longest a session of the kind lasts all the same."""

    CAPPED = replace(EXEMPT, ceiling=48 * HOUR)

    def test_live_one_tick_before_it_and_ended_at_it(self) -> None:
        before = decide(STRICT, session(self.CAPPED), NOON + 48 * HOUR - TICK)
        assert before.is_live
        assert before.seconds_left(EndsBy.SESSION) == 1
        for late in (timedelta(), TICK):
            at = decide(STRICT, session(self.CAPPED), NOON + 48 * HOUR + late)
            assert at.reason is EndReason.SESSION_LENGTH
            assert at.is_timed_out

    def test_it_counts_from_authentication_whatever_is_done(self) -> None:
        busy = session(self.CAPPED, last_activity_at=NOON + 47 * HOUR)
        assert not decide(STRICT, busy, NOON + 48 * HOUR).is_live

    def test_it_makes_nothing_longer(self) -> None:
        bound = replace(self.CAPPED, from_session_length=False, from_inactivity=False)
        assert decide(STRICT, session(bound), NOON + HOUR / 2).reason is EndReason.INACTIVITY


class TestExpiry:
    """From the instant an exemption is over, the timers hold again."""

    def test_what_is_past_a_timer_ends_at_that_instant(self) -> None:
        assert decide(STRICT, session(), LATER - TICK).is_live
        for late in (timedelta(), TICK):
            assert decide(STRICT, session(), LATER + late).reason is EndReason.SESSION_LENGTH

    def test_who_has_just_begun_goes_on_until_a_timer_ends_it(self) -> None:
        young = session(authenticated_at=LATER - HOUR, last_activity_at=LATER - HOUR / 4)
        assert decide(STRICT, young, LATER + HOUR / 4 - TICK).is_live
        assert decide(STRICT, young, LATER + HOUR / 4).reason is EndReason.INACTIVITY

    def test_clients_are_told_how_long_they_have(self) -> None:
        assert decide(STRICT, session(), LATER - HOUR).seconds_left(EndsBy.SESSION) == 3600


@pytest.mark.parametrize(
    ("client_id", "now", "found"),
    [
        pytest.param("mail-add-in", LATER - TICK, "mail", id="proven"),
        pytest.param("mail-add-in", LATER, None, id="over"),
        pytest.param("Mail-Add-In", NOON, None, id="another-spelling"),
        pytest.param("", NOON, None, id="none"),
    ],
)
def test_which_kind_a_client_id_proves(client_id: str, now: datetime, found: str | None) -> None:
    unbound = replace(EXEMPT, client_id="")
    assert class_proven_by(client_id, {"off": unbound, "mail": EXEMPT}, now) == found


spans = st.timedeltas(timedelta(), 3 * DAY)
exemptions = st.builds(
    ClientExemption,
    client_id=st.just("x"),
    expires_at=spans.map(lambda span: NOON + span),
    from_session_length=st.booleans(),
    from_inactivity=st.booleans(),
    ceiling=st.none() | spans,
)
policies = st.builds(
    Policy,
    custom_length=st.booleans(),
    max_session_length=spans,
    inactivity_enabled=st.booleans(),
    inactivity_duration=spans,
    exemptions=st.dictionaries(st.just("mail"), exemptions),
)
sessions = st.builds(
    SessionState,
    authenticated_at=spans.map(lambda span: NOON + span),
    last_activity_at=spans.map(lambda span: NOON + span),
    policy_source=st.sampled_from(PolicySource),
    lease=st.none()
    | spans.map(lambda span: Lease(checked_at=NOON + span, valid_until=NOON + span + HOUR)),
)


def under(policy: Policy, state: SessionState) -> SessionState:
    return replace(state, exemption=policy.exemptions.get("mail", NOTHING))


@given(policies, policies, sessions, spans)
def test_only_what_is_looser_lets_a_client_live_longer(
    old: Policy, new: Policy, state: SessionState, later: timedelta
) -> None:
    now = NOON + 2 * later
    if not decide(old, under(old, state), now).is_live and (
        decide(new, under(new, state), now).is_live
    ):
        assert is_looser(new, old)


@given(policies, sessions, spans)
def test_an_exemption_never_shortens_a_session_but_by_its_ceiling(
    policy: Policy, state: SessionState, later: timedelta
) -> None:
    exempt = replace(under(policy, state).exemption, ceiling=None)
    if decide(policy, state, NOON + later).is_live:
        assert decide(policy, replace(state, exemption=exempt), NOON + later).is_live


@pytest.mark.parametrize(
    ("old", "new", "looser"),
    [
        pytest.param({}, {"mail": EXEMPT}, True, id="added"),
        pytest.param({"mail": EXEMPT}, {"mail": EXEMPT}, False, id="same"),
        pytest.param({}, {"mail": replace(NOTHING, ceiling=HOUR)}, False, id="a-ceiling-alone"),
        pytest.param(
            {"mail": EXEMPT}, {"mail": replace(EXEMPT, ceiling=DAY)}, False, id="a-ceiling-more"
        ),
        pytest.param(
            {"mail": replace(EXEMPT, ceiling=DAY)}, {"mail": EXEMPT}, True, id="a-ceiling-less"
        ),
        pytest.param(
            {"mail": EXEMPT},
            {"mail": replace(EXEMPT, expires_at=LATER - DAY)},
            False,
            id="over-sooner",
        ),
        pytest.param(
            {"mail": EXEMPT},
            {"mail": replace(EXEMPT, expires_at=LATER + DAY)},
            True,
            id="over-later",
        ),
        pytest.param(
            {"mail": EXEMPT}, {"mail": replace(EXEMPT, from_inactivity=False)}, False, id="less"
        ),
        pytest.param(
            {"mail": replace(EXEMPT, from_inactivity=False)}, {"mail": EXEMPT}, True, id="more"
        ),
    ],
)
def test_which_exemptions_are_looser(
    old: dict[str, ClientExemption], new: dict[str, ClientExemption], looser: bool
) -> None:
    assert is_looser(Policy(exemptions=new), Policy(exemptions=old)) is looser
