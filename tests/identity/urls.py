"""The tests' pages, and views of an API that admits by access tokens alone."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View

from sessionmgr.identity.bearer import bearer_required
from tests.sessionmgr.urls import urlpatterns as pages


@bearer_required()
def mine(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": str(request.user), "scopes": sorted(request.bearer.scopes)})


@bearer_required()
async def amine(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {"user": str(await request.auser()), "scopes": sorted(request.bearer.scopes)}
    )


@bearer_required(scope="orders.write orders.read")
def orders(request: HttpRequest) -> HttpResponse:
    return JsonResponse({})


@bearer_required(audience="https://other.example/")
def other(request: HttpRequest) -> HttpResponse:
    return JsonResponse({})


@bearer_required()
def forbidden(request: HttpRequest) -> HttpResponse:
    return HttpResponse("not for you", status=403)


@method_decorator(bearer_required(audience="https://other.example/"), name="dispatch")
class Thing(View):
    def post(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse({})


urlpatterns: list[Any] = [
    path("api/mine/", mine),
    path("api/amine/", amine),
    path("api/orders/", orders),
    path("api/other/", other),
    path("api/forbidden/", forbidden),
    path("api/thing/", Thing.as_view()),
    *pages,
]
