"""The gate: every check in order, until the first that fails. ``make test`` runs it.

What the machine lacks is skipped with one line that says how to get it; under ``REQUIRE=all``
that is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from tests.services import cluster

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

#: Development mode, and warnings that would become errors for the people who upgrade.
STRICT = {
    "PYTHONDEVMODE": "1",
    "PYTHONWARNINGS": "error::DeprecationWarning,error::ResourceWarning",
}
#: What a production environment sets; ``check --deploy`` must have nothing to say.
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "sessionmgr.project.settings",
    "SECRET_KEY": "for-checks-only-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
    "ALLOWED_HOSTS": "example.org",
    "DATABASE_URL": "sqlite://:memory:",
}
PYTEST = ["-n", "auto", "--dist", "worksteal", "-q"]
#: What runs on each database and each Python.
MARKS = "not slow and not packaging and not browser"
SECOND_PYTHON = "3.13"


class Failed(Exception):  # noqa: N818 - it reads as what it tells
    """A step did not pass; the message says which."""


class Missing(Exception):  # noqa: N818
    """The machine lacks something; the message says what, and how to get it."""


class Step(NamedTuple):
    """One step of the gate. ``required``: ``REQUIRE=all`` does not forgive its absence."""

    name: str
    run: Callable[[], None]
    required: bool = True


def tool(*command: str, **environment: str) -> None:
    """Run a program of this environment; what it prints is shown only where it fails."""
    run([str(BIN / command[0]), *command[1:]], environment)


def run(command: list[str], environment: dict[str, str] | None = None, echo: bool = False) -> None:
    """Run ``command`` in the project's folder, or raise ``Failed``."""
    merged = {**os.environ, **(environment or {})}
    output = None if echo else subprocess.PIPE
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=merged, stdout=output, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode:
        sys.stdout.write((done.stdout or b"").decode(errors="replace"))
        raise Failed(f"`{' '.join(command)}` ended with {done.returncode}")


def npm_packages() -> None:
    """Install the JavaScript tools, unless they are there as listed."""
    npm = program("npm", "apt-get install npm")
    installed = ROOT / "node_modules" / ".package-lock.json"
    lock = ROOT / "package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        run([npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"])
        installed.touch()


def program(name: str, hint: str) -> str:
    """Return where ``name`` is, or raise ``Missing``."""
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed ({hint})")
    return found


def templates() -> None:
    """Lint every template of the project."""
    folders = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("*/templates"))]
    tool("djlint", "--lint", "--quiet", "templates", *folders)


def migrations() -> None:
    tool("python", "manage.py", "makemigrations", "--check", "--dry-run", **PRODUCTION)


def deployment() -> None:
    tool("python", "manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)


def pytest(python: Path, *arguments: str, **environment: str) -> None:
    """Run the Python tests in development mode, with warnings as errors."""
    run(
        [str(python), "-m", "pytest", *PYTEST, *arguments],
        {**STRICT, **environment},
        echo=True,
    )


def tests_on_sqlite() -> None:
    """Run the tests, and hold the coverage: 90 %, the core 100 %."""
    pytest(BIN / "python", "-m", MARKS, "--cov", "--cov-report=")
    tool("coverage", "report")
    tool("coverage", "report", "--include=sessionmgr/core/*", "--fail-under=100")


def tests_in_a_browser() -> None:
    """Run the browser's tests, in processes of their own: Playwright keeps a loop running."""
    pytest(BIN / "python", "-m", "browser and not slow")


def tests_on_postgresql() -> None:
    """Run the tests again on a PostgreSQL of their own."""
    if cluster.programs() is None:
        raise Missing("PostgreSQL is not installed (apt-get install postgresql)")
    with cluster.cluster() as server:
        # These bring databases of their own, of both kinds, whatever this run's is.
        own = ["--ignore=tests/services", "--ignore=tests/project/test_demo.py"]
        pytest(BIN / "python", "-m", MARKS, *own, DATABASE_URL=server.url)


def tests_on_second_python() -> None:
    """Run the tests again on a newer Python, which gets a newer Django."""
    python = second_python()
    pytest(python, "-m", MARKS, "-p", "no:cacheprovider")


def second_python() -> Path:
    """Return the second interpreter's environment, made and filled where it is not up to date."""
    folder = ROOT / f".venv{SECOND_PYTHON.replace('.', '')}"
    python, stamp = folder / "bin" / "python", folder / ".tests"
    lists = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt"]
    if not python.exists():
        run([interpreter(SECOND_PYTHON), "-m", "venv", str(folder)])
    newest = max(path.stat().st_mtime for path in lists)
    if not stamp.exists() or stamp.stat().st_mtime < newest:
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "-r", "requirements-dev.txt"])
        stamp.touch()
    return python


