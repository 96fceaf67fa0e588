"""Addresses: what one may look like, and where a request leads."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from settings_app.addresses import AddressBook, Place, host_validator, prefix_validator

BOOK = AddressBook.of(
    "main",
    [
        ("legacy.example", Place("legacy")),
        ("www.example", Place("portal", "/portal/")),
        ("www.example", Place("inner", "/portal/inner/")),
        ("", Place("anywhere", "/anywhere/")),
    ],
)


@pytest.mark.parametrize(
    ("host", "path", "place"),
    [
        pytest.param("legacy.example", "/", Place("legacy"), id="host"),
        pytest.param("legacy.example", "/anywhere/", Place("legacy"), id="host-before-any-host"),
        pytest.param("www.example", "/", Place("main"), id="default"),
        pytest.param("www.example", "/portal/x", Place("portal", "/portal/"), id="path"),
        pytest.param("www.example", "/portal", Place("portal", "/portal/"), id="no-last-slash"),
        pytest.param("www.example", "/portals/", Place("main"), id="whole-segments"),
        pytest.param("www.example", "/x/portal/", Place("main"), id="from-the-start"),
        pytest.param(
            "www.example", "/portal/inner/", Place("inner", "/portal/inner/"), id="longest-path"
        ),
        pytest.param("www.example", "/anywhere/", Place("anywhere", "/anywhere/"), id="any-host"),
        pytest.param("other.example", "/portal/", Place("main"), id="unknown-host"),
    ],
)
def test_request_leads_by_host_then_by_the_longest_path(
    host: str, path: str, place: Place
) -> None:
    assert BOOK.place_of(host, path) == place


@given(host=st.text(), path=st.text())
def test_without_addresses_everything_leads_to_the_default(host: str, path: str) -> None:
    assert AddressBook("only").place_of(host, path) == Place("only")


@given(st.lists(st.sampled_from(["/a/", "/a/b/", "/b/", "/a/b/c/"]), unique=True), st.text())
def test_longest_prefix_that_fits_wins(prefixes: list[str], rest: str) -> None:
    book = AddressBook.of("main", [("h", Place(each, each)) for each in prefixes])
    for start in ("/", "/a/", "/a/b/", "/a/b/c/"):
        path = f"{start}{rest}"
        fitting = [each for each in prefixes if f"{path}/".startswith(each)]
        assert book.place_of("h", path).scope == max(fitting, key=len, default="main")


def test_hosts_that_more_than_one_environment_answers_at() -> None:
    assert BOOK.shared_hosts() == ["www.example", ""]
    apart = AddressBook.of(
        "main", [("a", Place("x")), ("b", Place("y")), ("b", Place("y", "/z/"))]
    )
    assert apart.shared_hosts() == []


@pytest.mark.parametrize(
    "host",
    [
        "portal.example.com",
        "localhost",
        "127.0.0.1",
        "a-b.example",
        "xn--bcher-kva.example",
        "[::1]",
    ],
)
def test_host_is_accepted(host: str) -> None:
    host_validator(host)


@pytest.mark.parametrize(
    "host",
    [
        "Portal.example",
        "portal.example:8000",
        "https://portal.example",
        "portal.example/",
        "-portal.example",
        "portal-.example",
        "portal..example",
        ".example",
        "portal.example.",
        "*.example",
        "bücher.example",
        "portal example",
        "portal.example\n",
        "[::1",
    ],
)
def test_malformed_host_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="Enter a host name"):
        host_validator(host)


@pytest.mark.parametrize("prefix", ["/portal/", "/a/b/", "/v1.2/", "/a~b_c-d/"])
def test_prefix_is_accepted(prefix: str) -> None:
    prefix_validator(prefix)


@pytest.mark.parametrize(
    "prefix",
    ["/", "portal/", "/portal", "//", "/a//b/", "/../", "/a/../b/", "/a b/", "/a?b/", "/a/\n"],
)
def test_malformed_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="Enter a path"):
        prefix_validator(prefix)
