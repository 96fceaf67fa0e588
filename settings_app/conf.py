"""The app's own Django settings, read on every access; ``checks`` tells what is wrong."""

from datetime import timedelta

from django.conf import settings


class Settings:
    """Each property is named exactly like its setting; docs/reference/settings.md lists them."""

    @property
    def SESSIONMGR_RESTORE_DEFAULTS(self) -> bool:
        """Put the defaults in force whatever is stored: the way back in after a lock-out."""
        return getattr(settings, "SESSIONMGR_RESTORE_DEFAULTS", False)

    @property
    def SESSIONMGR_POLICY_REFRESH(self) -> str:
        """Who keeps the policy fresh: a ``thread`` beside the requests, or the ``request``."""
        return getattr(settings, "SESSIONMGR_POLICY_REFRESH", "thread")

    @property
    def SESSIONMGR_SETTINGS_MAX_AUTH_AGE(self) -> timedelta | None:
        """How old credentials may be for a change of settings; ``None``: any age will do."""
        return getattr(settings, "SESSIONMGR_SETTINGS_MAX_AUTH_AGE", timedelta(hours=1))


conf = Settings()
