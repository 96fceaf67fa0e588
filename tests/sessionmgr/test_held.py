"""A form that arrives after the end: not executed, kept for its writer, shown, sent once."""

import logging
import re
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html.parser import HTMLParser
from threading import Barrier
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from asgiref.sync import sync_to_async
from cryptography.fernet import Fernet
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.views.debug import ExceptionReporter

from sessionmgr import held, sealing
from sessionmgr.backends.db import SessionStore
from sessionmgr.core.policy import Policy
from sessionmgr.core.reasons import EndReason
from sessionmgr.enforcement import end
from sessionmgr.jobs import expire_stale_sessions, purge_ended_sessions
from sessionmgr.models import HeldForm, UserSession
from tests.conftest import Clock
from tests.sessionmgr.held_urls import RUNS

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.sessionmgr.held_urls")]

BOTH = pytest.mark.parametrize("page", ["/report/", "/areport/"])
#: What a browser says of a form on a page of this site.
OWN_PAGE = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
TYPED = {"customer": "Ada <b>", "findings": "\nfirst\nsecond", "tags": ["b", "a", "b"]}


@pytest.fixture(autouse=True)
def runs() -> Iterator[None]:
    RUNS.clear()
    yield
    RUNS.clear()


@pytest.fixture
def ended(client: Client, alice: User) -> Client:
    """A browser whose sign-in has ended."""
    sign_in(client, alice)
    end_all()
    return client


def sign_in(client: Client, user: User) -> None:
    client.force_login(user)


def end_all(reason: EndReason = EndReason.INACTIVITY) -> None:
    for pk in UserSession.objects.live().values_list("pk", flat=True):
        end(pk, reason, using="default")


def post(client: Client, page: str = "/report/", typed: Any = TYPED, **more: Any) -> Any:
    return client.post(page, typed, headers=more.pop("headers", OWN_PAGE), **more)


def hold(client: Client, **more: Any) -> str:
    """Send a form too late and return the page that shows it."""
    page = held_page(post(client, **more))
    assert page is not None
    return page


def held_page(response: Any) -> str | None:
    assert response.status_code == 302
    back = parse_qs(urlsplit(response["Location"]).query).get("next", [""])[0]
    return back if back.startswith("/session/held/") else None


class Fields(HTMLParser):
    """The fields of each form of a page, as a browser would send them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, list[tuple[str, str]]]] = []
        self.area: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((of["action"], []))
        elif tag == "input":
            self.forms[-1][1].append((of["name"], of.get("value", "")))
        elif tag == "textarea":
            self.area = of["name"]
            self.forms[-1][1].append((of["name"], ""))

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            self.forms[-1][1][-1] = (self.area, data.removeprefix("\n"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.area = None


def form_on(page: Any) -> tuple[str, dict[str, list[str]]]:
    """Return where the held form goes to, and its fields."""
    forms = Fields(page.content.decode()).forms
    action, fields = next(each for each in forms if held.ONE_TIME in dict(each[1]))
    typed: dict[str, list[str]] = {}
    for name, value in fields:
        typed.setdefault(name, []).append(value)
    return action, typed


def send(client: Any, action: str, typed: dict[str, Any]) -> Any:
    """Press "Send" as a browser does; a coroutine from an async client."""
    body = urlencode(typed, doseq=True)
    return client.post(action, body, content_type=held.URLENCODED, headers=OWN_PAGE)


# --- kept


@BOTH
def test_late_form_is_not_executed_but_kept(ended: Client, page: str) -> None:
    response = post(ended, page)
    assert response["Location"].startswith("/session/signed-out/?reason=inactivity&")
    assert held_page(response)
    assert RUNS == []
    assert "kept for 15 minutes" in ended.get(response["Location"]).content.decode()


@pytest.mark.django_db(transaction=True)
async def test_async_server_keeps_it_and_sends_it_once(
    async_client: AsyncClient, alice: User
) -> None:
    await async_client.aforce_login(alice)
    await sync_to_async(end_all)()
    where = held_page(await async_client.post("/areport/", TYPED, headers=OWN_PAGE))
    assert where
    assert RUNS == []
    await async_client.aforce_login(alice)
    action, typed = form_on(await async_client.get(where))
    assert (await send(async_client, action, typed)).content == b"done"
    assert (await send(async_client, action, typed)).status_code == 409
    assert len(RUNS) == 1


@BOTH
def test_same_user_finds_it_filled_in_and_sends_it_once(
    ended: Client, alice: User, page: str
) -> None:
    where = hold(ended, page=page + "?step=2")
    sign_in(ended, alice)
    shown = ended.get(where)
    assert shown.status_code == 200
    assert "no-store" in shown["Cache-Control"]
    assert "Ada &lt;b&gt;" in shown.content.decode()
    action, typed = form_on(shown)
    assert action == page + "?step=2"
    typed.pop("csrfmiddlewaretoken")
    again = dict(typed)
    assert send(ended, action, typed).content == b"done"
    assert RUNS == [
        {"customer": ["Ada <b>"], "findings": ["\nfirst\nsecond"], "tags": ["b", "a", "b"]}
    ]
    second = send(ended, action, again)
    assert second.status_code == 409
    assert "already sent" in second.content.decode()
    assert len(RUNS) == 1
    assert ended.get(where).status_code == 404


@pytest.fixture
def strict(alice: User) -> Client:
    """A browser against a server that asks for the CSRF token; alice's sign-in has ended."""
    client = Client(enforce_csrf_checks=True)
    client.get("/accounts/sign-in/")
    client.force_login(alice)
    end_all()
    return client


