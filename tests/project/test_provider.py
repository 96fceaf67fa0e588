"""The demo's identity provider: the whole protocol, over HTTP, by an app and a browser."""

from base64 import b64encode
from typing import Any

import jwt
import pytest
import requests

from sessionmgr.project.demo.provider.keys import PUBLISHED_AFTER
from sessionmgr.project.demo.provider.state import ATTEMPT_SECONDS, Provider
from tests.project.conftest import ProvidersClock
from tests.project.relying_party import (
    CHALLENGE,
    SECRET,
    VERIFIER,
    Receiver,
    RelyingParty,
    as_dict,
)

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


def is_refused(answer: requests.Response, error: str = "invalid_grant") -> bool:
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code in (400, 401) and answer.json()["error"] == error


# Signing in


def test_discovery_names_the_issuer_and_endpoints_that_are_there(app: RelyingParty) -> None:
    found = app.get("/.well-known/openid-configuration").json()
    assert found["issuer"] == app.issuer
    endpoints = [value for name, value in found.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 7
    assert all(requests.get(url, timeout=10).status_code != 404 for url in endpoints)


def test_person_signs_in_and_the_app_learns_who_and_how(
    app: RelyingParty, providers_clock: ProvidersClock
) -> None:
    told = app.sign_in("alice")
    assert told.keys() == {"code", "state", "iss"}
    assert told["state"] == "the-state"
    assert told["iss"] == app.issuer
    tokens = app.exchange(told["code"]).json()
    assert tokens["token_type"] == "Bearer"
    claims = app.read(tokens["id_token"])
    now = int(providers_clock())
    assert claims == {
        "iss": app.issuer,
        "aud": "sessionmgr",
        "sub": app.state["people"]["alice"]["sub"],
        "iat": now,
        "exp": now + 600,
        "auth_time": now,
        "nonce": "the-nonce",
        "sid": app.state["people"]["alice"]["sessions"][0]["sid"],
        "email": "alice@example.com",
        "email_verified": True,
        "name": "Alice",
        "preferred_username": "alice",
        "groups": ["staff"],
        "pci": 3600,
        "signin_state": [],
    }
    assert "alice" not in claims["sub"]
    access = app.read(tokens["access_token"])
    assert access["sub"] == claims["sub"]
    assert access["client_id"] == "sessionmgr"
    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"


def test_staying_signed_in_is_told_and_keeps_the_cookie(app: RelyingParty) -> None:
    claims = app.read(app.tokens("alice", stay=True)["id_token"])
    assert claims["signin_state"] == ["kmsi"]
    (cookie,) = app.browser.cookies
    assert cookie.name == "demo_idp"
    assert cookie.expires is not None


def test_not_staying_signed_in_ends_with_the_browser(app: RelyingParty) -> None:
    app.sign_in("alice")
    (cookie,) = app.browser.cookies
    assert cookie.expires is None


@pytest.mark.parametrize("answer", [True, False])
def test_question_may_be_answered_beforehand(app: RelyingParty, answer: bool) -> None:
    app.control("set", {"kmsi": answer})
    told = app.told(app.type_password(app.ask(), "alice@example.com", "alice-demo"))
    claims = app.read(app.exchange(told["code"]).json()["id_token"])
    assert claims["signin_state"] == (["kmsi"] if answer else [])


def test_who_is_signed_in_is_let_in_without_a_page(app: RelyingParty) -> None:
    app.sign_in("alice")
    assert "code" in app.told(app.ask())
    assert "code" in app.told(app.ask(prompt="none"))


def test_two_sign_ins_at_once_do_not_disturb_each_other(app: RelyingParty) -> None:
    first, second = app.ask(state="first"), app.ask(state="second")
    app.control("set", {"kmsi": False})
    assert app.told(app.type_password(second, "alice"))["state"] == "second"
    assert app.told(app.type_password(first, "alice"))["state"] == "first"


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "wrong"), ("nobody", "nobody-demo"), ("alice", "bob-demo"), ("", "x")],
)
def test_wrong_password_is_told_and_never_logged(
    app: RelyingParty, name: str, password: str
) -> None:
    page = app.type_password(app.ask(), name, password)
    assert page.status_code == 422
    assert "The name or the password is wrong." in page.text
    assert 'aria-describedby="wrong"' in page.text
    assert app.state["events"] == ["sign-in refused: wrong name or password"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        pytest.param({"code_challenge": None}, "invalid_request", id="no-pkce"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain-pkce"),
        pytest.param({"code_challenge": "short"}, "invalid_request", id="bad-challenge"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
        pytest.param({"response_mode": "fragment"}, "invalid_request", id="fragment"),
        pytest.param({"scope": "email"}, "invalid_scope", id="no-openid"),
        pytest.param({"prompt": "none"}, "login_required", id="nobody-there"),
        pytest.param({"prompt": "none login"}, "invalid_request", id="none-and-login"),
        pytest.param({"id_token_hint": "x.y.z"}, "invalid_request", id="bad-hint"),
    ],
)
def test_app_is_told_what_is_wrong(
    app: RelyingParty, changed: dict[str, str | None], error: str
) -> None:
    told = app.told(app.ask(**changed))
    assert told["error"] == error
    assert told["state"] == "the-state"
    assert told["iss"] == app.issuer


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "other"},
        {"redirect_uri": "https://example.org/oidc/callback/"},
        {"redirect_uri": None},
    ],
)
def test_unknown_app_gets_no_redirect(app: RelyingParty, changed: dict[str, str | None]) -> None:
    page = app.ask(**changed)
    assert page.status_code == 400
    assert "not known to this provider" in page.text


