"""What each answer of an endpoint means: good, an outage, a denial, or a mistake of ours."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from sessionmgr.identity import breaker, calls
from sessionmgr.identity.breaker import FIRST_PAUSE, IN_FLIGHT, JITTER
from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.outcomes import (
    Denial,
    Denied,
    Misconfigured,
    Mistake,
    Outcome,
    Problem,
    Unreachable,
)
from tests.identity.providers.faults import Answer, page, sent_to, told
from tests.identity.providers.loopback import Loopback, Request

CONFIG = ProviderConfig(issuer="https://provider.example", client_id="a site", client_secret="b:c")
SECONDS = 10.0


class Endpoint:
    """One endpoint, which always gives the same answer."""

    def __init__(self) -> None:
        self.answer = told({})
        self.seen: list[Request] = []
        self.server = Loopback(self._serve)
        self.url = self.server.url
        self.close = self.server.close

    def _serve(self, request: Request) -> None:
        self.seen.append(request)
        request.answer(self.answer, pace=0, stopped=Event())


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    breaker.reset()
    with closing(Endpoint()) as endpoint:
        yield endpoint
    breaker.reset()


def ask(endpoint: Endpoint) -> dict[str, Any]:
    return calls.get_json(endpoint.url, config=CONFIG, deadline=SECONDS)


def renew(endpoint: Endpoint) -> dict[str, Any]:
    grant = {"grant_type": "refresh_token", "refresh_token": "secret-refresh"}
    return calls.token_request(endpoint.url, grant, config=CONFIG, deadline=SECONDS)


def introspect(endpoint: Endpoint) -> dict[str, Any]:
    return calls.introspect(endpoint.url, "secret-token", config=CONFIG, deadline=SECONDS)


def userinfo(endpoint: Endpoint) -> dict[str, Any]:
    return calls.userinfo(endpoint.url, "secret-token", config=CONFIG, deadline=SECONDS)


Ask = Callable[[Endpoint], dict[str, Any]]
ALL = (ask, renew, introspect, userinfo)
AS_CLIENT = (renew, introspect)


def ends(endpoint: Endpoint, by: Ask, answer: Answer) -> str:
    """Return how a call ends that is answered so; "": well."""
    endpoint.answer = answer
    breaker.reset()
    try:
        by(endpoint)
    except (Unreachable, Misconfigured, Denied) as outcome:
        return f"{type(outcome).__name__} {outcome}"
    return ""


def is_(outcome: type[Outcome], why: Problem | Mistake | Denial) -> str:
    return f"{outcome.__name__} {why}"


MALFORMED = is_(Unreachable, Problem.MALFORMED)
INVALID_CLIENT = is_(Misconfigured, Mistake.INVALID_CLIENT)
INVALID_TOKEN = is_(Denied, Denial.INVALID_TOKEN)
UNAUTHORIZED = is_(Misconfigured, Mistake.UNAUTHORIZED)


def challenge(status: int, text: str, content: Any = None) -> Answer:
    """Return a refusal as RFC 6750 has it: its error is in a header."""
    body = b"" if content is None else json.dumps(content).encode()
    return Answer(status, body, headers=(("WWW-Authenticate", text),))


@pytest.mark.parametrize("by", ALL)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(told({}, 500), is_(Unreachable, Problem.SERVER_ERROR), id="500"),
        pytest.param(page("x", 502), is_(Unreachable, Problem.SERVER_ERROR), id="502"),
        pytest.param(page("x", 503), is_(Unreachable, Problem.TEMPORARILY_UNAVAILABLE), id="503"),
        pytest.param(told({}, 429), is_(Unreachable, Problem.RATE_LIMITED), id="429"),
        pytest.param(sent_to("http://127.0.0.1:1/"), MALFORMED, id="redirect"),
        pytest.param(page("Sign in"), MALFORMED, id="page"),
        pytest.param(Answer(200, b""), MALFORMED, id="nothing"),
        pytest.param(Answer(200, b'{"a": '), MALFORMED, id="half"),
        pytest.param(Answer(200, b"\xff\xfe\x00"), MALFORMED, id="no-text"),
        pytest.param(Answer(200, b"[" * 100_000), MALFORMED, id="brackets-without-end"),
        pytest.param(Answer(200, b'[{"active": true}]'), MALFORMED, id="no-object"),
        pytest.param(page("x", 404), MALFORMED, id="404"),
    ],
)
def test_an_answer_that_nobody_asked_for_is_an_outage(
    endpoint: Endpoint, by: Ask, answer: Answer, expected: str
) -> None:
    assert ends(endpoint, by, answer) == expected
    assert len(endpoint.seen) == 1, "nothing is sent twice"
    assert breaker.breaker_state().is_open


GOOD = {
    ask: {"keys": []},
    renew: {"access_token": "a", "id_token": "b", "refresh_token": "c", "more": 1},
    introspect: {"active": True, "sub": "1"},
    userinfo: {"sub": "1"},
}


@pytest.mark.parametrize("by", ALL)
def test_a_good_answer_is_given_back_whole(endpoint: Endpoint, by: Ask) -> None:
    endpoint.answer = told(GOOD[by])
    assert by(endpoint) == GOOD[by]
    assert not breaker.breaker_state().is_open


@pytest.mark.parametrize("by", AS_CLIENT)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            told({"error": "invalid_grant"}, 400), is_(Denied, Denial.INVALID_GRANT), id="denied"
        ),
        pytest.param(
            told({"error": "invalid_grant"}), is_(Denied, Denial.INVALID_GRANT), id="with-200"
        ),
        pytest.param(
            told({"error": "server_error"}, 400),
            is_(Unreachable, Problem.SERVER_ERROR),
            id="outage",
        ),
        pytest.param(told({"error": "invalid_client"}, 400), INVALID_CLIENT, id="client"),
        pytest.param(
            told({"error": "purple"}, 400), is_(Misconfigured, Mistake.UNKNOWN_ERROR), id="unheard"
        ),
        pytest.param(told({"error": ""}, 400), MALFORMED, id="empty"),
        pytest.param(told({"error": None}), MALFORMED, id="null"),
        pytest.param(told({}, 400), MALFORMED, id="none"),
        pytest.param(told(GOOD[renew] | GOOD[introspect], 201), MALFORMED, id="201"),
        pytest.param(told({"error": "invalid_client"}, 401), INVALID_CLIENT, id="401"),
        pytest.param(page("Who are you?", 401), INVALID_CLIENT, id="401-page"),
        pytest.param(told({}, 401), INVALID_CLIENT, id="401-no-error"),
        pytest.param(told({"error": "server_error"}, 401), INVALID_CLIENT, id="401-outage"),
        pytest.param(
            told({"error": "unauthorized_client"}, 401),
            is_(Misconfigured, Mistake.UNAUTHORIZED_CLIENT),
            id="401-other-mistake",
        ),
        pytest.param(
            told({"error": "invalid_grant"}, 401),
            is_(Denied, Denial.INVALID_GRANT),
            id="401-denied",
        ),
    ],
)
def test_an_error_that_is_told_to_the_client(
    endpoint: Endpoint, by: Ask, answer: Answer, expected: str
) -> None:
    assert ends(endpoint, by, answer) == expected
    assert breaker.breaker_state().is_open == expected.startswith("Unreachable")


@pytest.mark.parametrize(
    "tokens",
    [
        {"id_token": "b"},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": "a", "id_token": 5},
        {"access_token": "a", "refresh_token": None},
    ],
    ids=str,
)
def test_tokens_that_are_none(endpoint: Endpoint, tokens: dict[str, Any]) -> None:
    assert ends(endpoint, renew, told(tokens)) == MALFORMED


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"active": False, "sub": "1"}, is_(Denied, Denial.INACTIVE)),
        ({"active": "true"}, MALFORMED),
        ({"active": None}, MALFORMED),
        ({"sub": "1"}, MALFORMED),
    ],
    ids=str,
)
def test_a_token_that_is_not_active(
    endpoint: Endpoint, answer: dict[str, Any], expected: str
) -> None:
    assert ends(endpoint, introspect, told(answer)) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (challenge(401, 'Bearer realm="x", error="invalid_token"'), INVALID_TOKEN),
        (challenge(401, 'BEARER ERROR="INVALID_TOKEN"'), INVALID_TOKEN),
        (told({"error": "invalid_token"}, 401), INVALID_TOKEN),
        (
            challenge(403, 'Bearer error="insufficient_scope"', {"error": "invalid_token"}),
            is_(Misconfigured, Mistake.INSUFFICIENT_SCOPE),
        ),
        (challenge(401, "Bearer"), UNAUTHORIZED),
        (challenge(401, 'Basic realm="invalid_token"', {"error": "x"}), UNAUTHORIZED),
        (told({"error": "invalid_grant"}, 400), UNAUTHORIZED),
        (told({}, 403), UNAUTHORIZED),
        (page("Who are you?", 401), UNAUTHORIZED),
        (
            Answer(200, b"a.b.c", "application/jwt"),
            is_(Misconfigured, Mistake.SIGNED_USERINFO),
        ),
        (
            Answer(200, b"a.b.c", "Application/JWT; charset=utf-8"),
            is_(Misconfigured, Mistake.SIGNED_USERINFO),
        ),
        (told({}, 206), MALFORMED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_userinfo_that_is_refused(endpoint: Endpoint, answer: Answer, expected: str) -> None:
    assert ends(endpoint, userinfo, answer) == expected


class TestRevocation:
    def revoke(self, endpoint: Endpoint, answer: Answer, **more: Any) -> bool:
        endpoint.answer = answer
        return calls.revoke(endpoint.url, "secret-token", config=CONFIG, **more)

    def test_a_token_is_revoked(self, endpoint: Endpoint) -> None:
        assert self.revoke(endpoint, Answer(200))
        assert self.revoke(endpoint, Answer(200), kind="access_token")
        hints = [request.sent["token_type_hint"] for request in endpoint.seen]
        assert hints == ["refresh_token", "access_token"]

    def test_it_is_asked_for_only_where_there_is_an_endpoint(self) -> None:
        assert not calls.revoke(None, "secret-token", config=CONFIG)
        assert not calls.revoke("", "secret-token", config=CONFIG)

    @pytest.mark.parametrize("answer", [told({"error": "x"}, 400), told({}, 401), page("", 503)])
    def test_a_refusal_stops_nobody(
        self, endpoint: Endpoint, answer: Answer, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        assert not self.revoke(endpoint, answer)
        assert "secret" not in caplog.text

    def test_an_address_that_is_none_stops_nobody(
        self, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        assert not calls.revoke("http://", "secret-token", config=CONFIG)
        assert "bad_address" in caplog.text


class TestWhoWeAre:
    def sent(self, endpoint: Endpoint, **more: Any) -> Request:
        changed = {"client_id": CONFIG.client_id, "client_secret": CONFIG.client_secret, **more}
        config = ProviderConfig(issuer=CONFIG.issuer, **changed)
        endpoint.answer = told(GOOD[renew])
        calls.token_request(endpoint.url, {"code": "x"}, config=config)
        return endpoint.seen[-1]

    def test_in_the_form(self, endpoint: Endpoint) -> None:
        request = self.sent(endpoint)
        assert request.sent == {"code": "x", "client_id": "a site", "client_secret": "b:c"}
        assert "Authorization" not in request.headers

    def test_in_the_header_with_each_part_encoded(self, endpoint: Endpoint) -> None:
        request = self.sent(endpoint, uses_basic_auth=True)
        scheme, _, proof = request.headers["Authorization"].partition(" ")
        assert (scheme, base64.b64decode(proof)) == ("Basic", b"a+site:b%3Ac")
        assert request.sent == {"code": "x"}

    @pytest.mark.parametrize("basic", [True, False])
    def test_without_a_secret_only_the_name(self, endpoint: Endpoint, basic: bool) -> None:
        request = self.sent(endpoint, client_secret="", uses_basic_auth=basic)
        assert request.sent == {"code": "x", "client_id": "a site"}
        assert "Authorization" not in request.headers

    def test_a_token_is_shown_in_the_header_alone(self, endpoint: Endpoint) -> None:
        endpoint.answer = told({"sub": "1"})
        userinfo(endpoint)
        (request,) = endpoint.seen
        assert request.headers["Authorization"] == "Bearer secret-token"
        assert request.headers["Accept-Encoding"] == "identity"
        assert request.sent == {}


class TestBreaker:
    def outage(self, endpoint: Endpoint, by: Ask = ask) -> Unreachable:
        with pytest.raises(Unreachable) as outage:
            by(endpoint)
        return outage.value

    def test_an_outage_is_asked_about_once(self, endpoint: Endpoint) -> None:
        endpoint.answer = page("", 503)
        first = self.outage(endpoint)
        second = self.outage(endpoint)
        assert second.problem is Problem.WAITING
        assert second.retry_at == first.retry_at
        assert len(endpoint.seen) == 1

    @pytest.mark.parametrize(
        ("header", "pause"),
        [
            ("20", 20),
            ("0", FIRST_PAUSE),
            ("-5", FIRST_PAUSE),
            ("1000000", FIRST_PAUSE),
            ("Wed, 21 Oct 2026 07:28:00 GMT", FIRST_PAUSE),
            ("\u00b2", FIRST_PAUSE),
            ("", FIRST_PAUSE),
        ],
    )
    @pytest.mark.parametrize("status", [429, 503])
    def test_the_provider_may_ask_for_a_pause_in_seconds(
        self, endpoint: Endpoint, status: int, header: str, pause: float
    ) -> None:
        endpoint.answer = Answer(status, headers=(("Retry-After", header),))
        before = monotonic()
        retry_at = self.outage(endpoint).retry_at
        assert retry_at is not None
        assert before + pause * (1 - JITTER) <= retry_at <= monotonic() + pause

    def test_nobody_there_asks_for_no_pause(self, endpoint: Endpoint) -> None:
        endpoint.close()
        outage = self.outage(endpoint)
        assert outage.problem is Problem.CONNECT
        assert outage.retry_at == pytest.approx(monotonic() + FIRST_PAUSE, abs=FIRST_PAUSE)

    @pytest.mark.parametrize(
        "answer",
        [told({"error": "invalid_grant"}, 400), told({"error": "invalid_client"}, 401)],
        ids=["denied", "mistake"],
    )
    def test_whoever_answers_is_there(self, endpoint: Endpoint, answer: Answer) -> None:
        endpoint.answer = answer
        breaker._breaker.since = monotonic() - 5  # An outage whose pause is over.
        with pytest.raises((Denied, Misconfigured)):
            renew(endpoint)
        assert not breaker.breaker_state().is_open

    def test_an_address_that_is_none_says_nothing_of_the_provider(
        self, endpoint: Endpoint
    ) -> None:
        breaker._breaker.since = monotonic() - 5
        with pytest.raises(Misconfigured) as mistake:
            calls.get_json("http://", config=CONFIG)
        assert mistake.value.mistake is Mistake.BAD_ADDRESS
        assert breaker.breaker_state().is_open
        assert breaker.enter(0).is_probe

    def test_a_process_without_threads_says_nothing_of_the_provider(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def cannot_start(thread: Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", cannot_start)
            assert self.outage(endpoint).problem is Problem.BUSY
        assert not breaker.breaker_state().is_open
        assert ask(endpoint) == {}

    def test_a_call_that_is_broken_off_says_nothing_of_the_provider(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class TimeLimit(BaseException):
            """What a worker raises into a task that takes too long."""

        def broken_off(request: Any, call: breaker.Call, deadline: float) -> None:
            call.left()
            raise TimeLimit

        breaker._breaker.since = monotonic() - 5
        monkeypatch.setattr(calls, "exchange", broken_off)
        with pytest.raises(TimeLimit):
            ask(endpoint)
        assert breaker.breaker_state().is_open
        assert breaker.enter(0).is_probe

    def test_a_crowd_does_not_wait_longer_than_there_is_time(self, endpoint: Endpoint) -> None:
        under_way = [breaker.enter(0) for _ in range(IN_FLIGHT)]
        began = monotonic()
        with pytest.raises(Unreachable) as refusal:
            calls.get_json(endpoint.url, config=CONFIG, deadline=0.02)
        assert refusal.value.problem is Problem.BUSY
        assert monotonic() - began < 0.9
        assert len(under_way) == IN_FLIGHT
        assert not breaker.breaker_state().is_open
        assert endpoint.seen == []
