"""Environments below a path, in one process: ``/portal/about/`` is the portal's ``/about/``.

Where a server mounts the project itself (SCRIPT_NAME), there is nothing left to do here.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase
from django.urls import get_script_prefix, set_script_prefix

from sessionmgr import answers
from settings_app import source
from settings_app.scopes import place_of

GetResponse = Callable[[HttpRequest], Any]


class PrefixMiddleware:
    """First of those that look at the path: takes an environment's path off and puts it before
    every link that the answer makes.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self.__acall__(request)
        try:
            prefix = place_of(request).prefix
        except (OperationalError, InterfaceError):
            return answers.unavailable(request)
        with mounted(request, prefix):
            response: HttpResponseBase = self.get_response(request)
            return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        find = place_of if source.is_fresh() else sync_to_async(place_of)
        try:
            found = find(request)
            prefix = (await found if isinstance(found, Awaitable) else found).prefix
        except (OperationalError, InterfaceError):
            return answers.unavailable(request)
        with mounted(request, prefix):
            response: HttpResponseBase = await self.get_response(request)
            return response


@contextmanager
def mounted(request: HttpRequest, prefix: str) -> Iterator[None]:
    """Have the request answered as if the project were mounted at ``prefix``."""
    before = get_script_prefix()
    if len(prefix) <= len(before):
        yield
        return
    request.path_info = request.path[len(prefix) - 1 :]
    request.META["SCRIPT_NAME"] = prefix[:-1]
    set_script_prefix(prefix)
    try:
        yield
    finally:
        set_script_prefix(before)