def interpreter(version: str) -> str:
    """Return a Python of ``version`` that runs: on PATH, or one of pyenv's."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/python{version}"))
    on_path = shutil.which(f"python{version}")
    for candidate in [*([on_path] if on_path else []), *map(str, pyenv)]:
        probe = subprocess.run([candidate, "-c", ""], capture_output=True, check=False)  # noqa: S603
        if probe.returncode == 0:
            return candidate
    raise Missing(f"Python {version} is not installed (for example: pyenv install {version})")


def javascript() -> None:
    """Check the types of the widget and run its tests."""
    npm = program("npm", "apt-get install npm")
    run([npm, "test", "--silent"])


def packages() -> None:
    """Build the distributions as a release would, and test what is in them."""
    with tempfile.TemporaryDirectory(prefix="sessionmgr-dist-") as folder:
        tool("python", "-m", "build", "--no-isolation", "--outdir", folder)
        arguments = ["-m", "pytest", "-q", "-m", "packaging and not slow"]
        run([str(BIN / "python"), *arguments], {"DIST": folder}, echo=True)


LINT = [
    Step("ruff format", lambda: tool("ruff", "format", "--check", ".")),
    Step("ruff check", lambda: tool("ruff", "check", ".")),
    Step("lint-imports", lambda: tool("lint-imports")),
    Step("mypy", lambda: tool("mypy", "sessionmgr", "settings_app")),
    Step("djlint", templates),
    Step(
        "bandit",
        lambda: tool("bandit", "-q", "-c", "pyproject.toml", "-r", "sessionmgr", "settings_app"),
    ),
    Step("makemigrations --check", migrations),
    Step("check --deploy", deployment),
]
TESTS = [
    Step("npm packages", npm_packages),
    Step("tests on SQLite, with coverage", tests_on_sqlite),
    Step("tests in a browser", tests_in_a_browser),
    Step("tests on PostgreSQL", tests_on_postgresql),
    Step(f"tests on Python {SECOND_PYTHON}", tests_on_second_python, required=False),
    Step("tests of the widget", javascript),
    Step("build, and tests of the packages", packages),
]


@contextmanager
def told(step: Step, skipped: list[str]) -> Iterator[None]:
    """Print a line for the step as it begins and ends."""
    sys.stdout.write(f"── {step.name}\n")
    sys.stdout.flush()
    began = monotonic()
    try:
        yield
    except Missing as missing:
        if step.required and os.environ.get("REQUIRE") == "all":
            raise Failed(f"{missing}, and REQUIRE=all asks for it") from None
        skipped.append(step.name)
        sys.stdout.write(f"   skipped: {missing}\n")
    else:
        sys.stdout.write(f"   passed in {monotonic() - began:.0f} s\n")


def main() -> int:
    """Run the gate and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["lint", "tests"], help="run this half of the gate")
    chosen = {"lint": LINT, "tests": TESTS, None: [*LINT, *TESTS]}[parser.parse_args().only]
    skipped: list[str] = []
    for number, step in enumerate(chosen, start=1):
        try:
            with told(step, skipped):
                step.run()
        except Failed as failure:
            sys.stdout.write(
                f"\nFAILED at step {number} of {len(chosen)}, {step.name}: {failure}\n"
            )
            return 1
    passed = len(chosen) - len(skipped)
    note = f"; skipped: {', '.join(skipped)}" if skipped else ""
    sys.stdout.write(f"\n{passed} of {len(chosen)} steps passed{note}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
