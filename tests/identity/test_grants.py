"""Tokens at rest: rotated by a command, a row at a time, and never lost by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from sessionmgr import clock
from sessionmgr.identity import grants
from sessionmgr.identity.grants import Tokens, tokens_in
from sessionmgr.models import ProviderGrant

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def stored(db: None, settings: Any) -> Any:
    settings.SESSIONMGR_TOKEN_KEYS = [OLD]
    for number in range(1, 4):
        tokens = Tokens(refresh_token=f"token {number}")
        grants.keep(number, tokens, clock.now("default"), using="default")
    return settings


def token_of(number: int) -> str | None:
    tokens = grants.read(number, using="default")
    return None if tokens is None else tokens.refresh_token


def test_after_the_rotation_the_old_key_can_go(
    stored: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "CHUNK", 2)
    stored.SESSIONMGR_TOKEN_KEYS = [NEW, OLD]
    call_command("rotate_token_keys", "--json")
    assert json.loads(capsys.readouterr().out) == {"rotated": 3, "unreadable": 0}
    stored.SESSIONMGR_TOKEN_KEYS = [NEW]
    assert [token_of(number) for number in (1, 2, 3)] == ["token 1", "token 2", "token 3"]


def test_what_no_key_opens_is_counted_and_left(stored: Any) -> None:
    ProviderGrant.objects.filter(pk=2).update(sealed="gAAAAAB")
    assert grants.rotate(using="default") == {"rotated": 2, "unreadable": 1}
    assert token_of(2) is None


def test_the_progress_is_told(stored: Any) -> None:
    told: list[int] = []
    grants.rotate(using="default", progress=told.append)
    assert told == [3]


def test_without_keys_there_is_nothing_to_rotate(stored: Any) -> None:
    stored.SESSIONMGR_TOKEN_KEYS = []
    with pytest.raises(CommandError, match="SESSIONMGR_TOKEN_KEYS is empty"):
        call_command("rotate_token_keys")


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        pytest.param({"refresh_token": "r", "access_token": "a"}, {"refresh_token": "r"}, id="r"),
        pytest.param({"access_token": "a"}, {"access_token": "a"}, id="no-span"),
        pytest.param({"access_token": "a", "expires_in": True}, {"access_token": "a"}, id="bool"),
        pytest.param({"access_token": "a", "expires_in": -5}, {"access_token": "a"}, id="past"),
        pytest.param({"refresh_token": 5, "id_token": None}, {}, id="of-a-wrong-type"),
    ],
)
def test_what_is_kept_of_an_answer(db: None, answer: dict[str, Any], kept: Any) -> None:
    assert tokens_in(answer, clock.now("default")) == Tokens(**kept)


def test_an_access_token_is_good_for_as_long_as_it_says(db: None) -> None:
    now = clock.now("default")
    found = tokens_in({"access_token": "a", "expires_in": 600}, now)
    assert found.access_until == int(now.timestamp()) + 600
