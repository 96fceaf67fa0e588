"""The reference project under gunicorn, as a process of its own on a given database."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import Any, NamedTuple

from tests.services.actor import ROOT
from tests.services.cluster import free_port

START_SECONDS = 30


class Answer(NamedTuple):
    """What a server has said."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Web:
    """One running server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, key: str | None = None) -> Answer:
        """Ask for a page, with the session cookie ``key``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Cookie": f"sessionid={key}"} if key else {}
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def is_up(self) -> bool:
        try:
            return self.get("/healthz/").status == 200
        except OSError:
            return False


def project_environment(database_url: str, **extra: str) -> dict[str, str]:
    """Return the environment of the reference project as the tests' processes share it."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "sessionmgr.project.settings",
        "DATABASE_URL": database_url,
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "DEBUG": "on",
        "HTTPS": "off",
        **extra,
    }


@contextmanager
def web(database_url: str, **extra: str) -> Iterator[Web]:
    """Offer a server that answers; it is gone afterwards."""
    server = Web(free_port())
    address = f"127.0.0.1:{server.port}"
    process = subprocess.Popen(  # noqa: S603 - our own words only
        # -t 0: a moved clock would look like a worker that hangs.
        [sys.executable, "-m", "gunicorn", "-b", address, "-t", "0", "sessionmgr.project.wsgi"],
        cwd=ROOT,
        env=project_environment(database_url, **extra),
        stderr=subprocess.DEVNULL,
    )
    try:
        assert eventually(server.is_up, START_SECONDS) is not None, "gunicorn does not answer"
        yield server
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def eventually(is_so: Callable[[], bool], seconds: float) -> float | None:
    """Return after how many seconds ``is_so`` held; ``None``: not within ``seconds``."""
    begun = monotonic()
    while True:
        if is_so():
            return monotonic() - begun
        if monotonic() - begun > seconds:
            return None
        Event().wait(0.05)
