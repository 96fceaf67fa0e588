"""I1 and I3 among real processes: whatever meets a sign-out, nobody is signed in afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from time import monotonic_ns
from typing import Any

import pytest

from tests.services.actor import Actor, actors

pytestmark = pytest.mark.services

MILLISECOND = 1_000_000
#: Time for both orders to arrive before the first part begins.
HEAD_START = 2 * MILLISECOND
#: Furthest that two parts of a race are apart.
SPREAD = 12 * MILLISECOND

SHORT = pytest.param(40, id="short")
LONG = pytest.param(1000, id="long", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def racers(
    request: pytest.FixtureRequest, new_database: Callable[[str], str]
) -> Iterator[tuple[Actor, Actor]]:
    """Two processes that keep on racing, round after round, on each kind of database."""
    with actors(2, new_database(request.param)) as (one, other):
        yield one, other


def race(racers: tuple[Actor, Actor], parts: tuple[str, str], key: str, late: int) -> list[Any]:
    """Let both parts begin at one moment, the second ``late`` nanoseconds after (or before)."""
    for racer, part in zip(racers, parts, strict=True):
        racer.ask("prepare", part=part, key=key)
    start = monotonic_ns() + HEAD_START + max(0, -late)
    for racer, at in zip(racers, (start, start + late), strict=True):
        racer.tell("go", at=at)
    return [racer.answer() for racer in racers]


def lateness(rounds: int) -> Iterator[int]:
    """Yield how late the second part begins: one in four at once, the others up to 12 ms apart."""
    chance = random.Random(rounds)  # noqa: S311 - a schedule, no secret
    for number in range(rounds):
        yield 0 if number % 4 == 0 else chance.randint(-SPREAD, SPREAD)


@pytest.mark.parametrize("rounds", [SHORT, LONG])
@pytest.mark.parametrize("part", ["save", "read", "change_key", "sign_in_again"])
def test_a_sign_out_is_never_lost(part: str, rounds: int, racers: tuple[Actor, Actor]) -> None:
    for late in lateness(rounds):
        key = racers[0].ask("sign_in")
        outcomes = race(racers, (part, "sign_out"), key, late)
        left = racers[1].ask("verdict", key=key)
        assert left == {"signed_in": 0, "live": 0, "ended": 1, "reasons": ["signed_out"]}, (
            f"{part}, {late} ns: {outcomes}"
        )
        assert sum(outcome["ends"] for outcome in outcomes) == 1


@pytest.mark.parametrize("rounds", [SHORT, LONG])
def test_of_touch_and_sweep_one_wins(rounds: int, racers: tuple[Actor, Actor]) -> None:
    winners = set()
    for late in lateness(rounds):
        key = racers[0].ask("sign_in", idle=True)
        touched, swept = race(racers, ("touch", "sweep"), key, late)
        left = racers[1].ask("verdict", key=key)
        is_touched = touched["outcome"] == 1
        assert left["live"] == left["signed_in"] == is_touched, (late, touched, swept)
        assert left["reasons"] == ["" if is_touched else "inactivity"]
        assert touched["ends"] + swept["ends"] == left["ended"] == (not is_touched)
        winners.add(is_touched)
    assert winners == {True, False}, "The race was never close: both must be able to win."


def test_the_race_can_see_a_lost_sign_out(racers: tuple[Actor, Actor]) -> None:
    lost = 0
    for late in lateness(40):
        key = racers[0].ask("plain_sign_in")
        race(racers, ("plain_change_key", "plain_sign_out"), key, abs(late))
        lost += racers[1].ask("plain_verdict")
    assert lost, "Plain Django signs out by key, and loses a sign-out that meets a change of key."
