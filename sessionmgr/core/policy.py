"""The limits an administrator sets, their bounds, and what is wrong with a set of them."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from sessionmgr.core.clients import Exemptions, any_is_looser

MINUTE = timedelta(minutes=1)

#: A session without the provider's time policy lives this long at most (R4).
FALLBACK_LENGTH = 1440 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits on one signed-in session, as stored on the System Settings page (R10, R11).

    A switched-off group keeps its values, which stay valid but are not in force: read
    ``max_age`` and ``max_idle``, which are ``None`` when nothing is enforced. ``exemptions``: the
    kinds of client that the timers do not bind (R9), by their short names.
    """

    custom_length: bool = False
    max_session_length: timedelta = 1440 * MINUTE
    session_warning: timedelta = 20 * MINUTE
    inactivity_enabled: bool = False
    inactivity_duration: timedelta = 30 * MINUTE
    inactivity_warning: timedelta = 5 * MINUTE
    version: int = 0
    exemptions: Exemptions = field(default_factory=dict, hash=False)

    @property
    def max_age(self) -> timedelta | None:
        """How long after authentication a session ends; ``None``: the provider decides (R1)."""
        return self.max_session_length if self.custom_length else None

    @property
    def max_idle(self) -> timedelta | None:
        """How long after the last activity a session ends; ``None``: never for inactivity."""
        return self.inactivity_duration if self.inactivity_enabled else None


class Bounds(NamedTuple):
    """The closed range a value of the settings page must lie in."""

    least: timedelta
    most: timedelta


#: Fixed ranges by field (contract §2). A warning's upper end is the joint rule's matter.
BOUNDS = {
    "max_session_length": Bounds(60 * MINUTE, 1440 * MINUTE),
    "session_warning": Bounds(1 * MINUTE, 1439 * MINUTE),
    "inactivity_duration": Bounds(5 * MINUTE, 1440 * MINUTE),
    "inactivity_warning": Bounds(1 * MINUTE, 1439 * MINUTE),
}


class Code(StrEnum):
    """What kind of rule a value breaks."""

    OUT_OF_RANGE = "out_of_range"
    NOT_BELOW = "not_below"


class Problem(NamedTuple):
    """One broken rule: the field it shows at, and for a joint rule the field it must be below."""

    field: str
    code: Code
    other: str = ""


def problems(policy: Policy) -> list[Problem]:
    """Return every broken rule of the settings page; form, command and constraint agree on it.

    A joint rule is only reported where both values are in their own range, so that a single
    mistake is told once.
    """
    outside = {
        field
        for field, bounds in BOUNDS.items()
        if not bounds.least <= getattr(policy, field) <= bounds.most
    }
    found = [Problem(field, Code.OUT_OF_RANGE) for field in BOUNDS if field in outside]
    for lower, other in joint_rules(policy):
        if not {lower, other} & outside and getattr(policy, lower) >= getattr(policy, other):
            found.append(Problem(lower, Code.NOT_BELOW, other))
    return found


def joint_rules(policy: Policy) -> list[tuple[str, str]]:
    """Return the pairs ``(field, other)`` where ``field`` must be less than ``other``."""
    rules = [
        ("session_warning", "max_session_length"),
        ("inactivity_warning", "inactivity_duration"),
    ]
    if policy.custom_length:
        rules.append(("inactivity_duration", "max_session_length"))
    return rules


def is_looser(new: Policy, old: Policy) -> bool:
    """Return whether some session could outlive its ``old`` deadline under ``new`` (I4)."""
    return (
        _longer(new.max_age, old.max_age)
        or _longer(new.max_idle, old.max_idle)
        or any_is_looser(new.exemptions, old.exemptions)
    )


def _longer(new: timedelta | None, old: timedelta | None) -> bool:
    return old is not None and (new is None or new > old)
