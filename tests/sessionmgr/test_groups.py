"""Groups with stricter limits: held on every request, and never loosened for what is stale."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from sessionmgr import memberships, sources
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.policy import MINUTE, GroupLimits, Policy
from sessionmgr.models import State, UserSession
from tests.conftest import Clock

pytestmark = pytest.mark.django_db

STATUS = "/session/status/"
InForce = Callable[..., Policy]


@pytest.fixture
def desk(db: None) -> Group:
    return Group.objects.create(name="Front desk")


@pytest.fixture
def in_force(monkeypatch: pytest.MonkeyPatch, desk: Group) -> Policy:
    """Half an hour of inactivity for everybody, a quarter for the front desk."""
    limits = GroupLimits(group=desk.pk, max_age=120 * MINUTE, max_idle=15 * MINUTE)
    made = Policy(inactivity_enabled=True, groups=(limits,))
    monkeypatch.setattr(sources, "current_policy", lambda scope: made)
    monkeypatch.setattr("sessionmgr.receivers.current_policy", lambda scope: made)
    return made


def test_member_has_the_stricter_limits_and_others_have_not(
    client: Client, alice: User, bob: User, desk: Group, in_force: Policy, clock: Clock
) -> None:
    alice.groups.add(desk)
    others = Client()
    client.force_login(alice)
    others.force_login(bob)
    answer = client.get(STATUS).json()
    assert (answer["idle_seconds"], answer["session_seconds"]) == (15 * 60, 120 * 60)
    assert others.get(STATUS).json()["idle_seconds"] == 30 * 60
    clock.advance(minutes=15)
    assert client.get(STATUS).json()["reason"] == "inactivity"
    assert others.get(STATUS).status_code == 200


def test_joining_acts_at_once_and_leaving_revives_nobody(
    client: Client, alice: User, desk: Group, in_force: Policy, clock: Clock
) -> None:
    client.force_login(alice)
    clock.advance(minutes=14)
    assert client.get(STATUS).status_code == 200
    alice.groups.add(desk)
    assert client.get(STATUS).json()["idle_seconds"] == 60
    clock.advance(minutes=1)
    alice.groups.remove(desk)
    assert client.get(STATUS).json()["reason"] == "inactivity"


@pytest.mark.parametrize(
    "leave",
    [
        lambda user, group: user.groups.remove(group),
        lambda user, group: user.groups.set([]),
        lambda user, group: user.groups.clear(),
        lambda user, group: group.user_set.remove(user),
        lambda user, group: group.user_set.clear(),
    ],
    ids=["remove", "set", "clear", "remove-from-group", "clear-group"],
)
def test_what_is_stale_is_ended_before_its_user_leaves(
    client: Client,
    alice: User,
    bob: User,
    desk: Group,
    in_force: Policy,
    clock: Clock,
    leave: Callable[[User, Group], None],
) -> None:
    alice.groups.add(desk)
    for user in (alice, bob):
        Client().force_login(user)
    clock.advance(minutes=15)
    leave(alice, desk)
    assert not alice.groups.exists()
    ends = dict(UserSession.objects.values_list("user_id", "ended_reason"))
    assert ends == {alice.pk: "inactivity", bob.pk: ""}


def test_leaving_in_time_ends_nothing(
    client: Client, alice: User, desk: Group, in_force: Policy
) -> None:
    alice.groups.add(desk)
    client.force_login(alice)
    alice.groups.remove(desk)
    assert UserSession.objects.get().state == State.LIVE


def test_groups_cost_no_query(
    client: Client,
    alice: User,
    desk: Group,
    in_force: Policy,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alice.groups.add(desk)
    client.force_login(alice)
    for _ in range(2):
        with django_assert_num_queries(1):
            assert client.get(STATUS).json()["idle_seconds"] == 15 * 60
    monkeypatch.setattr(sources, "current_policy", lambda scope: Policy())
    with django_assert_num_queries(1):
        assert client.get(STATUS).json()["idle_seconds"] is None


def test_without_a_request_groups_are_asked_for_by_themselves(
    client: Client,
    alice: User,
    desk: Group,
    in_force: Policy,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """As in a job or a shell: nobody has told which scope it is, and so whose groups matter."""
    alice.groups.add(desk)
    client.force_login(alice)
    store = SessionStore(client.cookies["sessionid"].value)
    with django_assert_num_queries(2):
        assert store.load()
    assert store.judgement is not None
    assert store.judgement.policy.max_idle == 15 * MINUTE


@pytest.mark.parametrize("is_apart", [False, True])
def test_many_groups_are_told_apart(
    client: Client,
    alice: User,
    monkeypatch: pytest.MonkeyPatch,
    is_apart: bool,
) -> None:
    groups = [Group.objects.create(name=f"group {n}") for n in range(4)]
    limits = tuple(
        GroupLimits(group=group.pk, max_idle=(10 + n) * MINUTE) for n, group in enumerate(groups)
    )
    monkeypatch.setattr(sources, "current_policy", lambda scope: Policy(groups=limits))
    if is_apart:
        monkeypatch.setattr(memberships, "joins_plainly", lambda: False)
    client.force_login(alice)
    assert client.get(STATUS).json()["idle_seconds"] is None
    alice.groups.set([groups[3], groups[2]])
    assert client.get(STATUS).json()["idle_seconds"] == 12 * 60


def no_such_field(name: str) -> Any:
    raise FieldDoesNotExist(name)


def plain_field(name: str) -> Any:
    return models.CharField(max_length=9)


@pytest.mark.parametrize("get_field", [no_such_field, plain_field])
def test_where_users_have_no_groups_nobody_is_a_member(
    monkeypatch: pytest.MonkeyPatch, get_field: Callable[[str], Any]
) -> None:
    model = SimpleNamespace(_meta=SimpleNamespace(get_field=get_field))
    monkeypatch.setattr(memberships, "get_user_model", lambda: model)
    memberships.memberships.cache_clear()
    try:
        assert memberships.groups_of(1, [1]) == set()
        assert not UserSession.objects.filter(memberships.members_of(1)).exists()
    finally:
        memberships.memberships.cache_clear()


class Apart:
    """A router that keeps users and their groups elsewhere."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "elsewhere" if model._meta.app_label == "auth" else None


def test_members_are_named_where_they_live_in_another_database(
    alice: User, desk: Group, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.groups.add(desk)
    Client().force_login(alice)
    monkeypatch.setattr(memberships, "joins_plainly", lambda: False)
    assert UserSession.objects.filter(memberships.members_of(desk.pk)).exists()
    monkeypatch.undo()
    assert memberships.joins_plainly()
    settings.DATABASE_ROUTERS = [Apart()]
    assert not memberships.joins_plainly()
