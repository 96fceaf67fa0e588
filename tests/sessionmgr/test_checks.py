"""Each wrong or missing setting is told by name, with its remedy; the project itself is clean."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks

from sessionmgr import checks, sealing
from sessionmgr.backends import people

ENGINE = "sessionmgr.backends.db"
OURS = "sessionmgr.middleware.SessionEnforcementMiddleware"


def ids(found: list[CheckMessage]) -> list[str | None]:
    assert all(message.hint for message in found), "each check names a remedy"
    return [message.id for message in found]


@pytest.mark.django_db  # Since 6.0 some of Django's own checks ask the database what it can do.
def test_the_reference_project_passes() -> None:
    ours = [message for message in run_checks() if str(message.id).startswith("sessionmgr.")]
    assert ours == []


def test_ids_are_unique() -> None:
    source = Path(checks.__file__).read_text()
    used = re.findall(r'id="(sessionmgr\.[EWI]\d{3})"', source)
    assert len(used) == len(set(used)) > 10


@pytest.mark.parametrize(
    "engine",
    [
        "django.contrib.sessions.backends.db",
        "django.contrib.sessions.backends.cache",
        "django.contrib.sessions.backends.signed_cookies",
        "no.such.engine",
        "sessionmgr.conf",
    ],
)
def test_a_foreign_engine_is_refused(settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = engine
    found = checks.check_engine(None)
    assert ids(found) == ["sessionmgr.E002"]
    assert found[0].hint is not None
    assert f'SESSION_ENGINE = "{ENGINE}"' in found[0].hint


def test_sessions_must_be_installed(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(checks.apps, "is_installed", lambda name: False)
    assert ids(checks.check_engine(None)) == ["sessionmgr.E001"]
    assert checks.check_databases(None) == []


def test_saving_on_every_request_is_advised_against(settings: Any) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    assert ids(checks.check_engine(None)) == ["sessionmgr.W001"]


def test_a_cookie_age_that_no_longer_limits_is_told(settings: Any) -> None:
    settings.SESSION_COOKIE_AGE = 3600
    assert ids(checks.check_engine(None)) == ["sessionmgr.W002"]


def test_the_middleware_must_be_there(settings: Any) -> None:
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if path != OURS]
    assert ids(checks.check_middleware(None)) == ["sessionmgr.E004"]


def test_the_middleware_must_come_after_authentication(settings: Any) -> None:
    settings.MIDDLEWARE = [OURS, *(path for path in settings.MIDDLEWARE if path != OURS)]
    assert ids(checks.check_middleware(None)) == ["sessionmgr.E005"] * 2


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SESSIONMGR_ACTIVITY_RESOLUTION", [0, 61, "5", True, 1.5]),
        ("SESSIONMGR_PASSIVE_PATHS", ["/a", [1], ["a"], None]),
        ("SESSIONMGR_IDENTITY_LIFETIME", [90, timedelta(), None]),
        ("SESSIONMGR_HISTORY_DAYS", [0, -1, "90", None, True]),
        ("SESSIONMGR_API_AUDIENCE", [None, ["api"]]),
        ("SESSIONMGR_BEARER_CHECK", [1, "yes", None]),
        ("SESSIONMGR_HTMX_REDIRECT", [1, "yes", None]),
        ("SESSIONMGR_COVERAGE_REPORT", [1, "yes", None]),
    ],
)
def test_a_wrong_value_is_told_by_its_name(settings: Any, name: str, values: list[Any]) -> None:
    for value in values:
        setattr(settings, name, value)
        found = checks.check_settings(None)
        assert ids(found) == ["sessionmgr.E006"]
        assert name in found[0].msg


@pytest.mark.parametrize("path", ["no.such.source", "sessionmgr.sources.DEFAULT_SCOPE", "x", None])
def test_a_policy_source_that_cannot_be_called_is_told(settings: Any, path: Any) -> None:
    settings.SESSIONMGR_POLICY_SOURCE = path
    assert ids(checks.check_sources(None)) == ["sessionmgr.E007"]


class Apart:
    """A router that tears payload and ledger apart."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "elsewhere" if model._meta.app_label == "sessions" else None


def test_payload_and_ledger_must_share_a_database(settings: Any) -> None:
    settings.DATABASE_ROUTERS = ["tests.sessionmgr.test_checks.Apart"]
    assert ids(checks.check_databases(None)) == ["sessionmgr.E008"]


def test_endpoints_and_sign_in_page_must_be_there(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.sessionmgr.no_urls"
    settings.LOGIN_URL = "/accounts/login/"
    assert ids(checks.check_pages(None)) == ["sessionmgr.E009", "sessionmgr.W003"]
    settings.LOGIN_URL = "no-such-name"
    assert ids(checks.check_pages(None)) == ["sessionmgr.E009", "sessionmgr.W003"]


def test_the_template_tag_needs_the_request(settings: Any) -> None:
    plain = {"BACKEND": "django.template.backends.django.DjangoTemplates", "NAME": "plain"}
    jinja = {"BACKEND": "django.template.backends.dummy.TemplateStrings", "NAME": "other"}
    settings.TEMPLATES = [plain, jinja]
    assert ids(checks.check_pages(None)) == ["sessionmgr.W004"]


def test_a_lookup_of_the_hosts_own_is_told(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(people, "joins_plainly", lambda: False)
    assert ids(checks.check_user_lookup(None)) == ["sessionmgr.I001"]


def test_a_backend_that_cannot_be_imported_is_djangos_matter(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["no.such.Backend"]
    assert checks.check_user_lookup(None) == []


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param("a-single-key", id="no-list"),
        pytest.param(["too-short-to-be-a-key"], id="no-key"),
        pytest.param([b"0" * 44], id="bytes"),
        pytest.param(["=" * 44], id="not-base64"),
        pytest.param(None, id="none"),
    ],
)
def test_token_keys_must_be_keys_and_are_not_shown(settings: Any, keys: Any) -> None:
    settings.SESSIONMGR_TOKEN_KEYS = keys
    found = checks.check_token_keys(None)
    assert ids(found) == ["sessionmgr.E010"]
    assert "a-single-key" not in str(found)
    assert "too-short" not in str(found)


def test_without_cryptography_it_is_told_that_forms_are_not_kept(monkeypatch: Any) -> None:
    monkeypatch.setattr(sealing, "HAS_CRYPTOGRAPHY", False)
    found = checks.check_held_forms(None)
    assert ids(found) == ["sessionmgr.I002"]
    assert "[encryption]" in str(found[0].hint)
