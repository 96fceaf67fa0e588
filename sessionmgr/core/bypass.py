"""When the provider's time policy is bypassed, so that a session lives by the fallback (R4).

Pure: what has happened in the browser session before is an argument.
"""

import re
from collections.abc import Iterable

from sessionmgr.core.reasons import FallbackReason

#: The first version that honours the provider's policy beside older ones.
FIRST_TO_HONOUR = (9, 1, 0, 3647)

VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")


def number_of(version: str) -> tuple[int, ...] | None:
    """Return a version as numbers, which compare as versions do; ``None``: it is none."""
    if VERSION.fullmatch(version) is None:
        return None
    return tuple(int(part) for part in version.split("."))


def is_older(version: str) -> bool:
    """Return whether an environment of ``version`` is from before the provider's policy.

    One without a version, or with one that cannot be read, counts as new.
    """
    number = number_of(version)
    return number is not None and number < FIRST_TO_HONOUR


def bypass_of(
    version: str, *, opened: Iterable[str], has_ticket: bool, saw_admin_center: bool
) -> FallbackReason | None:
    """Return why a session that begins in an environment bypasses the provider's policy, if so.

    ``opened``: the versions of the environments that the same browser session has opened before.
    ``has_ticket``: it was opened by its Open link. ``saw_admin_center``: the same browser session
    has visited the Admin Center of another environment. No ticket helps against the first reason,
    so that it is the one that is told where both are there.
    """
    if is_older(version) and any(not is_older(each) for each in opened):
        return FallbackReason.OLDER_VERSION
    if saw_admin_center and not has_ticket:
        return FallbackReason.MANUAL_ENTRY
    return None
