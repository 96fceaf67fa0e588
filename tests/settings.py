"""The reference project's settings, as the tests run them: ``DATABASE_URL`` picks the database."""

import os

os.environ.setdefault("DEBUG", "off")
os.environ.setdefault("HTTPS", "off")
os.environ.setdefault("SECRET_KEY", "a key for tests, long enough to be one, and in no other use")
os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
os.environ.setdefault("ALLOWED_HOSTS", "testserver,localhost,.localhost,127.0.0.1")

from sessionmgr.project.settings import *  # noqa: F403
from sessionmgr.project.settings import STORAGES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
#: Pages of tests are bare, and their queries counted.
SESSIONMGR_COVERAGE_REPORT = False
#: No connection beside the test's own.
SESSIONMGR_POLICY_REFRESH = "request"
