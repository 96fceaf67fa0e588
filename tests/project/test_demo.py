"""``make demo`` for real: it starts, serves, says what is wrong, and leaves no process."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psutil
import pytest

from sessionmgr.project.demo import launcher, people
from tests.services.cluster import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90


class Demo:
    """A demo in a process of its own, with what it prints."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.base = f"http://localhost:{port}"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sessionmgr.project.demo"],
            cwd=ROOT,
            env=inherited | {"PORT": str(port), "DATA": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""

    def wait_until(self, text: str) -> None:
        """Read what it prints until ``text`` is there."""
        assert self.process.stdout is not None
        watchdog = Timer(PATIENCE, self.process.terminate)
        watchdog.start()
        try:
            while text not in self.printed:
                line = self.process.stdout.readline()
                assert line, self.printed
                self.printed += line
        finally:
            watchdog.cancel()

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and return the exit code once it is through."""
        self.process.send_signal(number)
        self.printed += self.process.communicate(timeout=30)[0]
        return self.process.returncode


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(free_port(), tmp_path / "data + 100% #1")
    yield running
    if running.process.poll() is None:
        running.end()
    assert running.process.stdout is not None
    running.process.stdout.close()


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=10)[1]


def sign_in(base: str, name: str) -> Any:
    """Sign in as a person does, and return the opener that holds the cookies."""
    opener = build_opener(HTTPCookieProcessor(CookieJar()))
    page = opener.open(f"{base}/accounts/sign-in/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    form = {
        "csrfmiddlewaretoken": token[1],
        "username": name,
        "password": f"{name}-demo",
        "next": "/",
    }
    answer = opener.open(f"{base}/accounts/sign-in/", urlencode(form).encode())
    assert f"Hello, {name}" in answer.read().decode()
    return opener


@pytest.mark.services
def test_demo_serves_everybody_and_leaves_no_process(demo: Demo, tmp_path: Path) -> None:
    demo.wait_until("Ctrl-C stops everything.")
    for line in ("web server", "worker with schedule", f"{demo.base}/", "alice-demo"):
        assert line in demo.printed
    assert "site/site" in build_opener().open(f"{demo.base}/").read().decode()
    for name in ("admin", "auditor", "alice", "bob"):
        sign_in(demo.base, name)
    admin = sign_in(demo.base, "admin")
    general = admin.open(f"{demo.base}/admin/system-settings/main/general/")
    assert "Set session timeout" in general.read().decode()

    second = Demo(demo.port, tmp_path / "other")
    complaint = second.process.communicate(timeout=30)[0]
    assert second.process.returncode == 1
    assert len(complaint.splitlines()) == 1
    assert f"port {demo.port} cannot be used" in complaint

    family = demo.family()
    assert len(family) >= 5
    assert demo.end() == 0
    assert gone(family)

    again = Demo(demo.port, tmp_path / "data + 100% #1")
    again.wait_until("Ctrl-C stops everything.")
    sign_in(demo.base, "alice")
    family = again.family()
    assert again.end(signal.SIGINT) == 0
    assert gone(family)


@pytest.mark.services
def test_demo_says_which_process_has_died_and_stops_the_others(demo: Demo) -> None:
    demo.wait_until("Ctrl-C stops everything.")
    family = demo.family()
    worker = next(each for each in family if "celery" in " ".join(each.cmdline()))
    worker.kill()
    demo.printed += demo.process.communicate(timeout=30)[0]
    assert demo.process.returncode == 1
    assert "worker with schedule has ended" in demo.printed
    assert gone(family)


@pytest.mark.services
@pytest.mark.parametrize("printed", ["Preparing the data", "web server"])
def test_demo_stopped_while_it_starts_leaves_no_process(demo: Demo, printed: str) -> None:
    demo.wait_until(printed)
    family = demo.family()
    assert demo.end() == 0
    assert "Stopped." in demo.printed
    assert gone(family)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", demo.port)) != 0


@pytest.mark.parametrize(
    "value", ["abc", "0", "65536", "-1", "8_000", "٨٠٠٠", "0008000000", "9" * 5000]
)
def test_port_that_is_none_is_refused_in_one_line(value: str) -> None:
    with pytest.raises(launcher.Unusable, match="must be a number from 1 to 65535"):
        launcher.free_port(value)


def test_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(launcher.Unusable, match="cannot be used"):
        launcher.prepare(tmp_path / "file")


def test_secret_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    first = launcher.secret_key(file)
    assert len(first) >= 50
    assert launcher.secret_key(file) == first
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.django_db
def test_people_are_created_once_with_their_rights() -> None:
    from django.contrib.auth import get_user_model

    people.create()
    model = get_user_model()
    model.objects.filter(username="alice").update(email="changed@example.com")
    people.create()
    assert model.objects.count() == 4
    assert model.objects.get(username="alice").email == "changed@example.com"
    auditor = model.objects.get(username="auditor")
    assert auditor.is_staff
    assert not auditor.is_superuser
    assert auditor.has_perm("sessionmgr_settings.view_systemsettings")
    assert not auditor.has_perm("sessionmgr_settings.change_systemsettings")
    assert all(
        model.objects.get(username=who.name).check_password(who.password) for who in people.PEOPLE
    )
