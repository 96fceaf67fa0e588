"""The logout's benchmark in small: it measures what it says. No figure is held against a goal."""

from __future__ import annotations

import pytest

from benchmarks import logout
from benchmarks.logout_page import KINDS, as_page
from tests.requirements import require
from tests.services.cluster import programs

pytestmark = pytest.mark.services

SESSIONS = 6_000


def test_the_benchmark_ends_what_it_says_and_writes_a_page() -> None:
    require(programs(), "PostgreSQL is not installed: apt-get install postgresql")
    found, version = logout.measure(SESSIONS)
    assert found["ended"] == 1 + 4 * found["count"]
    assert set(found["spans"]) == set(KINDS)
    assert found["spans"]["nothing"]["median"] < found["spans"]["sid"]["median"]
    assert "6,000 live sessions of 2,000 people" in as_page(found, SESSIONS, version)
