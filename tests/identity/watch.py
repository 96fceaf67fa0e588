"""Seconds that pass when a test says so."""

from __future__ import annotations


class Watch:
    """Stands in for ``time.monotonic`` in one module: it stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at

    def pass_by(self, seconds: float) -> None:
        self.at += seconds
