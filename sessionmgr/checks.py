"""System checks: each wrong or missing setting by name, with its remedy.

E: cannot work; W: works, but not as anybody would want; I: good to know. Ids are listed in
docs/reference/checks.md.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.db import router
from django.shortcuts import resolve_url
from django.template import engines
from django.template.backends.django import DjangoTemplates
from django.urls import NoReverseMatch, Resolver404, resolve, reverse
from django.utils.module_loading import import_string

from sessionmgr import sealing
from sessionmgr.conf import conf
from sessionmgr.identity import checks as identity_checks

MIDDLEWARE = "sessionmgr.middleware.SessionEnforcementMiddleware"
MUST_COME_BEFORE = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "sessionmgr.cookies.ScopedSessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)

AppConfigs = Sequence[AppConfig] | None


def register_all() -> None:
    """Register the checks, once."""
    for check, tag in (
        (check_engine, Tags.compatibility),
        (check_middleware, Tags.compatibility),
        (check_settings, Tags.compatibility),
        (check_sources, Tags.compatibility),
        (check_databases, Tags.compatibility),
        (check_pages, Tags.urls),
        (check_user_lookup, Tags.compatibility),
        (check_token_keys, Tags.security),
        (check_held_forms, Tags.compatibility),
    ):
        register(check, tag)
    identity_checks.register_all()


def check_engine(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Sessions must be loaded by our engine: it is the door that every limit holds at."""
    found: list[CheckMessage] = []
    if not apps.is_installed("django.contrib.sessions"):
        hint = 'Add "django.contrib.sessions" to INSTALLED_APPS.'
        return [Error("sessionmgr keeps Django's sessions.", hint=hint, id="sessionmgr.E001")]
    if not _is_our_engine(settings.SESSION_ENGINE):
        found.append(
            Error(
                f"SESSION_ENGINE is {settings.SESSION_ENGINE!r}: no limit would be enforced.",
                hint='Set SESSION_ENGINE = "sessionmgr.backends.db", then run '
                "`manage.py adopt_sessions` to keep people signed in.",
                id="sessionmgr.E002",
            )
        )
    if not settings.USE_TZ:
        hint = "Set USE_TZ = True."
        message = "USE_TZ is off: the database's time could not be told from local time."
        found.append(Error(message, hint=hint, id="sessionmgr.E003"))
    if settings.SESSION_SAVE_EVERY_REQUEST:
        found.append(
            Warning(
                "SESSION_SAVE_EVERY_REQUEST is on: every request writes, and none needs to.",
                hint="Remove it; activity is kept in the ledger.",
                id="sessionmgr.W001",
            )
        )
    if settings.SESSION_COOKIE_AGE != global_settings.SESSION_COOKIE_AGE:
        found.append(
            Warning(
                "SESSION_COOKIE_AGE no longer limits who is signed in.",
                hint="Set the limits on the System Settings page (or in your policy source), and "
                "remove SESSION_COOKIE_AGE, or silence this check if it is for anonymous "
                "visitors.",
                id="sessionmgr.W002",
            )
        )
    return found


def _is_our_engine(path: str) -> bool:
    from sessionmgr.backends.db import SessionStore

    try:
        store = import_module(path).SessionStore
    except (ImportError, AttributeError):
        return False
    return isinstance(store, type) and issubclass(store, SessionStore)


