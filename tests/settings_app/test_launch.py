"""Open links: a ticket is for one press, one person, one browser session and one environment."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from sessionmgr import openings
from sessionmgr.clock import now as clock_of
from sessionmgr.core.reasons import EndReason
from sessionmgr.identity.provider import forget
from sessionmgr.models import FederatedIdentity, SignInAttempt, UserSession
from settings_app.tickets import AdminCenterVisit, LaunchTicket, hash_of
from tests.conftest import Clock
from tests.identity.browser import Browser, make_places, reason_in
from tests.identity.providers.rogue import Rogue

FORGED = "A" * 43


@pytest.fixture
def browser(at_rogue: Rogue, db: None) -> Browser:
    """Alice's, who is signed in to the main environment and looks at its Admin Center."""
    make_places()
    found = Browser(at_rogue)
    found.key("main")
    found.visit("main")
    return found


def secret_in(address: str) -> str:
    return parse_qs(urlsplit(address).query)["ticket"][0]


def is_refused(response: Any, status: int, words: str) -> bool:
    """Return whether the page says so, and would leak nothing."""
    assert response.status_code == status, response.status_code
    assert "no-store" in response["Cache-Control"]
    assert words in response.content.decode()
    return True


class Stored:
    """What there is, to see that nothing has come of it."""

    def __init__(self) -> None:
        self.before = self.now()

    def now(self) -> Any:
        return (
            list(UserSession.objects.order_by("pk").values("pk", "state", "identity_id")),
            FederatedIdentity.objects.count(),
            get_user_model().objects.count(),
        )

    def is_all(self) -> bool:
        return self.now() == self.before


def test_open_leads_in_without_a_question_and_keeps_the_providers_policy(
    browser: Browser, at_rogue: Rogue
) -> None:
    address = browser.ticket("new")
    assert address.startswith("http://portal.localhost/launch/?ticket=")
    answer = browser.follow("new", address)
    assert answer.status_code == 302
    assert answer["Location"].startswith(at_rogue.issuer)
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert "prompt" not in asked
    assert asked["redirect_uri"] == ["http://portal.localhost/oidc/callback/"]
    assert browser.arrive("new", answer)["Location"] == "/"
    assert browser.name("new") == "alice@example.com"
    assert reason_in("new") == ""


def test_only_a_hash_of_the_ticket_is_kept(browser: Browser) -> None:
    ticket = secret_in(browser.ticket("new"))
    row = LaunchTicket.objects.get()
    assert len(ticket) == 43
    assert bytes(row.ticket_hash) == hash_of(ticket)
    assert ticket not in f"{row} {row!r} {vars(row)}"
    assert "alice" not in f"{row} {AdminCenterVisit.objects.get()}"


