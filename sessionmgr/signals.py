"""What a host project may listen to. Receivers are called with ``send_robust``: none can keep a
session from ending.
"""

from django.dispatch import Signal

#: A session began. Arguments: ``session`` (the UserSession), ``user_id``.
session_started = Signal()

#: A user chose to stay signed in. Arguments: ``session_id``, ``user_id``, ``at``.
session_extended = Signal()

#: A session ended, once. Arguments: ``session_id``, ``user_id``, ``scope``, ``reason``
#: (an EndReason), ``ended_at``.
session_ended = Signal()

#: The limits of a scope changed. Arguments: ``scope``, ``old`` and ``new`` (Policy), ``user``.
policy_changed = Signal()

#: A token of somebody else came for a session, which was ended. Arguments: ``session_id``,
#: ``user_id`` (whose session it was), ``scope``, ``issuer``. Somebody should look into it.
identity_mismatch = Signal()

#: The provider refuses this site itself, as of now: wrong secret, wrong address. Arguments:
#: ``issuer``, ``problem``.
provider_misconfigured = Signal()
