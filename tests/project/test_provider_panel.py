"""The provider's control panel: buttons, outages, and who may press them."""

import re

import pytest
import requests

from sessionmgr.project.demo.provider import server
from sessionmgr.project.demo.provider.journal import LENGTH
from sessionmgr.project.demo.provider.state import Provider
from tests.project.conftest import ProvidersClock
from tests.project.relying_party import Receiver, RelyingParty


def press(app: RelyingParty, action: str, **form: str) -> str:
    """Press a button and return the page that comes after it."""
    answer = app.send("/", {"action": action, **form})
    assert answer.status_code == 303
    return app.get(answer.headers["Location"]).text


def part(page: str, name: str) -> str:
    """Return the part of the page that is about ``name``."""
    found = re.search(rf'class="card[^>]* id="{name}">(.*?)</form>', page, re.DOTALL)
    assert found is not None
    return found[1]


def test_panel_tells_who_is_signed_in(app: RelyingParty) -> None:
    page = app.get("/").text
    assert page.count("Not signed in") == 4
    assert "Nothing has happened yet." in page
    app.tokens("alice", stay=True)
    alice = part(app.get("/").text, "alice")
    sid = app.state["people"]["alice"]["sessions"][0]["sid"]
    assert f"{sid[:6]}…" in alice
    assert sid not in alice
    assert "stays signed in" in alice
    assert "One sign-in at the app" in alice


@pytest.mark.parametrize(
    ("action", "told", "then"),
    [
        ("disable/alice", "Alice disabled.", "Enable"),
        ("block/alice", "Sign-in of alice blocked.", "Allow sign-in"),
        ("enable/alice", "Alice enabled.", "Disable"),
        ("allow/alice", "Sign-in of alice allowed.", "Block sign-in"),
        ("revoke/alice", "Tokens of alice revoked.", "Not signed in"),
    ],
)
def test_button_says_what_it_has_done(
    app: RelyingParty, action: str, told: str, then: str
) -> None:
    alice = part(press(app, action), "alice")
    assert f'role="status">{told}' in alice
    assert then in alice


def test_buttons_end_sessions_and_tell_the_app(app: RelyingParty, receiver: Receiver) -> None:
    app.sign_in("alice")
    assert "1 message taken by the app" in part(press(app, "logout/alice"), "alice")
    assert "Not signed in" in part(press(app, "end/alice"), "alice")
    first, second = receiver.next(), receiver.next()
    assert app.read(first)["sid"] == app.read(second)["sid"]


def test_key_is_rotated(app: RelyingParty) -> None:
    kid = app.state["kid"]
    page = press(app, "rotate-key")
    assert "Signing key rotated." in page
    assert kid not in page
    assert app.state["kid"] in page


@pytest.mark.parametrize("seconds", ["5", "60", "86400"])
def test_interval_is_told_from_then_on(app: RelyingParty, seconds: str) -> None:
    page = press(app, "interval", seconds=seconds)
    assert f"Check interval set to {seconds} seconds." in page
    assert app.read(app.tokens("alice")["id_token"])["pci"] == int(seconds)


WRONG = ["", "4", "86401", "-60", "6e1", "1_000", "٦٠", "60.0", "<b>", "9" * 5000]


@pytest.mark.parametrize("typed", WRONG)
def test_wrong_interval_is_told_at_its_field_and_changes_nothing(
    app: RelyingParty, typed: str
) -> None:
    answer = app.send("/", {"action": "interval", "seconds": typed})
    assert answer.status_code == 422
    assert 'role="alert">Enter a whole number from 5 to 86400.' in answer.text
    assert 'aria-describedby="wrong interval-help" aria-invalid="true"' in answer.text
    assert "<b>" not in answer.text
    assert app.state["pci"] == 3600


@pytest.mark.parametrize("action", ["", "x", "disable/nobody", "delete/alice", "outage/x"])
def test_button_that_is_none_does_nothing(app: RelyingParty, action: str) -> None:
    assert app.send("/", {"action": action}).status_code == 404
    assert app.state["events"] == []