def test_form_with_a_stale_csrf_token_is_kept_and_gets_a_fresh_one(
    strict: Client, alice: User
) -> None:
    where = hold(strict, typed={"customer": "Ada", "csrfmiddlewaretoken": "x" * 64})
    sign_in(strict, alice)
    action, typed = form_on(strict.get(where))
    assert send(strict, action, {**typed, "csrfmiddlewaretoken": "y" * 64}).status_code == 403
    assert RUNS == []
    send(strict, action, typed)
    assert [run["customer"] for run in RUNS] == [["Ada"]]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "https://evil.example"}, id="other-origin"),
        pytest.param({"Origin": "null"}, id="opaque-origin"),
        pytest.param({"Referer": "https://evil.example/form/"}, id="other-referer"),
        pytest.param({"Origin": "https://testserver"}, id="other-scheme"),
        pytest.param({"Origin": "http://testserver:81"}, id="other-port"),
        pytest.param({**OWN_PAGE, "Sec-Fetch-Site": "cross-site"}, id="cross-site"),
        pytest.param({**OWN_PAGE, "Sec-Fetch-Site": "same-site"}, id="sibling-site"),
        pytest.param({}, id="nobody-knows"),
        pytest.param({**OWN_PAGE, "Sec-Fetch-Mode": "cors"}, id="fetch"),
        pytest.param({**OWN_PAGE, "HX-Request": "true"}, id="htmx"),
        pytest.param({**OWN_PAGE, "X-Requested-With": "XMLHttpRequest"}, id="xhr"),
        pytest.param({**OWN_PAGE, "Accept": "application/json"}, id="json-client"),
    ],
)
def test_only_a_form_of_an_own_page_is_kept(strict: Client, headers: dict[str, str]) -> None:
    response = post(strict, headers=headers)
    assert response.status_code in (302, 401, 403)
    assert not HeldForm.objects.exists()
    assert RUNS == []


def test_referer_will_do_for_an_origin(ended: Client) -> None:
    assert hold(ended, headers={"Referer": "http://testserver/report/"})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param('{"customer": "Ada"}', "application/json", id="json"),
        pytest.param("customer=Ada", "text/plain", id="text"),
    ],
)
def test_only_forms_are_kept(ended: Client, body: str, content_type: str) -> None:
    ended.post("/report/", body, content_type=content_type, headers=OWN_PAGE)
    assert not HeldForm.objects.exists()


