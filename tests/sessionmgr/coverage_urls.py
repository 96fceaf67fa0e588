"""Pages with and without the warning, and answers that are no pages."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.http import StreamingHttpResponse as Streaming
from django.urls import include, path

from sessionmgr.project.urls import urlpatterns as project_urls


def answering(text: str, **options: Any) -> Any:
    def view(request: HttpRequest, **_arguments: Any) -> HttpResponse:
        return HttpResponse(f"<p>{request.user}</p>{text}", **options)

    return view


async def abare(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{await request.auser()}</p>")


def as_json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": str(request.user)})


def stream(request: HttpRequest) -> HttpResponseBase:
    return Streaming([f"<p>{request.user}</p>"])


def untouched(request: HttpRequest) -> HttpResponse:
    return HttpResponse("<p>for everybody</p>")


urlpatterns: list[Any] = [
    path("bare/<int:number>/", answering("")),
    path("abare/", abare),
    path("with-widget/", answering('<session-timeout data-user="1"></session-timeout>')),
    path("with-script/", answering('<script src="/session/client-context.js"></script>')),
    path(
        "with-old-script/",
        answering('<script src="/WebResources/ClientGlobalContext.js.aspx"></script>'),
    ),
    path("json/", as_json),
    path("stream/", stream),
    path("gone/", answering("", status=410)),
    path("packed/", answering("", headers={"Content-Encoding": "gzip"})),
    path("untouched/", untouched),
    path("", include(project_urls)),
]
