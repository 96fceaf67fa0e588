"""The SESSIONMGR_* Django settings, read on every access; ``checks`` tells what is wrong."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings


class Settings:
    """Each property is named exactly like its setting; docs/reference/settings.md lists them."""

    @property
    def SESSIONMGR_POLICY_SOURCE(self) -> str:
        """Dotted path of ``callable(request_or_scope) -> Policy``."""
        return getattr(settings, "SESSIONMGR_POLICY_SOURCE", "sessionmgr.sources.fixed_policy")

    @property
    def SESSIONMGR_SCOPE_SOURCE(self) -> str:
        """Dotted path of ``callable(request) -> str``: which environment a request is for."""
        return getattr(settings, "SESSIONMGR_SCOPE_SOURCE", "sessionmgr.sources.single_scope")

    @property
    def SESSIONMGR_ACTIVITY_RESOLUTION(self) -> int | None:
        """Coarsest activity stamp in seconds; ``None``: 1/60 of the inactivity limit, 1-30 s."""
        return getattr(settings, "SESSIONMGR_ACTIVITY_RESOLUTION", None)

    @property
    def SESSIONMGR_PASSIVE_PATHS(self) -> Sequence[str]:
        """Path prefixes whose requests never count as activity."""
        return getattr(settings, "SESSIONMGR_PASSIVE_PATHS", [])

    @property
    def SESSIONMGR_IDENTITY_LIFETIME(self) -> timedelta:
        """How long a sign-in may be renewed without credentials (R3)."""
        return getattr(settings, "SESSIONMGR_IDENTITY_LIFETIME", timedelta(days=90))

    @property
    def SESSIONMGR_HISTORY_DAYS(self) -> int:
        """Ended sessions are purged after this many days."""
        return getattr(settings, "SESSIONMGR_HISTORY_DAYS", 90)

    @property
    def SESSIONMGR_TOKEN_KEYS(self) -> Sequence[str]:
        """Fernet keys, newest first, for what is stored encrypted; none: keys of SECRET_KEY."""
        return getattr(settings, "SESSIONMGR_TOKEN_KEYS", [])

    @property
    def SESSIONMGR_COVERAGE_REPORT(self) -> bool:
        """Whether signed-in pages without the warning are noted for the administrators."""
        return getattr(settings, "SESSIONMGR_COVERAGE_REPORT", False)

    @property
    def SESSIONMGR_HTMX_REDIRECT(self) -> bool:
        """Whether a refused htmx request is sent to the sign-in page by ``HX-Redirect``."""
        return getattr(settings, "SESSIONMGR_HTMX_REDIRECT", False)


conf = Settings()
