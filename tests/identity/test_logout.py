"""What the provider ends: each end at once, each token once, and no forged one at all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from sessionmgr.models import LogoutDelivery, State, UserSession
from sessionmgr.sweep import sweep
from tests.conftest import Clock
from tests.identity.providers.forgeries import ABSENT, LOGOUT_TOKEN_FORGERIES
from tests.identity.providers.rogue import Rogue
from tests.identity.visitor import Visitor
from tests.sessionmgr.ledger import now

BACK = "/oidc/backchannel-logout/"
FRONT = "/oidc/frontchannel-logout/"


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    visitor.sign_in()
    return visitor


def deliver(token: str) -> Any:
    """Have the provider send a logout token."""
    return Client(enforce_csrf_checks=True).post(BACK, {"logout_token": token})


class TestBackChannel:
    """OpenID Connect Back-Channel Logout 1.0."""

    def test_its_session_is_over_at_once(self, alice: Visitor, at_rogue: Rogue) -> None:
        answer = deliver(at_rogue.logout_token())
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer["Cache-Control"] == "no-store"
        assert not answer.cookies
        assert alice.name == "AnonymousUser"
        assert alice.row.ended_reason == "provider_logout"

    @pytest.mark.parametrize("kind", LOGOUT_TOKEN_FORGERIES)
    def test_a_forged_one_ends_nothing(self, alice: Visitor, at_rogue: Rogue, kind: str) -> None:
        answer = deliver(at_rogue.logout_token(kind))
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request"})
        assert answer["Cache-Control"] == "no-store"
        assert alice.row.state == State.LIVE
        assert not LogoutDelivery.objects.exists()

    def test_the_person_without_a_session_means_all_of_theirs(
        self, alice: Visitor, at_rogue: Rogue
    ) -> None:
        second, bob = Visitor(at_rogue), Visitor(at_rogue)
        second.sign_in("alice")
        bob.sign_in("bob")
        at_rogue.person = "alice"
        assert deliver(at_rogue.logout_token(sid=ABSENT)).status_code == 200
        assert (alice.name, second.name) == ("AnonymousUser", "AnonymousUser")
        assert bob.name != "AnonymousUser"

    def test_a_session_means_that_one(self, alice: Visitor, at_rogue: Rogue) -> None:
        second = Visitor(at_rogue)
        second.sign_in("alice")
        deliver(at_rogue.logout_token())
        assert alice.name != "AnonymousUser"
        assert second.name == "AnonymousUser"

    def test_a_session_alone_is_enough(self, alice: Visitor, at_rogue: Rogue) -> None:
        assert deliver(at_rogue.logout_token(sub=ABSENT)).status_code == 200
        assert alice.name == "AnonymousUser"

    def test_a_session_of_somebody_else_is_none(self, alice: Visitor, at_rogue: Rogue) -> None:
        assert deliver(at_rogue.logout_token(sub="somebody else")).status_code == 200
        assert alice.row.state == State.LIVE

    def test_a_replay_is_refused_and_ends_nothing(self, alice: Visitor, at_rogue: Rogue) -> None:
        token = at_rogue.logout_token(sid=ABSENT)
        assert deliver(token).status_code == 200
        alice.sign_in()
        assert deliver(token).status_code == 400
        assert alice.name != "AnonymousUser"

    def test_one_that_comes_late_does_not_mean_who_has_signed_in_since(
        self, alice: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        token = at_rogue.logout_token(sid=ABSENT, exp=timedelta(minutes=10))
        clock.advance(minutes=2)
        second = Visitor(at_rogue)
        second.sign_in("alice")
        assert deliver(token).status_code == 200
        assert alice.name == "AnonymousUser"
        assert second.name != "AnonymousUser"

    def test_of_nobody_here_it_is_accepted(self, at_rogue: Rogue, db: None) -> None:
        assert deliver(at_rogue.logout_token()).status_code == 200

    def test_while_keys_cannot_be_had_it_is_to_be_sent_again(
        self, alice: Visitor, at_rogue: Rogue
    ) -> None:
        at_rogue.rotate_key()
        at_rogue.fault("jwks", "503")
        token = at_rogue.logout_token()
        answer = deliver(token)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert alice.row.state == State.LIVE
        assert not LogoutDelivery.objects.exists()

    @pytest.mark.parametrize("sent", [{}, {"logout_token": ["a", "b"]}, {"logout_token": ""}])
    def test_anything_else_is_refused(self, at_rogue: Rogue, db: None, sent: Any) -> None:
        assert Client().post(BACK, sent).status_code == 400

    def test_it_is_a_post(self, at_rogue: Rogue, db: None) -> None:
        assert Client().get(BACK).status_code == 405

    def test_without_a_provider_there_is_nothing(self, db: None, settings: Any) -> None:
        settings.OIDC_ISSUER = ""
        assert Client().post(BACK, {"logout_token": "x"}).status_code == 404
        assert Client().get(FRONT).status_code == 404

    def test_what_was_delivered_is_forgotten_in_the_end(
        self, alice: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        deliver(at_rogue.logout_token())
        clock.advance(minutes=5)
        sweep(now=now(), using="default")
        assert not LogoutDelivery.objects.exists()


class TestFrontChannel:
    """OpenID Connect Front-Channel Logout 1.0."""

    def test_a_frame_ends_its_session(self, alice: Visitor, at_rogue: Rogue) -> None:
        sid = alice.row.provider_sid
        answer = Client().get(FRONT, {"iss": at_rogue.issuer, "sid": sid})
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert "X-Frame-Options" not in answer
        assert "frame-ancestors" not in answer["Content-Security-Policy"]
        assert alice.row.ended_reason == "provider_logout"

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"iss": "https://elsewhere.example", "sid": "1"},
            {"iss": "ours"},
            {"sid": "1"},
            {"iss": "ours", "sid": ""},
            {"iss": "ours", "sid": "\0"},
        ],
    )
    def test_without_both_it_is_refused(
        self, alice: Visitor, at_rogue: Rogue, query: dict[str, str]
    ) -> None:
        if query.get("iss") == "ours":
            query = {**query, "iss": at_rogue.issuer}
        assert Client().get(FRONT, query).status_code == 400
        assert alice.row.state == State.LIVE


class TestAtTheProvider:
    """Signing out there as well, by choice (RP-Initiated Logout 1.0)."""

    def test_here_first_then_there(self, alice: Visitor, at_rogue: Rogue) -> None:
        answer = alice.client.post("/oidc/logout/")
        address = urlsplit(answer["Location"])
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        assert answer["Location"].startswith(f"{at_rogue.issuer}/logout?")
        assert asked["client_id"] == at_rogue.client_id
        assert asked["post_logout_redirect_uri"] == "http://testserver/session/signed-out/"
        assert asked["id_token_hint"].count(".") == 2
        assert alice.row.ended_reason == "signed_out"

    def test_who_is_signed_out_already_can_go_there(self, visitor: Visitor) -> None:
        address = visitor.client.post("/oidc/logout/")["Location"]
        assert address.startswith(visitor.provider.issuer)
        assert "id_token_hint" not in address

    @pytest.mark.parametrize("mode", ["503", "refuse"])
    def test_a_provider_that_is_away_changes_nothing_here(
        self, visitor: Visitor, at_rogue: Rogue, mode: str, alice_locally: Client
    ) -> None:
        at_rogue.fault("discovery", mode)
        answer = alice_locally.post("/oidc/logout/")
        assert answer["Location"] == "/session/signed-out/?reason=signed_out"
        assert UserSession.objects.get().state == State.ENDED

    def test_one_that_has_no_place_for_it_too(
        self, visitor: Visitor, at_rogue: Rogue, alice_locally: Client
    ) -> None:
        at_rogue.discovery(end_session_endpoint=ABSENT)
        answer = alice_locally.post("/oidc/logout/")
        assert answer["Location"] == "/session/signed-out/?reason=signed_out"

    def test_it_is_a_post_with_a_token(self, alice: Visitor) -> None:
        assert alice.client.get("/oidc/logout/").status_code == 405
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = alice.client.cookies
        assert strict.post("/oidc/logout/").status_code == 403
        assert alice.row.state == State.LIVE

    @pytest.fixture
    def alice_locally(self, client: Client, django_user_model: Any) -> Client:
        client.force_login(django_user_model.objects.create_user("alice"))
        return client
