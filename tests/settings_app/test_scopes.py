"""Scopes end to end: which environment a request is for, and whose session it opens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import AsyncClient, Client, RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessionmgr import sources
from sessionmgr.core.decision import SessionState, decide
from sessionmgr.core.policy import MINUTE, Policy, problems
from sessionmgr.models import State, UserSession
from settings_app import source
from settings_app.models import Address, Environment, Kind
from settings_app.saving import Author, store, stored_policy
from settings_app.scopes import environment_of, scope_of
from tests.conftest import Clock

pytestmark = pytest.mark.django_db

STATUS = "/session/status/"
BASE = "sessionid"
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def places(environment: Environment) -> dict[str, Environment]:
    """The demo's three environments, and one below a path."""
    made = {"main": environment}
    for slug, kind, host, prefix in (
        ("legacy", Kind.APPLICATION, "legacy.localhost", ""),
        ("portal", Kind.PORTAL, "portal.localhost", ""),
        ("below", Kind.APPLICATION, "", "/below/"),
    ):
        made[slug] = Environment.objects.create(
            slug=slug, name=slug.title(), version="9.1.0.3000", kind=kind
        )
        Address.objects.create(environment=made[slug], host=host, prefix=prefix)
    # As if committed: what may yet be undone is not held.
    connection.run_on_commit.clear()
    source.invalidate()
    return made


def sign_in(client: Client, host: str = "localhost", under: str = "", name: str = "alice") -> Any:
    form = {"username": name, "password": f"{name}-demo", "next": f"{under}/about/"}
    response = client.post(f"{under}/accounts/sign-in/", form, SERVER_NAME=host)
    assert response.status_code == 302, response.content
    return response


def live_in() -> list[str]:
    return sorted(UserSession.objects.live().values_list("scope", flat=True))


# --- which environment


@pytest.mark.parametrize(
    ("host", "path", "scope"),
    [
        ("localhost", "/", "main"),
        ("legacy.localhost", "/", "legacy"),
        ("legacy.localhost:8000", "/x/", "legacy"),
        ("LEGACY.localhost", "/x/", "legacy"),
        ("localhost", "/below/x/", "below"),
        ("127.0.0.1", "/", "main"),
    ],
)
def test_request_is_for_one_environment(
    places: dict[str, Environment], host: str, path: str, scope: str
) -> None:
    request = RequestFactory().get(path, headers={"host": host})
    assert scope_of(request) == scope
    known = environment_of(request)
    assert known is not None
    assert known.slug == scope


def test_default_answers_for_hosts_that_no_address_names(places: dict[str, Environment]) -> None:
    Environment.objects.filter(slug="main").update(is_default=False)
    Environment.objects.filter(slug="portal").update(is_default=True)
    source.invalidate()
    assert scope_of(RequestFactory().get("/")) == "portal"


def test_unknown_host_is_refused_by_django(client: Client, places: dict[str, Environment]) -> None:
    assert client.get("/", SERVER_NAME="evil.example").status_code == 400


