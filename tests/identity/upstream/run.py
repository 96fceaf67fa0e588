"""Runs mozilla-django-oidc's own tests with our classes in the place of its own.

A program of its own: the tests in ``suite`` are of a package called ``tests``, as ours are.
Prints, as JSON, what was wrong with each test: "" where nothing was.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import django

import tests  # The suite's, before anything leads to ours.

HERE = Path(__file__).resolve().parent


def main() -> None:
    assert Path(tests.__file__).parent == HERE / "suite" / "tests"
    django.setup()
    from django.test.runner import DiscoverRunner
    from swapped import Outcomes, swap

    logging.disable()
    swap()
    outcomes = Outcomes()
    runner = DiscoverRunner(verbosity=0, interactive=False, top_level=str(HERE / "suite"))
    runner.setup_test_environment()
    databases = runner.setup_databases()
    runner.build_suite([str(HERE / "suite" / "tests")]).run(outcomes)
    runner.teardown_databases(databases)
    json.dump(outcomes.found, sys.stdout)


if __name__ == "__main__":
    main()
