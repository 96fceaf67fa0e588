"""A threaded HTTP server on a free port of the loopback; who answers decides how, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit

from tests.identity.providers.faults import Answer


class Request:
    """One request; without a call of ``answer`` the connection is closed at once."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        address = urlsplit(handler.path)
        length = int(handler.headers.get("content-length") or 0)
        form = handler.rfile.read(length).decode()
        self.path = address.path
        self.headers: Message = handler.headers
        self.sent = dict(parse_qsl(address.query) + parse_qsl(form))
        self.handler = handler

    def answer(self, answer: Answer, pace: float, stopped: Event) -> None:
        """Send the answer; with a ``pace``, a byte of its body at a time, so far apart."""
        handler = self.handler
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Type", answer.kind)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        size = 1 if pace else len(answer.body) or 1
        for start in range(0, len(answer.body), size):
            if pace and stopped.wait(pace):
                return
            handler.wfile.write(answer.body[start : start + size])


class Loopback:
    """Serves until ``close``; ``serve`` gets each request, in a thread of its own."""

    def __init__(self, serve: Callable[[Request], None]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    serve(Request(self))
                except ConnectionError:
                    # The app has had enough of waiting, which is what some tests are about.
                    self.close_connection = True

            do_POST = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
