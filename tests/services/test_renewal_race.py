"""Many tabs and several server processes meet at a lease that has run out: one asks (I6)."""

from __future__ import annotations

import http.cookies
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet

from tests.identity.providers.rogue import Rogue
from tests.services.actor import actors
from tests.services.web import Web, web

pytestmark = pytest.mark.services

TABS = 40
WORKERS = 8
FAMILIES = 5
#: The provider takes so long; who does not ask must not wait for it.
SLOW_SECONDS = 1.0


@pytest.fixture
def rogue() -> Iterator[Rogue]:
    with closing(Rogue()) as provider:
        yield provider


@pytest.fixture
def database(new_postgres_database: Any) -> str:
    url: str = new_postgres_database()
    with actors(1, url):
        """Only migrates it."""
    return url


@pytest.fixture
def servers(rogue: Rogue, database: str) -> Iterator[Web]:
    """One address, eight processes behind it."""
    settings = {
        "OIDC_ISSUER": rogue.issuer,
        "OIDC_CLIENT_ID": rogue.client_id,
        "OIDC_CLIENT_SECRET": rogue.client_secret,
        "SESSIONMGR_TOKEN_KEYS": Fernet.generate_key().decode(),
        "GUNICORN_CMD_ARGS": f"--workers {WORKERS} --worker-class gthread --threads 8",
    }
    with web(database, **settings) as server:
        yield server


def sign_in(server: Web, rogue: Rogue, user: str) -> str:
    """Return the key of a session that the provider has confirmed."""
    base = f"http://127.0.0.1:{server.port}"
    with requests.Session() as browser:
        there = browser.get(f"{base}/oidc/authenticate/", allow_redirects=False)
        back = urlsplit(rogue.sign_in(requests.Session(), there.headers["Location"], user))
        answer = browser.get(f"{base}{back.path}?{back.query}", allow_redirects=False)
        cookies = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])
    return cookies["sessionid"].value


def let_leases_run_out(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "UPDATE sessionmgr_usersession SET lease_valid_until = now() - interval '1 second'"
        )


def test_forty_tabs_make_one_call_and_the_others_go_on_meanwhile(
    servers: Web, rogue: Rogue, database: str
) -> None:
    key = sign_in(servers, rogue, "alice")
    let_leases_run_out(database)
    rogue.delay("token", SLOW_SECONDS)
    before = rogue.calls["token"]
    together = Barrier(TABS)

    def open_tab(number: int) -> tuple[int, int]:
        together.wait()
        answer = servers.get("/demo/form/", key)
        return answer.status, rogue.answered["token"]

    with ThreadPoolExecutor(TABS) as tabs:
        seen = list(tabs.map(open_tab, range(TABS)))
    assert [status for status, _ in seen] == [200] * TABS
    assert rogue.calls["token"] == before + 1
    assert not rogue.lost_families
    # Others were through before the provider had answered: nobody waits for who asks. On a quiet
    # machine it is all of them; how many a busy one gets to in time is not for a test to say.
    assert any(answered == before for _, answered in seen)


def test_no_family_of_tokens_is_lost(servers: Web, rogue: Rogue, database: str) -> None:
    keys = [sign_in(servers, rogue, f"user{number}") for number in range(FAMILIES)]
    for _ in range(3):
        let_leases_run_out(database)
        before = rogue.calls["token"]
        with ThreadPoolExecutor(FAMILIES * 6) as tabs:
            answers = list(tabs.map(lambda key: servers.get("/demo/form/", key), keys * 6))
        assert {answer.status for answer in answers} == {200}
        assert rogue.calls["token"] == before + FAMILIES
    assert not rogue.lost_families
