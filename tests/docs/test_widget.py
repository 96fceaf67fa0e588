"""docs/reference/widget.md says what the element's script does."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/reference/widget.md").read_text(encoding="utf-8")
STATIC = ROOT / "sessionmgr/static/sessionmgr"
SCRIPT = (STATIC / "session-timeout.js").read_text(encoding="utf-8")
NEAR = (STATIC / "session-timeout-near.js").read_text(encoding="utf-8")
STYLE = (STATIC / "session-timeout.css").read_text(encoding="utf-8")
TEMPLATE = (ROOT / "sessionmgr/templates/sessionmgr/session_timeout.html").read_text("utf-8")


def told(heading: str) -> list[str]:
    """Return the first column of the table under a heading, without its backticks."""
    section = TEXT.split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_methods_and_properties_are_the_scripts() -> None:
    body = SCRIPT[SCRIPT.index("export class SessionTimeout") :]
    methods = re.findall(r"^  (\w+)\((\w*).*\) \{$", body, re.MULTILINE)
    callbacks = {"connectedCallback", "disconnectedCallback"}
    in_code = {name for name, _argument in methods} - callbacks
    in_code |= set(re.findall(r"^  get (\w+)\(", body, re.MULTILINE))
    assert {name.partition("(")[0] for name in told("Methods and properties")} == in_code


def test_events_are_the_scripts() -> None:
    in_code = set(re.findall(r'#emit\("(\w+)"', SCRIPT))
    in_code |= {"offline"} if "#emit(view)" in SCRIPT else set()
    assert {name.removeprefix("session-timeout:") for name in told("Events")} == in_code


def test_attributes_are_the_templates_and_the_scripts() -> None:
    (element,) = re.findall(r"<session-timeout [^>]*>", TEMPLATE)
    given = set(re.findall(r"(data-[\w-]+)=", element))
    own = set(re.findall(r'this\.(?:set|toggle)Attribute\("(\w+)"', SCRIPT))
    assert set(told("Attributes")) == given | own


def test_states_are_the_templates() -> None:
    (row,) = (line for line in TEXT.splitlines() if line.startswith("| `state` | What"))
    states = set(re.findall(r"`(\w+)`", row)) - {"state", "active"}
    assert states == set(re.findall(r'data-view="(\w+)"', TEMPLATE))


def test_custom_properties_are_the_stylesheets() -> None:
    assert set(told("Style")) == set(re.findall(r"var\((--session-timeout-[\w-]+)", STYLE))
