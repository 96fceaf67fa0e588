"""docs/reference and the code say the same."""

import argparse
import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import URLPattern, URLResolver, get_resolver

from sessionmgr.conf import conf as engine_conf
from sessionmgr.core.reasons import EndReason
from settings_app.conf import conf as page_conf

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
APPS = ("sessionmgr", "settings_app")

#: What every command of Django has.
COMMON_OPTIONS = {
    *("--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"),
    *("--no-color", "--force-color", "--skip-checks", "-h", "-v"),
}


def rows(page: str, heading: str = "# ") -> list[str]:
    """Return the first cell of each row of a page's tables, from below ``heading``."""
    text = (REFERENCE / page).read_text().partition(heading)[2]
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


def properties(conf: Any) -> list[str]:
    return [name for name in vars(type(conf)) if name.isupper()]


def span_of(span: timedelta) -> str:
    if span.days:
        return f"timedelta(days={span.days})"
    return f"timedelta(hours={span.seconds // 3600})"


SETTINGS = [(conf, name) for conf in (engine_conf, page_conf) for name in properties(conf)]


@pytest.mark.parametrize(("conf", "name"), [pytest.param(*row, id=row[1]) for row in SETTINGS])
def test_setting_is_listed_with_its_default(conf: Any, name: str, settings: Any) -> None:
    if hasattr(settings, name):
        delattr(settings, name)
    default = getattr(conf, name)
    written = span_of(default) if isinstance(default, timedelta) else repr(default)
    page = (REFERENCE / "settings.md").read_text().partition("\n## ")[0]
    assert f"| `{name}` | `{written}` |" in page


def test_no_setting_is_listed_that_is_none() -> None:
    page = (REFERENCE / "settings.md").read_text().partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == {name for _, name in SETTINGS}


def test_environment_variables_are_listed() -> None:
    source = (ROOT / "sessionmgr" / "project" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', source))
    assert set(rows("settings.md", "environment\n")) == read


def ids_in_code() -> list[str]:
    return [
        found
        for app in APPS
        for page in sorted((ROOT / app).rglob("checks.py"))
        for found in re.findall(r'id="([\w.]+)"', page.read_text())
    ]


def test_checks_are_unique_and_listed() -> None:
    ids = ids_in_code()
    assert len(ids) == len(set(ids))
    assert set(rows("checks.md")) == set(ids)


def test_each_check_has_a_test_of_its_own() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").glob("*/test_*.py"))
    assert [each for each in ids_in_code() if each not in tests] == []


def test_reasons_are_listed_and_no_others() -> None:
    assert rows("reasons.md") == [reason.value for reason in EndReason]


COMMANDS = sorted(name for name, app in get_commands().items() if app in APPS)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_listed_with_its_options(name: str) -> None:
    page = (REFERENCE / "commands.md").read_text()
    assert f"\n## `{name}`\n" in page
    section = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    command = load_command_class(str(get_commands()[name]), name)
    parser = command.create_parser("manage.py", name)
    usage = parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            usage += "".join(each.format_help() for each in action.choices.values())
    options = set(re.findall(r"(?<![\w-])--[a-z-]+", usage)) - COMMON_OPTIONS
    assert [option for option in sorted(options) if option not in section] == []


def test_no_command_is_listed_that_is_none() -> None:
    page = (REFERENCE / "commands.md").read_text()
    assert sorted(re.findall(r"^## `(\w+)`$", page, re.MULTILINE)) == COMMANDS


def named(patterns: list[Any], prefix: str = "", space: str = "") -> dict[str, str]:
    """Return the path of each named URL; the admin's own are its own affair."""
    found: dict[str, str] = {}
    for each in patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLPattern) and each.name:
            found[space + each.name] = re.sub(r"<\w+:(\w+)>", r"<\1>", f"/{path}")
        elif isinstance(each, URLResolver) and each.namespace != "admin":
            inner = f"{each.namespace}:" if each.namespace else ""
            found |= named(each.url_patterns, path, space + inner)
    return found


def test_urls_are_listed_with_their_names() -> None:
    page = (REFERENCE / "http.md").read_text()
    listed = {
        name: path for path, name in re.findall(r"^\| `[A-Z, ]+ (\S+)` \| `(\S+)` \|", page, re.M)
    }
    assert listed == named(get_resolver("sessionmgr.project.urls").url_patterns)


def test_links_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []


def test_every_decision_is_in_the_list() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()
    missing = [
        page.name for page in (ROOT / "docs" / "adr").glob("0*.md") if page.name not in listed
    ]
    assert missing == []


def test_tasks_are_what_the_contract_names() -> None:
    tasks = importlib.import_module("sessionmgr.tasks")
    named = {"expire_stale_sessions", "renew_identity_leases", "purge_ended_sessions"}
    assert named <= set(vars(tasks))
