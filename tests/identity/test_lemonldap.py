"""The story against a provider of another make: no ``sid``, no rotation, ``aud`` as a list.

Its clock stands while the app's is moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sessionmgr.models import ProviderGrant
from tests.conftest import Clock
from tests.identity.conftest import connected
from tests.identity.providers.lemonldap import LemonLDAP
from tests.identity.providers.walk import SECONDS
from tests.identity.visitor import Visitor

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def process() -> Iterator[LemonLDAP]:
    with LemonLDAP() as provider:
        yield provider


@pytest.fixture
def lemonldap(process: LemonLDAP, settings: Any, db: None) -> Iterator[LemonLDAP]:
    process.reset()
    with connected(settings, process):
        yield process


@pytest.fixture
def doctor(lemonldap: LemonLDAP) -> Visitor:
    visitor = Visitor(lemonldap)
    assert visitor.sign_in("dwho")["Location"] == "/"
    return visitor


def test_the_doctor_signs_in_and_lives_by_the_providers_policy(doctor: Visitor) -> None:
    assert doctor.get("/protected/").status_code == 200
    assert (doctor.row.policy_source, doctor.row.provider_sid) == ("provider", "")
    assert doctor.row.user.email == "dwho@badwolf.org"


def test_leases_are_renewed_by_the_same_token_each_time(doctor: Visitor, clock: Clock) -> None:
    for number in (1, 2, 3):
        clock.advance(minutes=61)
        assert doctor.get("/protected/").status_code == 200
        assert doctor.row.generation == number


def test_a_session_that_was_ended_there_ends_here_at_the_next_check(
    doctor: Visitor, lemonldap: LemonLDAP, clock: Clock
) -> None:
    rose = Visitor(lemonldap)
    rose.sign_in("rtyler")
    assert lemonldap.end("dwho") == 1
    assert doctor.get("/protected/").status_code == 200
    clock.advance(minutes=61)
    assert doctor.get("/protected/").status_code == 302
    assert rose.get("/protected/").status_code == 200
    assert doctor.row.ended_at is None, "the last is Rose's"
    ended = type(doctor.row).objects.get(user__email="dwho@badwolf.org")
    assert ended.ended_reason == "policy_denied"


def test_without_a_token_the_browser_asks_silently(doctor: Visitor, clock: Clock) -> None:
    ProviderGrant.objects.all().delete()
    clock.advance(minutes=61)
    asked = doctor.begin_at(doctor.get("/protected/")["Location"])
    assert asked["prompt"] == "none"
    assert doctor.client.get(doctor.come_back("dwho"))["Location"] == "/protected/"
    assert doctor.row.lease_source == "silent"


@pytest.mark.parametrize("who", ["dwho", "rtyler"])
def test_a_silent_question_that_is_answered_with_a_form(
    doctor: Visitor, lemonldap: LemonLDAP, clock: Clock, who: str
) -> None:
    """It should answer ``login_required``, and lets somebody sign in instead: but who?"""
    ProviderGrant.objects.all().delete()
    lemonldap.end("dwho")
    clock.advance(minutes=61)
    doctor.begin_at(doctor.get("/protected/")["Location"])
    doctor.client.get(doctor.come_back(who))
    same = who == "dwho"
    assert doctor.row.ended_reason == ("" if same else "identity_mismatch")
    assert doctor.get("/protected/").status_code == (200 if same else 302)


def test_a_token_that_it_has_forgotten_is_no_denial_by_its_word(
    doctor: Visitor, lemonldap: LemonLDAP, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """It answers ``invalid_request``, as to a mistake of ours: the outage rule decides."""
    assert lemonldap.revoke_all()
    clock.advance(minutes=61)
    assert doctor.get("/protected/").status_code == 302
    assert doctor.row.ended_reason == "lease_expired"
    assert "refuses this site: invalid_request" in caplog.text


def test_after_signing_out_credentials_are_asked_for(
    doctor: Visitor, lemonldap: LemonLDAP
) -> None:
    doctor.client.post("/session/sign-out/")
    lemonldap.age(3600)
    assert doctor.begin()["prompt"] == "login"
    # Of an hour ago, which is what it would tell if it had not asked, is not believed.
    assert doctor.client.get(doctor.come_back("dwho"))["Location"] == "/"
    assert doctor.get("/protected/").status_code == 200


def test_signing_out_goes_by_way_of_the_provider(doctor: Visitor, lemonldap: LemonLDAP) -> None:
    there = doctor.client.post("/oidc/logout/")["Location"]
    assert there.startswith(f"{lemonldap.issuer}/oauth2/logout?")
    assert doctor.name == "AnonymousUser"
    back = doctor.there.get(there, allow_redirects=False, timeout=SECONDS)
    (state,) = parse_qs(urlsplit(there).query)["state"]
    assert back.headers["location"] == f"http://testserver/session/signed-out/?state={state}"
    assert lemonldap.end("dwho") == 0, "it has ended there too"
