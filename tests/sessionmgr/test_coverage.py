"""The coverage report notices signed-in pages that do not warn, and costs the others nothing."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from sessionmgr import coverage
from sessionmgr.jobs import purge_ended_sessions
from sessionmgr.models import BarePage
from tests.conftest import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.sessionmgr.coverage_urls")]


@pytest.fixture(autouse=True)
def switched_on(settings: Any) -> Iterator[None]:
    settings.SESSIONMGR_COVERAGE_REPORT = True
    coverage._looked_at.clear()
    yield
    coverage._looked_at.clear()


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def noted() -> list[tuple[str, str, int]]:
    return list(BarePage.objects.order_by("route").values_list("scope", "route", "sights"))


def test_page_without_the_warning_is_noted_by_its_pattern(signed_in: Client) -> None:
    signed_in.get("/bare/12345/")
    assert noted() == [("main", "bare/<int:number>/", 1)]


@pytest.mark.django_db(transaction=True)
async def test_async_server_notes_it_too(async_client: AsyncClient, alice: User) -> None:
    await async_client.aforce_login(alice)
    await async_client.get("/abare/")
    assert [row async for row in BarePage.objects.values_list("route", flat=True)] == ["abare/"]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("/with-widget/", id="widget"),
        pytest.param("/with-script/", id="script"),
        pytest.param("/with-old-script/", id="script-by-its-old-name"),
        pytest.param("/json/", id="json"),
        pytest.param("/stream/", id="stream"),
        pytest.param("/gone/", id="not-ok"),
        pytest.param("/packed/", id="encoded"),
        pytest.param("/untouched/", id="looked-at-no-session"),
        pytest.param("/no-such-page/", id="no-pattern"),
    ],
)
def test_other_answers_are_not_noted(signed_in: Client, page: str) -> None:
    signed_in.get(page)
    assert noted() == []


def test_parts_of_pages_are_not_noted(signed_in: Client) -> None:
    signed_in.get("/bare/1/", headers={"HX-Request": "true"})
    signed_in.get("/bare/1/", headers={"Sec-Fetch-Mode": "cors"})
    assert noted() == []
    signed_in.get("/bare/1/", headers={"Sec-Fetch-Mode": "navigate"})
    assert len(noted()) == 1


def test_nobody_signed_in_is_not_noted(client: Client) -> None:
    client.get("/bare/1/")
    assert noted() == []


def test_nothing_is_noted_while_it_is_off(signed_in: Client, settings: Any) -> None:
    settings.SESSIONMGR_COVERAGE_REPORT = False
    signed_in.get("/bare/1/")
    assert noted() == []


def test_pattern_is_written_once_an_hour(
    signed_in: Client, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    signed_in.get("/bare/1/")
    with django_assert_num_queries(1):
        signed_in.get("/bare/2/")
    clock.advance(minutes=59)
    signed_in.get("/bare/3/")
    assert [sights for *_, sights in noted()] == [1]
    clock.advance(minutes=1, seconds=1)
    signed_in.get("/bare/4/")
    assert [sights for *_, sights in noted()] == [2]


def test_page_that_warns_costs_no_query(
    signed_in: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        signed_in.get("/with-widget/")


def test_it_is_written_when_the_answer_is_closed(signed_in: Client) -> None:
    """So that nobody waits for it."""
    handler = signed_in.handler
    handler.load_middleware()
    request = signed_in.get("/with-widget/").wsgi_request
    request.path_info = request.path = "/bare/1/"
    del request._cached_user, request.session
    with CaptureQueriesContext(connection) as before:
        response = handler.get_response(request)
    assert not [each for each in before if "barepage" in each["sql"]]
    # As close() does, which would close the test's own connection too.
    for closer in response._resource_closers:
        closer()
    assert len(noted()) == 1


def test_trouble_with_the_report_is_nobodys_error(
    signed_in: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(type(BarePage.objects.all()), "note", refuse)
    assert signed_in.get("/bare/1/").status_code == 200
    assert "could not be noted" in caplog.text


def test_long_pattern_is_cut(signed_in: Client) -> None:
    coverage.note(
        "main", "a" * 400, signed_in.get("/bare/1/").wsgi_request.session.judgement.decision.now
    )
    assert max(len(route) for _scope, route, _sights in noted()) == 300


def test_purge_forgets_what_was_not_seen_for_long(
    signed_in: Client, clock: Clock, settings: Any
) -> None:
    settings.SESSIONMGR_HISTORY_DAYS = 10
    signed_in.get("/bare/1/")
    clock.advance(days=9)
    purge_ended_sessions()
    assert len(noted()) == 1
    clock.advance(days=1, seconds=1)
    purge_ended_sessions()
    assert noted() == []
