"""``system_settings``: the page's rules without the page."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sessionmgr.core.policy import MINUTE, Policy
from settings_app.management.commands import system_settings
from settings_app.models import Environment, SettingsChange, SystemSettings
from settings_app.saving import Author, StaleVersionError, store, stored_policy
from settings_app.values import MINUTE_FIELDS
from tests.settings_app.test_forms import BAD_NUMBERS

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    """Run the command and return what it printed."""
    out = io.StringIO()
    call_command("system_settings", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_show_prints_what_is_stored_and_stores_nothing() -> None:
    assert "max_session_length = 1440" in run("show")
    assert json.loads(run("show", "--json"))["main"] == {
        "session_timeout": "default",
        "max_session_length": 1440,
        "session_warning": 20,
        "inactivity_enabled": False,
        "inactivity_duration": 30,
        "inactivity_warning": 5,
        "version": 0,
    }
    assert not SystemSettings.objects.exists()


def test_set_stores_and_records_the_command_line(environment: Environment) -> None:
    printed = run("set", "session_timeout=custom", "max_session_length=120", "--reason", "Why")
    assert "1440 minutes (24 hours) -> 120 minutes (2 hours)" in printed
    assert "changed 1, unchanged 0" in printed
    assert stored_policy(environment).max_age == 120 * MINUTE
    change = SettingsChange.objects.get()
    assert (change.user, change.changed_by, change.reason) == (None, "command line", "Why")


def test_set_without_a_change_stores_nothing() -> None:
    assert json.loads(run("set", "session_warning=20", "--json"))["unchanged"] == 1
    assert not SystemSettings.objects.exists()


@pytest.mark.parametrize("field", MINUTE_FIELDS)
@pytest.mark.parametrize(
    "value", [each for each in BAD_NUMBERS if isinstance(each.values[0], str)]
)
def test_set_refuses_a_bad_number(field: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"Nothing was changed.\n{field}: "):
        run("set", f"{field}={value}")
    assert not SystemSettings.objects.exists()


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["session_warning"], id="no-value"),
        pytest.param(["session_warning=7", "session_warning=8"], id="twice"),
        pytest.param(["colour=7"], id="unknown"),
        pytest.param(["version=7"], id="version"),
        pytest.param(["max_session_length=60", "session_warning=60"], id="joint-rule"),
        pytest.param(["session_warning=7", "--environment", "nowhere"], id="environment"),
        pytest.param(["session_warning=7", "--reason", "x" * 501], id="reason"),
    ],
)
def test_set_refuses_what_makes_no_sense(words: list[str]) -> None:
    with pytest.raises(CommandError):
        run("set", *words)
    assert not SystemSettings.objects.exists()


def test_refusal_is_json_where_a_script_asks() -> None:
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("system_settings", "set", "session_warning=x", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["changed"] == 0
    assert "from 1 to 1439" in told["errors"]["session_warning"][0]


def test_reset_restores_the_defaults(environment: Environment) -> None:
    policy = Policy(custom_length=True, max_session_length=60 * MINUTE)
    store(environment, policy, based_on=0, author=Author(name="somebody"))
    assert "changed 1" in run("reset")
    assert stored_policy(environment) == Policy(version=2)


def test_export_is_what_apply_reads(environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    run("set", "session_timeout=custom", "inactivity_enabled=on", "inactivity_duration=15")
    before = stored_policy(environment)
    run("export", str(file))
    run("reset")
    assert json.loads(run("apply", str(file), "--json"))["changed"] == 1
    after = stored_policy(environment)
    assert (after.max_age, after.max_idle) == (before.max_age, before.max_idle)
    assert json.loads(run("apply", str(file), "--json"))["changed"] == 0


def test_apply_reads_what_is_piped_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(run("export")))
    assert "changed 0, unchanged 1" in run("apply")


GOOD = {
    "session_timeout": "custom",
    "max_session_length": 120,
    "session_warning": 20,
    "inactivity_enabled": True,
    "inactivity_duration": 15,
    "inactivity_warning": 5,
}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut"),
        pytest.param("[" * 200_000, id="deep"),
        pytest.param("[]", id="list"),
        pytest.param("{}", id="no-environments"),
        pytest.param('{"environments": {}}', id="none"),
        pytest.param('{"environments": {"main": 1}}', id="no-object"),
        pytest.param(json.dumps({"environments": {"main": GOOD}, "more": 1}), id="more"),
        pytest.param(json.dumps({"environments": {"nowhere": GOOD}}), id="unknown"),
        pytest.param(json.dumps({"environments": {"main": GOOD, "nowhere": GOOD}}), id="half"),
        pytest.param('{"environments": {"main": {"a": 1, "a": 2}}}', id="name-twice"),
        pytest.param(" " * 1_000_001, id="too-long"),
    ],
)
def test_apply_refuses_a_bad_file_whole(content: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content)
    with pytest.raises(CommandError):
        run("apply", str(file))
    assert not SystemSettings.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"max_session_length": "120"},
        {"max_session_length": 120.0},
        {"max_session_length": True},
        {"max_session_length": None},
        {"max_session_length": 10**30},
        {"max_session_length": -60},
        {"inactivity_enabled": "on"},
        {"inactivity_enabled": 1},
        {"session_timeout": "other"},
        {"session_timeout": 1},
        {"session_warning": 120},
    ],
)
def test_apply_refuses_a_bad_value(changes: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"environments": {"main": {**GOOD, **changes}}}))
    with pytest.raises(CommandError):
        run("apply", str(file))
    assert not SystemSettings.objects.exists()


@pytest.mark.parametrize("missing", GOOD)
def test_apply_wants_every_setting(missing: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    rest = {field: value for field, value in GOOD.items() if field != missing}
    file.write_text(json.dumps({"environments": {"main": rest}}))
    with pytest.raises(CommandError, match=missing):
        run("apply", str(file))


def test_apply_tells_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        run("apply", str(tmp_path / "nothing.json"))
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CommandError):
        run("apply", str(tmp_path / "bytes.json"))


def test_show_tells_that_the_defaults_are_in_force(settings: Any) -> None:
    settings.SESSIONMGR_RESTORE_DEFAULTS = True
    err = io.StringIO()
    call_command("system_settings", "show", stdout=io.StringIO(), stderr=err)
    assert "SESSIONMGR_RESTORE_DEFAULTS" in err.getvalue()


def test_apply_takes_one_environment_of_a_file(tmp_path: Path, environment: Environment) -> None:
    other = Environment.objects.create(slug="legacy", name="Legacy", version="9.1.0.3000")
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"environments": {"main": GOOD, "legacy": GOOD}}))
    run("apply", str(file), "--environment", "legacy")
    assert stored_policy(other).version == 1
    assert stored_policy(environment).version == 0
    with pytest.raises(CommandError):
        run("apply", str(file), "--environment", "nowhere")


def test_save_by_somebody_else_meanwhile_changes_nothing(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(*args: Any, **kwargs: Any) -> None:
        raise StaleVersionError

    monkeypatch.setattr(system_settings, "store", overtaken)
    with pytest.raises(CommandError, match="meanwhile"):
        run("set", "session_warning=7")
