"""The reference project's pages and one more, to type in: the least that a host page has."""

from pathlib import Path

from csp.constants import SELF
from csp.decorators import csp_exempt, csp_replace
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path
from django.views.decorators.clickjacking import xframe_options_sameorigin

from sessionmgr.identity.pages import Failure, failed
from sessionmgr.project.urls import urlpatterns as project_urls

HOST_PAGES = Path(__file__).parent / "host_pages"

PAGE = """{% load sessionmgr i18n %}{% get_current_language_bidi as BIDI %}<!DOCTYPE html>
{% get_current_language as LANG %}<html lang="{{ LANG }}" dir="{{ BIDI|yesno:'rtl,ltr' }}">
<head>
  <meta charset="utf-8">
  <title>A form</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
</head>
<body>
  <main>
    <h1>A form</h1>
    {% session_timeout_notice %}
    <form method="post"{% if needs %} data-needs="{{ needs }}"{% endif %}>{% csrf_token %}
      <label>Report <textarea name="report"></textarea></label>
      <button>Send</button>
    </form>
    {% if sent %}<p id="sent">{{ sent }}</p>{% endif %}
  </main>
  {% session_timeout on_expire=on_expire %}
</body>
</html>"""


@login_required
def form(request: HttpRequest) -> HttpResponse:
    template = engines["django"].from_string(PAGE)
    on_expire = "redirect" if "leave" in request.GET else ""
    context = {
        "sent": request.POST.get("report"),
        "on_expire": on_expire,
        "needs": request.GET.get("needs"),
    }
    return HttpResponse(template.render(context, request))


def public(request: HttpRequest) -> HttpResponse:
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


SCRIPT = '<script src="/session/client-context.js"></script>'
ALIAS = '<script src="/WebResources/ClientGlobalContext.js.aspx"></script>'
FRAMES = {"default-src": [SELF], "frame-ancestors": [SELF]}

#: Pages that know nothing of us but one address.
STATIC_PAGES = {
    "page": f"{SCRIPT}<h1>Static</h1><label>Note <textarea></textarea></label>",
    "alias": f"{ALIAS}<h1>Static</h1>",
    "twice": f"{SCRIPT}{ALIAS}{SCRIPT}<h1>Static</h1>",
    "framing": f'{SCRIPT}<h1>Around</h1><iframe src="/static-page/page/"></iframe>',
    "bare-framing": '<h1>Around</h1><iframe src="/static-page/page/"></iframe>',
}


@csp_replace(FRAMES)
@xframe_options_sameorigin
def static_page(request: HttpRequest, name: str) -> HttpResponse:
    head = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Static</title>'
    return HttpResponse(head + STATIC_PAGES[name], headers={"Cache-Control": "public"})


def failure(request: HttpRequest, name: str) -> HttpResponse:
    """What somebody sees whose sign-in at the provider has failed."""
    return failed(request, Failure[name], retry_after=5, next="/form/")


@csp_exempt()
def foreign(request: HttpRequest) -> HttpResponse:
    """A page that, under another name of this server, is one of another site."""
    address = f"http://localhost:{request.get_port()}/session/client-context.js"
    return HttpResponse(f'<!DOCTYPE html><title>Foreign</title><script src="{address}"></script>')


@csp_exempt()
@login_required
def host_page(request: HttpRequest, name: str) -> HttpResponse:
    """A page in the manner of one way to build pages, from a file beside this one."""
    source = (HOST_PAGES / name).read_text(encoding="utf-8")
    if name.endswith(".js"):
        return HttpResponse(source, content_type="text/javascript")
    number = int(request.GET.get("number", 1))
    context = {"number": number, "next": number + 1}
    return HttpResponse(engines["django"].from_string(source).render(context, request))


@login_required
def host_api(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Got {request.POST['note']}", content_type="text/plain")


urlpatterns = [
    *project_urls,
    path("host/api/", host_api),
    path("host/<name>", host_page),
    path("form/", form),
    path("open/", public),
    path("failure/<name>/", failure),
    path("static-page/<name>/", static_page),
    path("foreign/", foreign),
]
