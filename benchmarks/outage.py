"""``make bench-outage``: what users notice of a provider that is out of reach.

The reference project under gunicorn as the demo runs it, on PostgreSQL; the provider refuses,
hangs, or answers a byte a second. Side by side with a healthy provider, and with a page that asks
nobody (the do-nothing control).
"""
# ruff: noqa: E501, RUF001

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import django
import requests
from cryptography.fernet import Fernet

from tests.identity.providers.rogue import Rogue
from tests.services.actor import actors
from tests.services.cluster import cluster
from tests.services.web import Web, web

RESULT = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "benchmark-outage.md"
MODES = ("healthy", "refuse", "hang", "trickle")
CROWD = 20
PAGES = 100
MOST_PAGE, MOST_SIGN_IN = 500.0, 10_000.0


class Found(NamedTuple):
    """Milliseconds of one mode: a signed-in page, sign-ins of a crowd, static pages meanwhile."""

    page: list[float]
    sign_in: list[float]
    static: list[float]
    statuses: dict[str, int]


def timed(ask: Callable[[], Any]) -> tuple[float, Any]:
    began = monotonic()
    answer = ask()
    return (monotonic() - began) * 1000, answer


class Browser:
    """One user's way in, a step at a time."""

    def __init__(self, server: Web, rogue: Rogue, user: str) -> None:
        self.base = f"http://127.0.0.1:{server.port}"
        self.http = requests.Session()
        there = self.get("/oidc/authenticate/?next=/about/")
        back = urlsplit(rogue.sign_in(requests.Session(), there.headers["Location"], user))
        self.back = f"{back.path}?{back.query}"

    def get(self, path: str) -> requests.Response:
        return self.http.get(self.base + path, allow_redirects=False, timeout=60)

    def come_back(self) -> int:
        return self.get(self.back).status_code


def measure(server: Web, rogue: Rogue, mode: str, pages: int, crowd: int) -> Found:
    rogue.heal()
    regular = Browser(server, rogue, "regular")
    assert regular.come_back() == 302
    there = [Browser(server, rogue, f"user{number}") for number in range(crowd)]
    if mode != "healthy":
        rogue.fault("token", mode)
    with ThreadPoolExecutor(crowd) as threads:
        coming: list[Future[tuple[float, int]]] = [
            threads.submit(timed, browser.come_back) for browser in there
        ]
        static = []
        while not all(each.done() for each in coming):
            static.append(timed(lambda: server.get("/healthz/"))[0])
        came = [each.result() for each in coming]
    read = [timed(lambda: regular.get("/about/")) for _ in range(pages)]
    assert {answer.status_code for _, answer in read} == {200}
    statuses: dict[str, int] = {}
    for _, status in came:
        statuses[str(status)] = statuses.get(str(status), 0) + 1
    return Found([ms for ms, _ in read], [ms for ms, _ in came], static, statuses)


@contextmanager
def stage() -> Iterator[tuple[Web, Rogue]]:
    """Offer the project as the demo serves it, and its provider."""
    with closing(Rogue()) as rogue, cluster() as server:
        with actors(1, server.url):
            """Only migrates the database."""
        os.environ.setdefault("SECRET_KEY", "for measuring only, " * 4)
        settings = {
            "OIDC_ISSUER": rogue.issuer,
            "OIDC_CLIENT_ID": rogue.client_id,
            "OIDC_CLIENT_SECRET": rogue.client_secret,
            "SESSIONMGR_TOKEN_KEYS": Fernet.generate_key().decode(),
            "GUNICORN_CMD_ARGS": "--workers 3 --worker-class gthread --threads 4",
        }
        with web(server.url, **settings) as running:
            yield running, rogue


def row(mode: str, found: Found) -> str:
    def told(values: list[float]) -> str:
        return f"{median(values):.0f} · {max(values):.0f}"

    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(found.statuses.items()))
    return (
        f"| {mode} | {told(found.page)} | {told(found.sign_in)} ({statuses}) | "
        f"{told(found.static)} ({len(found.static)}) |"
    )


def as_page(found: dict[str, Found]) -> str:
    """Return the result as Markdown."""
    rows = "\n".join(row(mode, each) for mode, each in found.items())
    page = max(max(each.page) for mode, each in found.items() if mode != "healthy")
    sign_in = max(max(each.sign_in) for each in found.values())
    static = max(max(each.static) for each in found.values())
    return f"""# What users notice of a provider that is out of reach

`make bench-outage` writes this page. The reference project as `make demo` serves it (gunicorn, 3 processes of 4 threads) on PostgreSQL;
its provider's token endpoint answers well, refuses connections, hangs, or answers a byte a second. {CROWD} people come back from the
provider at the same moment; meanwhile somebody asks for a page that asks nobody (`/healthz/`, the control); after that a user whose lease is good opens {PAGES} pages.

{os.cpu_count()} shared CPU cores, Python {platform.python_version()}, Django {django.get_version()}. Milliseconds: median · longest.

| provider | a page, lease good | {CROWD} sign-ins at once | `/healthz/` meanwhile (visits) |
|---|--:|--:|--:|
{rows}

| goal | longest | |
|---|--:|---|
| {PAGES} of {PAGES} pages under {MOST_PAGE:.0f} ms while leases are good | {page:.0f} ms | {verdict(page < MOST_PAGE)} |
| each page of a sign-in under {MOST_SIGN_IN / 1000:.0f} s | {sign_in / 1000:.1f} s | {verdict(sign_in < MOST_SIGN_IN)} |
| a crowd of sign-ins does not starve other pages | {static:.0f} ms | {verdict(static < MOST_PAGE * 4)} |

A page with a good lease asks nobody, so an outage costs it nothing. Of a crowd two calls a process are on their way, the others wait a second at most
for their turn; the first call that fails opens the breaker, and who comes after it is told at once ([why](../adr/0010-calls-to-the-provider.md)).
"""


def verdict(is_met: bool) -> str:
    return "met" if is_met else "**not met**"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=PAGES, help="pages with a good lease")
    parser.add_argument("--crowd", type=int, default=CROWD, help="sign-ins at once")
    asked = parser.parse_args()
    found: dict[str, Found] = {}
    for mode in MODES:
        with stage() as (server, rogue):
            found[mode] = measure(server, rogue, mode, asked.pages, asked.crowd)
        print(row(mode, found[mode]))
    page = as_page(found)
    print(page)
    if (asked.pages, asked.crowd) == (PAGES, CROWD):
        RESULT.write_text(page)


if __name__ == "__main__":
    main()
