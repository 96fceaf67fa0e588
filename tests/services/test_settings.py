"""System Settings among real processes: parallel saves, and how soon a save is in force."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic_ns

import pytest

from tests.services.actor import Actor, actors

pytestmark = pytest.mark.services

STAGE = "tests.services.settings_stage"
ROUNDS = 30
HEAD_START = 5_000_000
STORED, TOLD = 302, 409


@pytest.fixture
def admins(shared_database: str) -> Iterator[tuple[Actor, Actor]]:
    """Two admins, each at a server process of their own."""
    with actors(2, shared_database, STAGE) as (one, other):
        one.ask("sign_in", name="one")
        other.ask("sign_in", name="other")
        yield one, other


def save_at_once(admins: tuple[Actor, Actor], version: int, warnings: tuple[int, int]) -> int:
    """Have both save one version at one instant; return the warning that won."""
    at = monotonic_ns() + HEAD_START
    for admin, warning in zip(admins, warnings, strict=True):
        admin.tell("save", version=version, warning=warning, at=at)
    outcomes = {warning: admin.answer() for admin, warning in zip(admins, warnings, strict=True)}
    assert sorted(outcomes.values()) == [STORED, TOLD], outcomes
    return next(warning for warning, status in outcomes.items() if status == STORED)


def test_of_two_saves_at_once_one_is_stored_and_one_is_told(
    admins: tuple[Actor, Actor],
) -> None:
    before = 20
    moves = []
    for version in range(ROUNDS):
        won = save_at_once(admins, version, (100 + version, 200 + version))
        moves.append([before, won])
        before = won
    assert admins[0].ask("stored") == {
        "rows": [[ROUNDS, before]],
        "versions": list(range(1, ROUNDS + 1)),
        "warnings": moves,
    }


def test_of_two_first_saves_at_once_one_is_stored_and_one_is_told(
    admins: tuple[Actor, Actor],
) -> None:
    for _ in range(ROUNDS):
        won = save_at_once(admins, 0, (100, 200))
        assert admins[0].ask("stored")["rows"] == [[1, won]]
        admins[0].ask("forget")


def test_save_is_in_force_on_another_server_process_within_two_seconds(
    admins: tuple[Actor, Actor],
) -> None:
    admin, server = admins
    server.ask("look_until", version=0)
    server.tell("look_until", version=1)
    saved_at = admin.ask("save_and_tell")
    assert server.answer() - saved_at < 2
    assert server.ask("is_looking")
