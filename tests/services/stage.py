"""What an ``Actor`` does: a session's reads and writes, begun on order, at a given moment.

A racer loads first (``prepare``) and acts at an instant of the clock that all processes share
(``go``); so two of them meet within microseconds, or as far apart as the test wants.
"""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import django

django.setup()

from django.contrib.auth import SESSION_KEY, get_user, get_user_model, login, logout  # noqa: E402
from django.contrib.sessions.backends.base import UpdateError  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore as PlainStore  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest  # noqa: E402

from sessionmgr import clock  # noqa: E402
from sessionmgr.backends.db import SessionStore  # noqa: E402
from sessionmgr.core.policy import Policy  # noqa: E402
from sessionmgr.models import State, UserSession  # noqa: E402
from sessionmgr.signals import session_ended  # noqa: E402
from sessionmgr.sweep import sweep_scope  # noqa: E402
from tests.services.business import work  # noqa: E402

BACKEND = "django.contrib.auth.backends.ModelBackend"
IDLE = Policy(inactivity_enabled=True)

Prepared = Callable[[], Any]


def request_with(store: Any) -> HttpRequest:
    """Return a request as the session and authentication middleware leave it."""
    request = HttpRequest()
    request.session = store
    request.user = get_user(request)
    return request


# --- the parts of a race: each loads now and returns what it will do


def save(key: str) -> Prepared:
    """A page that writes to its session."""
    store = SessionStore(key)
    store["cart"] = store.get("cart", 0) + 1
    return store.save


def sign_out(key: str) -> Prepared:
    request = request_with(SessionStore(key))
    return lambda: logout(request)


def read(key: str) -> Prepared:
    """A page that only looks at who is signed in."""
    return lambda: get_user(request_with(SessionStore(key))).is_authenticated


def change_key(key: str) -> Prepared:
    """What a change of password does to one's own session."""
    store = SessionStore(key)
    store.get(SESSION_KEY)
    return lambda: (store.cycle_key(), store.save())


def sign_in_again(key: str) -> Prepared:
    request = request_with(SessionStore(key))
    user = get_user_model().objects.get()
    return lambda: (login(request, user, BACKEND), request.session.save())


def touch(key: str) -> Prepared:
    """A touch of a session that was live when the request came in."""
    (row,) = UserSession.objects.filter(session_id=key)
    return lambda: UserSession.objects.filter(pk=row.pk).touch(clock.now("default"))


def sweep(key: str) -> Prepared:
    return lambda: dict(sweep_scope("main", IDLE, now=clock.now("default"), using="default"))


def plain_change_key(key: str) -> Prepared:
    store = PlainStore(key)
    store.get(SESSION_KEY)
    return lambda: (store.cycle_key(), store.save())


def plain_sign_out(key: str) -> Prepared:
    store = PlainStore(key)
    store.get(SESSION_KEY)
    return store.flush


PARTS = {
    part.__name__: part
    for part in (
        save,
        sign_out,
        read,
        change_key,
        sign_in_again,
        touch,
        sweep,
        plain_change_key,
        plain_sign_out,
    )
}


class Stage:
    """One process's state between orders."""

    def __init__(self) -> None:
        self.prepared: Prepared = lambda: None
        self.ends = 0
        session_ended.connect(self.count_end, weak=False)

    def count_end(self, **kwargs: Any) -> None:
        self.ends += 1

    def migrate(self) -> None:
        call_command("migrate", verbosity=0)
        get_user_model().objects.create_user("alice", "alice@example.com", "alice-demo")

    def sign_in(self, idle: bool = False) -> str:
        """Sign alice in, or as one who has just become idle too long; return the key."""
        request = request_with(SessionStore())
        login(request, get_user_model().objects.get(), BACKEND)
        request.session.save()
        if idle:
            then = clock.now("default") - IDLE.inactivity_duration
            UserSession.objects.update(
                started_at=then, authenticated_at=then, last_activity_at=then, activity_bucket=0
            )
        assert request.session.session_key
        return request.session.session_key

    def plain_sign_in(self) -> str:
        store = PlainStore()
        store[SESSION_KEY] = "1"
        store.save()
        assert store.session_key
        return store.session_key

    def prepare(self, part: str, key: str) -> None:
        self.prepared = PARTS[part](key)

    def go(self, at: int) -> Any:
        """Do what was prepared at ``at``, in nanoseconds of the machine's monotonic clock."""
        self.ends = 0
        select.select([], [], [], max(0, at - monotonic_ns()) / 1e9)
        try:
            outcome = self.prepared()
        except UpdateError:
            outcome = "UpdateError"
        return {"outcome": outcome, "ends": self.ends}

    def verdict(self, key: str) -> dict[str, Any]:
        """Say what is left of the round: who is signed in under any key, and the ends."""
        keys = {key, *Session.objects.values_list("session_key", flat=True)}
        found = {
            "signed_in": sum(SESSION_KEY in SessionStore(one).load() for one in keys),
            "live": UserSession.objects.live().count(),
            "ended": UserSession.objects.filter(state=State.ENDED).count(),
            "reasons": list(UserSession.objects.values_list("ended_reason", flat=True)),
        }
        self.sweep_the_floor()
        return found

    def plain_verdict(self) -> int:
        """Return how many payloads of plain Django are still signed in."""
        stored = Session.objects.values_list("session_data", flat=True)
        left = sum(SESSION_KEY in PlainStore().decode(payload) for payload in stored)
        self.sweep_the_floor()
        return left

    def sweep_the_floor(self) -> None:
        Session.objects.all()._raw_delete("default")
        UserSession.objects.all()._raw_delete("default")

    def work(self, seed: int, steps: int = 0, seconds: float = 0) -> dict[str, int]:
        """Be a busy server, for so many steps or seconds."""
        return work(seed, steps, seconds)


def main() -> None:
    stage = Stage()
    for line in sys.stdin:
        action, arguments = json.loads(line)
        answer = getattr(stage, action)(**arguments)
        print(json.dumps(answer, default=str), flush=True)  # noqa: T201 - this is the pipe


if __name__ == "__main__":
    main()
