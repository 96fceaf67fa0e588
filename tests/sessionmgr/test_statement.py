"""The compiled statement against the same query by the ORM: one answer, on every Django."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.test import Client

from sessionmgr.backends import statement
from sessionmgr.backends.statement import Found, find
from sessionmgr.models import UserSession

pytestmark = pytest.mark.django_db


@pytest.fixture
def uncompilable(monkeypatch: Any) -> Iterator[None]:
    """A Django whose compiler has changed: the statement cannot be had."""
    statement._compiled.cache_clear()
    monkeypatch.setattr(statement, "Statement", None)
    yield
    statement._compiled.cache_clear()


@pytest.fixture
def key(client: Client, alice: User) -> str:
    client.force_login(alice)
    return client.session.session_key or ""


def test_the_statement_compiles_here(db: None) -> None:
    assert statement._compiled("default", True) is not None
    assert statement._compiled("default", False) is not None


@pytest.mark.parametrize("with_user", [True, False])
def test_the_orm_gives_the_same_answer_where_compiling_fails(
    key: str, alice: User, with_user: bool, request: Any, caplog: Any
) -> None:
    groups = tuple(Group.objects.create(name=name).pk for name in ("desk", "ward"))
    alice.groups.add(groups[1])
    compiled = find(key, using="default", with_user=with_user, groups=groups)
    request.getfixturevalue("uncompilable")
    by_orm = find(key, using="default", with_user=with_user, groups=groups)
    assert compiled is not None
    assert by_orm is not None
    assert compiled._replace(now=by_orm.now) == by_orm
    assert (compiled.groups, compiled.asked_for) == ({groups[1]}, set(groups))
    assert "cannot be compiled" in caplog.text


def test_the_joined_user_is_the_managers_user_in_every_field(key: str, alice: User) -> None:
    found = find(key, using="default", with_user=True)
    assert isinstance(found, Found)
    joined = found.user
    assert isinstance(joined, User)
    managers = get_user_model().objects.get(pk=alice.pk)
    for field in User._meta.concrete_fields:
        ours, theirs = (getattr(user, field.attname) for user in (joined, managers))
        assert (ours, type(ours)) == (theirs, type(theirs))
    assert joined.get_deferred_fields() == set()
    assert joined._state.db == "default"
    assert joined._state.adding is False


def test_the_ledger_row_is_the_models(key: str) -> None:
    found = find(key, using="default", with_user=False)
    assert found is not None
    assert found.ledger is not None
    row = UserSession.objects.get()
    assert found.ledger._asdict() == {
        name: getattr(row, name) for name in statement.LEDGER_COLUMNS
    }


def test_a_key_that_is_not_there_finds_nothing(db: None) -> None:
    assert find("x" * 32, using="default", with_user=True) is None


def test_a_user_who_is_gone_is_not_joined(key: str) -> None:
    get_user_model().objects.all()._raw_delete("default")
    found = find(key, using="default", with_user=True)
    assert found is not None
    assert found.ledger is not None
    assert found.user is None
