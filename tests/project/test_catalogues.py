"""Every sentence is there in every language, and what is compiled is what was translated."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.requirements import require_program

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = [code for code, _ in settings.LANGUAGES if code != "en"]
CATALOGUE = "locale/{}/LC_MESSAGES/django.{}"

#: Folders with a catalogue, and what of them it covers: a folder below has its own.
SOURCES = {
    "sessionmgr": ["*"],
    "settings_app": ["*"],
    "sessionmgr/project/demo": ["*"],
    ".": ["templates", "locale"],
}
ELSEWHERE = shutil.ignore_patterns("project", "__pycache__", "static")

each_catalogue = pytest.mark.parametrize(
    "folder", [pytest.param(name, id="templates" if name == "." else name) for name in SOURCES]
)
each_language = pytest.mark.parametrize("language", LANGUAGES)


def printed_by(program: str, *arguments: str | Path) -> str:
    """Return what a program of gettext prints; it fails where a catalogue is malformed."""
    found = require_program(program, "apt-get install gettext")
    done = subprocess.run(  # noqa: S603
        [found, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a copy of each folder whose catalogues makemessages has brought up to date."""
    require_program("xgettext", "apt-get install gettext")
    copies = {}
    for folder, patterns in SOURCES.items():
        copy = copies[folder] = tmp_path_factory.mktemp("catalogue")
        for part in (part for pattern in patterns for part in (ROOT / folder).glob(pattern)):
            if part.is_dir() and part.name != "project":
                shutil.copytree(part, copy / part.name, ignore=ELSEWHERE)
            elif part.suffix in {".py", ".html"}:
                shutil.copy(part, copy)
        languages = [word for language in LANGUAGES for word in ("-l", language)]
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "django", "makemessages", *languages, "--no-location", "-v0"],
            cwd=copy,
            # Without this project's settings, which would add its own catalogues.
            env={k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"},
            check=True,
        )
    return copies


@each_catalogue
@each_language
@pytest.mark.parametrize("state", ["untranslated", "only-fuzzy", "only-obsolete"])
def test_catalogue_has_every_message_and_no_other(
    merged: dict[str, Path], folder: str, language: str, state: str
) -> None:
    catalogue = merged[folder] / CATALOGUE.format(language, "po")
    assert printed_by("msgattrib", f"--{state}", catalogue) == ""


@each_catalogue
@each_language
def test_translations_keep_the_placeholders_of_their_message(
    folder: str, language: str, tmp_path: Path
) -> None:
    catalogue = ROOT / folder / CATALOGUE.format(language, "po")
    printed_by("msgfmt", "--check-format", catalogue, "-o", tmp_path / "checked.mo")


@each_catalogue
@each_language
def test_compiled_catalogue_says_what_its_source_says(
    folder: str, language: str, tmp_path: Path
) -> None:
    source = ROOT / folder / CATALOGUE.format(language, "po")
    compiled = tmp_path / "compiled.mo"
    printed_by("msgfmt", source, "-o", compiled)
    wanted = printed_by("msgunfmt", "--sort-output", compiled)
    found = printed_by(
        "msgunfmt", "--sort-output", ROOT / folder / CATALOGUE.format(language, "mo")
    )
    assert found == wanted


def test_a_lost_placeholder_would_be_found(tmp_path: Path) -> None:
    catalogue = tmp_path / "django.po"
    catalogue.write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
        '#, python-brace-format\nmsgid "In {left}."\nmsgstr "Bald."\n'
    )
    with pytest.raises(AssertionError, match="left"):
        printed_by("msgfmt", "--check-format", catalogue, "-o", tmp_path / "checked.mo")
