"""The commands: what they do, what they print, how they refuse."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as PlainStore
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client

from sessionmgr.core.reasons import FallbackReason, PolicySource
from sessionmgr.models import State, UserSession
from tests.sessionmgr.ledger import MINUTE, end_of, is_live, now, payload_of, session_of

pytestmark = pytest.mark.django_db


def told(name: str, *arguments: str) -> str:
    out = StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_sweep_sessions_prints_a_line_of_counts(policy: Any) -> None:
    policy(inactivity_enabled=True)
    stale, fresh = session_of(age=90 * MINUTE, idle=31 * MINUTE), session_of()
    assert told("sweep_sessions") == "ended 1, inactivity 1\n"
    assert end_of(stale) == (State.ENDED, "inactivity")
    assert is_live(fresh)


def test_sweep_sessions_prints_json_for_scripts(policy: Any) -> None:
    policy(custom_length=True, max_session_length=60 * MINUTE)
    session_of(age=60 * MINUTE)
    assert json.loads(told("sweep_sessions", "--json")) == {"ended": 1, "session_length": 1}
    assert json.loads(told("sweep_sessions", "--json")) == {"ended": 0}


def test_progress_is_shown_on_a_terminal_only(policy: Any) -> None:
    policy(inactivity_enabled=True)
    shown, out = Terminal(), StringIO()
    session_of(age=90 * MINUTE, idle=31 * MINUTE)
    call_command("sweep_sessions", stdout=out, stderr=shown)
    assert "\r1 sessions ended" in shown.getvalue()
    assert out.getvalue() == "ended 1, inactivity 1\n"
    piped = StringIO()
    session_of(age=90 * MINUTE, idle=31 * MINUTE)
    call_command("sweep_sessions", stdout=out, stderr=piped)
    assert piped.getvalue() == ""


def test_purge_sessions_prints_a_line_of_counts(settings: Any) -> None:
    settings.SESSIONMGR_HISTORY_DAYS = 1
    row = session_of()
    UserSession.objects.filter(pk=row.pk).update(
        state=State.ENDED, ended_reason="signed_out", ended_at=now() - 1441 * MINUTE, session=None
    )
    assert told("purge_sessions") == "purged 1\n"
    assert json.loads(told("purge_sessions", "--json")) == {"purged": 0}


class TestEndSessions:
    @pytest.fixture(autouse=True)
    def crowd(self, alice: User, bob: User) -> None:
        self.alice = session_of(user_id=alice.pk)
        self.alice_elsewhere = session_of(user_id=alice.pk, scope="legacy")
        self.bob = session_of(user_id=bob.pk, payload_expires_at=None)

    def test_of_one_user(self) -> None:
        assert told("end_sessions", "--user", "alice") == "ended 2\n"
        assert (
            end_of(self.alice) == end_of(self.alice_elsewhere) == (State.ENDED, "revoked_by_admin")
        )
        assert is_live(self.bob)
        assert not payload_of(self.alice)

    def test_of_one_environment(self) -> None:
        assert told("end_sessions", "--environment", "legacy") == "ended 1\n"
        assert is_live(self.alice)
        assert is_live(self.bob)

    def test_of_all_also_where_the_payload_is_gone(self) -> None:
        assert json.loads(told("end_sessions", "--all", "--json")) == {"ended": 3}
        assert not UserSession.objects.live().exists()
        assert json.loads(told("end_sessions", "--all", "--json")) == {"ended": 0}

    @pytest.mark.parametrize(
        "arguments",
        [
            pytest.param(["--user", "nobody"], id="unknown-user"),
            pytest.param(["--environment", "nowhere"], id="unknown-environment"),
            pytest.param([], id="nobody-named"),
            pytest.param(["--all", "--user", "alice"], id="two-wishes"),
        ],
    )
    def test_refuses_what_it_does_not_know(self, arguments: list[str]) -> None:
        with pytest.raises(CommandError):
            told("end_sessions", *arguments)
        assert UserSession.objects.live().count() == 3

    def test_the_default_environment_is_known_when_nobody_is_there(self) -> None:
        UserSession.objects.all()._raw_delete("default")
        assert told("end_sessions", "--environment", "main") == "ended 0\n"


class TestAdoptSessions:
    @pytest.fixture
    def before(self, alice: User, settings: Any) -> Client:
        """A browser signed in by Django's own engine."""
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
        client = Client()
        client.force_login(alice)
        settings.SESSION_ENGINE = "sessionmgr.backends.db"
        return client

    def test_who_was_signed_in_goes_on_as_fallback(self, before: Client, alice: User) -> None:
        assert told("adopt_sessions") == "adopted 1, anonymous 0, unreadable 0\n"
        row = UserSession.objects.get()
        assert (row.user_id, row.state, row.scope) == (alice.pk, State.LIVE, "main")
        assert row.policy_source == PolicySource.FALLBACK
        assert row.fallback_reason == FallbackReason.NO_PROVIDER_POLICY
        assert before.get("/session/status/").status_code == 200

    def test_without_it_they_sign_in_again(self, before: Client) -> None:
        assert before.get("/session/status/").status_code == 401

    def test_a_second_run_adopts_nobody(self, before: Client) -> None:
        told("adopt_sessions")
        first = UserSession.objects.get()
        assert told("adopt_sessions") == "adopted 0, anonymous 0, unreadable 0\n"
        assert UserSession.objects.get().started_at == first.started_at

    def test_every_chunk_is_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sessionmgr.chunks.CHUNK", 2)
        monkeypatch.setattr("sessionmgr.chunks.CHUNK", 2)
        for user_id in range(1, 6):
            store(_auth_user_id=str(user_id))
        assert json.loads(told("adopt_sessions", "--json"))["adopted"] == 5
        assert sorted(UserSession.objects.values_list("user_id", flat=True)) == [1, 2, 3, 4, 5]

    def test_skips_who_is_anonymous_unreadable_or_expired(self) -> None:
        store(cart=1)
        store(_auth_user_id="not-a-number")
        damaged = store(_auth_user_id="1")
        Session.objects.filter(session_key=damaged).update(session_data="damage")
        expired = store(_auth_user_id="1")
        Session.objects.filter(session_key=expired).update(expire_date=now())
        assert told("adopt_sessions") == "adopted 0, anonymous 1, unreadable 2\n"
        assert not UserSession.objects.exists()

    def test_never_revives_a_session_that_has_ended(self, before: Client) -> None:
        told("adopt_sessions")
        (payload,) = Session.objects.all()
        told("end_sessions", "--all")
        Session(payload.session_key, payload.session_data, payload.expire_date).save()
        assert json.loads(told("adopt_sessions", "--json"))["adopted"] == 0
        assert before.get("/session/status/").status_code == 401


def store(**content: Any) -> str:
    plain = PlainStore()
    plain.update(content)
    plain.create()
    plain.save()
    assert plain.session_key
    return plain.session_key


def test_clearsessions_ends_what_is_stale_before_payloads_go(policy: Any) -> None:
    policy(inactivity_enabled=True)
    row = session_of(age=90 * MINUTE, idle=31 * MINUTE)
    call_command("clearsessions")
    assert end_of(row) == (State.ENDED, "inactivity")
    assert not payload_of(row)
