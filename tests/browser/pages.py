"""The reference project's pages and one more, to type in: the least that a host page has."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from sessionmgr.project.urls import urlpatterns as project_urls

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


urlpatterns = [*project_urls, path("form/", form), path("open/", public)]
