"""A request as the provider reads it, and an answer as it gives it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from sessionmgr.project.demo.provider.sessions import COOKIE
from sessionmgr.project.demo.provider.state import Provider

MOST_BYTES = 64 * 1024
MOST_FIELDS = 50


class Malformed(Exception):  # noqa: N818
    """The request cannot be read."""


@dataclass(frozen=True)
class Request:
    """One request; where a name comes twice it is refused, as OAuth 2.0 asks."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]
    headers: Message
    body: bytes = field(repr=False)

    @property
    def parameters(self) -> Mapping[str, str]:
        """Return the form of a POST, the query of a GET."""
        return self.form if self.method == "POST" else self.query

    @property
    def session_key(self) -> str:
        """Return the provider's cookie, empty without one."""
        try:
            jar = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return ""
        return jar[COOKIE].value if COOKIE in jar else ""

    @property
    def document(self) -> dict[str, object]:
        """Return the JSON object of the body; an empty body is an empty one."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            raise Malformed("the body is not JSON") from None
        if not isinstance(found, dict):
            raise Malformed("the body is not a JSON object")
        return found


def read(method: str, target: str, headers: Message, body: bytes) -> Request:
    """Return the request, or raise ``Malformed``."""
    parts = urlsplit(target)
    kind = headers.get_content_type() if "Content-Type" in headers else ""
    typed = body if kind == "application/x-www-form-urlencoded" else b""
    try:
        query, form = _fields(parts.query), _fields(typed.decode())
    except ValueError:
        raise Malformed("the parameters cannot be read") from None
    return Request(method, parts.path, query, form, headers, body)


def _fields(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    if len(dict(pairs)) != len(pairs):
        raise Malformed("a parameter comes twice")
    return {name: value for name, value in pairs if value}


@dataclass(frozen=True)
class Answer:
    """One answer; whatever it is, nobody may keep it."""

    body: bytes = field(default=b"", repr=False)
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


def document(
    content: object,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Answer with JSON."""
    return Answer(json.dumps(content).encode(), "application/json", status, headers or {})


def redirect(url: str, parameters: Mapping[str, str] | None = None, cookie: str = "") -> Answer:
    """Send the browser to ``url``, by GET."""
    given = {name: value for name, value in (parameters or {}).items() if value}
    target = f"{url}?{urlencode(given)}" if given else url
    headers = {"Location": target} | ({"Set-Cookie": cookie} if cookie else {})
    return Answer(status=HTTPStatus.SEE_OTHER, headers=headers)


View = Callable[[Provider, Request], Answer]


def is_from_elsewhere(provider: Provider, request: Request) -> bool:
    """Return whether another site's page, or another port's, makes the browser send this."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in provider.config.hosts}:
        return True
    return site not in (None, "same-origin", "none")
