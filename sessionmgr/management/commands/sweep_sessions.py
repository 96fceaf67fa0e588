"""``sweep_sessions``: the task ``expire_stale_sessions`` without Celery."""

from collections.abc import Callable, Mapping
from typing import Any

from sessionmgr.jobs import expire_stale_sessions
from sessionmgr.management.counting import CountingCommand


class Command(CountingCommand):
    help = "Ends the sessions that are past their limits and that nobody came back to."
    unit = "sessions ended"

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        return expire_stale_sessions(progress)
