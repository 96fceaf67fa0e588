"""Which environment a request is for: what SESSIONMGR_SCOPE_SOURCE points at.

In steady state it costs a look into a dict; the addresses are held and refreshed together with the
policies (``settings_app.source``).
"""

from django.http import HttpRequest
from django.http.request import split_domain_port

from sessionmgr import sources
from settings_app import source
from settings_app.addresses import Place
from settings_app.source import Known


def scope_of(request: HttpRequest) -> str:
    """Return the slug of the environment that a request is for.

    By host, then by the longest path, else the default environment. A host that Django does not
    serve is refused by Django, here as everywhere.
    """
    return place_of(request).scope


def place_of(request: HttpRequest) -> Place:
    """Return the environment and the path below which it lives at this host."""
    host, _port = split_domain_port(request.get_host())
    return source.addresses().place_of(host, request.path)


def environment_of(request: HttpRequest) -> Known | None:
    """Return what is known of the request's environment, at no query; ``None``: there is none."""
    return source.environments().get(sources.scope_of(request))
