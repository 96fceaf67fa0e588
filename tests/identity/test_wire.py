"""One exchange over HTTP: whatever the other side does, it ends in time and says how."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import pytest

from sessionmgr.identity.breaker import Breaker, Call
from sessionmgr.identity.outcomes import Mistake, Problem
from sessionmgr.identity.wire import BODY, Answer, Line, Request, exchange
from tests.identity.providers.raw import Raw
from tests.identity.providers.rogue import Rogue

#: Seconds: long enough for an answer, and short enough to be waited for in a test.
LONG = 10.0
SHORT = 0.1

Say = Callable[..., Raw]


@pytest.fixture
def say() -> Iterator[Say]:
    """Start a server that says these bytes."""
    with ExitStack() as started:

        def start(said: bytes, **how: bool) -> Raw:
            server = Raw(said, **how)
            started.callback(server.close)
            return server

        yield start


@pytest.fixture
def breaker() -> Breaker:
    return Breaker()


@pytest.fixture
def call(breaker: Breaker) -> Call:
    return breaker.enter()


def get(url: str, **more: Any) -> Request:
    return Request(**{"method": "GET", "url": url, "headers": {}, "proxies": {}, **more})


def body_of(found: Answer | Problem | Mistake) -> bytes:
    assert isinstance(found, Answer)
    return found.body


def is_left(breaker: Breaker) -> bool:
    """Return whether the call's connection is gone, or goes soon."""
    with breaker.changed:
        return breaker.changed.wait_for(lambda: not breaker.under_way, 5)


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


