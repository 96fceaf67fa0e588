"""README's install section, applied to the letter to a fresh project, and then the story."""

import difflib
import re
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import ROOT, run
from tests.requirements import require

FAKETIME = "faketime/libfaketime.so.1"

#: What a project has and ``startproject`` does not make: a base template, and a page.
BASE = "<!DOCTYPE html>\n<html>\n<body>\n<h1>Hello {{ user }}</h1>\n</body>\n</html>\n"
PAGES = """from django.contrib.auth.decorators import login_required
from django.shortcuts import render


@login_required
def page(request):
    return render(request, "base.html")
"""
OWN_SETTINGS = 'INSTALLED_APPS += ["pages"]\n'
OWN_URLS = 'from pages.views import page\n\nurlpatterns += [path("page/", page)]\n'

STORY = '''
import os, django
django.setup()
from django.contrib.auth import get_user_model
from django.test import Client

def let_pass(minutes):
    """Move the clock of this process, and so its database's, with libfaketime."""
    with open(os.environ["FAKETIME_TIMESTAMP_FILE"], "w") as file:
        file.write(f"+{minutes}m")

users = get_user_model().objects
users.create_superuser("admin", "admin@example.com", "admin-demo")
users.create_user("alice", "alice@example.com", "alice-demo")
admin, alice = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")

asked = alice.get("/page/")
assert asked.status_code == 302 and asked["Location"] == "/session/sign-in/?next=/page/", asked
sign_in = {"username": "alice", "password": "alice-demo", "next": "/page/"}
assert alice.get("/session/sign-in/").status_code == 200
assert alice.post("/session/sign-in/", sign_in)["Location"] == "/page/"
shown = alice.get("/page/")
assert shown.status_code == 200 and b"<session-timeout" in shown.content, shown.content

admin.post("/session/sign-in/", {"username": "admin", "password": "admin-demo"})
form = admin.get("/admin/system-settings/main/general/")
assert form.status_code == 200, form
saved = admin.post("/admin/system-settings/main/general/", {
    "session_timeout": "default", "max_session_length": "1440", "session_warning": "20",
    "inactivity_enabled": "on", "inactivity_duration": "30", "inactivity_warning": "5",
    "version": "0", "reason": "",
})
assert saved.status_code == 302, saved.content.decode()

let_pass(29)
assert alice.get("/page/").status_code == 200
let_pass(58)
assert alice.get("/page/").status_code == 200
let_pass(88)
ended = alice.get("/page/")
assert ended.status_code == 302 and "reason=inactivity" in ended["Location"], ended["Location"]
why = alice.get(ended["Location"])
assert b"nothing happened for a while" in why.content, why.content
assert alice.post("/session/sign-in/", sign_in)["Location"] == "/page/"
assert alice.get("/page/").status_code == 200
print("the story is told")
'''


def blocks(language: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of README's install section: what the fence names, and the text."""
    readme = (ROOT / "README.md").read_text()
    section = readme.split("## Into your project")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [(name, text) for kind, name, text in found if kind == language]


def apply_diff(text: str, diff: str) -> str:
    """Return ``text`` with the diff's change made at the one place that it fits."""
    lines = diff.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    assert text.count(before) == 1, f"startproject makes nothing like\n{before}"
    return text.replace(before, after)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A fresh project with one page and one base template of its own."""
    run([sys.executable, "-m", "django", "startproject", "mysite", str(tmp_path)], tmp_path)
    run([sys.executable, "manage.py", "startapp", "pages"], tmp_path)
    (tmp_path / "pages" / "templates").mkdir()
    (tmp_path / "pages" / "templates" / "base.html").write_text(BASE)
    (tmp_path / "pages" / "views.py").write_text(PAGES)
    for name, own in (("settings.py", OWN_SETTINGS), ("urls.py", OWN_URLS)):
        file = tmp_path / "mysite" / name
        file.write_text(f"{file.read_text()}\n{own}")
    return tmp_path


def install(host: Path) -> int:
    """Do what README says; return how many lines that has changed."""
    changed = 0
    settings, urls = host / "mysite" / "settings.py", host / "mysite" / "urls.py"
    base = host / "pages" / "templates" / "base.html"
    before = {file: file.read_text() for file in (settings, urls, base)}
    ((_, at_the_end),) = blocks("python")
    settings.write_text(before[settings] + at_the_end)
    ((_, diff),) = blocks("diff")
    urls.write_text(apply_diff(before[urls], diff))
    ((_, tag),) = blocks("html")
    base.write_text(before[base].replace("</body>", f"{tag}</body>"))
    for file, text in before.items():
        compared = difflib.ndiff(text.splitlines(), file.read_text().splitlines())
        changed += sum(line.startswith("+ ") for line in compared)
    return changed


def test_install_section_is_five_steps_and_nine_lines(host: Path) -> None:
    section = (ROOT / "README.md").read_text().split("## Into your project")[1].split("\n## ")[0]
    assert len(re.findall(r"^\*\*\d\.\*\*", section, re.MULTILINE)) <= 5
    assert "…" not in section
    assert "..." not in section
    assert install(host) <= 9


def test_story_in_a_fresh_project(host: Path, installed: Path) -> None:
    libraries = list(Path("/usr/lib").glob(f"*/{FAKETIME}"))
    require(libraries, "libfaketime is not installed: apt-get install libfaketime")
    install(host)
    clock = host / "clock"
    clock.write_text("+0m")
    environment = {"PYTHONPATH": str(installed), "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    commands = "".join(text for _, text in blocks("sh")).splitlines()
    for command in commands:
        if command.startswith("python "):
            arguments = command.split()[1:]
            printed = run([sys.executable, *arguments], host, **environment)
            if arguments[1] == "check":
                assert "no issues (0 silenced)" in printed
    (host / "story.py").write_text(STORY)
    printed = run(
        [sys.executable, "story.py"],
        host,
        LD_PRELOAD=str(libraries[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        **environment,
    )
    assert "the story is told" in printed
