"""The job that renews ahead of time: who is due, how fast, and what an outage makes of a round."""

from __future__ import annotations

import json
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sessionmgr import clock as app_clock
from sessionmgr import tasks
from sessionmgr.identity import renewal, rounds
from sessionmgr.identity.rounds import Pace
from sessionmgr.models import JobLease, ProviderGrant, UserSession
from tests.conftest import Clock
from tests.identity.providers.rogue import Rogue, subject
from tests.identity.visitor import Visitor


def round_of_renewals(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    capsys.readouterr()
    call_command("renew_leases", "--json")
    counts: dict[str, int] = json.loads(capsys.readouterr().out)
    return counts


@pytest.fixture
def people(at_rogue: Rogue, db: None) -> list[Visitor]:
    """Three people, signed in by the provider."""
    there = [Visitor(at_rogue) for _ in range(3)]
    for visitor, name in zip(there, ("alice", "bob", "carol"), strict=True):
        visitor.sign_in(name)
    return there


def test_a_lease_is_renewed_before_it_runs_out(
    people: list[Visitor], at_rogue: Rogue, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    clock.advance(minutes=38)
    assert round_of_renewals(capsys) == {"due": 0, "revoked": 0}
    clock.advance(minutes=8)
    assert round_of_renewals(capsys) == {"due": 3, "confirmed": 3, "revoked": 0}
    clock.advance(minutes=30)
    calls = at_rogue.calls["token"]
    assert [visitor.get("/protected/").status_code for visitor in people] == [200] * 3
    assert at_rogue.calls["token"] == calls


def test_not_all_are_renewed_at_once(people: list[Visitor]) -> None:
    instants = UserSession.objects.values_list("lease_renew_at", flat=True)
    assert len(set(instants)) == 3


def test_who_is_away_is_left_in_peace(
    people: list[Visitor], at_rogue: Rogue, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    clock.advance(minutes=46)
    round_of_renewals(capsys)
    calls = at_rogue.calls["token"]
    for _ in range(3):
        clock.advance(hours=1)
        assert round_of_renewals(capsys) == {"due": 0, "revoked": 0}
    assert at_rogue.calls["token"] == calls
    assert not UserSession.objects.exclude(lease_renew_at=None).exists()
    assert people[0].get("/protected/").status_code == 200


def test_a_renewal_is_no_activity(
    people: list[Visitor], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(UserSession.objects.order_by("pk").values_list("last_activity_at", flat=True))
    clock.advance(minutes=46)
    round_of_renewals(capsys)
    assert before == list(
        UserSession.objects.order_by("pk").values_list("last_activity_at", flat=True)
    )


def test_a_denial_in_a_round_is_one_persons_alone(
    people: list[Visitor], at_rogue: Rogue, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    at_rogue.disable("bob")
    clock.advance(minutes=46)
    counts = round_of_renewals(capsys)
    assert (counts["confirmed"], counts["denied"]) == (2, 1)
    ended = UserSession.objects.get(ended_reason="policy_denied")
    assert ended.user.sessionmgr_identities.get().subject == subject("bob")


def test_an_outage_ends_the_round_with_its_first_failure(
    people: list[Visitor], at_rogue: Rogue, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    at_rogue.fault("token", "503")
    calls = at_rogue.calls["token"]
    clock.advance(minutes=46)
    counts = round_of_renewals(capsys)
    assert (counts["due"], counts["unreachable"]) == (1, 1)
    assert at_rogue.calls["token"] == calls + 1
    assert not UserSession.objects.filter(lease_failed_at=None).exists()
    soon = app_clock.now("default") + timedelta(minutes=2)
    assert not UserSession.objects.filter(lease_renew_at__gt=soon).exists()


def test_many_are_gone_through_in_steps(
    people: list[Visitor],
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "CHUNK", 2)
    clock.advance(minutes=46)
    assert round_of_renewals(capsys)["confirmed"] == 3


def test_a_round_does_not_run_into_the_next(
    people: list[Visitor],
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounds, "ROUND_SECONDS", -1.0)
    clock.advance(minutes=46)
    assert round_of_renewals(capsys)["due"] == 1


def test_two_rounds_at_a_time_are_one_too_many(
    people: list[Visitor], capsys: pytest.CaptureFixture[str]
) -> None:
    now = app_clock.now("default")
    JobLease.objects.take("renew", now, timedelta(minutes=5))
    assert round_of_renewals(capsys) == {"already_running": 1}


def test_the_tokens_of_who_has_signed_out_are_revoked_and_deleted(
    people: list[Visitor], at_rogue: Rogue, capsys: pytest.CaptureFixture[str]
) -> None:
    people[0].client.post("/session/sign-out/")
    assert round_of_renewals(capsys)["revoked"] == 1
    assert at_rogue.calls["revoke"] == 1
    assert ProviderGrant.objects.count() == 2


def test_the_task_is_the_same(
    people: list[Visitor], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    clock.advance(minutes=46)
    assert tasks.renew_identity_leases()["confirmed"] == 3


def test_without_a_provider_there_is_nothing_to_do(
    settings: Any, db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.OIDC_ISSUER = ""
    assert round_of_renewals(capsys) == {"due": 0}


def test_without_its_packages_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    command = "sessionmgr.management.commands.renew_leases.find_spec"
    monkeypatch.setattr(command, lambda name: None)
    with pytest.raises(CommandError, match=r"django-sessionmgr\[oidc\]"):
        call_command("renew_leases")


def test_the_pace_is_kept() -> None:
    began = monotonic()
    pace = Pace(100)
    for _ in range(4):
        pace.wait()
    assert monotonic() - began >= 3 / 100


def test_a_job_has_more_time_than_a_user(
    people: list[Visitor], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    renew = renewal.renew

    def note(session_id: int, *, due_by: str, seconds: float) -> Any:
        asked.append(seconds)
        return renew(session_id, due_by=due_by, seconds=seconds)

    monkeypatch.setattr(renewal, "renew", note)
    clock.advance(hours=1)
    people[0].get("/protected/")
    call_command("renew_leases")
    assert asked == [2.0, 8.0, 8.0]
