"""Whether credentials are as fresh as they must be (R15, ASVS 7.6.1)."""

from datetime import timedelta

from sessionmgr.identity.backend import SignedIn
from sessionmgr.identity.people import credentials_needed_after

#: Instants in tokens are whole seconds.
SECOND = timedelta(seconds=1)


def is_fresh(signed_in: SignedIn, *, asked_for_credentials: bool) -> bool:
    """Return whether the credentials were given after the person last signed out, or was.

    How old they are is told by the provider's own clock alone (``iat`` less ``auth_time``): one
    that is wrong does not matter. Both are whole seconds, so a second is in doubt: it counts
    as fresh where credentials were demanded, and as old where the provider could choose.

    Of a provider that does not tell ``auth_time`` only the demand is known
    (docs/explanation/provider.md).
    """
    since = credentials_needed_after(signed_in.identity)
    if since is None:
        return True
    claims = signed_in.claims
    if claims.auth_time is None:
        return asked_for_credentials
    given_at = signed_in.at - timedelta(seconds=claims.iat - claims.auth_time)
    doubt = SECOND if asked_for_credentials else -SECOND
    return given_at + doubt > since
