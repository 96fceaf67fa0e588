"""A busy server's work: sign-ins, pages, writes, touches, sign-outs and sweeps, at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client, override_settings

from sessionmgr import clock
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.policy import Policy
from sessionmgr.sweep import sweep_scope

IDLE = Policy(inactivity_enabled=True)


def work(seed: int, steps: int, seconds: float) -> dict[str, int]:
    """Work for so many steps or seconds; return how often each thing was done, and failed."""
    chance = random.Random(seed)  # noqa: S311 - a workload, no secret
    done = dict.fromkeys([*BUSINESS, "failed"], 0)
    client = Client(raise_request_exception=False)
    with override_settings(SESSIONMGR_ACTIVITY_RESOLUTION=0):
        for _ in until(steps, seconds):
            (name,) = chance.choices(list(BUSINESS), weights=[8, 50, 25, 10, 4, 3])
            done[name] += 1
            done["failed"] += not BUSINESS[name](client)
    return done


def until(steps: int, seconds: float) -> Iterator[None]:
    """Yield ``steps`` times, or until ``seconds`` have passed."""
    if steps:
        yield from [None] * steps
        return
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        yield None


# --- each says whether it went well


def new_sign_in(client: Client) -> bool:
    client.cookies.clear()
    client.force_login(get_user_model().objects.get())
    return True


def page_view(client: Client) -> bool:
    """A page whose activity is written down, as at each request that comes a bit later."""
    clock.shift += timedelta(milliseconds=1)
    return client.get("/about/").status_code < 500


def session_write(client: Client) -> bool:
    session = client.session
    if SESSION_KEY not in session:
        return True
    session["cart"] = session.get("cart", 0) + 1
    try:
        session.save()
    except UpdateError:
        # Another process has swept it: that is no lock.
        return SESSION_KEY not in SessionStore(session.session_key).load()
    return True


def widget_touch(client: Client) -> bool:
    return client.post("/session/touch/").status_code in (200, 401)


def leave(client: Client) -> bool:
    return client.post("/session/sign-out/").status_code == 302


def one_sweep(client: Client) -> bool:
    sweep_scope("main", IDLE, now=clock.now("default"), using="default")
    return True


BUSINESS: dict[str, Callable[[Client], bool]] = {
    "sign-in": new_sign_in,
    "page": page_view,
    "write": session_write,
    "touch": widget_touch,
    "sign-out": leave,
    "sweep": one_sweep,
}