def test_put_is_not_kept(ended: Client) -> None:
    body = "customer=Ada"
    ended.put("/report/", body, content_type=held.URLENCODED, headers=OWN_PAGE)
    assert not HeldForm.objects.exists()


def test_nobodys_form_is_not_kept(client: Client, db: None) -> None:
    client.cookies["sessionid"] = "a" * 32
    assert held_page(post(client)) is None
    assert not HeldForm.objects.exists()


def test_page_open_to_all_just_works(ended: Client) -> None:
    assert post(ended, "/open/").content == b"done"
    assert not HeldForm.objects.exists()


@pytest.mark.parametrize("page", ["/accounts/sign-in/", "/session/sign-out/", "/session/touch/"])
def test_signing_in_and_out_is_not_kept(strict: Client, page: str) -> None:
    post(strict, page, {"username": "alice", "password": "alice-demo"})
    assert not HeldForm.objects.exists()


def test_doubtful_end_keeps_nothing(client: Client, alice: User) -> None:
    sign_in(client, alice)
    end_all(EndReason.IDENTITY_MISMATCH)
    assert held_page(post(client)) is None


def test_address_that_leads_elsewhere_is_not_kept(ended: Client) -> None:
    response = post(ended, "/", PATH_INFO="//evil.example/")
    assert response.status_code == 302
    assert not HeldForm.objects.exists()


# --- what is kept


@pytest.mark.parametrize(
    "name",
    ["password", "old_passwd", "clientSecret", "api-token", "Card_Number", "cvv", "pwd"],
)
def test_secrets_are_never_kept_and_asked_again(ended: Client, alice: User, name: str) -> None:
    where = hold(ended, typed={"customer": "Ada", name: "hush-hush"})
    assert b"hush-hush" not in plaintext()
    sign_in(ended, alice)
    page = ended.get(where)
    assert form_on(page)[1][name] == [""]
    assert 'type="password"' in page.content.decode()


def test_csrf_token_is_not_kept(ended: Client) -> None:
    hold(ended, typed={"customer": "Ada", "csrfmiddlewaretoken": "old-token"})
    assert b"old-token" not in plaintext()


def test_what_a_view_calls_sensitive_is_not_kept(ended: Client) -> None:
    hold(ended, page="/sensitive/", typed={"customer": "Ada", "diagnosis": "flu"})
    assert b"Ada" in plaintext()
    assert b"flu" not in plaintext()


def test_all_sensitive_keeps_nothing(ended: Client) -> None:
    assert held_page(post(ended, "/all-sensitive/")) is None


def plaintext() -> bytes:
    found = sealing.unseal(held.PURPOSE, HeldForm.objects.get().sealed)
    assert found is not None
    return found


def test_row_shows_nothing_of_it(ended: Client) -> None:
    hold(ended)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM sessionmgr_heldform")
        row = str(cursor.fetchall())
    assert "Ada" not in row
    assert "first" not in row


def test_files_are_named_as_not_kept(ended: Client, alice: User) -> None:
    scan = SimpleUploadedFile("<scan>.pdf", b"content of the file")
    where = hold(ended, typed={"customer": "Ada", "scan": scan})
    assert b"content of the file" not in plaintext()
    sign_in(ended, alice)
    page = ended.get(where)
    assert "&lt;scan&gt;.pdf" in page.content.decode()
    assert "scan" not in form_on(page)[1]


def test_long_and_several_lines_get_an_area(ended: Client, alice: User) -> None:
    where = hold(ended, typed={"short": "a", "long": "a" * 81, "lines": "a\nb"})
    sign_in(ended, alice)
    page = ended.get(where).content.decode()
    assert re.findall(r'<textarea[^>]* name="(\w+)"', page) == ["long", "lines"]
    assert re.findall(r'<input[^>]* name="(short)"', page) == ["short"]


