"""The one vocabulary of why a session ended: ledger, audit, pages, JSON and metrics use it."""

from enum import StrEnum


class EndReason(StrEnum):
    """Why a session ended. The values are stored and public (contract §3): never rename one."""

    INACTIVITY = "inactivity"
    SESSION_LENGTH = "session_length"
    FALLBACK_LIMIT = "fallback_limit"
    LEASE_EXPIRED = "lease_expired"
    IDENTITY_LIFETIME = "identity_lifetime"
    POLICY_DENIED = "policy_denied"
    IDENTITY_MISMATCH = "identity_mismatch"
    ACCOUNT_DISABLED = "account_disabled"
    CREDENTIALS_CHANGED = "credentials_changed"
    SIGNED_OUT = "signed_out"
    SIGNED_OUT_ELSEWHERE = "signed_out_elsewhere"
    PROVIDER_LOGOUT = "provider_logout"
    REVOKED_BY_ADMIN = "revoked_by_admin"
    REVOKED_BY_USER = "revoked_by_user"
    SESSION_LIMIT = "session_limit"
    REPLACED = "replaced"
    WRONG_SCOPE = "wrong_scope"
    HOST_EXPIRY = "host_expiry"
    PAYLOAD_MISSING = "payload_missing"
    UNREADABLE = "unreadable"


class EndsBy(StrEnum):
    """Which kind of limit ends a session first, in the words of the status JSON (contract §3)."""

    SESSION = "session"
    INACTIVITY = "inactivity"
    LEASE = "lease"


class PolicySource(StrEnum):
    """Whose time policy a session lives by (R1, R4)."""

    PROVIDER = "provider"
    FALLBACK = "fallback"


class FallbackReason(StrEnum):
    """Why a session lives by the 24-hour fallback (R4); none under a provider's policy."""

    MANUAL_ENTRY = "manual_entry"
    OLDER_VERSION = "older_version"
    NO_PROVIDER_POLICY = "no_provider_policy"


class LeaseSource(StrEnum):
    """What last confirmed a session at its identity provider (R2)."""

    SIGN_IN = "sign_in"
    REFRESH = "refresh"
    INTROSPECTION = "introspection"
    SILENT = "silent"
    ACCESS_TOKEN = "access_token"  # noqa: S105 # nosec B105 - what confirmed it


class Outcome(StrEnum):
    """What came of asking the identity provider; the kinds never mix (R6)."""

    CONFIRMED = "confirmed"
    DENIED = "denied"
    OTHER_USER = "other_user"
    UNREACHABLE = "unreachable"
    MISCONFIGURED = "misconfigured"
    #: Somebody else is asking for the same session at this moment.
    BUSY = "busy"
    #: Only the user's browser can ask (``prompt=none``): there is no token to ask with.
    NEEDS_BROWSER = "needs_browser"


#: Ends that tell nothing about the person: the next sign-in needs no fresh credentials (R15).
NO_CREDENTIALS_AFTER = frozenset(
    {EndReason.LEASE_EXPIRED, EndReason.REPLACED, EndReason.WRONG_SCOPE}
)


class Standing(StrEnum):
    """Whether the user behind a session may still be served, as found on this request."""

    GOOD = "good"
    DISABLED = "disabled"
    CREDENTIALS_CHANGED = "credentials_changed"
    MISMATCH = "mismatch"
    UNREADABLE = "unreadable"


REASON_OF_STANDING = {
    Standing.DISABLED: EndReason.ACCOUNT_DISABLED,
    Standing.CREDENTIALS_CHANGED: EndReason.CREDENTIALS_CHANGED,
    Standing.MISMATCH: EndReason.IDENTITY_MISMATCH,
    Standing.UNREADABLE: EndReason.UNREADABLE,
}