def check_middleware(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Our middleware must stand once, after those that it builds on."""
    installed = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in installed:
        hint = f'Add "{MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware.'
        return [Error(f"{MIDDLEWARE} is missing.", hint=hint, id="sessionmgr.E004")]
    place = installed.index(MIDDLEWARE)
    late = [path for path in MUST_COME_BEFORE if path in installed[place:]]
    return [
        Error(
            f"{MIDDLEWARE} stands before {path}.",
            hint="Move it below AuthenticationMiddleware in MIDDLEWARE.",
            id="sessionmgr.E005",
        )
        for path in late
    ]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _can_be_called(path: object) -> bool:
    try:
        return callable(import_string(path))  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):
        return False


RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "SESSIONMGR_ACTIVITY_RESOLUTION": (
        lambda value: value is None or (type(value) is int and 1 <= value <= 60),
        "None, or whole seconds from 1 to 60",
    ),
    "SESSIONMGR_PASSIVE_PATHS": (
        lambda value: (
            isinstance(value, list | tuple)
            and all(isinstance(path, str) and path.startswith("/") for path in value)
        ),
        'a list of paths that begin with "/"',
    ),
    "SESSIONMGR_IDENTITY_LIFETIME": (
        lambda value: isinstance(value, timedelta) and value >= timedelta(days=1),
        "a timedelta of one day or more",
    ),
    "SESSIONMGR_CHECK_INTERVAL": (
        lambda value: value is None or (type(value) is int and value >= 1),
        "whole seconds, 1 or more, or None",
    ),
    "SESSIONMGR_OUTAGE_GRACE": (
        lambda value: isinstance(value, timedelta) and value >= timedelta(),
        "a timedelta of zero or more",
    ),
    "SESSIONMGR_CREDENTIALS_MAX_AGE": (
        lambda value: isinstance(value, timedelta) and value >= timedelta(minutes=1),
        "a timedelta of one minute or more",
    ),
    "SESSIONMGR_RENEWALS_PER_SECOND": (
        lambda value: type(value) is int and value >= 1,
        "a whole number, 1 or more",
    ),
    "SESSIONMGR_CHECK_INTERVAL_CLAIM": (_is_name, "the name of a claim"),
    "SESSIONMGR_STAY_SIGNED_IN_CLAIM": (_is_name, "the name of a claim"),
    "SESSIONMGR_SIGN_ALGORITHMS": (
        lambda value: (
            isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        ),
        "a list of signatures",
    ),
    "SESSIONMGR_PROVIDER_NAME": (lambda value: isinstance(value, str), "a text"),
    "SESSIONMGR_LOCAL_SIGN_IN": (lambda value: isinstance(value, bool), "True or False"),
    "SESSIONMGR_ASK_TO_STAY": (lambda value: isinstance(value, bool), "True or False"),
    "SESSIONMGR_LINK_BY_EMAIL": (lambda value: isinstance(value, bool), "True or False"),
    "SESSIONMGR_CLAIMS_HOOK": (
        lambda value: value == "" or _can_be_called(value),
        "empty, or the dotted path of callable(user, claims)",
    ),
    "SESSIONMGR_HISTORY_DAYS": (
        lambda value: type(value) is int and value >= 1,
        "a whole number of days, 1 or more",
    ),
    "SESSIONMGR_API_AUDIENCE": (lambda value: isinstance(value, str), "a text"),
    "SESSIONMGR_BEARER_CHECK": (lambda value: isinstance(value, bool), "True or False"),
    "SESSIONMGR_HTMX_REDIRECT": (lambda value: isinstance(value, bool), "True or False"),
    "SESSIONMGR_COVERAGE_REPORT": (lambda value: isinstance(value, bool), "True or False"),
}


def check_settings(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Each setting has a value that can be worked with."""
    return [
        Error(
            f"{name} is {getattr(conf, name)!r}.",
            hint=f"It must be {wanted}.",
            id="sessionmgr.E006",
        )
        for name, (is_right, wanted) in RULES.items()
        if not is_right(getattr(conf, name))
    ]


SOURCES = {
    "SESSIONMGR_POLICY_SOURCE": "callable(request_or_scope) -> Policy, for the settings page "
    '"settings_app.source.current_policy"',
    "SESSIONMGR_SCOPE_SOURCE": "callable(request) -> str, for environments "
    '"settings_app.scopes.scope_of"',
}


def check_sources(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """The policy in force and the scope of a request can be asked for."""
    return [
        Error(
            f"{name} {getattr(conf, name)!r} cannot be imported and called.",
            hint=f"Set it to the dotted path of {wanted}.",
            id="sessionmgr.E007",
        )
        for name, wanted in SOURCES.items()
        if not _can_be_called(getattr(conf, name))
    ]


def check_databases(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Payload and ledger are read in one statement, so they share a database."""
    if not apps.is_installed("django.contrib.sessions"):
        return []
    from sessionmgr.models import UserSession, payloads

    if router.db_for_write(payloads(None).model) == router.db_for_write(UserSession):
        return []
    message = "Sessions and the ledger of sign-ins are written to different databases."
    hint = "Route django.contrib.sessions and sessionmgr to the same database."
    return [Error(message, hint=hint, id="sessionmgr.E008")]


def check_pages(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """The endpoints are there, and a sign-in page to go to."""
    return [*_endpoint_problems(), *_sign_in_problems(), *_template_problems()]


def _endpoint_problems() -> Iterator[CheckMessage]:
    try:
        reverse("sessionmgr:status")
    except NoReverseMatch:
        yield Error(
            "The endpoints of sessionmgr are not in the URL configuration.",
            hint='Add path("session/", include("sessionmgr.urls")) to your urlpatterns.',
            id="sessionmgr.E009",
        )


def _sign_in_problems() -> Iterator[CheckMessage]:
    try:
        resolve(resolve_url(settings.LOGIN_URL).partition("?")[0])
    except (NoReverseMatch, Resolver404):
        yield Warning(
            f"LOGIN_URL {settings.LOGIN_URL!r} leads to no page of this site.",
            hint='Set LOGIN_URL = "sessionmgr:sign_in" for the sign-in page that comes along, or '
            "silence this check if the page is elsewhere.",
            id="sessionmgr.W003",
        )


def _template_problems() -> Iterator[CheckMessage]:
    processor = "django.template.context_processors.request"
    for engine in engines.all():
        if not isinstance(engine, DjangoTemplates):
            continue
        if processor not in engine.engine.context_processors:
            yield Warning(
                "{% session_timeout %} cannot see the request, and so prints nothing.",
                hint=f'Add "{processor}" to the context_processors in TEMPLATES.',
                id="sessionmgr.W004",
            )


def check_user_lookup(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Tell where a signed-in request costs two queries instead of one."""
    from sessionmgr.backends.people import joins_plainly

    try:
        plain = joins_plainly()
    except ImportError:
        return []  # Django tells of a backend that cannot be imported.
    if plain:
        return []
    message = "A signed-in request needs two queries: users are looked up in a way of your own."
    hint = "A get_user(), a default manager that filters, or users in another database cause it."
    return [Info(message, hint=hint, id="sessionmgr.I001")]


def check_token_keys(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Keys are keys; the message names none of them."""
    keys = conf.SESSIONMGR_TOKEN_KEYS
    if isinstance(keys, list | tuple) and all(sealing.is_key(key) for key in keys):
        return []
    hint = "Make each with cryptography's Fernet.generate_key(), and list the newest first."
    message = "SESSIONMGR_TOKEN_KEYS is not a list of Fernet keys."
    return [Error(message, hint=hint, id="sessionmgr.E010")]


def check_held_forms(app_configs: AppConfigs, **kwargs: Any) -> list[CheckMessage]:
    """Tell that what is typed in a late form is lost."""
    if sealing.can_seal():
        return []
    message = "What is typed in a form that is sent after the sign-out is not kept."
    hint = 'Install "django-sessionmgr[encryption]", which brings cryptography.'
    return [Info(message, hint=hint, id="sessionmgr.I002")]
