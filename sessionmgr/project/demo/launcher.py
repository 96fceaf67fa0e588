"""The demo's launcher: prepares the data, starts the processes, says where to look.

``PORT`` and ``DATA`` say where; everything else that the reference project asks of its
environment is decided here.
"""

import os
import secrets
import socket
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from sessionmgr.project.demo.services import Died, Service, Stopped, run, wish_to_stop

HOST = "127.0.0.1"
WEB_WORKERS = 3
PORTS = range(1, 65536)


class Unusable(Exception):  # noqa: N818 - it reads as what it tells
    """What was asked for cannot be; the message is one line for the person who asked."""


def main() -> int:
    """Run the demo until somebody stops it; return the exit code."""
    try:
        with wish_to_stop() as wish:
            port = free_port(os.environ.get("PORT") or "8000")
            environment = prepare(Path(os.environ.get("DATA") or "var/demo").resolve())
            say("Preparing the data …")
            load_data()
            for service in run(services(port, environment), environment, wish):
                say(f"  {service.name:<22} ready   (pid {service.pid}, log {service.log})")
                if service.name == LAST:
                    say(welcome(port))
    except Stopped:
        say("\nStopped. No process is left.")
        return 0
    except (Unusable, Died) as problem:
        print(f"make demo: {problem}", file=sys.stderr)  # noqa: T201
    return 1


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def free_port(value: str) -> int:
    """Return the port to serve on, or tell in one line why it cannot be."""
    if not (value.isascii() and value.isdigit() and len(value) <= 5 and int(value) in PORTS):
        raise Unusable(f"PORT is {value!r}; it must be a number from 1 to 65535.")
    port = int(value)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Unusable(
                f"port {port} cannot be used ({error.strerror}). "
                f"Stop what uses it, or choose another: make demo PORT={min(port + 1, 65535)}"
            ) from None
    return port


def prepare(folder: Path) -> dict[str, str]:
    """Make the demo's folder and environment, here and for its processes; return the latter."""
    try:
        for name in ("log", "broker"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        key = secret_key(folder / "secret-key")
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
    }
    return dict(os.environ)


def secret_key(file: Path) -> str:
    """Return the demo's own key, made at its first run and readable by its owner only."""
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(64))
    return file.read_text()


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


WEB, LAST = "web server", "worker with schedule"


def services(port: int, environment: dict[str, str]) -> list[Service]:
    """Return the demo's processes, in the order of their start."""
    folder = Path(environment["DEMO_FOLDER"])
    web = [
        *("gunicorn", "--bind", f"{HOST}:{port}", "--workers", str(WEB_WORKERS)),
        *("--worker-class", "gthread", "--threads", "4", "--graceful-timeout", "2"),
        *("--no-control-socket", "sessionmgr.project.wsgi:application"),
    ]
    # One process, no pool: what a folder as the broker is good for (docs/adr/0007).
    worker = [
        *("celery", "--app", "sessionmgr.project.celery", "worker", "--pool", "solo", "--beat"),
        *("--schedule", str(folder / "beat"), "--hostname", f"demo-{port}@localhost"),
        *("--loglevel", "INFO"),
    ]
    log = folder / "log"
    ready_url = f"http://{HOST}:{port}/readyz/"
    return [
        Service(WEB, module(web), log / "web.log", lambda: answers_http(ready_url)),
        Service(LAST, module(worker), log / "worker.log", worker_answers(port)),
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


def welcome(port: int) -> str:
    """Return the links and the sign-ins."""
    from sessionmgr.project.demo.environments import INSTANCES
    from sessionmgr.project.demo.people import PEOPLE

    base = f"http://localhost:{port}"
    places = "\n".join(f"  {f'http://{each.host}:{port}/':<33}{each.told}" for each in INSTANCES)
    rows = "\n".join(f"  {who.name:<9}{who.password:<15}{who.told}" for who in PEOPLE)
    return f"""
The demo is up.

{places}

  System Settings  {base}/admin/system-settings/
  Admin            {base}/admin/

Sign in as      with the password
{rows}

Two people at once: use a second browser profile, or a private window.
Ctrl-C stops everything."""
