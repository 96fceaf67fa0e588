"""The whole story against an independent, certified provider (npm ``oidc-provider``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sessionmgr.identity import breaker
from sessionmgr.models import ProviderGrant, UserSession
from tests.conftest import Clock
from tests.identity.conftest import connected
from tests.identity.providers.certified import CertifiedProvider
from tests.identity.visitor import Visitor


@pytest.fixture
def at_certified(
    certified: CertifiedProvider, settings: Any, db: None
) -> Iterator[CertifiedProvider]:
    with connected(settings, certified):
        yield certified


@pytest.fixture
def alice(at_certified: CertifiedProvider) -> Visitor:
    visitor = Visitor(at_certified)
    assert visitor.sign_in()["Location"] == "/"
    return visitor


@pytest.fixture
def let_pass(clock: Clock, at_certified: CertifiedProvider) -> Any:
    """Let minutes pass on both sides."""

    def advance(minutes: int) -> None:
        clock.advance(minutes=minutes)
        advance.total += minutes  # type: ignore[attr-defined]
        at_certified.set(ahead=advance.total * 60)  # type: ignore[attr-defined]

    advance.total = 0  # type: ignore[attr-defined]
    return advance


def test_alice_signs_in_and_lives_by_the_providers_policy(alice: Visitor) -> None:
    assert alice.get("/protected/").status_code == 200
    row = alice.row
    assert (row.policy_source, bool(row.provider_sid)) == ("provider", True)


def test_leases_are_renewed_and_tokens_rotate(alice: Visitor, let_pass: Any) -> None:
    sealed = ProviderGrant.objects.get().sealed
    for number in (1, 2, 3):
        let_pass(61)
        assert alice.get("/protected/").status_code == 200
        assert alice.row.generation == number
    assert ProviderGrant.objects.get().sealed != sealed


@pytest.mark.parametrize("how", ["disable", "revoke"])
def test_a_denial_is_enforced_at_the_next_check(
    alice: Visitor, at_certified: CertifiedProvider, let_pass: Any, how: str
) -> None:
    getattr(at_certified, how)("alice")
    assert alice.get("/protected/").status_code == 200
    let_pass(61)
    assert alice.get("/protected/").status_code == 302
    assert alice.row.ended_reason == "policy_denied"


def test_without_a_token_the_browser_asks_silently(alice: Visitor, let_pass: Any) -> None:
    ProviderGrant.objects.all().delete()
    let_pass(61)
    asked = alice.begin_at(alice.get("/protected/")["Location"])
    assert asked["prompt"] == "none"
    assert alice.client.get(alice.come_back())["Location"] == "/protected/"
    assert alice.get("/protected/").status_code == 200
    assert alice.row.lease_source == "silent"


def test_a_silent_question_about_a_disabled_account_is_denied(
    alice: Visitor, at_certified: CertifiedProvider, let_pass: Any
) -> None:
    ProviderGrant.objects.all().delete()
    at_certified.disable("alice")
    let_pass(61)
    alice.begin_at(alice.get("/protected/")["Location"])
    alice.client.get(alice.come_back())
    assert alice.row.ended_reason == "policy_denied"


def test_after_signing_out_credentials_are_asked_for(alice: Visitor, let_pass: Any) -> None:
    alice.client.post("/session/sign-out/")
    let_pass(1)
    assert alice.begin()["prompt"] == "login"
    assert alice.client.get(alice.come_back())["Location"] == "/"
    assert alice.name != "AnonymousUser"


def test_another_tab_that_asks_for_none_is_refused(
    alice: Visitor, at_certified: CertifiedProvider, let_pass: Any
) -> None:
    let_pass(5)
    alice.client.post("/session/sign-out/")
    del alice.client.cookies["sessionmgr_credentials"]
    let_pass(1)
    assert "prompt" not in alice.begin()
    assert alice.client.get(alice.come_back()).status_code == 403


def test_an_outage_is_bridged_for_who_chose_to_stay(
    at_certified: CertifiedProvider, let_pass: Any
) -> None:
    alice, bob = Visitor(at_certified), Visitor(at_certified)
    alice.sign_in("alice", stay=True)
    bob.sign_in("bob")
    at_certified.wire.down()
    let_pass(61)
    assert alice.get("/protected/").status_code == 200
    assert bob.get("/protected/").status_code == 302
    assert bob.row.ended_reason == "lease_expired"
    at_certified.wire.up()
    breaker.reset()
    assert alice.get("/protected/").status_code == 200
    assert UserSession.objects.live().get().lease_failed_at is None


def test_the_providers_own_interval_counts(at_certified: CertifiedProvider, let_pass: Any) -> None:
    at_certified.set(pci=300)
    alice = Visitor(at_certified)
    alice.sign_in()
    at_certified.disable("alice")
    let_pass(4)
    assert alice.get("/protected/").status_code == 200
    let_pass(1)
    assert alice.get("/protected/").status_code == 302
