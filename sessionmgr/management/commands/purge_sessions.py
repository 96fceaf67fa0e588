"""``purge_sessions``: the task ``purge_ended_sessions`` without Celery."""

from collections.abc import Callable, Mapping
from typing import Any

from sessionmgr.jobs import purge_ended_sessions
from sessionmgr.management.counting import CountingCommand


class Command(CountingCommand):
    help = "Deletes ended sessions from the history that are older than SESSIONMGR_HISTORY_DAYS."
    unit = "rows deleted"

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        return purge_ended_sessions(progress)