@pytest.mark.parametrize(
    ("typed", "is_kept"),
    [
        pytest.param({f"f{n}": "x" for n in range(200)}, True, id="200-fields"),
        pytest.param({f"f{n}": "x" for n in range(201)}, False, id="201-fields"),
        pytest.param({"f": ["x"] * 201}, False, id="201-values"),
        pytest.param({"f": "x" * 250 * 1024}, True, id="250-kb"),
        pytest.param({"f": "x" * 256 * 1024}, False, id="256-kb"),
        pytest.param({"f": "", "g": ""}, False, id="nothing-typed"),
    ],
)
def test_size_is_bounded(ended: Client, typed: Any, is_kept: bool) -> None:
    assert bool(held_page(post(ended, typed=typed))) is is_kept


def test_number_for_one_user_is_bounded(ended: Client, alice: User, clock: Clock) -> None:
    first = hold(ended)
    for _time in range(held.MAX_FORMS):
        clock.advance(seconds=1)
        sign_in(ended, alice)
        end_all()
        hold(ended)
    assert HeldForm.objects.count() == held.MAX_FORMS
    assert not HeldForm.objects.filter(pk=first.split("/")[3]).exists()


def test_id_is_long_and_new_each_time(ended: Client, alice: User) -> None:
    first = hold(ended)
    sign_in(ended, alice)
    end_all()
    second = hold(ended)
    assert first != second
    assert len(first.split("/")[3]) == 43  # 256 bits


# --- who may see it


def test_other_user_unknown_and_late_get_one_and_the_same_page(
    ended: Client, alice: User, bob: User, clock: Clock
) -> None:
    where = hold(ended)
    sign_in(ended, bob)
    answers = [ended.get(where), ended.get("/session/held/unknown/"), ended.post(where)]
    assert HeldForm.objects.count() == 1
    sign_in(ended, alice)
    assert ended.get(where).status_code == 200
    clock.advance(minutes=15)
    answers += [ended.get(where), ended.post(where)]
    assert {answer.status_code for answer in answers} == {404}
    cards = {
        answer.content.decode().partition("<main")[2].partition("</main")[0] for answer in answers
    }
    assert len(cards) == 1
    assert "no longer here" in cards.pop()
    assert all("no-store" in answer["Cache-Control"] for answer in answers)


def test_it_is_there_to_the_last_second(ended: Client, alice: User, clock: Clock) -> None:
    where = hold(ended)
    clock.advance(minutes=14, seconds=50)
    sign_in(ended, alice)
    assert ended.get(where).status_code == 200


def test_it_is_there_at_its_own_host_alone(ended: Client, alice: User) -> None:
    where = hold(ended)
    sign_in(ended, alice)
    assert ended.get(where, SERVER_NAME="portal.localhost").status_code == 404
    assert ended.get(where).status_code == 200


def test_it_needs_a_sign_in(ended: Client, client: Client) -> None:
    where = hold(ended)
    response = Client().get(where)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/sign-in/?next=/session/held/")


def test_other_user_cannot_send_it(ended: Client, alice: User, bob: User) -> None:
    where = hold(ended)
    sign_in(ended, alice)
    action, typed = form_on(ended.get(where))
    sign_in(ended, bob)
    assert send(ended, action, typed).status_code == 404
    assert RUNS == []
    assert HeldForm.objects.get().sent_at is None


def test_altered_content_is_no_longer_there(ended: Client, alice: User) -> None:
    where = hold(ended)
    row = HeldForm.objects.get()
    middle = len(row.sealed) // 2
    altered = (
        row.sealed[:middle]
        + ("A" if row.sealed[middle] != "A" else "B")
        + row.sealed[middle + 1 :]
    )
    HeldForm.objects.update(sealed=altered)
    sign_in(ended, alice)
    assert ended.get(where).status_code == 404


