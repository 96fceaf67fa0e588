"""What the commands have in common: they tell what they did as a line of counts."""

import json
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from typing import Any

from django.core.management.base import BaseCommand

from sessionmgr.jobs import in_words


class CountingCommand(BaseCommand):
    """A command that does one job; ``count`` does it and returns the counts."""

    #: What is counted while it runs, for the progress line.
    unit = "rows"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the counts as JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        shown = self.stderr.isatty()
        counts = self.count(progress=self._teller() if shown else None, **options)
        if shown:
            self.stderr.write("")
        self.stdout.write(json.dumps(counts) if options["json"] else in_words(counts))

    def count(
        self, *, progress: Callable[[int], None] | None, **options: Any
    ) -> Mapping[str, int]:
        """Do the job; call ``progress`` with how much more is done, where it is given."""
        raise NotImplementedError

    def _teller(self) -> Callable[[int], None]:
        """Return what rewrites one line of a terminal as the work goes on."""
        done = 0

        def tell(more: int) -> None:
            nonlocal done
            done += more
            self.stderr.write(f"\r{done} {self.unit}", ending="")
            self.stderr.flush()

        return tell
