"""One exchange over HTTP that ends in time, whatever the other side does.

Read timeouts alone do not do that: a byte a second satisfies each of them. So the exchange has a
thread of its own, and who waits for it cuts the connection at the deadline: during the look-up of
the name, the handshake, the headers or the body alike.
"""

import socket
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Literal

import requests
from requests import exceptions as http
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from sessionmgr.identity.breaker import Call
from sessionmgr.identity.outcomes import Mistake, Problem

#: Seconds to connect, to wait for any byte, and in all.
CONNECT = 2.0
READ = 5.0
DEADLINE = 8.0

#: Seconds in all while a user waits for the page.
USER_DEADLINE = 2.0

#: Bytes of an answer, at most.
BODY = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send, and how. Shows none of it: it carries tokens and secrets."""

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str]
    form: Mapping[str, str] | None = None
    verify: bool | str = True
    proxies: Mapping[str, str]

    def __repr__(self) -> str:
        return f"<Request {self.method}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whole. Shows none of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


class Line:
    """The connections of one exchange, which another thread can cut."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: list[socket.socket] = []
        self.is_over = False

    def hold(self, sock: socket.socket) -> None:
        """Keep a second handle: TLS takes the first one away, and both end one connection."""
        with self.lock:
            if self.is_over:
                sock.close()
                raise TimeoutError
            self.held.append(sock.dup())

    def cut(self) -> None:
        """End every connection now, and refuse the next: whoever reads or writes wakes up."""
        with self.lock:
            self.is_over = True
            for sock in self.held:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of what is held."""
        with self.lock:
            self.is_over = True
            while self.held:
                self.held.pop().close()


class Adapter(HTTPAdapter):
    """Has every connection that is made held by one line."""

    def __init__(self, line: Line) -> None:
        self.line = line
        super().__init__(max_retries=0)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _held_by(self.line, pool.ConnectionCls)
        return pool


def _held_by(line: Line, connection: Any) -> Any:
    class Held(connection):  # type: ignore[misc]
        def _new_conn(self) -> socket.socket:
            sock: socket.socket = super()._new_conn()
            line.hold(sock)
            return sock

    return Held


def exchange(request: Request, call: Call, deadline: float) -> Answer | Problem | Mistake:
    """Return the answer, or why there is none, at the latest ``deadline`` seconds from now.

    ``call`` is left when the connection is gone, which can be later.
    """
    line = Line()
    found: Future[Answer | Problem | Mistake] = Future()

    def work() -> None:
        try:
            found.set_result(_answer(request, line, deadline))
        finally:
            line.close()
            call.left()

    try:
        threading.Thread(target=work, name="sessionmgr-provider", daemon=True).start()
    except RuntimeError:  # No more threads, or the interpreter is going down.
        call.left()
        return Problem.BUSY
    try:
        return found.result(deadline)
    except TimeoutError:
        return Problem.TIMEOUT
    finally:
        line.cut()


def _answer(request: Request, line: Line, deadline: float) -> Answer | Problem | Mistake:
    """Return what came of it. No exception leaves: each would carry the request along."""
    try:
        return _send(request, line, deadline)
    except http.Timeout:
        return Problem.TIMEOUT
    except http.SSLError:
        return Problem.TLS
    except (http.ChunkedEncodingError, http.ContentDecodingError):
        return Problem.MALFORMED
    except http.ConnectionError:
        return Problem.CONNECT
    except (http.RequestException, ValueError):
        # An address that is none, a header that cannot be sent.
        return Mistake.BAD_ADDRESS
    except Exception:
        return Problem.CONNECT


def _send(request: Request, line: Line, deadline: float) -> Answer | Problem:
    with requests.Session() as session:
        session.trust_env = False
        session.cookies = RequestsCookieJar(DefaultCookiePolicy(allowed_domains=[]))
        session.mount("http://", Adapter(line))
        session.mount("https://", Adapter(line))
        with session.request(
            request.method,
            request.url,
            headers=dict(request.headers),
            data=dict(request.form) if request.form is not None else None,
            timeout=(min(CONNECT, deadline), min(READ, deadline)),
            allow_redirects=False,
            verify=request.verify,
            proxies=dict(request.proxies),
            stream=True,
        ) as response:
            body = bytearray()
            try:
                for part in response.iter_content(16 * 1024):
                    body += part
                    if len(body) > BODY:
                        return Problem.MALFORMED
            except http.ConnectionError:  # What requests makes of a read that took too long.
                return Problem.TIMEOUT
            return Answer(status=response.status_code, headers=response.headers, body=bytes(body))
