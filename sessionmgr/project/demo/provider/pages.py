"""The provider's pages: templates in ``look/``, filled so that what people typed stays text."""

from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template

from sessionmgr.project.demo.provider.exchange import Answer, Request
from sessionmgr.project.demo.provider.state import Provider

LOOK = Path(__file__).parent / "look"
HTML = "text/html; charset=utf-8"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


NOTHING = Html("")


def fill(template: str, **values: str | int) -> Html:
    """Return ``look/<template>.html`` with its values; what is not ``Html`` is escaped."""
    source = Template((LOOK / f"{template}.html").read_text(encoding="utf-8"))
    safe = {
        name: value if isinstance(value, Html) else escape(str(value))
        for name, value in values.items()
    }
    return Html(source.substitute(safe))


def joined(parts: list[Html]) -> Html:
    return Html("\n".join(parts))


def page(
    provider: Provider,
    title: str,
    content: Html,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    kind: str = "small",
    cookie: str = "",
) -> Answer:
    """Answer with a whole page. Its forms may end at the app, whence a redirect takes them."""
    policy = {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": " ".join(("'self'", *provider.config.bases)),
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        # Without a referrer a browser would hide where a form comes from, even from us.
        "Referrer-Policy": "same-origin",
        **({"Set-Cookie": cookie} if cookie else {}),
    }
    whole = fill("base", title=title, content=content, kind=kind)
    return Answer(whole.encode(), HTML, status, headers)


def trouble(
    provider: Provider, told: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, code: str = ""
) -> Answer:
    """Answer with a page that says in plain words what cannot be done, and where to go."""
    detail = fill("detail", code=code) if code else NOTHING
    content = fill("trouble", told=told, detail=detail, app=provider.config.bases[0])
    return page(provider, "That did not work", content, status=status)


def stylesheet(provider: Provider, request: Request) -> Answer:
    return Answer((LOOK / "look.css").read_bytes(), "text/css; charset=utf-8")


def mark(provider: Provider, request: Request) -> Answer:
    return Answer((LOOK / "mark.svg").read_bytes(), "image/svg+xml")