def test_parameter_that_comes_twice_is_refused(app: RelyingParty) -> None:
    assert app.get("/authorize", {"client_id": ["sessionmgr", "other"]}).status_code == 400


def test_prompt_login_asks_again_and_moves_the_time(
    app: RelyingParty, providers_clock: ProvidersClock
) -> None:
    first = app.read(app.tokens("alice")["id_token"])
    cookie = app.browser.cookies["demo_idp"]
    providers_clock.advance(100)
    second = app.read(app.tokens("alice", prompt="login")["id_token"])
    assert second["auth_time"] == first["auth_time"] + 100
    assert second["sid"] == first["sid"]
    assert app.browser.cookies["demo_idp"] != cookie


@pytest.mark.parametrize(
    ("passed", "max_age", "is_asked"),
    [(60, "60", False), (61, "60", True), (0, "0", True), (9999, "", False)],
)
def test_max_age_asks_for_the_password_after_it(
    app: RelyingParty,
    providers_clock: ProvidersClock,
    passed: int,
    max_age: str,
    is_asked: bool,
) -> None:
    app.sign_in("alice")
    providers_clock.advance(passed)
    answer = app.ask(max_age=max_age)
    assert (answer.status_code == 200) is is_asked
    if is_asked:
        assert app.told(app.ask(max_age=max_age, prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize("max_age", ["-1", "1.5", "x", "9" * 20, "٦٠"])
def test_max_age_that_is_none_is_refused(app: RelyingParty, max_age: str) -> None:
    app.sign_in("alice")
    assert app.told(app.ask(max_age=max_age))["error"] == "invalid_request"


def test_hints_fill_in_the_name(app: RelyingParty) -> None:
    assert 'value="bob&lt;"' in app.ask(login_hint="bob<").text
    token = app.tokens("alice")["id_token"]
    app.browser.cookies.clear()
    assert 'value="alice"' in app.ask(id_token_hint=token).text


def test_hint_at_somebody_else_is_not_answered_with_the_session(app: RelyingParty) -> None:
    hint = app.tokens("alice")["id_token"]
    assert "code" in app.told(app.ask(id_token_hint=hint, prompt="none"))
    app.sign_in("bob", prompt="login")
    told = app.told(app.ask(id_token_hint=hint, prompt="none"))
    assert told["error"] == "login_required"


def test_somebody_else_in_the_same_browser_ends_the_session_before(
    app: RelyingParty, receiver: Receiver
) -> None:
    tokens = app.tokens("alice")
    app.sign_in("bob", prompt="login")
    assert app.read(receiver.next())["sid"] == app.read(tokens["id_token"])["sid"]
    assert is_refused(app.renew(tokens["refresh_token"]))


def test_attempt_grows_too_old(app: RelyingParty, providers_clock: ProvidersClock) -> None:
    page = app.ask()
    providers_clock.advance(ATTEMPT_SECONDS)
    answer = app.type_password(page, "alice")
    assert answer.status_code == 400
    assert "too old" in answer.text


def test_second_step_is_once_and_for_the_browser_of_the_first(
    app: RelyingParty, other_browser: RelyingParty
) -> None:
    second = app.type_password(app.ask(), "alice")
    form = {"attempt": as_dict(second.headers["Location"])["attempt"], "stay": "no"}
    assert other_browser.get("/sign-in/stay", form).status_code == 400
    assert other_browser.send("/sign-in/stay", form).status_code == 400
    assert app.send("/sign-in/stay", form).status_code == 303
    assert app.send("/sign-in/stay", form).status_code == 400


# Tokens


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"code_verifier": "w" * 50}, id="wrong-verifier"),
        pytest.param({"code_verifier": ""}, id="no-verifier"),
        pytest.param({"redirect_uri": "http://legacy.localhost:1/oidc/callback/"}, id="redirect"),
        pytest.param({"code": "made-up"}, id="unknown-code"),
    ],
)
def test_code_is_refused_to_whoever_did_not_ask_for_it(
    app: RelyingParty, changed: dict[str, str]
) -> None:
    code = app.sign_in("alice")["code"]
    assert is_refused(app.exchange(code, **changed))


