"""For pages outside our templates: one script tag brings them the widget.

The script is the same for everybody and says nothing of anybody; who may not read this site's
answers (another origin) gets neither it nor the element.
"""

from hashlib import sha256
from json import dumps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import condition, require_safe

from sessionmgr.activity import passive
from sessionmgr.enforcement import judgement_of


def _source() -> str:
    module = dumps(static("sessionmgr/client-context.js"))
    element = dumps(reverse("sessionmgr:widget"))
    return f"import({module}).then(({{ join }}) => join({element}));\n"


def _etag(request: HttpRequest) -> str:
    return f'"{sha256(_source().encode()).hexdigest()[:16]}"'


@passive
@require_safe
@condition(etag_func=_etag)
def script(request: HttpRequest) -> HttpResponse:
    """Return the script: kept by caches, which ask whether there is another version."""
    response = HttpResponse(_source(), content_type="text/javascript; charset=utf-8")
    response["Cache-Control"] = "public, no-cache"
    return _only_here(response)


@passive
@never_cache
@require_safe
def widget(request: HttpRequest) -> HttpResponse:
    """Return the element for who is signed in, and nothing for anybody else."""
    if judgement_of(request) is None:
        return _only_here(HttpResponse(status=204))
    return _only_here(render(request, "sessionmgr/widget.html"))


def _only_here(response: HttpResponse) -> HttpResponse:
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response
