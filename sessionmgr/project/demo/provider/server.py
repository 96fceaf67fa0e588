"""The provider on a port of the loopback: which path is whose, and what an outage does to it."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sessionmgr.project.demo.provider import pages, panel, protocol, sign_in, sign_out
from sessionmgr.project.demo.provider.config import HOST, Unusable, is_loopback
from sessionmgr.project.demo.provider.control import PREFIX, control
from sessionmgr.project.demo.provider.exchange import (
    MOST_BYTES,
    Answer,
    Malformed,
    Request,
    View,
    document,
    is_from_elsewhere,
    read,
)
from sessionmgr.project.demo.provider.outage import Kind
from sessionmgr.project.demo.provider.state import Provider

logger = logging.getLogger(__name__)

#: Seconds that an outage holds one request up, and between the bytes of one that trickles.
HELD_SECONDS = 120
TRICKLE_SECONDS = 1.0

#: What apps call, or send people to.
PROTOCOL: dict[str, Mapping[str, View]] = {
    "/.well-known/openid-configuration": {"GET": protocol.discovery},
    "/jwks": {"GET": protocol.key_set},
    "/authorize": {"GET": sign_in.authorize, "POST": sign_in.authorize},
    "/token": {"POST": protocol.token},
    "/userinfo": {"GET": protocol.userinfo, "POST": protocol.userinfo},
    "/introspect": {"POST": protocol.introspect},
    "/revoke": {"POST": protocol.revoke},
    "/logout": {"GET": sign_out.logout, "POST": sign_out.logout},
}
#: The forms of our own pages: no other site's page may send them.
FORMS: dict[str, Mapping[str, View]] = {
    "/sign-in": {"POST": sign_in.check_password},
    "/sign-in/stay": {"GET": sign_in.ask_to_stay, "POST": sign_in.stay_or_not},
    "/logout/confirmed": {"POST": sign_out.confirmed},
}
#: What goes on in an outage, too.
PANEL: dict[str, Mapping[str, View]] = {
    "/": {"GET": panel.show, "POST": panel.act},
    "/look.css": {"GET": pages.stylesheet},
    "/mark.svg": {"GET": pages.mark},
}
CONTROL: Mapping[str, View] = {"GET": control, "POST": control}


def respond(provider: Provider, request: Request) -> Answer:
    """Return the answer to a request; an outage is not seen here."""
    is_control = request.path.startswith(PREFIX)
    views = CONTROL if is_control else (PROTOCOL | FORMS | PANEL).get(request.path)
    if views is None:
        told = "There is no such page at this provider."
        return pages.trouble(provider, told, HTTPStatus.NOT_FOUND)
    view = views.get("GET" if request.method == "HEAD" else request.method)
    if view is None:
        headers = {"Allow": ", ".join(sorted(views))}
        return Answer(b"Method not allowed", status=HTTPStatus.METHOD_NOT_ALLOWED, headers=headers)
    is_ours = request.method == "POST" and request.path not in PROTOCOL
    if is_ours and is_from_elsewhere(provider, request):
        provider.journal.note("a form of another site was refused")
        told = "This was sent by a page of another site, so nothing was done."
        return pages.trouble(provider, told, HTTPStatus.FORBIDDEN)
    return view(provider, request)


class Server(ThreadingHTTPServer):
    """A thread for each connection, on the loopback and nowhere else."""

    def __init__(self, provider: Provider, host: str = HOST) -> None:
        self.provider = provider
        if not is_loopback(host):
            raise Unusable(f"this provider is not served on {host}: it is for this machine only.")
        try:
            super().__init__((host, provider.config.port), Handler)
        except OSError as error:
            port = provider.config.port
            raise Unusable(f"port {port} cannot be used ({error.strerror}).") from None


class Handler(BaseHTTPRequestHandler):
    """Reads a request from the wire and writes its answer."""

    protocol_version = "HTTP/1.1"
    server_version = "DemoProvider"
    sys_version = ""
    timeout = 60
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep silent: a request line may hold a code."""

    def _serve(self) -> None:
        provider = self.server.provider
        # Another name that leads here is another site's doing (DNS rebinding).
        if self.headers.get("Host") not in provider.config.hosts:
            self._write(Answer(b"Wrong host", status=HTTPStatus.MISDIRECTED_REQUEST))
            return
        try:
            request = read(self.command, self.path, self.headers, self._body())
            if provider.outage.kind and not _goes_on(request.path):
                self._fail(provider, provider.outage.kind)
            else:
                self._write(respond(provider, request))
        except Malformed as malformed:
            told = {"error": "invalid_request", "error_description": str(malformed)}
            self.close_connection = True
            self._write(document(told, HTTPStatus.BAD_REQUEST))
        except OSError:
            self.close_connection = True  # Nobody is there any more.
        except Exception:
            logger.exception("an answer failed")
            self.close_connection = True
            self._write(Answer(b"Internal error", status=HTTPStatus.INTERNAL_SERVER_ERROR))

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise Malformed("the length of the body must be told")
        if len(length) > 6 or int(length) > MOST_BYTES:
            raise Malformed("the body is too long")
        return self.rfile.read(int(length))

    def _write(self, answer: Answer) -> None:
        headers = {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            **answer.headers,
            **({"Connection": "close"} if self.close_connection else {}),
        }
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _fail(self, provider: Provider, kind: Kind) -> None:
        """Do what the outage does, until it ends or nobody waits any more. Nothing is changed."""
        self.close_connection = True
        if kind is Kind.UNAVAILABLE:
            told = {"error": "temporarily_unavailable"}
            self._write(document(told, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}))
        elif kind is Kind.HANG:
            provider.outage.is_over_within(HELD_SECONDS)
        else:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(MOST_BYTES))
            self.end_headers()
            self._trickle(provider)

    def _trickle(self, provider: Provider) -> None:
        with suppress(OSError):
            for byte in b"{" + b" " * HELD_SECONDS:
                self.wfile.write(bytes([byte]))
                if provider.outage.is_over_within(TRICKLE_SECONDS):
                    return


def _goes_on(path: str) -> bool:
    return path in PANEL or path.startswith(PREFIX)
