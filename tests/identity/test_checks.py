"""System checks of the provider: each thing set wrongly is named, with its remedy."""

from __future__ import annotations

from typing import Any

import pytest

from sessionmgr.identity import checks

GOOD = {
    "OIDC_ISSUER": "https://provider.example",
    "OIDC_RP_CLIENT_ID": "site",
    "SESSIONMGR_TOKEN_KEYS": ["k" * 43 + "="],
}


@pytest.fixture
def ids(settings: Any) -> Any:
    """Return what the checks say once ``changes`` are made to settings that are good."""

    def found(**changes: Any) -> list[str | None]:
        for name, value in {**GOOD, **changes}.items():
            setattr(settings, name, value)
        return [
            each.id
            for check in (checks.check_provider, checks.check_provider_pages)
            for each in check(None)
        ]

    return found


def test_nothing_is_said_of_what_is_right(ids: Any) -> None:
    assert ids() == []


def test_nothing_is_said_where_there_is_no_provider(ids: Any) -> None:
    assert ids(OIDC_ISSUER="", OIDC_RP_CLIENT_ID="", AUTHENTICATION_BACKENDS=[]) == []


def test_the_packages_must_be_there(ids: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    assert ids() == ["sessionmgr.E011"]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://provider.example",
        "provider.example",
        "https://",
        "https://[::1",
        "https://provider.example?tenant=1",
        "https://user:secret@provider.example",
        "http://10.0.0.1",
    ],
)
def test_an_issuer_that_is_none(ids: Any, issuer: str) -> None:
    assert ids(OIDC_ISSUER=issuer) == ["sessionmgr.E012"]


@pytest.mark.parametrize(
    "issuer", ["http://localhost:9000", "http://127.0.0.1:9000", "http://idp.localhost"]
)
def test_the_loopback_needs_no_https(ids: Any, issuer: str) -> None:
    assert ids(OIDC_ISSUER=issuer) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"OIDC_RP_CLIENT_ID": ""}, "sessionmgr.E013", id="no-client"),
        pytest.param(
            {"SESSIONMGR_SIGN_ALGORITHMS": ["HS256", "none"]}, "sessionmgr.E014", id="algorithms"
        ),
        pytest.param(
            {"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"]},
            "sessionmgr.E015",
            id="no-backend",
        ),
        pytest.param(
            {"AUTHENTICATION_BACKENDS": [checks.BACKEND, checks.PLAIN_BACKEND]},
            "sessionmgr.W005",
            id="plain-backend",
        ),
        pytest.param(
            {"MIDDLEWARE": [checks.PLAIN_REFRESH]}, "sessionmgr.W006", id="plain-refresh"
        ),
        pytest.param({"SESSIONMGR_TOKEN_KEYS": []}, "sessionmgr.W007", id="no-keys"),
        pytest.param({"OIDC_VERIFY_SSL": False}, "sessionmgr.W008", id="no-certificates"),
        pytest.param(
            {"ROOT_URLCONF": "tests.sessionmgr.no_urls"}, "sessionmgr.E016", id="no-urls"
        ),
    ],
)
def test_what_is_set_wrongly(ids: Any, changes: dict[str, Any], told: str) -> None:
    assert ids(**changes) == [told]