@pytest.mark.django_db(transaction=True)
async def test_unknown_host_is_refused_in_async_as_well(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    assert (await AsyncClient().get("/healthz/")).status_code == 400


def test_no_query_in_steady_state(
    client: Client, places: dict[str, Environment], alice: User, django_assert_num_queries: Any
) -> None:
    sign_in(client, "portal.localhost")
    client.get(STATUS, SERVER_NAME="portal.localhost")
    with django_assert_num_queries(1):
        assert client.get(STATUS, SERVER_NAME="portal.localhost").status_code == 200
    with django_assert_num_queries(0):
        client.get("/healthz/", SERVER_NAME="legacy.localhost")


def test_scope_of_a_request_stays_what_it_was(places: dict[str, Environment]) -> None:
    request = RequestFactory().get("/", SERVER_NAME="legacy.localhost")
    assert sources.scope_of(request) == "legacy"
    Address.objects.all().delete()
    source.invalidate()
    assert sources.scope_of(request) == "legacy"


# --- whose session


def test_each_environment_has_a_sign_in_and_a_cookie_of_its_own(
    client: Client, places: dict[str, Environment], alice: User
) -> None:
    for host, name in (
        ("localhost", BASE),
        ("legacy.localhost", f"{BASE}_legacy"),
        ("portal.localhost", f"{BASE}_portal"),
    ):
        assert client.get(STATUS, SERVER_NAME=host).status_code == 401
        response = sign_in(client, host)
        assert [each for each in response.cookies if each.startswith(BASE)] == [name]
        assert client.get(STATUS, SERVER_NAME=host).status_code == 200
    assert live_in() == ["legacy", "main", "portal"]
    client.post("/session/sign-out/", SERVER_NAME="portal.localhost")
    assert client.cookies[f"{BASE}_portal"].value == ""
    assert client.get(STATUS, SERVER_NAME="localhost").status_code == 200
    assert live_in() == ["legacy", "main"]


def test_two_environments_on_one_host_do_not_meet(
    client: Client, places: dict[str, Environment], alice: User, bob: User
) -> None:
    sign_in(client)
    response = sign_in(client, under="/below", name="bob")
    assert response["Location"] == "/below/about/"
    assert f"{BASE}_below" in response.cookies
    pages = [client.get(f"{under}/").content.decode() for under in ("", "/below")]
    assert ["Hello, alice" in page for page in pages] == [True, False]
    assert ["Hello, bob" in page for page in pages] == [False, True]
    client.post("/below/session/sign-out/")
    assert client.get(STATUS).status_code == 200
    assert client.get(f"/below{STATUS}").status_code == 401


def carry(client: Client, scope: str, name: str) -> Client:
    """Return a browser that holds the session of ``scope`` under another cookie's name."""
    other = Client()
    other.cookies[name] = client.cookies[BASE if scope == "main" else f"{BASE}_{scope}"].value
    return other


@pytest.mark.parametrize(
    ("begun", "host", "name"),
    [
        ("main", "portal.localhost", f"{BASE}_portal"),
        ("portal", "localhost", BASE),
        ("legacy", "portal.localhost", f"{BASE}_portal"),
    ],
)
def test_session_is_valid_only_where_it_began(
    client: Client,
    places: dict[str, Environment],
    alice: User,
    begun: str,
    host: str,
    name: str,
) -> None:
    home = "localhost" if begun == "main" else f"{begun}.localhost"
    sign_in(client, home)
    thief = carry(client, begun, name)
    answer = thief.get(STATUS, SERVER_NAME=host)
    assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_scope")
    page = thief.get("/about/", SERVER_NAME=host)
    assert "reason=wrong_scope" in page["Location"]
    assert (
        "You are not signed in here."
        in thief.get(page["Location"], SERVER_NAME=host).content.decode()
    )
    assert thief.cookies[name].value
    assert client.get(STATUS, SERVER_NAME=home).status_code == 200
    assert UserSession.objects.get().state == State.LIVE


@pytest.mark.django_db(transaction=True)
async def test_session_is_valid_only_where_it_began_in_async_as_well(
    places: dict[str, Environment], alice: User
) -> None:
    at_home = AsyncClient()
    await at_home.aforce_login(alice)
    elsewhere = AsyncClient()
    elsewhere.cookies[f"{BASE}_below"] = at_home.cookies[BASE].value
    assert (await elsewhere.get(f"/below{STATUS}")).json()["reason"] == "wrong_scope"
    assert (await at_home.get(STATUS)).status_code == 200


def test_form_that_arrives_in_the_wrong_place_is_not_kept(
    client: Client, places: dict[str, Environment], alice: User
) -> None:
    sign_in(client)
    thief = carry(client, "main", f"{BASE}_portal")
    response = thief.post("/demo/form/", {"findings": "typed"}, SERVER_NAME="portal.localhost")
    assert "held" not in response["Location"]
    assert "reason=wrong_scope" in response["Location"]


def test_plain_session_middleware_leaves_a_shared_cookie_alone(
    client: Client, places: dict[str, Environment], alice: User, settings: Any
) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware" if "cookies" in path else path
        for path in settings.MIDDLEWARE
    ]
    sign_in(client)
    for path in ("/about/", STATUS, "/"):
        client.get(path, SERVER_NAME="legacy.localhost")
    assert client.get(STATUS).status_code == 200


