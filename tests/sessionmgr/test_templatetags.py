"""What the template tags print, and that the server speaks the widget's conformance vectors."""

import dataclasses
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.template import engines
from django.test import Client

from sessionmgr import protocol
from sessionmgr.core.decision import SECOND, Lease, SessionState, decide
from sessionmgr.core.policy import Policy
from sessionmgr.enforcement import Judgement, judgement_of
from sessionmgr.templatetags import sessionmgr as tags

VECTORS = Path(__file__).parents[1] / "js" / "vectors" / "server-timing.json"
READABLE = [case for case in json.loads(VECTORS.read_text())["cases"] if "unreadable" not in case]
TAG = "{% load sessionmgr %}{% session_timeout %}"
NOTICE = "{% load sessionmgr %}{% session_timeout_notice %}"


def printed(source: str, request: HttpRequest | None) -> str:
    """Return what a template prints on a page for ``request``."""
    return engines["django"].from_string(source).render({}, request).strip()


@pytest.fixture
def request_of_alice(client: Client, alice: User) -> Callable[[], HttpRequest]:
    """Return a function that makes a request of alice's session, judged by the policy in force."""
    client.force_login(alice)

    def make() -> HttpRequest:
        response: Any = client.get("/session/status/")
        request = HttpRequest()
        request.session = type(response.wsgi_request.session)(client.session.session_key)
        request.user = alice
        return request

    return make


def test_widget_is_printed_for_who_is_signed_in(
    request_of_alice: Callable[[], HttpRequest],
) -> None:
    html = printed(TAG, request_of_alice())
    assert '<script type="module" src="/static/sessionmgr/session-timeout.js"></script>' in html
    assert 'href="/static/sessionmgr/session-timeout.css"' in html
    assert 'data-status="/session/status/" data-touch="/session/touch/"' in html
    assert 'href="/accounts/sign-in/"' in html


def test_widget_names_the_user_only_by_an_opaque_tag(
    request_of_alice: Callable[[], HttpRequest], alice: User
) -> None:
    html = printed(TAG, request_of_alice())
    assert f'data-user="{protocol.tag_of("user", alice.pk)}"' in html
    assert "alice" not in html


def test_widget_has_no_inline_script_or_style(
    request_of_alice: Callable[[], HttpRequest],
) -> None:
    html = printed(TAG, request_of_alice())
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert re.findall(r"<script[^>]*>(.*?)</script>", html, re.DOTALL) == [""]


def test_without_script_a_sentence_tells_the_time_of_the_inactivity_limit(
    request_of_alice: Callable[[], HttpRequest], policy: Callable[..., Policy]
) -> None:
    policy(inactivity_enabled=True)
    html = printed(TAG, request_of_alice())
    assert re.search(r"<noscript>.*You will be signed out at [^<]+ if you do nothing\.", html)


def test_without_script_a_sentence_tells_day_and_time_of_the_session_limit(
    request_of_alice: Callable[[], HttpRequest], policy: Callable[..., Policy]
) -> None:
    policy(custom_length=True)
    html = printed(TAG, request_of_alice())
    assert re.search(r"<noscript>.*You will be signed out on [^<]+ at [^<]+\.", html)


def test_notice_tells_the_inactivity_limit(
    request_of_alice: Callable[[], HttpRequest], policy: Callable[..., Policy]
) -> None:
    policy(inactivity_enabled=True)
    assert "after 30 minutes without activity" in printed(NOTICE, request_of_alice())


def test_notice_is_silent_without_an_inactivity_limit(
    request_of_alice: Callable[[], HttpRequest], policy: Callable[..., Policy]
) -> None:
    policy()
    assert printed(NOTICE, request_of_alice()) == ""


@pytest.mark.parametrize("source", [TAG, NOTICE], ids=["widget", "notice"])
def test_nothing_is_printed_for_who_is_not_signed_in(
    client: Client, source: str, db: None
) -> None:
    response: Any = client.get("/accounts/sign-in/")
    assert printed(source, response.wsgi_request) == ""


def test_a_template_without_request_is_told_in_the_log_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tags._tell_of_missing_request.cache_clear()
    with caplog.at_level(logging.WARNING, "sessionmgr"):
        assert printed(TAG, None) == ""
        assert printed(NOTICE, None) == ""
    assert caplog.text.count("context_processors.request") == 1


@pytest.mark.parametrize("case", READABLE, ids=lambda case: case["desc"])
def test_server_timing_is_what_the_widget_reads(
    case: dict[str, Any],
    request_of_alice: Callable[[], HttpRequest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged = judgement_of(request_of_alice())
    assert judged is not None
    monkeypatch.setattr(protocol, "session_tag", lambda session_id: case["tag"])
    assert protocol.server_timing(as_in(case, judged)) == f'session;desc="{case["desc"]}"'


def as_in(case: dict[str, Any], judged: Judgement) -> Judgement:
    """Return a judgement with the limits and the seconds left of a conformance vector."""
    now = judged.decision.now
    version = re.search(r"v=(\d+)", case["desc"])
    assert version is not None
    policy = Policy(
        session_warning=case["warnSession"] * SECOND,
        inactivity_warning=case["warnIdle"] * SECOND,
        inactivity_enabled=case["idle"] is not None,
        inactivity_duration=(case["idle"] or 0) * SECOND,
        custom_length=case["session"] is not None,
        max_session_length=(case["session"] or 0) * SECOND,
        version=int(version[1]),
    )
    state = SessionState(
        authenticated_at=now,
        last_activity_at=now,
        policy_source=judged.state.policy_source.PROVIDER,
        lease=Lease(checked_at=now, valid_until=now + 3600 * SECOND),
    )
    return dataclasses.replace(judged, policy=policy, decision=decide(policy, state, now))
