"""What happens elsewhere in Django and concerns sessions."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.test import Client

from sessionmgr.core.reasons import EndReason
from sessionmgr.models import State, UserSession

pytestmark = pytest.mark.django_db

ALLOW_ALL = "django.contrib.auth.backends.AllowAllUsersModelBackend"


def test_saving_an_active_user_ends_nothing(client: Client, alice: User) -> None:
    client.force_login(alice)
    alice.first_name = "Alice"
    alice.save()
    assert UserSession.objects.get().state == State.LIVE


def test_deactivating_ends_only_the_sessions_of_that_user(alice: User, bob: User) -> None:
    for user in (alice, bob):
        Client().force_login(user)
    alice.is_active = False
    alice.save()
    assert UserSession.objects.get(user=alice).ended_reason == EndReason.ACCOUNT_DISABLED
    assert UserSession.objects.get(user=bob).state == State.LIVE


def test_an_inactive_user_whom_the_host_lets_in_stays(
    client: Client, alice: User, settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = [ALLOW_ALL]
    client.force_login(alice, backend=ALLOW_ALL)
    alice.is_active = False
    alice.save()
    assert client.get("/session/status/").status_code == 200


def test_a_foreign_session_store_is_left_alone(alice: User) -> None:
    request = HttpRequest()
    request.session = {}  # type: ignore[assignment]
    user_logged_in.send(User, request=request, user=alice)
