"""The provider's policy bypassed (R4): by which steps, for whom, and for how long."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from django.core.management import call_command

from sessionmgr.models import UserSession
from tests.conftest import Clock
from tests.identity.browser import INSTANCES, Browser, end_in, make_places, reason_in
from tests.identity.providers.forgeries import ABSENT
from tests.identity.providers.rogue import Rogue

DAY = 86_400


@pytest.fixture
def browser(at_rogue: Rogue, db: None) -> Browser:
    make_places()
    return Browser(at_rogue)


def do(browser: Browser, step: str) -> None:
    """Take one step: ``key old``, ``visit main``, ``open new``, ``end main``, ``sid two``, …"""
    verb, _, where = step.partition(" ")
    match verb:
        case "sid":
            browser.sid = ABSENT if where == "none" else where
        case "user":
            browser.user = where
        case "end":
            end_in(where)
        case "key":
            assert browser.key(where).status_code == 302
        case "visit":
            browser.visit(where)
        case _:
            assert browser.open(where)["Location"] == "/"


@pytest.mark.parametrize(
    ("steps", "place", "reason"),
    [
        # Keyed, or opened by its link.
        (["key main", "key new"], "new", ""),
        (["key main", "visit main", "key new"], "new", "manual_entry"),
        (["key main", "visit main", "open new"], "new", ""),
        (["key main", "visit main", "key new", "open new"], "new", ""),
        (["key main", "key new", "visit main"], "new", ""),
        (["key main", "key new", "visit main", "end new", "key new"], "new", "manual_entry"),
        (["key main", "visit main", "end main", "key new"], "new", "manual_entry"),
        # The Admin Center's own environment is no other one.
        (["key main", "visit main", "end main", "key main"], "main", ""),
        (["key new", "visit new", "key main"], "main", "manual_entry"),
        (["key main", "visit main", "open new", "visit new", "key main"], "main", ""),
        (["key old", "visit old", "key main"], "main", "manual_entry"),
        # Versions.
        (["key old"], "old", ""),
        (["key old", "key main"], "main", ""),
        (["key old", "key main"], "old", ""),
        (["key main", "key old"], "old", "older_version"),
        (["key new", "key old"], "old", "older_version"),
        (["key main", "key old"], "main", ""),
        (["key main", "end main", "key old"], "old", "older_version"),
        (["key old", "end old", "key old"], "old", ""),
        # A ticket is no help against an older version, which is what is told.
        (["key main", "visit main", "open old"], "old", "older_version"),
        (["key main", "visit main", "key old"], "old", "older_version"),
        (["key main", "visit main", "key old", "open old"], "old", "older_version"),
        # Another browser session, another person, and a provider that tells no session.
        (["key main", "visit main", "sid two", "key new"], "new", ""),
        (["key main", "sid two", "key old"], "old", ""),
        (["key main", "visit main", "user bob", "key new"], "new", ""),
        (["key main", "user bob", "key old"], "old", ""),
        (["sid none", "key main", "visit main", "key new"], "new", ""),
        (["sid none", "key main", "key old"], "old", ""),
        (["sid none", "key main", "visit main", "open new"], "new", ""),
    ],
)
def test_steps(browser: Browser, steps: list[str], place: str, reason: str) -> None:
    for step in steps:
        do(browser, step)
    assert reason_in(place) == reason


STEPS = ("key main", "visit main", "key new", "key old")
ORDERS = [
    steps for steps in permutations(STEPS) if steps.index("key main") < steps.index("visit main")
]


@pytest.mark.parametrize("steps", ORDERS, ids="-".join)
def test_every_order(browser: Browser, steps: tuple[str, ...]) -> None:
    for step in steps:
        do(browser, step)
    came = steps.index
    assert reason_in("main") == ""
    assert reason_in("new") == ("manual_entry" if came("visit main") < came("key new") else "")
    after_newer = came("key old") > min(came("key main"), came("key new"))
    assert reason_in("old") == ("older_version" if after_newer else "")


class TestForHowLong:
    """24 hours, once and for all for that session, and no longer than a custom maximum."""

    @pytest.fixture
    def bypassing(self, browser: Browser) -> Browser:
        for step in ("key main", "visit main", "key new"):
            do(browser, step)
        assert reason_in("new") == "manual_entry"
        return browser

    def status(self, browser: Browser) -> Any:
        return browser.at["new"].get("/session/status/").json()

    def test_it_ends_after_24_hours_with_a_warning(self, bypassing: Browser, clock: Clock) -> None:
        told = self.status(bypassing)
        assert (told["session_seconds"], told["ends_by"]) == (DAY, "session")
        assert told["warn_session_seconds"] == 1200
        clock.advance(hours=23, minutes=50)
        assert self.status(bypassing)["session_seconds"] == 600
        clock.advance(minutes=10)
        assert self.status(bypassing)["reason"] == "fallback_limit"

    def test_it_is_no_longer_than_a_custom_maximum(self, bypassing: Browser, policy: Any) -> None:
        policy(custom_length=True, max_session_length=timedelta(hours=2))
        assert self.status(bypassing)["session_seconds"] == 7200

    def test_no_renewal_turns_it_back(self, bypassing: Browser, clock: Clock) -> None:
        for _renewal in range(3):
            clock.advance(minutes=50)
            before = bypassing.at["new"].row.lease_checked_at
            call_command("renew_leases")
            row = UserSession.objects.live().get(scope="new")
            assert row.lease_checked_at > before
            assert (row.policy_source, row.fallback_reason) == ("fallback", "manual_entry")
            bypassing.at["new"].get()
        assert self.status(bypassing)["session_seconds"] == DAY - 150 * 60

    def test_a_renewal_on_a_request_does_not_either(
        self, bypassing: Browser, clock: Clock
    ) -> None:
        clock.advance(hours=2)
        assert bypassing.name("new") == "alice@example.com"
        assert reason_in("new") == "manual_entry"

    def test_giving_credentials_again_does_not_either(self, bypassing: Browser) -> None:
        bypassing.key("new")
        assert reason_in("new") == "manual_entry"
        assert UserSession.objects.filter(scope="new").count() == 1

    def test_a_disabled_account_is_out_all_the_same(
        self, bypassing: Browser, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.disable("alice")
        clock.advance(hours=1, seconds=1)
        assert self.status(bypassing)["reason"] == "policy_denied"


def test_open_takes_the_place_of_a_fallback_without_asking_for_credentials(
    browser: Browser, at_rogue: Rogue
) -> None:
    for step in ("key main", "visit main", "key new"):
        do(browser, step)
    assert browser.open("new")["Location"] == "/"
    assert "prompt" not in at_rogue.seen["authorize"][-1]
    first, second = UserSession.objects.filter(scope="new").order_by("pk")
    assert (first.state, first.ended_reason) == ("ended", "replaced")
    assert second.policy_source == "provider"
    # Nor does that end ask for credentials anywhere else.
    do(browser, "end main")
    assert browser.key("main").status_code == 302
    assert browser.name("new") == "alice@example.com"


def test_a_head_request_is_no_visit(browser: Browser) -> None:
    do(browser, "key main")
    browser.at["main"].client.head(INSTANCES)
    do(browser, "key new")
    assert reason_in("new") == ""
