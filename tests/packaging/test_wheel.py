"""What travels in the wheel, and that it needs Django and nothing else."""

import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.packaging.conftest import ROOT, run

APPS = ("sessionmgr", "settings_app")
PROJECT = "sessionmgr/project/"

#: What Django itself needs; with these and the wheel everything must work.
DJANGO_ALONE = ("django", "asgiref", "sqlparse")

SETTINGS = """
SECRET_KEY = "a key for this test, and for nothing else, of more than fifty characters"
DEBUG = True
INSTALLED_APPS = [
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles",
    "sessionmgr", "settings_app",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "sessionmgr.middleware.SessionEnforcementMiddleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]},
}]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
USE_TZ = True
ROOT_URLCONF = "host_urls"
SESSION_ENGINE = "sessionmgr.backends.db"
SESSIONMGR_POLICY_SOURCE = "settings_app.source.current_policy"
LOGIN_URL = "sessionmgr:sign_in"
# Django alone: there is nothing to encrypt with, and the check says so.
SILENCED_SYSTEM_CHECKS = ["sessionmgr.I002"]
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("session/", include("sessionmgr.urls")),
    path("admin/system-settings/", include("settings_app.urls")),
    path("admin/", admin.site.urls),
]
"""


@pytest.fixture
def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked() -> list[str]:
    """Return every file of the apps that belongs to the project."""
    listed = subprocess.run(  # noqa: S603
        ["git", "ls-files", *APPS],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def test_wheel_has_every_file_of_the_apps_but_the_reference_project(names: set[str]) -> None:
    wanted = {name for name in tracked() if not name.startswith(PROJECT)}
    assert wanted - names == set()


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("part", ["templates/", "static/", "migrations/0001", "py.typed"])
def test_wheel_has(names: set[str], app: str, part: str) -> None:
    assert any(name.startswith(f"{app}/{part}") for name in names)


@pytest.mark.parametrize("app", APPS)
@pytest.mark.parametrize("language", ["de", "fr", "ar"])
def test_wheel_has_compiled_catalogues(names: set[str], app: str, language: str) -> None:
    assert f"{app}/locale/{language}/LC_MESSAGES/django.mo" in names


def test_wheel_has_only_the_apps_and_their_metadata(names: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in names} == {*APPS, "django_sessionmgr"}
    assert not [name for name in names if name.startswith(PROJECT)]


def test_sdist_has_the_readme_and_the_licence(distributions: Path) -> None:
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "pyproject.toml"} <= names


def test_everything_works_with_django_alone(installed: Path, tmp_path: Path) -> None:
    import django

    library = tmp_path / "library"
    library.mkdir()
    packages = Path(django.__file__).parents[1]
    for name in DJANGO_ALONE:
        (library / name).symlink_to(packages / name)
    (tmp_path / "host_settings.py").write_text(SETTINGS)
    (tmp_path / "host_urls.py").write_text(URLS)
    program = (
        "import sessionmgr, settings_app, django; django.setup();"
        "from django.core.management import call_command as call;"
        "call('check', fail_level='INFO'); call('migrate', verbosity=0);"
        "call('makemigrations', check=True, dry_run=True)"
    )
    # -S: without the packages of this environment; -I would drop PYTHONPATH as well.
    printed = run(
        [sys.executable, "-S", "-c", program],
        tmp_path,
        PYTHONPATH=f"{tmp_path}:{library}:{installed}",
        DJANGO_SETTINGS_MODULE="host_settings",
        PYTHONDEVMODE="1",
    )
    assert "no issues" in printed
    assert "No changes detected" in printed
