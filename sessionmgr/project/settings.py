"""The reference project's settings: its environment decides (docs/reference/settings.md).

Without any variable it refuses to start in production mode and runs in development mode only with
``DEBUG=on``; ``make demo`` and ``make test`` set what they need.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured


def origin_of(address: str) -> str:
    """Return scheme and host of ``address``."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


BASE_DIR = Path(__file__).resolve().parents[2]

env = environ.Env()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("Set SECRET_KEY (or DEBUG=on for development).")
    SECRET_KEY = "development-only-" + "x" * 50
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["localhost", ".localhost", "127.0.0.1"] if DEBUG else []
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "sessionmgr",
    "settings_app",
    "sessionmgr.project.demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "settings_app.prefixes.PrefixMiddleware",
    "sessionmgr.cookies.ScopedSessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sessionmgr.middleware.SessionEnforcementMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "sessionmgr.project.urls"
WSGI_APPLICATION = "sessionmgr.project.wsgi.application"
ASGI_APPLICATION = "sessionmgr.project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Facts behind these options: docs/adr/0006-sqlite-options.md
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
if "DATABASE_URL" not in env.ENVIRON:
    (BASE_DIR / "var").mkdir(exist_ok=True)
DATABASES = {
    "default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'db.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
else:
    DATABASES["default"].setdefault("CONN_MAX_AGE", 60)
    DATABASES["default"].setdefault("CONN_HEALTH_CHECKS", True)
CACHES = {"default": env.cache("CACHE_URL", default="locmemcache://")}

# A folder as the broker is for one machine and a solo worker: docs/adr/0007-launcher.md
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default="filesystem://localhost//")
CELERY_BROKER_FOLDER = env.str("CELERY_BROKER_FOLDER", default=str(BASE_DIR / "var" / "broker"))

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "sessionmgr.identity.backend.ProviderBackend",
]

# Without an issuer there is no provider, and people sign in with a password of this site.
OIDC_ISSUER = env.str("OIDC_ISSUER", default="")
OIDC_RP_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_RP_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_RP_SCOPES = env.str("OIDC_SCOPES", default="openid email profile offline_access")
SESSIONMGR_CHECK_INTERVAL = env.int("SESSIONMGR_CHECK_INTERVAL", default=3600)
SESSIONMGR_OUTAGE_GRACE = timedelta(seconds=env.int("SESSIONMGR_OUTAGE_GRACE", default=86_400))
SESSIONMGR_IDENTITY_LIFETIME = timedelta(
    seconds=env.int("SESSIONMGR_IDENTITY_LIFETIME", default=90 * 86_400)
)
SESSIONMGR_PROVIDER_NAME = env.str("SESSIONMGR_PROVIDER_NAME", default="")
SESSIONMGR_LOCAL_SIGN_IN = env.bool("SESSIONMGR_LOCAL_SIGN_IN", default=True)
SESSIONMGR_ASK_TO_STAY = env.bool("SESSIONMGR_ASK_TO_STAY", default=False)
SESSIONMGR_LINK_BY_EMAIL = env.bool("SESSIONMGR_LINK_BY_EMAIL", default=False)
SESSIONMGR_CLAIMS_HOOK = env.str("SESSIONMGR_CLAIMS_HOOK", default="")
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "sign_in"

SESSION_ENGINE = "sessionmgr.backends.db"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSIONMGR_POLICY_SOURCE = "settings_app.source.current_policy"
SESSIONMGR_SCOPE_SOURCE = "settings_app.scopes.scope_of"
SESSIONMGR_PASSIVE_PATHS = env.list("SESSIONMGR_PASSIVE_PATHS", default=[])
SESSIONMGR_HISTORY_DAYS = env.int("SESSIONMGR_HISTORY_DAYS", default=90)
SESSIONMGR_TOKEN_KEYS = env.list("SESSIONMGR_TOKEN_KEYS", default=[])
SESSIONMGR_COVERAGE_REPORT = env.bool("SESSIONMGR_COVERAGE_REPORT", default=True)
SESSIONMGR_RESTORE_DEFAULTS = env.bool("SESSIONMGR_RESTORE_DEFAULTS", default=False)

# Plain HTTP only in development and on loopback (the demo sets HTTPS=off for its own server).
HTTPS = env.bool("HTTPS", default=not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_NAME = "__Host-sessionid" if HTTPS else "sessionid"
CSRF_COOKIE_NAME = "__Host-csrftoken" if HTTPS else "csrftoken"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz/$", r"^readyz/$"]
if env.bool("BEHIND_TLS_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        # A form that leads to the provider in the end, as its sign-out does.
        "form-action": [SELF, *([origin_of(OIDC_ISSUER)] if OIDC_ISSUER else [])],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "require-trusted-types-for": ["'script'"],
    },
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("fr", "Français"), ("ar", "العربية")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "var" / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"sessionmgr": {"level": "INFO"}, "settings_app": {"level": "INFO"}},
}
