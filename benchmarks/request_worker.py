"""One contestant in a process of its own: asks pages of Django's handler, as told on stdin.

A line of JSON in, ``{"case": …, "count": …}``, a line of JSON out: nanoseconds for each request,
or with ``"counting"`` the statements for each.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from time import perf_counter_ns
from typing import Any

import django
from django.conf import settings

from benchmarks.contestants import CONTESTANTS, PEERS, settings_of

WRITES = ("INSERT", "UPDATE", "DELETE")
TRANSACTION_WORDS = ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "COMMIT")

#: Case: the path, which cookie is sent, and how many seconds pass before each request.
CASES: dict[str, tuple[str, str, int]] = {
    "steady": ("/page/", "signed in", 0),
    "stamps": ("/page/", "signed in", 5),
    "no session": ("/plain/", "signed in", 0),
    "anonymous": ("/page/", "none", 0),
    "invalid cookie": ("/page/", "made up", 0),
    "sign-in": ("/sign-in/", "none", 0),
    "async": ("/async-page/", "signed in", 0),
}


class Counter:
    """Counts the statements that reach the database, those around transactions apart."""

    def __init__(self) -> None:
        self.queries = self.writes = self.around = 0

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if sql.startswith(TRANSACTION_WORDS):
            self.around += 1
        else:
            self.queries += 1
            self.writes += sql.startswith(WRITES)
        return execute(sql, params, many, context)


def prepare() -> dict[str, str]:
    """Make the tables, alice, and a sign-in of hers; return the cookie header by kind."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    call_command("migrate", verbosity=0)
    get_user_model().objects.create_user("alice", "alice@example.com", "alice-demo")
    client = Client()
    client.get("/sign-in/")
    client.get("/page/")
    key = client.cookies["sessionid"].value
    return {"signed in": f"sessionid={key}", "made up": f"sessionid={'z' * 32}", "none": ""}


def pass_time(seconds: int) -> AbstractContextManager[Callable[[], None]]:
    """Offer a function that lets ``seconds`` pass on every clock a contestant may look at."""
    if not seconds:
        return nullcontext(lambda: None)
    return _MovedClock(seconds)


class _MovedClock:
    #: Where the last batch has left the clocks; they never go back.
    passed = timedelta()

    def __init__(self, seconds: int) -> None:
        self.step = timedelta(seconds=seconds)

    def __enter__(self) -> Callable[[], None]:
        import time_machine
        from django.utils import timezone

        start = timezone.now() + _MovedClock.passed  # noqa: TID251 - the measurement's own clock
        self.travel = time_machine.travel(start, tick=True)
        self.traveller = self.travel.__enter__()
        return self.move

    def move(self) -> None:
        from sessionmgr import clock

        _MovedClock.passed += self.step
        self.traveller.shift(self.step)
        clock.shift = _MovedClock.passed

    def __exit__(self, *raised: Any) -> None:
        self.travel.__exit__(*raised)


def ask_wsgi(path: str, cookie: str, count: int, wait: Callable[[], None]) -> list[int]:
    """Ask for a page ``count`` times; return how long each answer took."""
    spans = []
    for _ in range(count):
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_HOST": "localhost",
            "HTTP_USER_AGENT": "Mozilla/5.0",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
            **({"HTTP_COOKIE": cookie} if cookie else {}),
        }
        wait()
        started = perf_counter_ns()
        response = APPLICATION(environ, lambda status, headers: None)
        b"".join(response)
        response.close()
        spans.append(perf_counter_ns() - started)
        assert response.status_code == 200
    return spans


async def ask_asgi(path: str, cookie: str, count: int) -> list[int]:
    """As ask_wsgi, of the async handler."""
    never = asyncio.Event()
    spans = []
    for _ in range(count):
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "client": ("127.0.0.1", 50_000),
            "headers": [(b"host", b"localhost"), (b"cookie", cookie.encode())],
        }
        incoming = [{"type": "http.request", "body": b"", "more_body": False}]
        statuses: list[int] = []

        async def receive(incoming: list[dict[str, Any]] = incoming) -> dict[str, Any]:
            if not incoming:
                await never.wait()
            return incoming.pop()

        async def send(message: dict[str, Any], statuses: list[int] = statuses) -> None:
            statuses.append(message.get("status", 200))

        started = perf_counter_ns()
        await APPLICATION(scope, receive, send)
        spans.append(perf_counter_ns() - started)
        assert statuses[0] == 200
    return spans


def run(case: str, count: int) -> list[int]:
    path, kind, gap = CASES[case]
    if IS_ASYNC:
        return LOOP.run_until_complete(ask_asgi(path, COOKIES[kind], count))
    with pass_time(gap) as wait:
        return ask_wsgi(path, COOKIES[kind], count, wait)


def count_statements(case: str, count: int) -> dict[str, float]:
    """Return statements and writes for one request, on average."""
    from django.db import connection
    from django.db.backends.signals import connection_created

    counter = Counter()

    def attach(connection: Any, **kwargs: Any) -> None:
        connection.execute_wrappers.append(counter)

    if IS_ASYNC:
        # Each request has a thread of its own, and so a connection.
        connection_created.connect(attach)
        run(case, count)
        connection_created.disconnect(attach)
    else:
        with connection.execute_wrapper(counter):
            run(case, count)
    return {
        "queries": counter.queries / count,
        "writes": counter.writes / count,
        "around": counter.around / count,
    }


def serve() -> None:
    """Do as told until the parent closes the pipe."""
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("counting"):
            answer: Any = count_statements(order["case"], order["count"])
        else:
            answer = run(order["case"], order["count"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    name, database, mode = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
    IS_ASYNC = mode == "asgi"
    sys.path.append(str(PEERS))
    settings.configure(**settings_of(CONTESTANTS[name], database))
    django.setup()
    COOKIES = prepare()
    if IS_ASYNC:
        from django.core.handlers.asgi import ASGIHandler

        APPLICATION: Any = ASGIHandler()
        LOOP = asyncio.new_event_loop()
    else:
        from django.core.handlers.wsgi import WSGIHandler

        APPLICATION = WSGIHandler()
    print("ready", flush=True)
    serve()
