"""The reasons of an end in plain words, for the person who was signed out."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessionmgr.core.reasons import EndReason

TOLD: dict[EndReason, str | Promise] = {
    EndReason.INACTIVITY: _("You were signed out because nothing happened for a while."),
    EndReason.SESSION_LENGTH: _(
        "You were signed out because you had been signed in for as long as is allowed here."
    ),
    EndReason.FALLBACK_LIMIT: _(
        "You were signed out because you had been signed in for 24 hours."
    ),
    EndReason.LEASE_EXPIRED: _(
        "You were signed out because your sign-in could not be confirmed in time."
    ),
    EndReason.IDENTITY_LIFETIME: _(
        "You were signed out because it is a long time since you last gave your credentials."
    ),
    EndReason.POLICY_DENIED: _("You were signed out because your sign-in is no longer accepted."),
    EndReason.IDENTITY_MISMATCH: _(
        "You were signed out because it was not certain that this is still you."
    ),
    EndReason.ACCOUNT_DISABLED: _("You were signed out because the account is not active."),
    EndReason.CREDENTIALS_CHANGED: _("You were signed out because your password was changed."),
    EndReason.SIGNED_OUT: _("You have signed out."),
    EndReason.SIGNED_OUT_ELSEWHERE: _("You have signed out elsewhere."),
    EndReason.PROVIDER_LOGOUT: _("You have signed out at your identity provider."),
    EndReason.REVOKED_BY_ADMIN: _("You were signed out by an administrator."),
    EndReason.REVOKED_BY_USER: _("You signed this device out from another one."),
    EndReason.SESSION_LIMIT: _("You were signed out because you signed in on another device."),
    EndReason.REPLACED: _("You have signed in anew in this browser since."),
    EndReason.WRONG_SCOPE: _("You are not signed in here."),
    EndReason.HOST_EXPIRY: _("You were signed out because the time for this sign-in was over."),
    EndReason.PAYLOAD_MISSING: _("You were signed out because your sign-in could not be found."),
    EndReason.UNREADABLE: _("You were signed out because your sign-in could not be read."),
}


def told(reason: EndReason | None) -> str | Promise:
    """Return the sentence for ``reason``; a general one where the reason is not known."""
    return _("You are not signed in.") if reason is None else TOLD[reason]
