"""What a session may ask its provider with: tokens, encrypted, each for its own session alone.

Kept only where SESSIONMGR_TOKEN_KEYS is set. What cannot be read any more is as good as missing:
the user signs in again, and nothing fails.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sessionmgr import sealing
from sessionmgr.conf import conf
from sessionmgr.models import ProviderGrant

PURPOSE = "provider grant"

#: Seconds that an access token may say it lasts, at most.
LONGEST = 10**9

#: Rows per transaction when keys are rotated.
CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A session's tokens; nothing of them shows in a traceback or a log.

    ``id_token`` is the hint for the provider whose session a question is about.
    ``access_until``: the Unix time until which the access token may be introspected.
    """

    refresh_token: str = ""
    access_token: str = ""
    access_until: int = 0
    id_token: str = ""

    def __repr__(self) -> str:
        return "Tokens(…)"

    def after(self, answer: "Tokens") -> "Tokens":
        """Return what is kept once the provider has answered: it need not send everything."""
        return replace(
            answer,
            refresh_token=answer.refresh_token or self.refresh_token,
            id_token=answer.id_token or self.id_token,
        )


def tokens_in(answer: dict[str, Any], at: datetime) -> Tokens:
    """Return the tokens of a token endpoint's answer; of a wrong type counts as not sent.

    The access token is of use only where no refresh token comes along.
    """
    found: dict[str, Any] = {
        name: value
        for name in ("refresh_token", "access_token", "id_token")
        if isinstance(value := answer.get(name), str)
    }
    if "refresh_token" in found:
        found.pop("access_token", None)
    lasts = answer.get("expires_in")
    if "access_token" not in found or type(lasts) is not int or not 0 < lasts < LONGEST:
        return Tokens(**found)
    return Tokens(**found, access_until=int(at.timestamp()) + lasts)


def keep(session_id: int, tokens: Tokens, at: datetime, *, using: str) -> bool:
    """Store the tokens of a session in place of earlier ones; return whether they are kept."""
    if not (conf.SESSIONMGR_TOKEN_KEYS and sealing.can_seal()):
        return False
    content = json.dumps({"session": session_id, **asdict(tokens)}).encode()
    ProviderGrant.objects.using(using).update_or_create(
        session_id=session_id,
        defaults={"sealed": sealing.seal(PURPOSE, content), "stored_at": at},
    )
    return True


def read(session_id: int, *, using: str) -> Tokens | None:
    """Return the tokens of a session; ``None``: none are kept, or none that can be read."""
    rows = ProviderGrant.objects.using(using).filter(session_id=session_id)
    sealed = rows.values_list("sealed", flat=True).first()
    return None if sealed is None else _opened(session_id, sealed)


def forget(session_id: int, *, using: str) -> None:
    """Delete the tokens of a session."""
    ProviderGrant.objects.using(using).filter(session_id=session_id).delete()


def rotate(*, using: str, progress: Callable[[int], None] | None = None) -> dict[str, int]:
    """Encrypt everything anew with the newest key; return how many rows were, and were not.

    What a renewal stores meanwhile is newer than what was read here, and stays.
    """
    counts = {"rotated": 0, "unreadable": 0}
    grants = ProviderGrant.objects.using(using).order_by("pk")
    batch = list(grants.values_list("pk", "sealed")[:CHUNK])
    while batch:
        for session_id, sealed in batch:
            content = sealing.unseal(PURPOSE, sealed)
            if content is None:
                counts["unreadable"] += 1
                continue
            anew = sealing.seal(PURPOSE, content)
            counts["rotated"] += grants.filter(pk=session_id, sealed=sealed).update(sealed=anew)
        if progress is not None:
            progress(len(batch))
        batch = list(grants.filter(pk__gt=batch[-1][0]).values_list("pk", "sealed")[:CHUNK])
    return counts


def _opened(session_id: int, sealed: str) -> Tokens | None:
    content = sealing.unseal(PURPOSE, sealed)
    if content is None:
        return None
    values = json.loads(content)
    # Moved here from another row, it would open somebody else's session.
    return Tokens(**values) if values.pop("session") == session_id else None
