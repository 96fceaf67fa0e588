"""The demo's launcher: prepares the data, starts the processes, says where to look.

``PORT``, ``IDP_PORT`` and ``DATA`` say where; everything else that the reference project asks of
its environment is decided here.
"""

import os
import secrets
import socket
import sys
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from sessionmgr.project.demo.environments import INSTANCES
from sessionmgr.project.demo.services import Died, Service, Stopped, run, wish_to_stop

HOST = "127.0.0.1"
WEB_WORKERS = 3
PORTS = range(1, 65536)


class Unusable(Exception):  # noqa: N818 - it reads as what it tells
    """What was asked for cannot be; the message is one line for the person who asked."""


class Ports(NamedTuple):
    """Where the demo is served: the app, and its identity provider."""

    web: int
    provider: int


def main() -> int:
    """Run the demo until somebody stops it; return the exit code."""
    try:
        with wish_to_stop() as wish:
            ports = free_ports(os.environ)
            folder = Path(os.environ.get("DATA") or "var/demo").resolve()
            environment = prepare(folder, ports)
            say("Preparing the data …")
            load_data()
            for service in run(services(ports, environment), environment, wish):
                say(f"  {service.name:<22} ready   (pid {service.pid}, log {service.log})")
                if service.name == LAST:
                    say(welcome(ports))
    except Stopped:
        say("\nStopped. No process is left.")
        return 0
    except (Unusable, Died) as problem:
        print(f"make demo: {problem}", file=sys.stderr)  # noqa: T201
    return 1


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def free_ports(environment: Mapping[str, str]) -> Ports:
    """Return the ports to serve on, or tell in one line why they cannot be."""
    web = free_port("PORT", environment.get("PORT") or "8000")
    provider = free_port("IDP_PORT", environment.get("IDP_PORT") or "9000")
    if web == provider:
        raise Unusable(
            f"PORT and IDP_PORT are both {web}. "
            f"Choose another for one of them: make demo IDP_PORT={min(web + 1, 65535)}"
        )
    return Ports(web, provider)


def free_port(name: str, value: str) -> int:
    """Return the port that the variable ``name`` asks for, or tell why it cannot be."""
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) in PORTS):
        raise Unusable(f"{name} is {value!r}; it must be a number from 1 to 65535.")
    port = int(value)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Unusable(
                f"port {port} cannot be used ({error.strerror}). "
                f"Stop what uses it, or choose another: make demo {name}={min(port + 1, 65535)}"
            ) from None
    return port


def prepare(folder: Path, ports: Ports) -> dict[str, str]:
    """Make the demo's folder and environment, here and for its processes; return the latter."""
    try:
        for name in ("log", "broker"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        key = kept(folder / "secret-key", lambda: secrets.token_urlsafe(64))
        client_secret = kept(folder / "client-secret", secrets.token_urlsafe)
        token_key = kept(folder / "token-key", fernet_key)
    except OSError as error:
        raise Unusable(f"DATA {str(folder)!r} cannot be used ({error.strerror}).") from None
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "sessionmgr.project.settings",
        "DEBUG": "off",
        # Plain HTTP, on the loopback only.
        "HTTPS": "off",
        "ALLOWED_HOSTS": f"localhost,.localhost,{HOST}",
        "SECRET_KEY": key,
        "DATABASE_URL": f"sqlite:///{quote(str(folder / 'db.sqlite3'))}",
        "CELERY_BROKER_URL": "filesystem://localhost//",
        "CELERY_BROKER_FOLDER": str(folder / "broker"),
        "STATIC_ROOT": str(folder / "static"),
        "DEMO_FOLDER": str(folder),
        "SESSIONMGR_TOKEN_KEYS": token_key,
        # What the app is told of the provider, and the provider of itself and the app.
        "OIDC_ISSUER": f"http://localhost:{ports.provider}",
        "OIDC_CLIENT_ID": "sessionmgr",
        "OIDC_CLIENT_SECRET": client_secret,
        # The demo's people are here already; its provider vouches for their addresses.
        "SESSIONMGR_LINK_BY_EMAIL": "on",
        "DEMO_PROVIDER": "on",
        "IDP_PORT": str(ports.provider),
        "IDP_FOLDER": str(folder / "provider"),
        "RP": ",".join(f"http://{each.host}:{ports.web}" for each in INSTANCES),
    }
    return dict(os.environ)


def kept(file: Path, make: Callable[[], str]) -> str:
    """Return a secret of the demo's, made at its first run and readable by its owner only."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(make())
    return file.read_text()


def fernet_key() -> str:
    return urlsafe_b64encode(secrets.token_bytes(32)).decode()


def load_data() -> None:
    """Bring the database and the static files up to date, and let the people in."""
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    from sessionmgr.project.demo import environments, people

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    people.create()
    environments.create()
    connections.close_all()


WEB, PROVIDER, LAST = "web server", "identity provider", "worker with schedule"


def services(ports: Ports, environment: dict[str, str]) -> list[Service]:
    """Return the demo's processes, in the order of their start."""
    folder = Path(environment["DEMO_FOLDER"])
    web = [
        *("gunicorn", "--bind", f"{HOST}:{ports.web}", "--workers", str(WEB_WORKERS)),
        *("--worker-class", "gthread", "--threads", "4", "--graceful-timeout", "2"),
        *("--no-control-socket", "sessionmgr.project.wsgi:application"),
    ]
    # One process, no pool: what a folder as the broker is good for (docs/adr/0007).
    worker = [
        *("celery", "--app", "sessionmgr.project.celery", "worker", "--pool", "solo", "--beat"),
        *("--schedule", str(folder / "beat"), "--hostname", f"demo-{ports.web}@localhost"),
        *("--loglevel", "INFO"),
    ]
    log = folder / "log"
    ready_url = f"http://{HOST}:{ports.web}/readyz/"
    # Its keys are what the app asks for first.
    keys_url = f"http://{HOST}:{ports.provider}/jwks"
    provider = module(["sessionmgr.project.demo.provider"])
    return [
        Service(WEB, module(web), log / "web.log", lambda: answers_http(ready_url)),
        Service(PROVIDER, provider, log / "provider.log", lambda: answers_http(keys_url)),
        Service(LAST, module(worker), log / "worker.log", worker_answers(ports.web)),
    ]


def module(command: list[str]) -> list[str]:
    return [sys.executable, "-m", *command]


def answers_http(url: str) -> bool:
    """Return whether a GET of ``url`` is answered well."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 # nosec B310
            return bool(response.status == 200)
    except OSError:
        return False


def worker_answers(port: int) -> Callable[[], bool]:
    """Return a question to the worker, through the broker, whether it is there."""

    def ask() -> bool:
        from sessionmgr.project.celery import app

        return bool(app.control.ping([f"demo-{port}@localhost"], timeout=1.0, limit=1))

    return ask


def welcome(ports: Ports) -> str:
    """Return the links and the sign-ins."""
    from sessionmgr.project.demo.people import PEOPLE

    base = f"http://localhost:{ports.web}"
    places = "\n".join(
        f"  {f'http://{each.host}:{ports.web}/':<33}{each.told}" for each in INSTANCES
    )
    rows = "\n".join(f"  {who.name:<9}{who.password:<15}{who.told}" for who in PEOPLE)
    return f"""
The demo is up.

{places}

  System Settings    {base}/admin/system-settings/
  Admin              {base}/admin/
  Identity provider  http://localhost:{ports.provider}/   (its control panel)

Sign in as      with the password
{rows}

Two people at once: use a second browser profile, or a private window.
Ctrl-C stops everything."""