class TestAnswers:
    def test_an_answer_comes_whole(self, say: Say, breaker: Breaker, call: Call) -> None:
        server = say(answer(b"[1]", "418 Odd", "X-Kind: teapot"))
        found = exchange(get(f"http://{server.address}/"), call, LONG)
        assert isinstance(found, Answer)
        assert (found.status, found.headers["x-kind"], found.body) == (418, "teapot", b"[1]")
        assert is_left(breaker)

    def test_a_form_is_posted(self, say: Say, call: Call) -> None:
        server = say(answer())
        request = get(
            f"http://{server.address}/token",
            method="POST",
            headers={"X-Who": "us"},
            form={"code": "a b"},
        )
        assert body_of(exchange(request, call, LONG)) == b"{}"
        (asked,) = server.asked
        assert asked.startswith(b"POST /token HTTP/1.1")
        assert b"X-Who: us" in asked
        assert b"application/x-www-form-urlencoded" in asked

    def test_a_redirect_is_an_answer_that_is_not_followed(self, say: Say, call: Call) -> None:
        elsewhere = say(answer())
        server = say(answer(b"", "302 Found", f"Location: http://{elsewhere.address}/"))
        found = exchange(get(f"http://{server.address}/"), call, LONG)
        assert isinstance(found, Answer)
        assert found.status == 302
        assert elsewhere.asked == []

    def test_cookies_are_not_kept_and_nothing_comes_of_the_environment(
        self, say: Say, breaker: Breaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        server = say(answer(b"{}", "200 OK", "Set-Cookie: a=b; Path=/"))
        for _ in range(2):
            assert body_of(exchange(get(f"http://{server.address}/"), breaker.enter(), LONG))
        assert all(b"cookie" not in asked.lower() for asked in server.asked)
        assert all(b"authorization" not in asked.lower() for asked in server.asked)

    def test_a_proxy_is_used_where_it_is_set(self, say: Say, call: Call) -> None:
        proxy = say(answer(b"by proxy"))
        request = get("http://provider.invalid/x", proxies={"http": f"http://{proxy.address}"})
        assert body_of(exchange(request, call, LONG)) == b"by proxy"
        assert proxy.asked[0].startswith(b"GET http://provider.invalid/x")

    def test_an_answer_may_be_large_but_not_without_end(self, say: Say, breaker: Breaker) -> None:
        largest = say(answer(b" " * BODY))
        assert len(body_of(exchange(get(f"http://{largest.address}/"), breaker.enter(), LONG)))
        larger = say(answer(b" " * (BODY + 1)))
        found = exchange(get(f"http://{larger.address}/"), breaker.enter(), LONG)
        assert found is Problem.MALFORMED
        without_end = say(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (2 * BODY), lets_go=False)
        found = exchange(get(f"http://{without_end.address}/"), breaker.enter(), LONG)
        assert found is Problem.MALFORMED
        assert is_left(breaker)

    @pytest.mark.parametrize(
        "said",
        [
            pytest.param(answer(b"half")[:-1], id="half-an-answer"),
            pytest.param(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n?\r\n", id="broken-chunks"
            ),
            pytest.param(
                answer(b"no gzip", "200 OK", "Content-Encoding: gzip"), id="broken-encoding"
            ),
        ],
    )
    def test_what_cannot_be_read_is_malformed(self, say: Say, call: Call, said: bytes) -> None:
        server = say(said)
        found = exchange(get(f"http://{server.address}/"), call, LONG)
        assert found is Problem.MALFORMED

    @pytest.mark.parametrize("said", [b"", b"SSH-2.0-server\r\n"])
    def test_what_is_not_http_is_no_connection(self, say: Say, call: Call, said: bytes) -> None:
        server = say(said)
        assert exchange(get(f"http://{server.address}/"), call, LONG) is Problem.CONNECT


class TestConnections:
    def test_nobody_listens(self, call: Call) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        assert exchange(get(f"http://127.0.0.1:{port}/"), call, LONG) is Problem.CONNECT

    def test_no_tls_where_it_should_be(self, say: Say, call: Call) -> None:
        server = say(b"HTTP/1.1 400 Bad Request\r\n\r\n", listens=False)
        assert exchange(get(f"https://{server.address}/"), call, LONG) is Problem.TLS

    def test_authorities_that_are_not_there(self, call: Call, tmp_path: Path) -> None:
        request = get("https://127.0.0.1:1/", verify=str(tmp_path / "no.pem"))
        assert exchange(request, call, LONG) is Problem.CONNECT

    @pytest.mark.parametrize(
        "request_",
        [
            get("provider/"),
            get("http://"),
            get("http://[/"),
            get("ldap://127.0.0.1/"),
            get("http://127.0.0.1/", headers={"X": "a\nb"}),
            get("http://127.0.0.1/", headers={"X": "\u2014"}),
        ],
        ids=["no-scheme", "no-host", "no-address", "another-scheme", "two-lines", "no-latin"],
    )
    def test_an_address_that_is_none(self, call: Call, request_: Request) -> None:
        assert exchange(request_, call, LONG) is Mistake.BAD_ADDRESS

    def test_no_thread_can_be_had(
        self, breaker: Breaker, call: Call, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def cannot_start(thread: Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(Thread, "start", cannot_start)
        assert exchange(get("http://127.0.0.1:1/"), call, LONG) is Problem.BUSY
        assert not breaker.under_way


class TestDeadline:
    @pytest.mark.parametrize(
        ("scheme", "said"),
        [
            pytest.param("https", b"", id="handshake"),
            pytest.param("http", b"", id="request"),
            pytest.param("http", b"HTTP/1.1 200 OK\r\n", id="head"),
            pytest.param("http", answer(b"half")[:-1], id="body"),
        ],
    )
    def test_silence_ends_at_it(
        self, say: Say, breaker: Breaker, call: Call, scheme: str, said: bytes
    ) -> None:
        server = say(said, lets_go=False, listens=scheme == "http")
        began = monotonic()
        found = exchange(get(f"{scheme}://{server.address}/"), call, SHORT)
        assert found is Problem.TIMEOUT
        assert SHORT <= monotonic() - began < 2
        assert is_left(breaker)

    def test_a_byte_at_a_time_does_not_put_it_off(
        self, rogue: Rogue, breaker: Breaker, call: Call
    ) -> None:
        rogue.fault("jwks", "trickle")
        rogue.pace = SHORT / 5
        began = monotonic()
        assert exchange(get(f"{rogue.issuer}/jwks"), call, SHORT) is Problem.TIMEOUT
        assert SHORT <= monotonic() - began < 2
        assert is_left(breaker)

    @pytest.mark.parametrize("said", [b"", answer(b"half")[:-1]], ids=["head", "body"])
    def test_a_wait_for_one_byte_has_a_limit_of_its_own(
        self, say: Say, call: Call, monkeypatch: pytest.MonkeyPatch, said: bytes
    ) -> None:
        monkeypatch.setattr("sessionmgr.identity.wire.READ", SHORT)
        server = say(said, lets_go=False)
        assert exchange(get(f"http://{server.address}/"), call, LONG) is Problem.TIMEOUT


class TestLine:
    def test_what_is_cut_wakes_up_who_reads(self) -> None:
        here, there = socket.socketpair()
        with here, there:
            line = Line()
            line.hold(here)
            line.cut()
            assert here.recv(1) == b""
            assert there.recv(1) == b""
            line.close()
            assert line.held == []

    def test_nothing_is_connected_after_the_cut(self) -> None:
        line = Line()
        line.cut()
        here, there = socket.socketpair()
        with there:
            with pytest.raises(TimeoutError):
                line.hold(here)
            assert here.fileno() == -1
            assert there.recv(1) == b""

    def test_a_connection_that_is_gone_can_be_cut(self) -> None:
        here, there = socket.socketpair()
        line = Line()
        line.hold(here)
        here.shutdown(socket.SHUT_RDWR)
        there.close()
        here.close()
        line.cut()
        line.close()


def test_nothing_sent_or_received_is_shown(say: Say, call: Call) -> None:
    server = say(answer(b'{"access_token": "secret"}'))
    request = get(
        f"http://{server.address}/", headers={"Authorization": "secret"}, form={"a": "secret"}
    )
    found = exchange(request, call, LONG)
    assert "secret" not in f"{request!r} {found!r} {request} {found}"
    assert repr(found) == "<Answer 200>"
