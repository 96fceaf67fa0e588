"""Four busy processes on one SQLite file: nobody is told that the database is locked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from tests.services.actor import actors

pytestmark = pytest.mark.services

PROCESSES = 4


@pytest.mark.parametrize(
    "amount",
    [
        pytest.param({"steps": 80}, id="short"),
        pytest.param({"seconds": 60}, id="long", marks=pytest.mark.slow),
    ],
)
def test_no_request_meets_a_locked_database(
    amount: dict[str, int], new_database: Callable[[str], str]
) -> None:
    done: Counter[str] = Counter()
    with actors(PROCESSES, new_database("sqlite")) as crowd:
        for seed, actor in enumerate(crowd):
            actor.tell("work", seed=seed, **amount)
        for actor in crowd:
            done.update(actor.answer())
    failed = done.pop("failed")
    assert failed == 0, done
    assert all(done.values()), "Every kind of work must have been done."
