"""The sweep's benchmark in small: it measures what it says. No figure is held against a goal."""

from __future__ import annotations

import pytest

from benchmarks import sweep
from benchmarks.sweep_page import as_page
from tests.requirements import require
from tests.services.cluster import programs

pytestmark = pytest.mark.services

ROWS = 20_000


def test_the_benchmark_measures_both_and_writes_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    require(programs(), "PostgreSQL is not installed: apt-get install postgresql")
    monkeypatch.setattr(sweep, "CONTROL_SECONDS", 0.1)
    found, version = sweep.measure(ROWS)
    ended = sum(found["sweep"]["result"].values())
    assert set(found["sweep"]["result"]) == {"inactivity", "session_length"}
    assert found["sweep"]["empty"]["result"] == {}
    assert found["sweep"]["reconcile"]["result"] == {}
    # What grows too old between the two is ended by one of them only.
    assert abs(ended - found["clearsessions"]["result"]["expired"]) < ROWS / 1000
    assert 0.4 < ended / ROWS < 0.6
    for leg in found.values():
        assert min(each["count"] for each in leg["visitor"].values()) > 0
    assert f"{ended:,} stale sessions among 20,000" in as_page(found, ROWS, version)