def test_the_ticket_leaks_nowhere(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    opened = browser.at["main"].client.post("/admin/admin-center/instances/new/open/")
    address = opened["Location"]
    responses = [opened, *(browser.follow("new", address) for _time in range(2))]
    responses.append(browser.follow("new", f"/launch/?ticket={FORGED}"))
    for response in responses:
        assert response["Referrer-Policy"] == "no-referrer"
        assert "no-store" in response["Cache-Control"]
    ticket = secret_in(address)
    assert ticket not in responses[1]["Location"]
    assert ticket.encode() not in responses[2].content
    assert ticket not in caplog.text


class TestBadTickets:
    """Refused by a page, and nothing comes of it."""

    def test_twice(self, browser: Browser) -> None:
        address = browser.ticket("new")
        browser.arrive("new", browser.follow("new", address))
        stored = Stored()
        assert is_refused(browser.follow("new", address), 400, "no longer valid")
        assert stored.is_all()

    def test_twice_before_it_has_led_anywhere(self, browser: Browser, at_rogue: Rogue) -> None:
        address = browser.ticket("new")
        browser.follow("new", address)
        thief = Browser(at_rogue)
        assert is_refused(thief.follow("new", address), 400, "no longer valid")
        assert SignInAttempt.objects.filter(ticket_id__isnull=False).count() == 1

    @pytest.mark.parametrize(("seconds", "status"), [(119, 302), (121, 400)])
    def test_late(self, browser: Browser, clock: Clock, seconds: int, status: int) -> None:
        address = browser.ticket("new")
        clock.advance(seconds=seconds)
        assert browser.follow("new", address).status_code == status

    def test_for_another_environment(self, browser: Browser) -> None:
        address = browser.ticket("new")
        stored = Stored()
        assert is_refused(browser.follow("old", address), 400, "no longer valid")
        assert stored.is_all()
        # It is still good where it belongs.
        assert browser.follow("new", address).status_code == 302

    @pytest.mark.parametrize(
        "query",
        ["", "?ticket=", f"?ticket={FORGED}", "?ticket=%00", "?ticket=" + "%F0%9F%94%91" * 43],
    )
    def test_forged(self, browser: Browser, query: str) -> None:
        stored = Stored()
        assert is_refused(browser.follow("new", f"/launch/{query}"), 400, "no longer valid")
        assert stored.is_all()
        assert not SignInAttempt.objects.filter(ticket_id__isnull=False).exists()

    def test_another_person_at_the_provider(self, browser: Browser, at_rogue: Rogue) -> None:
        other = Browser(at_rogue, "mallory")
        answer = other.follow("new", browser.ticket("new"))
        stored = Stored()
        assert is_refused(other.arrive("new", answer), 403, "This link is not for you")
        assert stored.is_all()
        assert other.name("new") == "AnonymousUser"

    def test_another_browser_session_of_the_same_person(
        self, browser: Browser, at_rogue: Rogue
    ) -> None:
        other = Browser(at_rogue, sid="two")
        answer = other.follow("new", browser.ticket("new"))
        stored = Stored()
        assert is_refused(other.arrive("new", answer), 403, "This link is not for you")
        assert stored.is_all()

    def test_another_person_who_is_signed_in_there(
        self, browser: Browser, at_rogue: Rogue
    ) -> None:
        other = Browser(at_rogue, "mallory")
        other.key("new")
        stored = Stored()
        answer = other.follow("new", browser.ticket("new"))
        assert is_refused(answer, 403, "Somebody else is signed in here")
        assert stored.is_all()
        assert other.name("new") == "mallory@example.com"

    def test_somebody_else_comes_back_to_a_session_that_goes_on(
        self, browser: Browser, at_rogue: Rogue
    ) -> None:
        browser.key("new")
        answer = browser.follow("new", browser.ticket("new"))
        browser.user = "mallory"
        assert browser.arrive("new", answer).status_code == 403
        last = UserSession.objects.filter(scope="new").get()
        assert last.ended_reason == "identity_mismatch"

    def test_its_person_has_signed_out_meanwhile(self, browser: Browser) -> None:
        address = browser.ticket("new")
        browser.at["main"].client.post("/session/sign-out/")
        assert is_refused(browser.follow("new", address), 400, "no longer valid")

    @pytest.mark.parametrize("method", ["post", "head", "put"])
    def test_it_is_only_followed(self, browser: Browser, method: str) -> None:
        address = browser.ticket("new")
        parts = urlsplit(address)
        client = browser.at["new"].client
        assert getattr(client, method)(f"{parts.path}?{parts.query}").status_code == 405
        assert LaunchTicket.objects.get().spent_at is None

    def test_the_answer_of_the_provider_is_for_its_own_browser(
        self, browser: Browser, at_rogue: Rogue
    ) -> None:
        answer = browser.follow("new", browser.ticket("new"))
        assert Browser(at_rogue).arrive("new", answer).status_code == 400


class TestWhoIsThereAlready:
    """A session that would be no better is left as it is."""

    def test_a_session_by_the_providers_policy_goes_on(self, browser: Browser) -> None:
        browser.open("new")
        stored = Stored()
        answer = browser.follow("new", browser.ticket("new"))
        assert (answer.status_code, answer["Location"]) == (302, "/")
        assert stored.is_all()

    def test_one_for_which_a_ticket_is_no_help_goes_on(self, browser: Browser) -> None:
        browser.open("old")
        assert reason_in("old") == "older_version"
        stored = Stored()
        assert browser.follow("old", browser.ticket("old"))["Location"] == "/"
        assert stored.is_all()

    def test_a_password_sign_in_of_the_same_user_gives_way(
        self, browser: Browser, clock: Clock
    ) -> None:
        user = get_user_model().objects.get()
        user.set_password("alice-demo")
        user.save()
        browser.key("main")
        clock.advance(seconds=3)
        form = {"username": user.username, "password": "alice-demo"}
        browser.at["new"].client.post("/accounts/sign-in/", form)
        assert reason_in("new") == "no_provider_policy"
        assert browser.open("new")["Location"] == "/"
        assert reason_in("new") == ""

    def test_one_whose_lease_has_run_out_goes_on_as_ever(
        self, browser: Browser, at_rogue: Rogue, clock: Clock
    ) -> None:
        at_rogue.gives_refresh_tokens = False
        browser.open("new")
        clock.advance(hours=1, seconds=1)
        browser.key("main", prompt="login")
        answer = browser.follow("new", browser.ticket("new"))
        assert (answer.status_code, answer["Location"]) == (302, "/")


class TestCredentials:
    """They are asked for where they are due (R15), and nowhere else."""

    def test_who_has_signed_out_there_gives_them(self, browser: Browser, at_rogue: Rogue) -> None:
        browser.open("new")
        browser.at["new"].client.post("/session/sign-out/")
        answer = browser.follow("new", browser.ticket("new"))
        assert "prompt=login" in answer["Location"]
        assert browser.arrive("new", answer)["Location"] == "/"
        assert reason_in("new") == ""

    def test_who_was_signed_out_elsewhere_gives_them_and_keeps_the_ticket(
        self, browser: Browser, at_rogue: Rogue, clock: Clock
    ) -> None:
        browser.open("new")
        browser.visit("main")
        UserSession.objects.filter(scope="new").end(EndReason.REVOKED_BY_ADMIN)
        browser.at["new"].client.cookies.clear()
        at_rogue.id_token(auth_time=at_rogue.now - 60)
        asked_again = browser.open("new")
        assert "prompt=login" in asked_again["Location"]
        clock.advance(seconds=3)
        at_rogue.id_token(auth_time=at_rogue.now)
        assert browser.arrive("new", asked_again)["Location"] == "/"
        assert reason_in("new") == ""

    def test_they_are_asked_for_once(self, browser: Browser, at_rogue: Rogue) -> None:
        browser.open("new")
        browser.at["new"].client.post("/session/sign-out/")
        at_rogue.id_token(auth_time=at_rogue.now - 60)
        assert is_refused(browser.open("new"), 403, "Please give your credentials again")

    def test_they_are_no_older_than_a_custom_maximum(self, browser: Browser, policy: Any) -> None:
        policy(custom_length=True, max_session_length=timedelta(hours=2))
        assert "max_age=7200" in browser.follow("new", browser.ticket("new"))["Location"]


def test_without_a_provider_meanwhile_the_sign_in_page_has_to_do(
    browser: Browser, settings: Any
) -> None:
    address = browser.ticket("new")
    settings.OIDC_ISSUER = ""
    assert browser.follow("new", address)["Location"] == "/accounts/sign-in/?next=%2F"


def test_a_provider_that_is_down_is_told_as_ever(browser: Browser, at_rogue: Rogue) -> None:
    address = browser.ticket("new")
    forget()
    at_rogue.fault("discovery", "503")
    assert browser.follow("new", address).status_code == 503


def test_old_tickets_and_visits_are_forgotten(browser: Browser, clock: Clock) -> None:
    browser.ticket("new")
    LaunchTicket.objects.update(expires_at="2020-01-01T00:00Z")
    AdminCenterVisit.objects.create(
        browser_session=b"x", scope="main", visited_at="2020-01-01T00:00Z"
    )
    browser.ticket("new")
    browser.visit("main")
    assert LaunchTicket.objects.count() == 1
    assert AdminCenterVisit.objects.count() == 1


def test_where_nobody_checks_tickets_none_is_right(db: None) -> None:
    arrival = openings.Arrival(issuer="x", subject="y", sid="z", scope="main", ticket_id=1)
    gate = openings._gate
    before = gate.check, gate.tell
    openings.connect(check=None, tell=None)
    try:
        with pytest.raises(openings.WrongTicketError):
            openings.check(arrival)
        assert openings.bypass_of(arrival, 1) is None
    finally:
        openings.connect(check=before[0], tell=before[1])


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="the tests' SQLite is one connection for all threads"
)
@pytest.mark.django_db(transaction=True)
def test_of_those_who_come_at_one_moment_one_spends_the_ticket() -> None:
    now = clock_of("default")
    binding = {"browser_session": b"x" * 32, "scope": "new", "session_id": 1}
    LaunchTicket.objects.issue(FORGED, issued_at=now, **binding)
    start = Barrier(6)

    def spend(_number: int) -> bool:
        start.wait()
        try:
            return LaunchTicket.objects.spend(FORGED, "new", now) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(spend, range(6))) == [False] * 5 + [True]