@pytest.mark.parametrize(("passed", "is_good"), [(59.9, True), (60, False)])
def test_code_is_good_for_a_minute(
    app: RelyingParty, providers_clock: ProvidersClock, passed: float, is_good: bool
) -> None:
    code = app.sign_in("alice")["code"]
    providers_clock.advance(passed)
    assert (app.exchange(code).status_code == 200) is is_good


def test_code_used_twice_voids_what_came_of_it(app: RelyingParty) -> None:
    code = app.sign_in("alice")["code"]
    tokens = app.exchange(code).json()
    assert is_refused(app.exchange(code))
    assert is_refused(app.renew(tokens["refresh_token"]))
    assert app.userinfo(tokens["access_token"]).status_code == 401


def test_renewal_rotates_and_keeps_the_time_of_the_password(
    app: RelyingParty, providers_clock: ProvidersClock
) -> None:
    tokens = app.tokens("alice", stay=True)
    providers_clock.advance(1000)
    renewed = app.renew(tokens["refresh_token"]).json()
    assert renewed["refresh_token"] != tokens["refresh_token"]
    before, after = app.read(tokens["id_token"]), app.read(renewed["id_token"])
    assert "nonce" not in after
    assert after["iat"] == before["iat"] + 1000
    same = before.keys() - {"nonce", "iat", "exp"}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}


def test_refresh_token_used_twice_kills_its_family_and_no_other(
    app: RelyingParty, other_browser: RelyingParty
) -> None:
    first = app.tokens("alice")
    other = other_browser.tokens("alice")
    second = app.renew(first["refresh_token"]).json()
    assert is_refused(app.renew(first["refresh_token"]))
    assert is_refused(app.renew(second["refresh_token"]))
    assert app.userinfo(second["access_token"]).status_code == 401
    assert app.renew(other["refresh_token"]).status_code == 200


