"""Processes of their own on one database, told what to do line by line (``stage.py`` does it)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Actor:
    """One process with the project set up; ``ask`` waits for the answer, ``tell`` does not."""

    def __init__(self, database_url: str, stage: str = "tests.services.stage") -> None:
        self.process = subprocess.Popen(  # noqa: S603 - a module of ours
            [sys.executable, "-m", stage],
            cwd=ROOT,
            env={**os.environ, **environment(database_url)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.orders, self.answers = self.process.stdin, self.process.stdout

    def tell(self, action: str, **arguments: Any) -> None:
        self.orders.write(json.dumps([action, arguments]) + "\n")
        self.orders.flush()

    def answer(self) -> Any:
        line = self.answers.readline()
        assert line, "the process has died"
        return json.loads(line)

    def ask(self, action: str, **arguments: Any) -> Any:
        self.tell(action, **arguments)
        return self.answer()

    def close(self) -> None:
        self.orders.close()
        self.process.wait(30)
        self.answers.close()


def environment(database_url: str) -> dict[str, str]:
    """Return what makes a process run the tests' settings on another database."""
    return {
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def actors(
    number: int, database_url: str, stage: str = "tests.services.stage"
) -> Iterator[list[Actor]]:
    """Offer ``number`` processes on a migrated database."""
    with ExitStack() as stack:
        crowd = []
        for _ in range(number):
            crowd.append(Actor(database_url, stage))
            stack.callback(crowd[-1].close)
        crowd[0].ask("migrate")
        yield crowd
