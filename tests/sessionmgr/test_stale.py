"""The queryset twins of ``decide``: ``stale`` finds what it ends, the sweep stores its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sessionmgr.core.clients import NOTHING, ClientExemption
from sessionmgr.core.decision import Lease, SessionState, decide, limits_of
from sessionmgr.core.policy import FALLBACK_LENGTH, GroupLimits, Policy, strictest
from sessionmgr.core.reasons import PolicySource
from sessionmgr.models import UserSession
from sessionmgr.sweep import reason_of, sweep_scope
from tests.sessionmgr.ledger import end_of, session_of

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
LIFETIME = timedelta(days=90)
CLASSES = ("mail", "mobile")
BEGIN = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def spans(most: timedelta) -> st.SearchStrategy[timedelta]:
    """Spans as they come: whole minutes often meet each other, odd ones never."""
    minutes = int(most.total_seconds() // 60)
    return st.integers(0, minutes).map(lambda n: timedelta(minutes=n)) | st.timedeltas(
        timedelta(), most
    )


@st.composite
def exemptions(draw: st.DrawFn) -> ClientExemption:
    return ClientExemption(
        client_id="whichever",
        expires_at=BEGIN + draw(spans(3 * DAY)),
        from_session_length=draw(st.booleans()),
        from_inactivity=draw(st.booleans()),
        ceiling=draw(st.none() | spans(2 * DAY)),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return Policy(
        custom_length=draw(st.booleans()),
        # Beyond the page's bounds, too: the rule does not depend on them.
        max_session_length=draw(st.just(FALLBACK_LENGTH) | spans(2 * DAY)),
        inactivity_enabled=draw(st.booleans()),
        inactivity_duration=draw(spans(DAY)),
        exemptions=draw(st.dictionaries(st.sampled_from(CLASSES), exemptions())),
    )


class Client(NamedTuple):
    """A session, and the kind of client that began it."""

    state: SessionState
    kind: str = ""

    def under(self, policy: Policy) -> SessionState:
        return replace(self.state, exemption=policy.exemptions.get(self.kind, NOTHING))


def clients() -> st.SearchStrategy[Client]:
    return st.builds(Client, states(), st.sampled_from(("", *CLASSES)))


@st.composite
def states(draw: st.DrawFn) -> SessionState:
    began = BEGIN + draw(spans(DAY))
    checked_at = began + draw(spans(DAY)) - LIFETIME
    lease = Lease(checked_at=checked_at, valid_until=checked_at + draw(spans(DAY)))
    source = draw(st.sampled_from(PolicySource))
    is_leased = source is PolicySource.PROVIDER or draw(st.booleans())
    return SessionState(
        authenticated_at=began,
        last_activity_at=began + draw(spans(DAY)),
        policy_source=source,
        lease=lease if is_leased else None,
        payload_expires_at=draw(st.none() | spans(3 * DAY).map(lambda span: began + span)),
    )


def store(client: Client) -> UserSession:
    state, kind = client
    return session_of(
        client_class=kind,
        at=state.authenticated_at,
        age=timedelta(),
        idle=state.authenticated_at - state.last_activity_at,
        policy_source=state.policy_source,
        fallback_reason="",
        identity_id=state.lease and 1,
        lease_checked_at=state.lease and state.lease.checked_at,
        lease_valid_until=state.lease and state.lease.valid_until,
        payload_expires_at=state.payload_expires_at,
    )


def instants(policy: Policy, state: SessionState) -> list[datetime]:
    """Return each deadline, and one tick to either side of it."""
    deadlines = [limit.ends_at for limit in limits_of(policy, state)] or [state.last_activity_at]
    return [ends_at + step for ends_at in deadlines for step in (-TICK, timedelta(), TICK)]


@pytest.fixture
def same_database(db: None) -> None:
    """One transaction for all examples; each clears up before it."""


EXAMPLES = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MINUTES = Policy(custom_length=True, inactivity_enabled=True)
JUST_BEGUN = SessionState(authenticated_at=BEGIN, last_activity_at=BEGIN)


@EXAMPLES
@given(policy=policies(), client=clients())
@example(policy=MINUTES, client=Client(JUST_BEGUN))
def test_stale_is_what_decide_ends(same_database: None, policy: Policy, client: Client) -> None:
    clear_up()
    row, state = store(client), client.under(policy)
    for now in instants(policy, state):
        found = UserSession.objects.filter(pk=row.pk).stale(policy, now).exists()
        assert found is not decide(policy, state, now).is_live, now


@EXAMPLES
@given(policy=policies(), client=clients())
def test_a_query_gives_the_reason_of_decide(
    same_database: None, policy: Policy, client: Client
) -> None:
    clear_up()
    row, state = store(client), client.under(policy)
    found = UserSession.objects.annotate(reason=reason_of(policy)).values_list("reason", flat=True)
    for now in instants(policy, state):
        reason = decide(policy, state, now).reason
        assert reason is None or found.get(pk=row.pk) == reason


@EXAMPLES
@given(policy=policies(), crowd=st.lists(clients(), min_size=1, max_size=8), data=st.data())
def test_the_sweep_ends_what_decide_ends_for_the_same_reason(
    same_database: None, policy: Policy, crowd: list[Client], data: st.DataObject
) -> None:
    clear_up()
    rows = [store(client) for client in crowd]
    states = [client.under(policy) for client in crowd]
    now = data.draw(st.sampled_from([at for state in states for at in instants(policy, state)]))
    ended = sweep_scope("main", policy, now=now, using="default", chunk=3)
    reasons = [decide(policy, state, now).reason for state in states]
    assert [end_of(row)[1] for row in rows] == [reason or "" for reason in reasons]
    assert ended.total() == sum(reason is not None for reason in reasons)
    left = set(Session.objects.values_list("session_key", flat=True))
    payloads = [
        (row, state) for row, state in zip(rows, states, strict=True) if state.payload_expires_at
    ]
    for row, state in payloads:
        assert (row.session_id in left) is decide(policy, state, now).is_live


def clear_up() -> None:
    UserSession.objects.all()._raw_delete("default")
    Session.objects.all()._raw_delete("default")


# --- groups with stricter limits (R14)


GROUPS = (1, 2)


@st.composite
def policies_with_groups(draw: st.DrawFn) -> Policy:
    limits = tuple(
        GroupLimits(
            group=group,
            max_age=draw(st.none() | spans(DAY)),
            max_idle=draw(st.none() | spans(DAY)),
        )
        for group in GROUPS
    )
    return replace(draw(policies()), groups=limits)


people = st.sets(st.sampled_from(GROUPS))


@pytest.fixture
def users(same_database: None) -> dict[frozenset[int], int]:
    """Return a user for each set of groups."""
    made = {}
    for group in GROUPS:
        Group.objects.create(pk=group, name=f"group {group}")
    for member_of in (frozenset(), frozenset({1}), frozenset({2}), frozenset({1, 2})):
        user = get_user_model().objects.create_user(f"in {sorted(member_of)}")
        user.groups.set(member_of)
        made[member_of] = user.pk
    return made


def store_of(client: Client, user_id: int) -> UserSession:
    row = store(client)
    UserSession.objects.filter(pk=row.pk).update(user_id=user_id)
    return row


@EXAMPLES
@given(policy=policies_with_groups(), client=clients(), member_of=people)
def test_stale_is_what_decide_ends_for_a_member(
    users: dict[frozenset[int], int], policy: Policy, client: Client, member_of: set[int]
) -> None:
    clear_up()
    row = store_of(client, users[frozenset(member_of)])
    own = strictest(policy, member_of)
    state = client.under(own)
    for now in instants(own, state):
        found = UserSession.objects.filter(pk=row.pk).stale(policy, now).exists()
        assert found is not decide(own, state, now).is_live, now


@EXAMPLES
@given(
    policy=policies_with_groups(),
    crowd=st.lists(st.tuples(clients(), people), min_size=1, max_size=8),
    data=st.data(),
)
def test_the_sweep_ends_members_as_decide_does_for_the_same_reason(
    users: dict[frozenset[int], int],
    policy: Policy,
    crowd: list[tuple[Client, set[int]]],
    data: st.DataObject,
) -> None:
    clear_up()
    rows = [store_of(client, users[frozenset(member_of)]) for client, member_of in crowd]
    judged = [(strictest(policy, member_of), client.under(policy)) for client, member_of in crowd]
    now = data.draw(st.sampled_from([at for each in judged for at in instants(*each)]))
    ended = sweep_scope("main", policy, now=now, using="default", chunk=3)
    reasons = [decide(own, state, now).reason for own, state in judged]
    assert [end_of(row)[1] for row in rows] == [reason or "" for reason in reasons]
    assert ended.total() == sum(reason is not None for reason in reasons)
