"""A WebSocket consumer loads the session too, and so is held by the same door."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.test import Client

from sessionmgr.core.reasons import EndReason
from sessionmgr.models import UserSession
from tests.conftest import Clock

pytestmark = pytest.mark.django_db(transaction=True)


class WhoAmI(AsyncWebsocketConsumer):
    """Says who has connected."""

    async def connect(self) -> None:
        await self.accept()
        await self.send(text_data=str(self.scope["user"]))


async def connected_as(client: Client) -> str:
    cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
    scope = {"type": "websocket", "path": "/", "headers": [(b"cookie", cookie)]}
    socket = ApplicationCommunicator(AuthMiddlewareStack(WhoAmI.as_asgi()), scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output())["type"] == "websocket.accept"
    name: str = (await socket.receive_output())["text"]
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait()
    return name


async def test_a_live_session_connects_as_its_user(alice: User) -> None:
    client = Client()
    await sync_to_async(client.force_login)(alice)
    assert await connected_as(client) == "alice"


async def test_an_idle_session_connects_as_nobody_and_is_ended(
    alice: User, policy: Callable[..., Any], clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    client = Client()
    await sync_to_async(client.force_login)(alice)
    clock.advance(hours=1)
    assert await connected_as(client) == "AnonymousUser"
    assert (await UserSession.objects.aget()).ended_reason == EndReason.INACTIVITY
