"""A person's way through a provider's pages, with requests: redirects followed, forms filled."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

SECONDS = 10

#: More redirects and forms than any sign-in needs.
STEPS = 15

Fields = dict[str, str]


class Form(HTMLParser):
    """The forms of a page, taken as one: where they lead, and what they hold.

    A box that is not ticked, and a button, send nothing.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = False
        self.action = ""
        self.fields: Fields = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.found:
            self.found = True
            self.action = given.get("action", "")
        silent = given.get("type") in ("checkbox", "submit", "button", "image")
        if tag == "input" and given.get("name") and not silent:
            self.fields[given["name"]] = given.get("value", "")


def walk(
    session: requests.Session, authorization_url: str, fill: Callable[[Fields], Fields]
) -> str:
    """Return the address at the app to which the provider sends the browser in the end.

    ``fill`` gets a form's fields and returns what the person sends.
    """
    (callback,) = parse_qs(urlsplit(authorization_url).query)["redirect_uri"]
    answer = session.get(authorization_url, allow_redirects=False, timeout=SECONDS)
    for _ in range(STEPS):
        if answer.is_redirect:
            target = urljoin(answer.url, answer.headers["location"])
            if target.startswith(callback):
                return target
            answer = session.get(target, allow_redirects=False, timeout=SECONDS)
            continue
        form = Form(answer.text)
        told = f"{answer.status_code} {answer.url}: {answer.text[:500]}"
        assert answer.ok, told
        assert form.found, told
        answer = session.post(
            urljoin(answer.url, form.action),
            data=fill(form.fields),
            allow_redirects=False,
            timeout=SECONDS,
        )
    raise AssertionError(f"no end of pages at {answer.url}: {answer.text[:500]}")