def test_app_may_show_its_secret_in_the_form(app: RelyingParty) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": app.sign_in("alice")["code"],
        "redirect_uri": app.callback,
        "code_verifier": VERIFIER,
        "client_id": "sessionmgr",
        "client_secret": SECRET,
    }
    assert requests.post(f"{app.issuer}/token", data=form, timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize(
    "shown",
    ["", "Basic !!!", "Basic " + b64encode(b"sessionmgr:wrong").decode(), "Bearer x"],
)
def test_app_with_the_wrong_secret_gets_nothing(app: RelyingParty, path: str, shown: str) -> None:
    answer = requests.post(app.issuer + path, headers={"Authorization": shown}, timeout=10)
    assert is_refused(answer, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_grant_of_another_kind_is_refused(app: RelyingParty) -> None:
    answer = app.call("/token", {"grant_type": "password"})
    assert is_refused(answer, "unsupported_grant_type")


def test_userinfo_tells_the_bearer_of_an_access_token_who_it_is(
    app: RelyingParty, providers_clock: ProvidersClock
) -> None:
    tokens = app.tokens("admin")
    found = app.userinfo(tokens["access_token"]).json()
    assert found["sub"] == app.read(tokens["id_token"])["sub"]
    assert found["email"] == "admin@example.com"
    assert found["groups"] == ["staff", "administrators"]
    for other in (tokens["id_token"], tokens["refresh_token"], "x"):
        assert app.userinfo(other).status_code == 401
    providers_clock.advance(600)
    assert app.userinfo(tokens["access_token"]).status_code == 401


def test_introspection_knows_what_is_in_force(
    app: RelyingParty, providers_clock: ProvidersClock
) -> None:
    tokens = app.tokens("alice")
    access = app.introspect(tokens["access_token"])
    assert access["active"]
    assert access["username"] == "alice"
    assert access["exp"] == providers_clock() + 600
    assert app.introspect(tokens["refresh_token"])["token_type"] == "refresh_token"
    assert app.introspect("made-up") == {"active": False}
    app.renew(tokens["refresh_token"])
    assert app.introspect(tokens["refresh_token"]) == {"active": False}


def test_revoked_refresh_token_takes_its_family_along(app: RelyingParty) -> None:
    tokens = app.tokens("alice")
    assert app.call("/revoke", {"token": tokens["refresh_token"]}).status_code == 200
    assert is_refused(app.renew(tokens["refresh_token"]))
    assert not app.introspect(tokens["access_token"])["active"]


def test_revoked_access_token_goes_alone(app: RelyingParty) -> None:
    tokens = app.tokens("alice")
    assert app.call("/revoke", {"token": tokens["access_token"]}).status_code == 200
    assert app.userinfo(tokens["access_token"]).status_code == 401
    assert app.renew(tokens["refresh_token"]).status_code == 200


def test_revoking_an_unknown_token_is_no_error(app: RelyingParty) -> None:
    assert app.call("/revoke", {"token": "made-up"}).status_code == 200


def test_key_that_was_replaced_is_published_for_a_day(
    app: RelyingParty, providers_clock: ProvidersClock
) -> None:
    old = app.tokens("alice")
    app.control("rotate-key")
    new = app.renew(old["refresh_token"]).json()
    kids = {jwt.get_unverified_header(each["id_token"])["kid"] for each in (old, new)}
    assert {key["kid"] for key in app.get("/jwks").json()["keys"]} == kids
    assert app.read(old["id_token"])["sub"] == app.read(new["id_token"])["sub"]
    assert all("d" not in key for key in app.get("/jwks").json()["keys"])
    providers_clock.advance(PUBLISHED_AFTER)
    assert len(app.get("/jwks").json()["keys"]) == 1
    app.control("rotate-key")
    assert len(app.get("/jwks").json()["keys"]) == 2


# What an administrator does


def test_disabled_account_counts_for_nothing_until_it_is_enabled(app: RelyingParty) -> None:
    tokens = app.tokens("alice")
    app.control("disable/alice")
    assert is_refused(app.renew(tokens["refresh_token"]))
    assert app.userinfo(tokens["access_token"]).status_code == 401
    assert not app.introspect(tokens["access_token"])["active"]
    assert not app.introspect(tokens["refresh_token"])["active"]
    assert app.told(app.ask(prompt="none"))["error"] == "login_required"
    assert "This account is disabled." in app.type_password(app.ask(), "alice").text
    app.control("enable/alice")
    assert app.renew(tokens["refresh_token"]).status_code == 200
    assert "code" in app.told(app.ask(prompt="none"))


def test_blocked_account_cannot_sign_in_or_renew(app: RelyingParty) -> None:
    tokens = app.tokens("alice")
    code = app.told(app.ask())["code"]
    app.control("block/alice")
    assert is_refused(app.renew(tokens["refresh_token"]))
    assert is_refused(app.exchange(code))
    assert app.userinfo(tokens["access_token"]).status_code == 200
    assert app.told(app.ask(prompt="none"))["error"] == "login_required"
    assert "Signing in is blocked" in app.type_password(app.ask(), "alice").text
    app.control("allow/alice")
    assert app.renew(tokens["refresh_token"]).status_code == 200


def test_revoked_tokens_are_void_and_the_session_goes_on(
    app: RelyingParty, other_browser: RelyingParty
) -> None:
    tokens, others = app.tokens("alice"), other_browser.tokens("bob")
    code = app.told(app.ask())["code"]
    assert app.control("revoke/alice").json() == {"families": 2}
    assert is_refused(app.renew(tokens["refresh_token"]))
    assert is_refused(app.exchange(code))
    assert "code" in app.told(app.ask(prompt="none"))
    assert app.renew(others["refresh_token"]).status_code == 200


def test_logout_message_says_whose_session_has_ended(
    app: RelyingParty, receiver: Receiver, providers_clock: ProvidersClock
) -> None:
    tokens = app.tokens("alice")
    assert app.control("logout/alice").json() == {"notified": 1}
    token = receiver.next()
    claims = app.read(token)
    id_claims = app.read(tokens["id_token"])
    assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
    assert claims["events"] == {LOGOUT_EVENT: {}}
    assert (claims["sub"], claims["sid"]) == (id_claims["sub"], id_claims["sid"])
    assert claims["iat"] == int(providers_clock())
    assert claims["exp"] > claims["iat"]
    assert "nonce" not in claims
    assert app.renew(tokens["refresh_token"]).status_code == 200
    app.control("logout/alice")
    assert app.read(receiver.next())["jti"] != claims["jti"]


def test_logout_message_about_all_sessions_names_none(
    app: RelyingParty, receiver: Receiver
) -> None:
    # Nobody serves the other address of the app.
    assert app.control("logout/alice").json() == {"notified": 1}
    assert "sid" not in app.read(receiver.next())
    app.sign_in("alice")
    assert app.control("logout-all/alice").json() == {"notified": 1}
    assert "sid" not in app.read(receiver.next())


def test_logout_message_that_the_app_refuses_is_not_counted(
    app: RelyingParty, receiver: Receiver
) -> None:
    app.sign_in("alice")
    receiver.status = 400
    assert app.control("logout/alice").json() == {"notified": 0}
    assert any("refused with 400" in event for event in app.state["events"])


def test_ended_session_takes_its_tokens_along_and_the_app_is_told(
    app: RelyingParty, receiver: Receiver
) -> None:
    tokens = app.tokens("alice")
    assert app.control("end/alice").json() == {"notified": 1, "sessions": 1}
    assert app.read(receiver.next())["sid"] == app.read(tokens["id_token"])["sid"]
    assert is_refused(app.renew(tokens["refresh_token"]))
    assert app.told(app.ask(prompt="none"))["error"] == "login_required"
    assert app.control("end/alice").json() == {"notified": 0, "sessions": 0}


def test_logout_message_that_cannot_be_delivered_is_not_counted(
    app: RelyingParty, receiver: Receiver
) -> None:
    app.base, app.callback = (
        "http://legacy.localhost:1",
        "http://legacy.localhost:1/oidc/callback/",
    )
    app.sign_in("alice")
    assert app.control("end/alice").json() == {"notified": 0, "sessions": 1}
    assert any("legacy.localhost:1 does not answer" in event for event in app.state["events"])


# Signing out


def sign_out(app: RelyingParty, **parameters: str) -> requests.Response:
    return app.get("/logout", parameters)


@pytest.mark.parametrize("path", ["/", "/session/signed-out/"])
def test_app_signs_somebody_out_with_a_hint(
    app: RelyingParty, receiver: Receiver, path: str
) -> None:
    tokens = app.tokens("alice")
    app.control("rotate-key")
    answer = sign_out(
        app,
        id_token_hint=tokens["id_token"],
        post_logout_redirect_uri=app.base + path,
        state="bye",
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{app.base}{path}?state=bye"
    assert not app.browser.cookies
    assert app.read(receiver.next())["sid"] == app.read(tokens["id_token"])["sid"]
    assert is_refused(app.renew(tokens["refresh_token"]))


def test_without_a_hint_the_person_is_asked(app: RelyingParty) -> None:
    app.sign_in("alice")
    page = sign_out(app, post_logout_redirect_uri=f"{app.base}/", state="s")
    assert "Sign out?" in page.text
    form = {"back": f"{app.base}/", "state": "s"}
    stayed = app.send("/logout/confirmed", {**form, "answer": "no"})
    assert stayed.headers["Location"] == f"{app.base}/?state=s"
    assert app.send("/logout/confirmed", {"answer": "no"}).headers["Location"] == "/"
    assert "code" in app.told(app.ask(prompt="none"))
    assert app.send("/logout/confirmed", {**form, "answer": "yes"}).status_code == 303
    assert app.told(app.ask(prompt="none"))["error"] == "login_required"


def test_hint_at_somebody_else_asks(app: RelyingParty, other_browser: RelyingParty) -> None:
    hint = other_browser.tokens("bob")["id_token"]
    app.sign_in("alice")
    assert "Sign out?" in sign_out(app, id_token_hint=hint).text


def test_who_is_not_signed_in_is_simply_sent_back(app: RelyingParty) -> None:
    assert "You are signed out" in sign_out(app).text
    answer = sign_out(app, post_logout_redirect_uri=f"{app.base}/")
    assert answer.headers["Location"] == f"{app.base}/"


@pytest.mark.parametrize(
    "parameters",
    [{"post_logout_redirect_uri": "https://example.org/"}, {"client_id": "other"}],
)
def test_nobody_is_sent_to_a_place_that_is_not_known(
    app: RelyingParty, parameters: dict[str, str]
) -> None:
    app.sign_in("alice")
    assert sign_out(app, **parameters).status_code == 400
    form = {"back": "https://example.org/", "answer": "yes"}
    assert app.send("/logout/confirmed", form).status_code == 400
    assert "code" in app.told(app.ask(prompt="none"))


# The wire


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/token", 405),
        ("POST", "/jwks", 405),
        ("HEAD", "/jwks", 200),
        ("PUT", "/", 501),
    ],
)
def test_what_is_not_there_is_said(app: RelyingParty, method: str, path: str, status: int) -> None:
    assert requests.request(method, app.issuer + path, timeout=10).status_code == status


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=%ff"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"\xff"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=1&a=2"),
        ({}, b"x" * 70_000),
    ],
)
def test_what_cannot_be_read_is_refused(
    app: RelyingParty, headers: dict[str, str], body: bytes
) -> None:
    answer = requests.post(f"{app.issuer}/token", body, headers=headers, timeout=10)
    assert is_refused(answer, "invalid_request")


