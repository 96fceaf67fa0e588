"""Where an environment answers, as a browser that is at another one gets there."""

from typing import NamedTuple

from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import NoReverseMatch, get_script_prefix, reverse

from settings_app import source
from settings_app.scopes import place_of


class Home(NamedTuple):
    """Scheme, host and port; and the path below which the environment's pages are."""

    origin: str
    root: str

    @property
    def address(self) -> str:
        return f"{self.origin}{self.root}"

    @property
    def launch(self) -> str:
        """Where its tickets are spent; nothing where the project has no such page."""
        return self.page("launch")

    def page(self, name: str) -> str:
        """Return the address of a page there, by the URL's name here; nothing where it has none.

        All environments of a project have the same pages.
        """
        try:
            path = reverse(name)
        except NoReverseMatch:
            return ""
        return f"{self.address}{path.removeprefix(get_script_prefix())}"


def home_of(request: HttpRequest, scope: str) -> Home | None:
    """Return where an environment answers, at this host if it does; ``None``: nowhere."""
    host, port = split_domain_port(request.get_host())
    found = source.addresses().home_of(scope, host)
    if found is None:
        return None
    # Below a path that we know of the project is mounted by that path, else by the server's own.
    mount = "/" if place_of(request).prefix else get_script_prefix()
    origin = f"{request.scheme}://{found.host}{f':{port}' if port else ''}"
    return Home(origin, found.prefix or mount)
