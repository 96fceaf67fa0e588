"""Signing out at the provider: what it reports, what of that is believed, and what it is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.live_server_helper import LiveServer

from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.identity import breaker, grants, logout_views, provider
from sessionmgr.models import LogoutDelivery, ProviderHealth, UserSession
from sessionmgr.signals import session_ended
from tests.conftest import Clock
from tests.identity.conftest import connected
from tests.identity.providers.certified import CertifiedProvider
from tests.identity.providers.forgeries import ABSENT, LOGOUT_TOKEN_FORGERIES
from tests.identity.providers.rogue import Rogue, subject
from tests.identity.providers.walk import SECONDS, Form
from tests.identity.visitor import Visitor
from tests.sessionmgr.ledger import is_live, payload_of

BACK = "/oidc/backchannel-logout/"
FRONT = "/oidc/frontchannel-logout/"
OUT = "/oidc/logout/"
FORM = "application/x-www-form-urlencoded"


def deliver(*tokens: str, client: Client | None = None, **more: str) -> Any:
    """Send what a provider sends: a form, from where no cookie is."""
    body = urlencode([("logout_token", each) for each in tokens] + list(more.items()))
    client = client or Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(BACK, body, content_type=FORM)


def refused(response: Any) -> bool:
    """Return whether this is the one answer that a bad token gets."""
    return (
        response.status_code == 400
        and response.json() == {"error": "invalid_request"}
        and response["Cache-Control"] == "no-store"
    )


class TestBackChannel:
    """OpenID Connect Back-Channel Logout 1.0."""

    def test_the_providers_session_ends_ours_at_once(
        self, visitor: Visitor, at_rogue: Rogue, django_capture_on_commit_callbacks: Any
    ) -> None:
        visitor.sign_in()
        row, told = visitor.row, []

        def listen(**about: Any) -> None:
            told.append((about["session_id"], about["reason"]))

        session_ended.connect(listen)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                response = deliver(at_rogue.logout_token())
        finally:
            session_ended.disconnect(listen)
        assert (response.status_code, response.content) == (200, b"")
        assert response["Cache-Control"] == "no-store"
        assert visitor.name == "AnonymousUser"
        assert visitor.row.ended_reason == "provider_logout"
        assert visitor.row.session_id is None
        assert not payload_of(row)
        assert told == [(row.pk, EndReason.PROVIDER_LOGOUT)]

    def test_a_page_says_why(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        deliver(at_rogue.logout_token())
        assert "reason=provider_logout" in visitor.get("/protected/")["Location"]

    @pytest.mark.parametrize("kind", LOGOUT_TOKEN_FORGERIES)
    def test_a_forged_token_signs_nobody_out(
        self, visitor: Visitor, at_rogue: Rogue, kind: str
    ) -> None:
        visitor.sign_in()
        assert refused(deliver(at_rogue.logout_token(kind)))
        assert visitor.name == "alice@example.com"
        assert not LogoutDelivery.objects.exists()

    def test_the_log_says_what_was_wrong(
        self, visitor: Visitor, at_rogue: Rogue, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        visitor.sign_in()
        sent = at_rogue.logout_token("wrong_aud")
        deliver(sent)
        assert "A logout token was refused: audience." in caplog.text
        assert sent not in caplog.text

    @pytest.mark.parametrize(
        ("claims", "stays"),
        [
            pytest.param({}, [False, True], id="sid-and-sub"),
            pytest.param({"sub": ABSENT}, [False, True], id="sid"),
            pytest.param({"sid": ABSENT}, [False, False], id="sub"),
            pytest.param({"sid": "somebody's"}, [True, True], id="unknown-sid"),
            pytest.param({"sub": subject("bob")}, [True, True], id="sid-of-another-person"),
            pytest.param({"sid": ABSENT, "sub": "nobody"}, [True, True], id="unknown-sub"),
        ],
    )
    def test_whom_it_names_and_nobody_else(
        self, visitor: Visitor, at_rogue: Rogue, claims: dict[str, Any], stays: list[bool]
    ) -> None:
        bob, elsewhere = Visitor(at_rogue), Visitor(at_rogue)
        bob.sign_in("bob")
        elsewhere.sign_in("alice")
        visitor.sign_in("alice")
        assert deliver(at_rogue.logout_token(**claims)).status_code == 200
        stayed = [each.name != "AnonymousUser" for each in (visitor, elsewhere)]
        assert stayed == stays
        assert bob.name == "bob@example.com"

    def test_more_sessions_than_one_step_takes(
        self, visitor: Visitor, at_rogue: Rogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sessionmgr.identity.logout.STEP", 2)
        for _ in range(5):
            Visitor(at_rogue).sign_in()
        deliver(at_rogue.logout_token(sid=ABSENT))
        assert not UserSession.objects.live().exists()

    def test_who_signs_in_by_a_password_of_ours_is_no_business_of_the_provider(
        self, alice: User, visitor: Visitor, at_rogue: Rogue, settings: Any
    ) -> None:
        settings.SESSIONMGR_LINK_BY_EMAIL = True
        visitor.sign_in()
        local = Client()
        local.force_login(alice)
        assert visitor.row.user_id == alice.pk
        deliver(at_rogue.logout_token(sid=ABSENT))
        assert is_live(visitor.row)

    def test_a_person_of_a_provider_that_was_there_before(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        identity = visitor.row.identity
        assert identity is not None
        type(identity).objects.update(issuer="https://before.example")
        deliver(at_rogue.logout_token())
        assert is_live(visitor.row)

    def test_no_session_is_loaded_and_no_cookie_set(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        bob = Visitor(at_rogue)
        bob.sign_in("bob")
        before = bob.row
        visitor.sign_in("alice")
        clock.advance(minutes=5)
        with CaptureQueriesContext(connection) as queries:
            response = deliver(at_rogue.logout_token(), client=bob.client)
        reads = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
        assert not any("django_session" in sql for sql in reads)
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")
        row = UserSession.objects.get(pk=before.pk)
        assert row.last_activity_at == before.last_activity_at

    @pytest.mark.parametrize("method", ["get", "put", "head", "options"])
    def test_other_methods(self, visitor: Visitor, method: str) -> None:
        assert getattr(Client(), method)(BACK).status_code == 405

    def test_without_a_provider_there_is_no_such_page(
        self, client: Client, settings: Any, db: None
    ) -> None:
        settings.OIDC_ISSUER = ""
        assert client.post(BACK).status_code == 404
        assert client.get(FRONT).status_code == 404


class TestWhatIsSent:
    """The form, as odd as it may be: 400, and never 5xx."""

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"logout_token=",
            b"logout_token=x",
            b"logout_token=\xff\xfe",
            b"logout_token=%00",
            b"logout_token=a.b.c",
            b"other=1",
            b"&".join([b"a=1"] * 50),
            b"logout_token=" + b"x" * 80_000,
            b"logout_token=" + b"x" * 68_000,
        ],
    )
    def test_no_token(self, visitor: Visitor, body: bytes) -> None:
        assert refused(Client().post(BACK, body, content_type=FORM))

    def test_too_large_for_any_form(self, visitor: Visitor) -> None:
        body = b"logout_token=" + b"x" * 3_000_000
        assert Client().post(BACK, body, content_type=FORM).status_code == 400

    def test_two_tokens(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        assert refused(deliver(at_rogue.logout_token(), at_rogue.logout_token()))
        assert refused(deliver(at_rogue.logout_token(), ""))
        assert is_live(visitor.row)

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", ""])
    def test_not_a_form(self, visitor: Visitor, at_rogue: Rogue, kind: str) -> None:
        visitor.sign_in()
        body = f"logout_token={at_rogue.logout_token()}"
        assert refused(Client().post(BACK, body, content_type=kind))
        assert is_live(visitor.row)

    def test_what_else_a_provider_sends_is_left_alone(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        assert deliver(at_rogue.logout_token(), other="1").status_code == 200


class TestReplay:
    """A token is obeyed once, and late ones end nothing that began after them."""

    def test_a_replay_ends_nothing(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        token = at_rogue.logout_token(sid=ABSENT)
        assert deliver(token).status_code == 200
        visitor.sign_in()
        assert refused(deliver(token))
        assert visitor.name == "alice@example.com"

    def test_the_same_jti_in_another_token_is_a_replay(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        deliver(at_rogue.logout_token(jti="one"))
        visitor.sign_in()
        assert refused(deliver(at_rogue.logout_token(jti="one")))
        assert is_live(visitor.row)

    def test_it_is_remembered_for_as_long_as_the_token_is_good(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        visitor.sign_in()
        token = at_rogue.logout_token()
        deliver(token)
        clock.advance(seconds=175)
        call_command("sweep_sessions")
        assert LogoutDelivery.objects.exists()
        assert refused(deliver(token))
        clock.advance(seconds=10)
        call_command("sweep_sessions")
        assert not LogoutDelivery.objects.exists()
        assert refused(deliver(token))

    def test_a_token_that_lasts_for_ever(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        assert deliver(at_rogue.logout_token(exp=253_402_300_799)).status_code == 200
        assert not is_live(visitor.row)

    def test_a_late_token_spares_who_has_signed_in_since(
        self, visitor: Visitor, at_rogue: Rogue, clock: Clock
    ) -> None:
        visitor.sign_in()
        late, of_all = at_rogue.logout_token(), at_rogue.logout_token(sid=ABSENT)
        before = visitor.row
        clock.advance(seconds=90)
        other = Visitor(at_rogue)
        other.sign_in()
        clock.advance(seconds=10)
        assert deliver(late).status_code == 200
        assert not is_live(before)
        assert deliver(of_all).status_code == 200
        assert is_live(other.row)

    def test_a_session_that_the_clocks_leave_in_doubt_is_ended(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        early = at_rogue.logout_token(sid=ABSENT, iat=timedelta(seconds=-55))
        assert deliver(early).status_code == 200
        assert not is_live(visitor.row)

    def test_what_fails_is_not_noted(
        self, visitor: Visitor, at_rogue: Rogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        visitor.sign_in()
        token = at_rogue.logout_token()

        def fail(*arguments: Any) -> None:
            raise IntegrityError

        with monkeypatch.context() as patch:
            patch.setattr("sessionmgr.identity.logout.end_each", fail)
            assert deliver(token).status_code == 500
        assert not LogoutDelivery.objects.exists()
        assert deliver(token).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_of_several_deliveries_at_once_one_is_obeyed(self, at_rogue: Rogue) -> None:
        visitor = Visitor(at_rogue)
        visitor.sign_in()
        token = at_rogue.logout_token()
        if connection.vendor == "sqlite":
            # One connection for all threads: those of a memory have no other.
            statuses = [deliver(token).status_code for _ in range(8)]
        else:
            with ThreadPoolExecutor(8) as crowd:
                statuses = list(crowd.map(lambda _: deliver_apart(token), range(8)))
        assert sorted(statuses) == [200] + [400] * 7
        assert not is_live(visitor.row)


def deliver_apart(token: str) -> int:
    try:
        status: int = deliver(token).status_code
        return status
    finally:
        connection.close()


class TestKeys:
    """The provider's keys: fetched, rotated, or out of reach."""

    def test_a_rotated_key_is_fetched(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        at_rogue.rotate_key()
        assert deliver(at_rogue.logout_token()).status_code == 200

    @pytest.mark.parametrize("fault", ["503", "refuse", "malformed_json"])
    def test_keys_out_of_reach_have_it_sent_again(
        self, visitor: Visitor, at_rogue: Rogue, fault: str
    ) -> None:
        visitor.sign_in()
        token = at_rogue.logout_token()
        provider.forget()
        at_rogue.fault("jwks", fault)
        response = deliver(token)
        assert response.status_code == 503
        assert int(response["Retry-After"]) > 0
        assert response["Cache-Control"] == "no-store"
        assert is_live(visitor.row)
        assert not LogoutDelivery.objects.exists()

    def test_and_then_it_is_obeyed(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        token = at_rogue.logout_token()
        provider.forget()
        at_rogue.fault("jwks", "empty_error", times=1)
        assert deliver(token).status_code == 503
        breaker.reset()
        assert deliver(token).status_code == 200
        assert not is_live(visitor.row)


class TestFrontChannel:
    """OpenID Connect Front-Channel Logout 1.0."""

    def ask(self, at_rogue: Rogue, **query: Any) -> Any:
        usual = {"iss": at_rogue.issuer, "sid": at_rogue.visits["alice"].sid}
        return Client().get(FRONT, {**usual, **query})

    def test_the_frame_ends_the_session_without_a_cookie(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        response = self.ask(at_rogue)
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store"
        assert "X-Frame-Options" not in response
        policy = response["Content-Security-Policy"]
        assert policy == f"default-src 'none'; frame-ancestors {at_rogue.issuer}"
        assert not response.cookies
        assert visitor.name == "AnonymousUser"
        assert visitor.row.ended_reason == "provider_logout"

    def test_only_of_this_sid(self, visitor: Visitor, at_rogue: Rogue) -> None:
        other = Visitor(at_rogue)
        other.sign_in()
        visitor.sign_in()
        self.ask(at_rogue)
        assert (visitor.name, other.name) == ("AnonymousUser", "alice@example.com")

    @pytest.mark.parametrize(
        "query",
        [
            pytest.param({"iss": "https://elsewhere.example"}, id="another-issuer"),
            pytest.param({"iss": ""}, id="no-issuer"),
            pytest.param({"sid": ""}, id="no-sid"),
            pytest.param({"sid": "\0"}, id="no-name"),
            pytest.param({"sid": "x" * 256}, id="too-long"),
            pytest.param({"sid": ["one", "two"]}, id="two-sids"),
        ],
    )
    def test_what_is_not_whole_ends_nothing(
        self, visitor: Visitor, at_rogue: Rogue, query: dict[str, Any]
    ) -> None:
        visitor.sign_in()
        assert refused(self.ask(at_rogue, **query))
        assert is_live(visitor.row)

    def test_an_unknown_sid_is_told_like_any_other(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        assert self.ask(at_rogue, sid="unknown").status_code == 200
        assert is_live(visitor.row)

    def test_it_needs_no_provider_that_answers(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        provider.forget()
        at_rogue.fault("discovery", "refuse")
        response = self.ask(at_rogue)
        assert response["Content-Security-Policy"].endswith(at_rogue.issuer)
        assert visitor.name == "AnonymousUser"

    @pytest.mark.parametrize("method", ["post", "head"])
    def test_other_methods(self, visitor: Visitor, method: str) -> None:
        assert getattr(Client(), method)(FRONT).status_code == 405


def asked_of(response: HttpResponse) -> dict[str, str]:
    query = parse_qs(urlsplit(response["Location"]).query)
    return {name: value for name, (value,) in query.items()}


class TestAskingTheProvider:
    """OpenID Connect RP-Initiated Logout 1.0: here first, whatever the provider does."""

    def test_here_and_then_there(self, visitor: Visitor, at_rogue: Rogue) -> None:
        visitor.sign_in()
        tokens = grants.read(visitor.row.pk, using="default")
        response = visitor.client.post(OUT)
        assert response["Location"].startswith(f"{at_rogue.issuer}/logout?")
        asked = asked_of(response)
        assert asked.pop("state")
        assert tokens is not None
        assert asked == {
            "client_id": at_rogue.client_id,
            "post_logout_redirect_uri": "http://testserver/session/signed-out/",
            "id_token_hint": tokens.id_token,
        }
        assert "no-store" in response["Cache-Control"]
        assert visitor.row.ended_reason == "signed_out"
        assert visitor.name == "AnonymousUser"
        assert visitor.client.cookies["sessionid"].value == ""

    def test_who_is_signed_in_no_longer_gets_there_too(
        self, visitor: Visitor, at_rogue: Rogue
    ) -> None:
        visitor.sign_in()
        end(visitor.row.pk, EndReason.REVOKED_BY_ADMIN, using="default")
        asked = asked_of(visitor.client.post(OUT))
        assert "id_token_hint" not in asked
        assert asked["client_id"] == at_rogue.client_id

    def test_without_tokens_there_is_no_hint(self, visitor: Visitor) -> None:
        visitor.sign_in()
        grants.forget(visitor.row.pk, using="default")
        assert "id_token_hint" not in asked_of(visitor.client.post(OUT))
        assert not is_live(visitor.row)

    def test_a_session_of_which_only_the_browser_could_learn_more_ends_too(
        self, visitor: Visitor, clock: Clock
    ) -> None:
        visitor.sign_in()
        grants.forget(visitor.row.pk, using="default")
        clock.advance(hours=2)
        visitor.client.post(OUT)
        assert visitor.row.ended_reason == "signed_out"

    @pytest.mark.parametrize(
        ("endpoint", "fault"), [("discovery", "refuse"), ("discovery", "503"), ("jwks", "500")]
    )
    def test_a_provider_that_is_down_keeps_nobody_signed_in(
        self, visitor: Visitor, at_rogue: Rogue, endpoint: str, fault: str
    ) -> None:
        visitor.sign_in()
        provider.forget()
        at_rogue.fault(endpoint, fault)
        response = visitor.client.post(OUT, follow=True)
        assert response.redirect_chain == [
            ("/session/signed-out/?reason=signed_out&provider=untold", 302)
        ]
        assert b"could not be told" in response.content
        assert not is_live(visitor.row)
        assert ProviderHealth.objects.failing().exists()

    def test_a_provider_that_hangs_costs_two_seconds(
        self, visitor: Visitor, at_rogue: Rogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logout_views, "USER_DEADLINE", 0.2)
        visitor.sign_in()
        at_rogue.fault("jwks", "hang")
        assert visitor.client.post(OUT)["Location"].endswith("provider=untold")

    def test_a_provider_with_no_such_page(self, visitor: Visitor, at_rogue: Rogue) -> None:
        at_rogue.discovery(end_session_endpoint=ABSENT)
        visitor.sign_in()
        assert visitor.client.post(OUT)["Location"].endswith("provider=untold")
        assert not is_live(visitor.row)
        assert not ProviderHealth.objects.failing().exists()

    def test_a_process_that_has_calls_enough_under_way_still_sends_people_there(
        self, visitor: Visitor, at_rogue: Rogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        visitor.sign_in()
        monkeypatch.setattr(breaker, "PATIENCE", 0.0)
        for _ in range(breaker.IN_FLIGHT):
            breaker.enter(0)
        assert visitor.client.post(OUT)["Location"].startswith(f"{at_rogue.issuer}/logout?")

    def test_without_a_provider_it_is_a_sign_out(
        self, alice: User, client: Client, settings: Any
    ) -> None:
        settings.OIDC_ISSUER = ""
        client.force_login(alice)
        assert client.post(OUT)["Location"] == "/session/signed-out/?reason=signed_out"
        assert not is_live(UserSession.objects.get())

    @pytest.mark.parametrize("method", ["get", "head", "put", "options"])
    def test_other_methods(self, visitor: Visitor, method: str, settings: Any) -> None:
        settings.ALLOW_LOGOUT_GET_METHOD = True
        visitor.sign_in()
        assert getattr(visitor.client, method)(OUT).status_code == 405
        assert is_live(visitor.row)

    def test_nobody_is_signed_out_by_another_site(
        self, visitor: Visitor, at_rogue: Rogue, alice: User
    ) -> None:
        strict = Visitor(at_rogue, Client(enforce_csrf_checks=True))
        strict.sign_in()
        assert strict.client.post(OUT).status_code == 403
        assert is_live(strict.row)


class TestCertifiedProvider:
    """The same, at a provider that others have certified, over real connections."""

    @pytest.fixture
    def visitor(self, certified: CertifiedProvider, live_server: LiveServer, settings: Any) -> Any:
        receiver = live_server.url.replace("localhost", "127.0.0.1")
        certified.allow("http://testserver", receiver)
        with connected(settings, certified):
            yield Visitor(certified)

    def test_its_logout_arrives(self, visitor: Visitor, certified: CertifiedProvider) -> None:
        bob = Visitor(certified)
        bob.sign_in("bob")
        visitor.sign_in("alice")
        assert certified.end("alice") == 1
        assert visitor.name == "AnonymousUser"
        assert visitor.row.ended_reason == "provider_logout"
        assert bob.name == "bob@example.com"

    def test_signing_out_there_comes_back_and_ends_the_others(
        self, visitor: Visitor, certified: CertifiedProvider
    ) -> None:
        visitor.sign_in("alice")
        # Another browser of the app's, on the same session of the provider's.
        twin = Visitor(certified)
        twin.there = visitor.there
        twin.sign_in("alice")
        twin_row = twin.row
        response = visitor.client.post(OUT)
        page = visitor.there.get(response["Location"], timeout=SECONDS)
        form = Form(page.text)
        assert page.ok
        assert form.found
        done = visitor.there.post(
            urljoin(page.url, form.action),
            data={**form.fields, "logout": "yes"},
            allow_redirects=False,
            timeout=SECONDS,
        )
        back = urlsplit(done.headers["location"])
        state = asked_of(response)["state"]
        assert f"{back.path}?{back.query}" == f"/session/signed-out/?state={state}"
        shown = visitor.get(f"{back.path}?{back.query}").content
        assert b"You have signed out." in shown
        assert b"Sign out there, too" not in shown
        assert UserSession.objects.get(pk=twin_row.pk).ended_reason == "provider_logout"
        assert twin.name == "AnonymousUser"
