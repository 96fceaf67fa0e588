"""The SESSIONMGR_* Django settings, read on every access; ``checks`` tells what is wrong."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings

from sessionmgr.core.decision import IDENTITY_LIFETIME, OUTAGE_GRACE


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
        return getattr(settings, "SESSIONMGR_IDENTITY_LIFETIME", IDENTITY_LIFETIME)

    @property
    def SESSIONMGR_CHECK_INTERVAL(self) -> int | None:
        """Seconds a lease lasts where the ID token names none; ``None``: then none is granted."""
        return getattr(settings, "SESSIONMGR_CHECK_INTERVAL", 3600)

    @property
    def SESSIONMGR_OUTAGE_GRACE(self) -> timedelta:
        """How long past their lease those go on who chose to stay signed in, in an outage (R6)."""
        return getattr(settings, "SESSIONMGR_OUTAGE_GRACE", OUTAGE_GRACE)

    @property
    def SESSIONMGR_CREDENTIALS_MAX_AGE(self) -> timedelta:
        """How old the credentials may be by which the provider signs somebody in (``max_age``)."""
        return getattr(settings, "SESSIONMGR_CREDENTIALS_MAX_AGE", timedelta(days=7))

    @property
    def SESSIONMGR_RENEWALS_PER_SECOND(self) -> int:
        """How many leases a job renews in a second, at most: a provider is no one's alone."""
        return getattr(settings, "SESSIONMGR_RENEWALS_PER_SECOND", 20)

    @property
    def SESSIONMGR_PROVIDER_NAME(self) -> str:
        """What people know the identity provider by, for the button on the sign-in page."""
        return getattr(settings, "SESSIONMGR_PROVIDER_NAME", "")

    @property
    def SESSIONMGR_LOCAL_SIGN_IN(self) -> bool:
        """Whether the sign-in page takes a password of this site beside the provider."""
        return getattr(settings, "SESSIONMGR_LOCAL_SIGN_IN", True)

    @property
    def SESSIONMGR_ASK_TO_STAY(self) -> bool:
        """Whether the sign-in page asks "Stay signed in?", for a provider that does not."""
        return getattr(settings, "SESSIONMGR_ASK_TO_STAY", False)

    @property
    def SESSIONMGR_API_AUDIENCE(self) -> str:
        """The audience that an access token must be meant for; empty: ``OIDC_RP_CLIENT_ID``."""
        return getattr(settings, "SESSIONMGR_API_AUDIENCE", "")

    @property
    def SESSIONMGR_LINK_BY_EMAIL(self) -> bool:
        """Whether a verified e-mail links a first sign-in to the user who has that address."""
        return getattr(settings, "SESSIONMGR_LINK_BY_EMAIL", False)

    @property
    def SESSIONMGR_CLAIMS_HOOK(self) -> str:
        """Dotted path of ``callable(user, claims)``, called at each sign-in at the provider."""
        return getattr(settings, "SESSIONMGR_CLAIMS_HOOK", "")

    @property
    def SESSIONMGR_HISTORY_DAYS(self) -> int:
        """Ended sessions are purged after this many days."""
        return getattr(settings, "SESSIONMGR_HISTORY_DAYS", 90)

    @property
    def SESSIONMGR_TOKEN_KEYS(self) -> Sequence[str]:
        """Fernet keys, newest first, for what is stored encrypted; none: keys of SECRET_KEY."""
        return getattr(settings, "SESSIONMGR_TOKEN_KEYS", [])

    @property
    def SESSIONMGR_SIGN_ALGORITHMS(self) -> Sequence[str]:
        """The signatures accepted on the identity provider's tokens; symmetric ones never are."""
        return getattr(settings, "SESSIONMGR_SIGN_ALGORITHMS", ["RS256", "ES256"])

    @property
    def SESSIONMGR_CHECK_INTERVAL_CLAIM(self) -> str:
        """The ID token's claim with the seconds until the provider is asked again."""
        return getattr(settings, "SESSIONMGR_CHECK_INTERVAL_CLAIM", "pci")

    @property
    def SESSIONMGR_STAY_SIGNED_IN_CLAIM(self) -> str:
        """The ID token's claim that tells what was chosen at "Stay signed in?"."""
        return getattr(settings, "SESSIONMGR_STAY_SIGNED_IN_CLAIM", "signin_state")

    @property
    def SESSIONMGR_BEARER_CHECK(self) -> bool:
        """Whether a bearer token beside a session must be the same person's (R16)."""
        return getattr(settings, "SESSIONMGR_BEARER_CHECK", True)

    @property
    def SESSIONMGR_COVERAGE_REPORT(self) -> bool:
        """Whether signed-in pages without the warning are noted for the administrators."""
        return getattr(settings, "SESSIONMGR_COVERAGE_REPORT", False)

    @property
    def SESSIONMGR_HTMX_REDIRECT(self) -> bool:
        """Whether a refused htmx request is sent to the sign-in page by ``HX-Redirect``."""
        return getattr(settings, "SESSIONMGR_HTMX_REDIRECT", False)


conf = Settings()