ELSEWHERE = [
    {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-site"},
    {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", ELSEWHERE)
@pytest.mark.parametrize("path", ["/", "/_control/disable/alice", "/sign-in", "/logout/confirmed"])
def test_form_of_another_site_is_refused(
    app: RelyingParty, path: str, headers: dict[str, str]
) -> None:
    form = {"action": "disable/alice"}
    answer = requests.post(app.issuer + path, form, headers=headers, timeout=10)
    assert answer.status_code == 403
    assert not app.state["people"]["alice"]["disabled"]


def test_pages_run_no_script_and_are_framed_by_nobody(app: RelyingParty) -> None:
    for page in (app.get("/"), app.ask(), app.get("/logout"), app.get("/nowhere")):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert f"form-action 'self' {app.base} " in policy
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert '<html lang="en" dir="ltr">' in page.text
    assert app.get("/look.css").headers["Content-Type"].startswith("text/css")
    assert app.get("/mark.svg").headers["Content-Type"] == "image/svg+xml"


def test_journal_is_short_and_newest_first(
    app: RelyingParty, provider: Provider, providers_clock: ProvidersClock
) -> None:
    for number in range(LENGTH + 5):
        providers_clock.advance(1)
        provider.journal.note(f"event <{number}>")
    page = app.get("/").text
    told = re.findall(r"event &lt;(\d+)&gt;", page)
    assert told == [str(number) for number in range(LENGTH + 4, 4, -1)]


# Outages

PATHS = ["/.well-known/openid-configuration", "/jwks", "/authorize", "/logout", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_outage_answers_503_to_all_but_the_panel(app: RelyingParty, path: str) -> None:
    assert "End the outage" in press(app, "outage/503")
    assert app.get(path).status_code == 503
    assert "An outage is on" in app.get("/").text
    assert app.get("/look.css").status_code == 200
    assert "Outage ended." in press(app, "outage/")
    assert app.get("/jwks").status_code == 200


def test_outage_uses_up_no_refresh_token(app: RelyingParty) -> None:
    token = app.tokens("alice")["refresh_token"]
    app.control("set", {"outage": "503"})
    assert app.renew(token).status_code == 503
    app.control("set", {"outage": ""})
    assert app.renew(token).status_code == 200


def test_outage_that_hangs_answers_nothing_and_lets_go_at_its_end(app: RelyingParty) -> None:
    app.control("set", {"outage": "hang"})
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{app.issuer}/jwks", timeout=0.2)
    assert "takes requests and does not answer" in app.get("/").text
    app.control("set", {"outage": ""})
    assert app.get("/jwks").status_code == 200


def test_outage_that_trickles_sends_byte_after_byte(
    app: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TRICKLE_SECONDS", 0.01)
    app.control("set", {"outage": "trickle"})
    with requests.get(f"{app.issuer}/jwks", timeout=5, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.raw.read(3) == b"{  "
        app.control("set", {"outage": ""})
    assert app.get("/jwks").status_code == 200


# For tests


def test_several_things_are_set_at_once(app: RelyingParty) -> None:
    told = app.control("set", {"pci": 60, "outage": "503", "kmsi": True}).json()
    assert (told["pci"], told["outage"], told["kmsi"]) == (60, "503", True)
    assert app.control("set").json()["pci"] == 60
    assert app.control("set", {"kmsi": None}).json()["kmsi"] is None


@pytest.mark.parametrize(
    "document",
    [
        *({"pci": 4}, {"pci": True}, {"pci": None}, {"pci": "x"}),
        *({"outage": "x"}, {"outage": []}, {"kmsi": "yes"}, {"kmsi": 1}, {"ttl": 1}, []),
    ],
)
def test_wrong_value_sets_nothing(app: RelyingParty, document: object) -> None:
    if isinstance(document, dict):
        document = {"pci": 60, "outage": "503"} | document
    assert app.control("set", document).status_code == 400
    assert (app.state["pci"], app.state["outage"]) == (3600, "")


def test_document_must_be_json(app: RelyingParty) -> None:
    answer = requests.post(f"{app.issuer}/_control/set", b"{", timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["disable/nobody", "disable", "x", "set/alice", "state"])
def test_unknown_action_is_not_found(app: RelyingParty, path: str) -> None:
    assert app.control(path).status_code == 404
    assert app.get("/_control/set").status_code == 404