def test_body_without_a_length_is_refused(app: RelyingParty) -> None:
    answer = requests.post(f"{app.issuer}/token", iter([b"a=1"]), timeout=10)
    assert is_refused(answer, "invalid_request")


def test_other_name_for_this_machine_is_refused(app: RelyingParty) -> None:
    headers = {"Host": "example.org"}
    assert requests.get(f"{app.issuer}/jwks", headers=headers, timeout=10).status_code == 421


def test_broken_cookie_is_none(app: RelyingParty) -> None:
    headers = {"Cookie": 'demo_idp="; \x01=,'}
    query: dict[str, Any] = {"prompt": "none", "client_id": "sessionmgr", "response_type": "code"}
    query |= {"redirect_uri": app.callback, "scope": "openid", "code_challenge": CHALLENGE}
    query |= {"code_challenge_method": "S256"}
    answer = requests.get(
        f"{app.issuer}/authorize", query, headers=headers, timeout=10, allow_redirects=False
    )
    assert app.told(answer)["error"] == "login_required"


def test_fault_of_the_providers_is_a_500(
    app: RelyingParty, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "keys", None)
    assert requests.get(f"{app.issuer}/jwks", timeout=10).status_code == 500


def test_no_secret_is_told_in_the_journal_or_in_what_is_printed(
    app: RelyingParty, provider: Provider
) -> None:
    told = app.sign_in("alice")
    tokens = app.exchange(told["code"]).json()
    app.renew(tokens["refresh_token"])
    printed = " ".join(app.state["events"]) + repr(provider.config) + repr(list(provider.sessions))
    secrets = [told["code"], tokens["refresh_token"], tokens["access_token"], SECRET]
    assert not any(secret in printed for secret in [*secrets, app.browser.cookies["demo_idp"]])
