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
from sessionmgr.project.demo.provider.config import from_environment
from sessionmgr.sealing import is_key
from tests.services.cluster import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90


class Demo:
    """A demo in a process of its own, with what it prints."""

    def __init__(self, ports: launcher.Ports, folder: Path) -> None:
        self.ports = ports
        self.base = f"http://localhost:{ports.web}"
        self.provider = f"http://localhost:{ports.provider}"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sessionmgr.project.demo"],
            cwd=ROOT,
            env=inherited
            | {"PORT": str(ports.web), "IDP_PORT": str(ports.provider), "DATA": str(folder)},
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
    running = Demo(launcher.Ports(free_port(), free_port()), tmp_path / "data + 100% #1")
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
    names = ["web server", "identity provider", "worker with schedule"]
    assert re.findall(r"^  (\S.*?) +ready ", demo.printed, re.MULTILINE) == names
    for told in (f"{demo.base}/", f"{demo.provider}/", "alice-demo"):
        assert told in demo.printed
    assert "site/site" in build_opener().open(f"{demo.base}/").read().decode()
    for name in ("admin", "auditor", "alice", "bob"):
        sign_in(demo.base, name)
    admin = sign_in(demo.base, "admin")
    general = admin.open(f"{demo.base}/admin/system-settings/main/general/")
    assert "Set session timeout" in general.read().decode()

    panel = build_opener().open(f"{demo.provider}/").read().decode()
    assert "Control panel" in panel
    assert f'href="{demo.base}"' in panel
    keys = build_opener().open(f"{demo.provider}/jwks").read()

    second = Demo(demo.ports, tmp_path / "other")
    complaint = second.process.communicate(timeout=30)[0]
    assert second.process.returncode == 1
    assert len(complaint.splitlines()) == 1
    assert f"port {demo.ports.web} cannot be used" in complaint

    family = demo.family()
    assert len(family) >= 6
    assert demo.end() == 0
    assert gone(family)

    again = Demo(demo.ports, tmp_path / "data + 100% #1")
    again.wait_until("Ctrl-C stops everything.")
    sign_in(demo.base, "alice")
    assert build_opener().open(f"{demo.provider}/jwks").read() == keys
    family = again.family()
    assert again.end(signal.SIGINT) == 0
    assert gone(family)


@pytest.mark.services
@pytest.mark.parametrize(
    ("program", "name"),
    [("celery", "worker with schedule"), ("demo.provider", "identity provider")],
)
def test_demo_says_which_process_has_died_and_stops_the_others(
    demo: Demo, program: str, name: str
) -> None:
    demo.wait_until("Ctrl-C stops everything.")
    family = demo.family()
    next(each for each in family if program in " ".join(each.cmdline())).kill()
    demo.printed += demo.process.communicate(timeout=30)[0]
    assert demo.process.returncode == 1
    assert f"{name} has ended" in demo.printed
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
        assert probe.connect_ex(("127.0.0.1", demo.ports.web)) != 0


@pytest.mark.parametrize("name", ["PORT", "IDP_PORT"])
@pytest.mark.parametrize(
    "value", ["abc", "0", "65536", "-1", "8_000", "٨٠٠٠", "0008000000", "9" * 5000]
)
def test_port_that_is_none_is_refused_in_one_line(name: str, value: str) -> None:
    free = {"PORT": str(free_port()), "IDP_PORT": str(free_port())}
    with pytest.raises(launcher.Unusable, match=f"{name} is .*must be a number from 1 to 65535"):
        launcher.free_ports(free | {name: value})


@pytest.mark.parametrize("name", ["PORT", "IDP_PORT"])
def test_port_that_is_taken_is_refused_with_a_way_out(name: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"PORT": str(free_port()), "IDP_PORT": str(free_port()), name: str(port)}
        told = f"port {port} cannot be used .* make demo {name}="
        with pytest.raises(launcher.Unusable, match=told):
            launcher.free_ports(ports)


def test_one_port_for_both_is_refused() -> None:
    port = str(free_port())
    with pytest.raises(launcher.Unusable, match=f"PORT and IDP_PORT are both {port}"):
        launcher.free_ports({"PORT": port, "IDP_PORT": port})


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a test does to this process's environment to the test."""
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.usefixtures("own_environment")
def test_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(launcher.Unusable, match="cannot be used"):
        launcher.prepare(tmp_path / "file", launcher.Ports(8000, 9000))


@pytest.mark.usefixtures("own_environment")
def test_app_and_provider_are_told_of_each_other(tmp_path: Path) -> None:
    told = launcher.prepare(tmp_path, launcher.Ports(8001, 9001))
    assert told["OIDC_ISSUER"] == "http://localhost:9001"
    assert told["OIDC_CLIENT_ID"] == "sessionmgr"
    assert told["RP"].split(",")[0] == "http://localhost:8001"
    assert "http://portal.localhost:8001" in told["RP"]
    config = from_environment(told)
    assert config.issuer == told["OIDC_ISSUER"]
    assert config.client_secret == told["OIDC_CLIENT_SECRET"]
    assert is_key(told["SESSIONMGR_TOKEN_KEYS"])
    assert launcher.prepare(tmp_path, launcher.Ports(8001, 9001)) == told


@pytest.mark.usefixtures("own_environment")
def test_secrets_are_made_once_and_are_the_owners_alone(tmp_path: Path) -> None:
    told = launcher.prepare(tmp_path, launcher.Ports(8000, 9000))
    files = [tmp_path / name for name in ("secret-key", "client-secret", "token-key")]
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    secrets = [file.read_text() for file in files]
    assert len(set(secrets)) == 3
    assert secrets[0] == told["SECRET_KEY"]
    assert all(len(secret) >= 43 for secret in secrets)


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