def test_lost_database_is_told_before_any_environment_is_known(
    client: Client, places: dict[str, Environment], monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    def lost() -> source.Held:
        raise OperationalError("lost")

    known = source.read()
    monkeypatch.setattr(source, "read", lost)
    source.invalidate()
    assert client.get("/healthz/").status_code == 503
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "prefixes" not in path]
    assert Client().get("/healthz/").status_code == 503
    source._holder.held = source.Held(known.policies, -9.0, known.environments, known.addresses)
    assert client.get("/healthz/", SERVER_NAME="portal.localhost").status_code == 200


async def test_lost_database_is_told_in_async_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> source.Held:
        raise OperationalError("lost")

    monkeypatch.setattr(source, "read", lost)
    assert (await AsyncClient().get("/healthz/")).status_code == 503


# --- portals


def test_portal_has_a_sign_in_page_of_its_own(
    client: Client, places: dict[str, Environment]
) -> None:
    page = client.get("/accounts/sign-in/", SERVER_NAME="portal.localhost")
    assert page.templates[0].name == "sessionmgr/sign_in_portal.html"
    assert '<p class="settings-portal">Portal</p>' in page.content.decode()
    for host in ("localhost", "legacy.localhost"):
        page = client.get("/accounts/sign-in/", SERVER_NAME=host)
        assert page.templates[0].name == "sessionmgr/sign_in.html"


def test_about_tells_the_environment_and_its_kind(
    client: Client, places: dict[str, Environment], alice: User
) -> None:
    sign_in(client, "portal.localhost")
    page = client.get("/about/", SERVER_NAME="portal.localhost").content.decode()
    assert "Portal (portal), version 9.1.0.3000" in page


def test_clocks_of_a_portal_are_its_own(
    client: Client, places: dict[str, Environment], alice: User, clock: Clock
) -> None:
    put(places["portal"], Policy(custom_length=True, max_session_length=60 * MINUTE))
    put(places["main"], Policy(custom_length=True, max_session_length=90 * MINUTE))
    for host in ("localhost", "portal.localhost"):
        sign_in(client, host)
    clock.advance(minutes=60)
    assert client.get(STATUS, SERVER_NAME="portal.localhost").json()["reason"] == "session_length"
    assert client.get(STATUS).json()["session_seconds"] == 30 * 60


def put(environment: Environment, policy: Policy) -> None:
    based_on = stored_policy(environment).version
    store(environment, policy, based_on=based_on, author=Author(name="test"))
    source.invalidate()


def minutes(least: int, most: int) -> st.SearchStrategy[timedelta]:
    return st.integers(least, most).map(lambda count: count * MINUTE)


POLICIES = st.builds(
    Policy,
    custom_length=st.booleans(),
    max_session_length=minutes(60, 1440),
    session_warning=minutes(1, 59),
    inactivity_enabled=st.booleans(),
    inactivity_duration=minutes(5, 1440),
    inactivity_warning=minutes(1, 4),
).filter(lambda policy: not problems(policy))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(before=POLICIES, saves=st.lists(POLICIES, min_size=1, max_size=3), data=st.data())
def test_neither_sides_settings_move_the_others_deadline(
    places: dict[str, Environment],
    before: Policy,
    saves: list[Policy],
    data: st.DataObject,
) -> None:
    """The portal's, and the application's, whichever is saved (R13)."""
    ours, others = data.draw(st.permutations(["main", "portal"]))
    put(places[ours], before)
    held = source.current_policy(ours)
    state = SessionState(authenticated_at=BEGIN, last_activity_at=BEGIN + 5 * MINUTE)
    deadlines = decide(held, state, BEGIN).limits
    for policy in saves:
        put(places[others], policy)
        assert source.current_policy(ours) == held
        assert decide(source.current_policy(ours), state, BEGIN).limits == deadlines
