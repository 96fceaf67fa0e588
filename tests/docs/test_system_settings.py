"""docs/reference/system-settings.md says what the form, the command and the checks do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from settings_app import checks
from settings_app.forms import GeneralForm
from settings_app.management.commands.system_settings import Command
from settings_app.models import SystemSettings
from settings_app.values import DEFAULTS, FIELDS, MINUTE_FIELDS
from settings_app.words import LABELS, allowed

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/reference/system-settings.md").read_text(encoding="utf-8")

ROWS = {
    cells[1].strip("`"): cells
    for line in TEXT.splitlines()
    if line.startswith("| Set ")
    for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def test_table_has_every_field_in_the_order_of_the_page() -> None:
    assert tuple(ROWS) == FIELDS
    assert tuple(GeneralForm.base_fields) == (*FIELDS, "reason", "version")


@pytest.mark.parametrize("field", FIELDS)
def test_label_default_and_rule_are_the_pages(field: str) -> None:
    _group, _field, label, default, rule = ROWS[field]
    assert label == str(LABELS[field]) == str(GeneralForm.base_fields[field].label)
    value = DEFAULTS[field]
    assert default.strip("`") == (
        ("on" if value else "off") if value in (True, False) else str(value)
    )
    assert SystemSettings._meta.get_field(field).default == value
    if field in MINUTE_FIELDS:
        assert rule == allowed(field)


def test_every_action_of_the_command_is_told() -> None:
    told = set(re.findall(r"`system_settings (\w+)", TEXT))
    parser = Command().create_parser("manage.py", "system_settings")
    actions = next(each for each in parser._actions if each.dest == "action")
    assert told == set(actions.choices or ())


def test_every_check_is_told() -> None:
    in_code = set(re.findall(r"sessionmgr_settings\.[EW]\d+", Path(checks.__file__).read_text()))
    assert in_code == set(re.findall(r"sessionmgr_settings\.[EW]\d+", TEXT))
