"""Who is measured: one small Django project, and what each configuration adds to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sessionmgr.core.policy import Policy

#: Where the peers are installed; no other process of the project sees them.
PEERS = Path(__file__).resolve().parents[1] / "var" / "benchmark-peers"

#: The same limits for everyone who has limits: 24 hours, and 30 minutes without activity.
IDLE_SECONDS = 1800
LENGTH_SECONDS = 86_400


@dataclass(frozen=True)
class Contestant:
    """One configuration: its apps, what follows Django's middleware, and its own settings."""

    label: str
    apps: tuple[str, ...] = ()
    middleware: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    has_async: bool = False


CONTESTANTS = {
    "django": Contestant("plain Django, `db` engine", has_async=True),
    "control": Contestant(
        "control: plus a middleware that does nothing",
        middleware=("benchmarks.contestants.do_nothing",),
        has_async=True,
    ),
    "sessionmgr": Contestant(
        "**this project**",
        apps=("sessionmgr",),
        middleware=("sessionmgr.middleware.SessionEnforcementMiddleware",),
        settings={
            "SESSION_ENGINE": "sessionmgr.backends.db",
            "SESSIONMGR_POLICY_SOURCE": "benchmarks.contestants.policy",
        },
        has_async=True,
    ),
    "session_security": Contestant(
        "django-session-security",
        apps=("session_security",),
        middleware=("session_security.middleware.SessionSecurityMiddleware",),
        settings={
            "SESSION_SECURITY_WARN_AFTER": IDLE_SECONDS - 300,
            "SESSION_SECURITY_EXPIRE_AFTER": IDLE_SECONDS,
            "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
        },
    ),
    "auto_logout": Contestant(
        "django-auto-logout",
        middleware=("django_auto_logout.middleware.auto_logout",),
        settings={"AUTO_LOGOUT": {"IDLE_TIME": IDLE_SECONDS, "SESSION_TIME": LENGTH_SECONDS}},
    ),
    "session_timeout": Contestant(
        "django-session-timeout",
        middleware=("django_session_timeout.middleware.SessionTimeoutMiddleware",),
        settings={
            "SESSION_EXPIRE_SECONDS": IDLE_SECONDS,
            "SESSION_EXPIRE_AFTER_LAST_ACTIVITY": True,
            # As coarse as our own stamps, where its default is one second.
            "SESSION_EXPIRE_AFTER_LAST_ACTIVITY_GRACE_PERIOD": 30,
        },
    ),
    "allauth": Contestant(
        "allauth.usersessions, tracking",
        apps=("allauth", "allauth.account", "allauth.usersessions"),
        middleware=(
            "allauth.account.middleware.AccountMiddleware",
            "allauth.usersessions.middleware.UserSessionsMiddleware",
        ),
        settings={"USERSESSIONS_TRACK_ACTIVITY": True},
    ),
}

BASE_APPS = (
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
)
BASE_MIDDLEWARE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


def policy(scope: object) -> Policy:
    """Return the limits of the measurement, as if they were held in process."""
    return IN_FORCE


IN_FORCE = Policy(
    custom_length=True,
    max_session_length=timedelta(seconds=LENGTH_SECONDS),
    inactivity_enabled=True,
    inactivity_duration=timedelta(seconds=IDLE_SECONDS),
)


def do_nothing(get_response: Any) -> Any:
    """Be the control: what it seems to cost is the error of the measurement."""
    return get_response


do_nothing.async_capable = True  # type: ignore[attr-defined]


def settings_of(contestant: Contestant, database: dict[str, Any]) -> dict[str, Any]:
    """Return the whole Django configuration of one contestant."""
    return {
        "SECRET_KEY": "a key for measurements, long enough to be one, in no other use",
        "ALLOWED_HOSTS": ["*"],
        "DATABASES": {"default": database},
        "INSTALLED_APPS": [*BASE_APPS, *contestant.apps],
        "MIDDLEWARE": [*BASE_MIDDLEWARE, *contestant.middleware],
        "ROOT_URLCONF": "benchmarks.pages",
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "TEMPLATES": [{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "LOGGING_CONFIG": None,
        "USE_TZ": True,
        **contestant.settings,
    }
