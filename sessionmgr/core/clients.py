"""Kinds of client that the two timers do not bind (R9): the mail add-in, the phone app, and such.

A kind is proven by its own client id at the identity provider, when somebody signs in, and never
changes. It lifts the session length with its 24-hour fallback, or inactivity, or both; nothing
lifts a denial, a revocation, a disabled account, the provider's lease or the host's own expiry.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: What the ledger says of a browser: no kind of client in particular.
BROWSER = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientExemption:
    """Which timers do not bind a kind of client, and until when: at ``expires_at`` they do.

    ``client_id``: the provider's name of the client that proves it. ``ceiling``: how long a
    session of this kind lasts all the same, counted like the session length.
    """

    client_id: str
    expires_at: datetime
    from_session_length: bool = False
    from_inactivity: bool = False
    ceiling: timedelta | None = None

    def length_until(self, ends_at: datetime) -> datetime:
        """Return when a limit on the session length ends this client's session, not a browser's.

        One that has come before the exemption is over ends the session when it is.
        """
        return max(ends_at, self.expires_at) if self.from_session_length else ends_at

    def idle_until(self, ends_at: datetime) -> datetime:
        """Return when the inactivity limit ends this client's session, not a browser's."""
        return max(ends_at, self.expires_at) if self.from_inactivity else ends_at


Exemptions = Mapping[str, ClientExemption]

#: What a kind of client has that is in no list: it is bound like a browser.
NOTHING = ClientExemption(client_id="", expires_at=datetime.min.replace(tzinfo=UTC))


def class_proven_by(client_id: str, exemptions: Exemptions, now: datetime) -> str | None:
    """Return the kind of client that ``client_id`` proves; ``None``: none that is on.

    A kind is off from its ``expires_at`` on: nobody signs in by it any more.
    """
    for name, exemption in exemptions.items():
        if client_id and exemption.client_id == client_id and now < exemption.expires_at:
            return name
    return None


def any_is_looser(new: Exemptions, old: Exemptions) -> bool:
    """Return whether some client's session could outlive its deadline by the ``old`` ones (I4)."""
    return any(_is_looser(new.get(name, NOTHING), old.get(name, NOTHING)) for name in {*new, *old})


def _is_looser(new: ClientExemption, old: ClientExemption) -> bool:
    """Compare what each lifts and until when, and their ceilings.

    Who is exempt from the length keeps the provider's limits where a length of ours replaces them
    for everybody else: losing the exemption loses those, and counts as looser too.
    """
    lasts_longer = new.expires_at > old.expires_at
    return (
        new.from_session_length is not old.from_session_length
        or (new.from_session_length and lasts_longer)
        or (new.from_inactivity and (lasts_longer or not old.from_inactivity))
        or (old.ceiling is not None and (new.ceiling is None or new.ceiling > old.ceiling))
    )
