"""The provider as ``make demo`` runs it: a process of its own, on the loopback only."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessionmgr.project.demo.provider import __main__ as program
from sessionmgr.project.demo.provider.config import Config, Unusable, from_environment
from sessionmgr.project.demo.provider.server import Server
from sessionmgr.project.demo.provider.state import Provider
from tests.project.relying_party import SECRET, Receiver, RelyingParty
from tests.services.cluster import free_port

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """A provider that runs for real."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.port = environment["IDP_PORT"]
        self.issuer = f"http://localhost:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sessionmgr.project.demo.provider"],
            cwd=ROOT,
            env=inherited | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.printed = ""

    def wait_until_it_serves(self) -> None:
        assert self.process.stdout is not None
        while "serving on" not in self.printed:
            line = self.process.stdout.readline()
            assert line, self.printed
            self.printed += line

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.printed += self.process.communicate(timeout=30)[0]
        return self.process.returncode


@pytest.fixture
def environment(tmp_path: Path, receiver: Receiver) -> dict[str, str]:
    return {
        "DEMO_PROVIDER": "on",
        "IDP_PORT": str(free_port()),
        "IDP_FOLDER": str(tmp_path / "provider"),
        "RP": f"{receiver.base}, http://portal.localhost:1/",
        "OIDC_CLIENT_SECRET": SECRET,
    }


@pytest.fixture
def process(environment: dict[str, str]) -> Iterator[Process]:
    running = Process(environment)
    yield running
    running.end()


def test_process_serves_stops_and_keeps_its_key(
    process: Process, environment: dict[str, str], receiver: Receiver
) -> None:
    process.wait_until_it_serves()
    app = RelyingParty(process.issuer, receiver.base)
    tokens = app.tokens("alice", stay=True)
    assert app.read(tokens["id_token"])["email"] == "alice@example.com"
    renewed = app.renew(tokens["refresh_token"]).json()
    assert app.control("end/alice").json()["notified"] == 1
    assert app.read(receiver.next())["sub"] == app.read(tokens["id_token"])["sub"]
    app.control("set", {"outage": "hang"})
    assert process.end() == 0
    secrets = [SECRET, tokens["refresh_token"], renewed["refresh_token"], "alice-demo"]
    assert not any(secret in process.printed for secret in secrets)
    assert "refresh token of alice accepted" in process.printed

    (key,) = (Path(environment["IDP_FOLDER"])).iterdir()
    assert key.stat().st_mode & 0o777 == 0o600
    again = Process(environment)
    try:
        again.wait_until_it_serves()
        assert app.read(tokens["id_token"])["sid"]
        app.control("rotate-key")
        assert key.stat().st_mode & 0o777 == 0o600
    finally:
        assert again.end(signal.SIGINT) == 0
    app.browser.close()


def test_process_needs_no_django() -> None:
    code = (
        "import sys, sessionmgr.project.demo.provider.__main__;"
        "sys.exit('django' in sys.modules or 'celery' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)  # noqa: S603
    assert done.returncode == 0


@pytest.mark.parametrize("switch", ["", "off", "1", "ON"])
def test_without_the_switch_it_refuses_to_start_in_one_line(
    environment: dict[str, str], switch: str
) -> None:
    process = Process(environment | {"DEMO_PROVIDER": switch})
    process.process.wait(timeout=30)
    assert process.end() == 1
    assert process.printed.count("\n") == 1
    assert "set DEMO_PROVIDER=on" in process.printed


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"OIDC_CLIENT_SECRET": ""}, "set OIDC_CLIENT_SECRET"),
        ({"IDP_PORT": "abc"}, "IDP_PORT is 'abc'"),
        ({"IDP_PORT": "65536"}, "from 1 to 65535"),
        ({"IDP_PORT": "٩٠٠٠"}, "from 1 to 65535"),
        ({"RP": "https://localhost:8000"}, "like http://localhost:8000"),
        ({"RP": "http://example.org"}, "like http://localhost:8000"),
        ({"RP": "http://localhost.example.org"}, "like http://localhost:8000"),
        ({"RP": "http://me@localhost:8000"}, "like http://localhost:8000"),
        ({"RP": "http://localhost:8000/app"}, "like http://localhost:8000"),
        ({"RP": "http://localhost:8000,"}, "like http://localhost:8000"),
        ({"RP": "http://example.localhost@192.0.2.1"}, "like http://localhost:8000"),
        ({"RP": "http://localhost:99999"}, "like http://localhost:8000"),
        ({"IDP_FOLDER": "/dev/null/x"}, "cannot be used"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    environment: dict[str, str],
    changed: dict[str, str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in (environment | changed).items():
        monkeypatch.setenv(name, value)
    assert program.main() == 1
    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1


def test_taken_port_is_told_in_one_line(
    environment: dict[str, str],
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    taken = environment | {"IDP_PORT": str(receiver.server_port)}
    for name, value in taken.items():
        monkeypatch.setenv(name, value)
    assert program.main() == 1
    assert f"port {receiver.server_port} cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_it_is_served_on_this_machine_only(provider: Provider, host: str) -> None:
    with pytest.raises(Unusable, match="for this machine only"):
        Server(provider, host)


def test_environment_has_defaults() -> None:
    config = from_environment({"DEMO_PROVIDER": "on", "OIDC_CLIENT_SECRET": SECRET})
    assert config == Config(9000, ("http://localhost:8000",), Path("var/demo/provider"), SECRET)
    assert SECRET not in repr(config)


def test_app_has_several_addresses(environment: dict[str, str], receiver: Receiver) -> None:
    config = from_environment(environment)
    assert config.bases == (receiver.base, "http://portal.localhost:1")