def test_content_cannot_be_moved_to_another_row(ended: Client, alice: User, bob: User) -> None:
    hold(ended)
    secret_of_alice = HeldForm.objects.get().sealed
    sign_in(ended, bob)
    end_all()
    where = hold(ended)
    HeldForm.objects.filter(user=bob).update(sealed=secret_of_alice)
    sign_in(ended, bob)
    assert ended.get(where).status_code == 404
    path = HeldForm.objects.get(user=alice)
    HeldForm.objects.filter(pk=path.pk).update(path="/elsewhere/")
    sign_in(ended, alice)
    assert ended.get(f"/session/held/{path.pk}/").status_code == 404


# --- sent, discarded, come too late again


def test_discard_removes_it(ended: Client, alice: User) -> None:
    where = hold(ended)
    sign_in(ended, alice)
    assert "Discarded" in ended.post(where).content.decode()
    assert not HeldForm.objects.exists()
    assert ended.get(where).status_code == 404


def test_discarding_needs_the_csrf_token(strict: Client, alice: User) -> None:
    where = hold(strict)
    sign_in(strict, alice)
    assert strict.post(where).status_code == 403
    assert HeldForm.objects.exists()


def test_send_after_the_time_is_up_still_runs_once(
    ended: Client, alice: User, clock: Clock
) -> None:
    where = hold(ended)
    sign_in(ended, alice)
    action, typed = form_on(ended.get(where))
    clock.advance(minutes=20)
    expire_stale_sessions()
    purge_ended_sessions()
    assert send(ended, action, typed).content == b"done"
    assert send(ended, action, typed).status_code == 409
    assert len(RUNS) == 1


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="the tests' SQLite is one connection for all threads"
)
@pytest.mark.django_db(transaction=True)
def test_of_sends_at_one_moment_one_runs(client: Client, alice: User, live_server: Any) -> None:
    sign_in(client, alice)
    end_all()
    where = hold(client)
    sign_in(client, alice)
    action, typed = form_on(client.get(where))
    body = urlencode(typed, doseq=True).encode()
    headers = {
        "Cookie": "; ".join(f"{name}={each.value}" for name, each in client.cookies.items())
    }
    start = Barrier(6)

    def send_now(_number: int) -> int:
        request = Request(live_server.url + action, body, headers)  # noqa: S310
        start.wait()
        try:
            with urlopen(request) as answer:  # noqa: S310
                return int(answer.status)
        except HTTPError as refusal:
            refusal.close()
            return refusal.code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(send_now, range(6))) == [200] + [409] * 5
    assert len(RUNS) == 1


def test_view_that_fails_leaves_it_to_be_sent_again(ended: Client, alice: User) -> None:
    where = hold(ended, page="/failing/")
    sign_in(ended, alice)
    ended.raise_request_exception = False
    action, typed = form_on(ended.get(where))
    assert send(ended, action, typed).status_code == 500
    assert ended.get(where).status_code == 200


def test_too_late_once_more_takes_the_place_of_the_first(ended: Client, alice: User) -> None:
    where = hold(ended)
    sign_in(ended, alice)
    action, typed = form_on(ended.get(where))
    end_all()
    second = held_page(send(ended, action, {**typed, "customer": "Grace"}))
    assert second not in (None, where)
    assert RUNS == []
    sign_in(ended, alice)
    assert ended.get(where).status_code == 404
    action, typed = form_on(ended.get(second))
    assert typed["customer"] == ["Grace"]
    assert send(ended, action, typed).content == b"done"
    assert held.ONE_TIME not in RUNS[0]


def test_what_was_sent_is_not_kept_once_more(ended: Client, alice: User) -> None:
    where = hold(ended)
    sign_in(ended, alice)
    action, typed = form_on(ended.get(where))
    send(ended, action, typed)
    end_all()
    assert held_page(send(ended, action, typed)) is None
    assert len(RUNS) == 1


