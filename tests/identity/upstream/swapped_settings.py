"""The reference project's settings, with what mozilla-django-oidc's tests take as given."""

import os

os.environ.update(
    DEBUG="off",
    HTTPS="off",
    SECRET_KEY="a key for the tests of another package, and in no other use at all",
    DATABASE_URL="sqlite://:memory:",
    ALLOWED_HOSTS="testserver",
)

from sessionmgr.project.settings import *  # noqa: F403
from sessionmgr.project.settings import STORAGES

ROOT_URLCONF = "swapped_urls"
OIDC_ISSUER = "https://server.example.com"
OIDC_OP_AUTHORIZATION_ENDPOINT = "https://server.example.com/auth"
OIDC_OP_TOKEN_ENDPOINT = "https://server.example.com/token"
OIDC_OP_USER_ENDPOINT = "https://server.example.com/user"
OIDC_OP_JWKS_ENDPOINT = "https://server.example.com/jwks"
OIDC_RP_CLIENT_ID = "example_id"
OIDC_RP_CLIENT_SECRET = "client_secret"
OIDC_RP_SCOPES = "openid email"
OIDC_RP_SIGN_ALGO = "HS256"
OIDC_USERNAME_ALGO = None
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SESSIONMGR_COVERAGE_REPORT = False
