"""What is learnt of the provider, for how long it is used, and what is not believed."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

import pytest

from sessionmgr.identity import breaker, provider
from sessionmgr.identity.config import ProviderConfig
from sessionmgr.identity.outcomes import (
    InvalidToken,
    Misconfigured,
    Mistake,
    Problem,
    Unreachable,
)
from sessionmgr.identity.provider import (
    KEPT_FOR,
    WELL_KNOWN,
    Keeper,
    Provider,
    current_provider,
    key_for,
)
from tests.identity.providers.forgeries import ABSENT
from tests.identity.providers.rogue import Rogue
from tests.identity.watch import Watch

KEY_0 = {"alg": "RS256", "kid": "key-0"}
KEY_1 = {"alg": "RS256", "kid": "key-1"}


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """The time by which what was learnt grows old; the breaker and the wire have their own."""
    watch = Watch()
    monkeypatch.setattr(provider, "monotonic", watch)
    return watch


@pytest.fixture
def asked(at_rogue: Rogue) -> Rogue:
    return at_rogue


def mistake_of(ask: Any) -> Mistake:
    breaker.reset()
    with pytest.raises(Misconfigured) as raised:
        ask()
    return raised.value.mistake


def problem_of(ask: Any, *given: Any, **more: Any) -> Problem:
    breaker.reset()
    with pytest.raises(Unreachable) as raised:
        ask(*given, **more)
    return raised.value.problem


def is_unknown(header: dict[str, str]) -> bool:
    with pytest.raises(InvalidToken) as refusal:
        key_for(header)
    return refusal.value.code == "unknown_key"


class TestDescription:
    def test_it_is_taken_at_its_word(self, asked: Rogue) -> None:
        asked.discovery(
            scopes_supported=["openid", "offline_access"],
            authorization_response_iss_parameter_supported=True,
        )
        at = asked.issuer
        assert current_provider() == Provider(
            issuer=at,
            authorization_endpoint=f"{at}/authorize",
            token_endpoint=f"{at}/token",
            jwks_uri=f"{at}/jwks",
            userinfo_endpoint=f"{at}/userinfo",
            introspection_endpoint=f"{at}/introspect",
            revocation_endpoint=f"{at}/revoke",
            end_session_endpoint=f"{at}/logout",
            has_backchannel_logout=True,
            has_backchannel_logout_session=True,
            has_pkce_s256=True,
            grants_offline_access=True,
            sends_issuer=True,
        )

    def test_what_it_leaves_out_is_not_known(self, asked: Rogue) -> None:
        asked.discovery(
            userinfo_endpoint=ABSENT,
            introspection_endpoint="",
            revocation_endpoint=None,
            end_session_endpoint=["https://provider.example/"],
            backchannel_logout_supported="true",
            backchannel_logout_session_supported=1,
            code_challenge_methods_supported="S256",
            scopes_supported={"offline_access": True},
        )
        found = current_provider()
        assert (found.userinfo_endpoint, found.introspection_endpoint) == (None, None)
        assert (found.revocation_endpoint, found.end_session_endpoint) == (None, None)
        assert not found.has_backchannel_logout
        assert not found.has_backchannel_logout_session
        assert not found.has_pkce_s256
        assert not found.grants_offline_access
        assert not found.sends_issuer

    @pytest.mark.parametrize(
        ("changes", "mistake"),
        [
            ({"issuer": "https://elsewhere.example"}, Mistake.WRONG_ISSUER),
            ({"issuer": ABSENT}, Mistake.WRONG_ISSUER),
            ({"issuer": ["x"]}, Mistake.WRONG_ISSUER),
            ({"authorization_endpoint": ABSENT}, Mistake.MISSING_ENDPOINT),
            ({"token_endpoint": ""}, Mistake.MISSING_ENDPOINT),
            ({"jwks_uri": 5}, Mistake.MISSING_ENDPOINT),
            ({"token_endpoint": "http://provider.example/token"}, Mistake.BAD_ADDRESS),
            ({"jwks_uri": "file:///etc/passwd"}, Mistake.BAD_ADDRESS),
            ({"jwks_uri": "/jwks"}, Mistake.BAD_ADDRESS),
            ({"userinfo_endpoint": "https://[/"}, Mistake.BAD_ADDRESS),
            ({"end_session_endpoint": "http://127.0.0.1.example/"}, Mistake.BAD_ADDRESS),
            ({"end_session_endpoint": "javascript:alert(1)"}, Mistake.BAD_ADDRESS),
        ],
        ids=str,
    )
    def test_what_cannot_be_used_is_a_mistake_and_is_not_kept(
        self, asked: Rogue, changes: dict[str, Any], mistake: Mistake
    ) -> None:
        asked.discovery(**changes)
        assert mistake_of(current_provider) is mistake
        asked.reset()
        assert current_provider().issuer == asked.issuer

    @pytest.mark.parametrize("mode", ["malformed_json", "no_object", "login_page", "500"])
    def test_what_is_no_description_is_an_outage(self, asked: Rogue, mode: str) -> None:
        asked.fault("discovery", mode)
        problem = Problem.SERVER_ERROR if mode == "500" else Problem.MALFORMED
        assert problem_of(current_provider) is problem

    @pytest.mark.parametrize(
        "issuer",
        [
            "http://provider.example",
            "http://10.0.0.1",
            "ftp://127.0.0.1",
            "https://",
            "https://[",
            "provider.example",
        ],
    )
    def test_an_issuer_that_others_can_speak_for_is_not_asked(
        self, asked: Rogue, settings: Any, issuer: str
    ) -> None:
        settings.OIDC_ISSUER = issuer
        assert mistake_of(current_provider) is Mistake.BAD_ADDRESS

    @pytest.mark.parametrize("host", ["localhost", "a.localhost", "[::1]", "127.9.9.9"])
    def test_what_does_not_leave_the_machine_needs_no_tls(
        self, asked: Rogue, settings: Any, host: str
    ) -> None:
        settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"http://{host}/authorize"
        settings.OIDC_OP_TOKEN_ENDPOINT = f"http://{host}/token"
        settings.OIDC_OP_USER_ENDPOINT = f"http://{host}/userinfo"
        settings.OIDC_OP_JWKS_ENDPOINT = f"http://{host}/jwks"
        found = current_provider()
        assert found.token_endpoint == f"http://{host}/token"
        assert (found.revocation_endpoint, found.has_pkce_s256) == (None, False)
        assert asked.calls["discovery"] == 0

    def test_endpoints_that_are_set_must_be_safe_too(self, asked: Rogue, settings: Any) -> None:
        settings.OIDC_OP_AUTHORIZATION_ENDPOINT = f"{asked.issuer}/authorize"
        settings.OIDC_OP_USER_ENDPOINT = settings.OIDC_OP_JWKS_ENDPOINT = asked.issuer
        settings.OIDC_OP_TOKEN_ENDPOINT = "http://provider.example/token"
        assert mistake_of(current_provider) is Mistake.BAD_ADDRESS

    def test_an_issuer_may_end_in_a_slash(self, asked: Rogue, settings: Any) -> None:
        settings.OIDC_ISSUER = f"{asked.issuer}/"
        asked.discovery(issuer=f"{asked.issuer}/")
        assert current_provider().issuer == f"{asked.issuer}/"
        assert asked.calls["discovery"] == 1
        assert WELL_KNOWN.startswith("/.well-known/")

    def test_without_a_provider_there_is_nobody_to_ask(self, asked: Rogue, settings: Any) -> None:
        settings.OIDC_ISSUER = ""
        assert mistake_of(current_provider) is Mistake.NO_PROVIDER
        assert mistake_of(lambda: key_for(KEY_0)) is Mistake.NO_PROVIDER


class TestHowLong:
    def test_an_hour(self, asked: Rogue, watch: Watch) -> None:
        first = current_provider()
        watch.pass_by(3599)
        assert current_provider() is first
        assert asked.calls["discovery"] == 1
        watch.pass_by(1)
        asked.discovery(token_endpoint=f"{asked.issuer}/other")
        assert current_provider().token_endpoint == f"{asked.issuer}/other"
        assert asked.calls["discovery"] == 2

    def test_as_long_as_an_outage_takes(self, asked: Rogue, watch: Watch) -> None:
        first, key = current_provider(), key_for(KEY_0)
        asked.fault("discovery", "refuse")
        asked.fault("jwks", "503")
        watch.pass_by(30 * KEPT_FOR)
        assert current_provider() is first
        assert key_for(KEY_0) is not None
        assert key.key_id == "key-0"
        asked.heal()
        breaker.reset()
        assert current_provider() is not first

    def test_a_mistake_is_told_though_something_is_kept(self, asked: Rogue, watch: Watch) -> None:
        current_provider()
        watch.pass_by(KEPT_FOR)
        asked.discovery(issuer="https://elsewhere.example")
        assert mistake_of(current_provider) is Mistake.WRONG_ISSUER

    def test_what_was_never_learnt_is_an_outage(self, asked: Rogue) -> None:
        asked.fault("discovery", "refuse")
        assert problem_of(current_provider) is Problem.CONNECT
        assert problem_of(key_for, KEY_0) is Problem.CONNECT

    def test_other_settings_are_another_provider(self, asked: Rogue, settings: Any) -> None:
        current_provider()
        settings.OIDC_RP_CLIENT_ID = "another-client"
        asked.fault("discovery", "503")
        assert problem_of(current_provider) is Problem.TEMPORARILY_UNAVAILABLE

    def test_a_silent_provider_is_waited_for_no_longer_than_said(self, asked: Rogue) -> None:
        asked.fault("discovery", "hang")
        assert problem_of(current_provider, 0.05) is Problem.TIMEOUT
        asked.heal()
        asked.fault("jwks", "hang")
        assert problem_of(key_for, KEY_0, deadline=0.1) is Problem.TIMEOUT


class TestKeys:
    def test_they_are_asked_for_once(self, asked: Rogue) -> None:
        assert {key_for(KEY_0).key_id for _ in range(5)} == {"key-0"}
        assert asked.calls["jwks"] == 1

    def test_a_new_key_is_looked_for(self, asked: Rogue) -> None:
        key_for(KEY_0)
        asked.rotate_key(keep_old=True)
        assert key_for(KEY_1).key_id == "key-1"
        assert key_for(KEY_0).key_id == "key-0"
        assert asked.calls["jwks"] == 2

    def test_a_key_that_is_gone_is_believed_no_longer(self, asked: Rogue) -> None:
        key_for(KEY_0)
        asked.rotate_key()
        key_for(KEY_1)
        assert is_unknown(KEY_0)

    def test_a_flood_of_unheard_of_keys_asks_once_a_minute(
        self, asked: Rogue, watch: Watch
    ) -> None:
        key_for(KEY_0)
        for number in range(20):
            assert is_unknown({"alg": "RS256", "kid": f"forged-{number}"})
        assert asked.calls["jwks"] == 2
        asked.rotate_key(keep_old=True)
        watch.pass_by(59)
        assert is_unknown(KEY_1)
        watch.pass_by(1)
        assert key_for(KEY_1).key_id == "key-1"
        assert asked.calls["jwks"] == 3

    def test_a_key_that_cannot_be_looked_for_is_an_outage_and_not_a_forgery(
        self, asked: Rogue
    ) -> None:
        key_for(KEY_0)
        asked.rotate_key()
        asked.fault("jwks", "503")
        assert problem_of(key_for, KEY_1) is Problem.TEMPORARILY_UNAVAILABLE
        asked.heal()
        breaker.reset()
        # Nobody was asked, so that the minute has not begun.
        assert key_for(KEY_1).key_id == "key-1"

    def test_a_lone_key_needs_no_name(self, asked: Rogue) -> None:
        asked.lone_key_without_kid()
        assert key_for({"alg": "RS256"}).key_id is None
        assert key_for({"alg": "RS256", "kid": "any"}).key_id is None
        assert asked.calls["jwks"] == 1

    @pytest.mark.parametrize("keys", [None, {}, "keys"])
    def test_what_is_no_set_of_keys_is_an_outage(self, asked: Rogue, keys: Any) -> None:
        asked.discovery(jwks_uri=f"{asked.issuer}/.well-known/keys", keys=keys)
        # The rogue describes itself there, which makes it an answer with ``keys`` of our choice.
        assert problem_of(key_for, KEY_0) is Problem.MALFORMED


class TestKeeper:
    """One thread asks; what the others do meanwhile."""

    config = ProviderConfig(issuer="https://provider.example", client_id="site")

    def test_who_knows_nothing_waits_for_the_one_who_asks(self) -> None:
        entered, go_on = Event(), Event()
        asked: list[float] = []

        def ask(config: ProviderConfig, seconds: float) -> str:
            asked.append(seconds)
            entered.set()
            assert go_on.wait(5)
            return "learnt"

        keeper = Keeper(ask)
        found: list[str] = []
        threads = [
            Thread(target=lambda: found.append(keeper.get(self.config, 5))) for _ in range(3)
        ]
        threads[0].start()
        assert entered.wait(5)
        for thread in threads[1:]:
            thread.start()
        go_on.set()
        for thread in threads:
            thread.join(5)
        assert found == ["learnt"] * 3
        assert len(asked) == 1

    def test_who_has_waited_too_long_gives_up(self) -> None:
        keeper = Keeper(lambda config, seconds: "learnt")
        with keeper.lock:
            assert problem_of(keeper.get, self.config, 0.01) is Problem.BUSY

    def test_who_knows_something_does_not_wait(self, watch: Watch) -> None:
        answers = iter(["old", "new"])
        keeper = Keeper(lambda config, seconds: next(answers))
        assert keeper.get(self.config, 5) == "old"
        watch.pass_by(KEPT_FOR)
        with keeper.lock:
            assert keeper.get(self.config, 5) == "old"
        assert keeper.get(self.config, 5) == "new"

    def test_what_another_thread_has_just_brought_is_taken(self) -> None:
        keeper = Keeper(lambda config, seconds: object())
        old = keeper.get(self.config, 5)
        new = keeper.renew(self.config, 5, than=old)
        assert new is not old
        assert keeper.renew(self.config, 5, than=old) is new

    def test_the_lock_is_free_again_after_a_failure(self) -> None:
        def ask(config: ProviderConfig, seconds: float) -> str:
            raise Unreachable(Problem.CONNECT)

        keeper = Keeper(ask)
        assert problem_of(keeper.get, self.config, 5) is Problem.CONNECT
        assert not keeper.lock.locked()