def test_stranger_with_a_one_time_field_runs_nothing(ended: Client, alice: User) -> None:
    where = hold(ended, page="/report/")
    sign_in(ended, alice)
    _action, typed = form_on(ended.get(where))
    response = send(Client(), "/open/", typed)
    assert response["Location"].startswith("/accounts/sign-in/")
    assert RUNS == []


def test_other_forms_cost_no_query_more(client: Client, alice: User) -> None:
    sign_in(client, alice)
    with CaptureQueriesContext(connection) as queries:
        send(client, "/report/", {"customer": "Ada"})
    assert not [each for each in queries if "heldform" in each["sql"]]


# --- keys


def test_keys_can_be_rotated(ended: Client, alice: User, settings: Any) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.SESSIONMGR_TOKEN_KEYS = [old]
    where = hold(ended)
    sign_in(ended, alice)
    settings.SESSIONMGR_TOKEN_KEYS = [new, old]
    assert ended.get(where).status_code == 200
    settings.SESSIONMGR_TOKEN_KEYS = [new]
    assert ended.get(where).status_code == 404


def test_without_keys_of_their_own_the_secret_key_and_its_fallbacks_open_it(
    ended: Client, alice: User, settings: Any
) -> None:
    where = hold(ended)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, as long as the first one was, or longer"
    sign_in(ended, alice)
    assert ended.get(where).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert sealing.unseal(held.PURPOSE, HeldForm.objects.get().sealed) is None


def test_what_is_sealed_for_one_purpose_opens_for_no_other() -> None:
    sealed = sealing.seal("held form", b"content")
    assert sealing.unseal("held form", sealed) == b"content"
    assert sealing.unseal("refresh token", sealed) is None


def test_without_cryptography_nothing_is_kept(
    ended: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "HAS_CRYPTOGRAPHY", False)
    response = post(ended)
    assert response["Location"].startswith("/session/signed-out/")
    assert held_page(response) is None


# --- jobs, logs, errors


def test_sweep_wipes_the_content_and_purge_the_row(ended: Client, clock: Clock) -> None:
    hold(ended)
    clock.advance(minutes=14)
    expire_stale_sessions()
    assert HeldForm.objects.get().sealed
    clock.advance(minutes=1, seconds=1)
    expire_stale_sessions()
    assert HeldForm.objects.get().sealed == ""
    purge_ended_sessions()
    assert HeldForm.objects.exists()
    clock.advance(days=1)
    purge_ended_sessions()
    assert not HeldForm.objects.exists()


def test_trouble_with_keeping_is_logged_without_what_was_typed(
    ended: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Any, **options: Any) -> None:
        raise DatabaseError(f"failing row contains {self.sealed} Ada")

    monkeypatch.setattr(HeldForm, "save", refuse)
    caplog.set_level(logging.DEBUG)
    assert held_page(post(ended)) is None
    assert "could not be kept" in caplog.text
    assert "Ada" not in caplog.text


def test_error_report_shows_nothing_of_it(
    ended: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(*_arguments: Any) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(sealing, "seal", fail)
    factory = RequestFactory()
    request = factory.post("/report/", TYPED, headers=OWN_PAGE)
    request.resolver_match = None  # type: ignore[assignment]
    session = SessionStore(ended.cookies["sessionid"].value)
    session.get("x")
    try:
        held.keep(request, session)
    except RuntimeError:
        report = ExceptionReporter(request, *sys.exc_info()).get_traceback_data()
    assert "Ada" not in str(report["filtered_POST_items"])
    frames = str(
        [frame["vars"] for frame in report["frames"] if "sessionmgr" in frame["filename"]]
    )
    assert "Ada" not in frames


def test_policy_of_time_makes_no_difference(
    client: Client, alice: User, policy: Callable[..., Policy], clock: Clock
) -> None:
    policy(inactivity_enabled=True)
    sign_in(client, alice)
    clock.advance(minutes=31)
    where = hold(client)
    row = HeldForm.objects.get()
    assert row.expires_at - row.created_at == timedelta(minutes=15)
    sign_in(client, alice)
    assert client.get(where).status_code == 200
