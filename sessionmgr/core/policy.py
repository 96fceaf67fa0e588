"""The limits an administrator sets, their bounds, and what is wrong with a set of them."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from sessionmgr.core.clients import Exemptions, any_is_looser

MINUTE = timedelta(minutes=1)

#: A session without the provider's time policy lives this long at most (R4).
FALLBACK_LENGTH = 1440 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """Stricter limits for the members of ``group`` (R14). ``None``: none of this kind."""

    group: Hashable
    max_age: timedelta | None = None
    max_idle: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits on one signed-in session, as stored on the System Settings page (R10, R11).

    A switched-off group keeps its values, which stay valid but are not in force: read
    ``max_age`` and ``max_idle``, which are ``None`` when nothing is enforced. ``exemptions``: the
    kinds of client that the timers do not bind (R9), by their short names. ``groups`` are whom
    stricter limits hold for; ``strictest`` makes the policy of one person from them.
    """

    custom_length: bool = False
    max_session_length: timedelta = 1440 * MINUTE
    session_warning: timedelta = 20 * MINUTE
    inactivity_enabled: bool = False
    inactivity_duration: timedelta = 30 * MINUTE
    inactivity_warning: timedelta = 5 * MINUTE
    version: int = 0
    exemptions: Exemptions = field(default_factory=dict, hash=False)
    groups: tuple[GroupLimits, ...] = ()
    stricter_age: timedelta | None = None
    stricter_idle: timedelta | None = None

    @property
    def honours_provider(self) -> bool:
        """Whether the identity provider's time policy is in force, not a length of ours (R7).

        A group's length comes on top of it: it makes nobody's session longer.
        """
        return not self.custom_length

    @property
    def max_age(self) -> timedelta | None:
        """How long after authentication a session ends; ``None``: the provider decides (R1)."""
        return _least(self.max_session_length if self.custom_length else None, self.stricter_age)

    @property
    def max_idle(self) -> timedelta | None:
        """How long after the last activity a session ends; ``None``: never for inactivity."""
        return _least(
            self.inactivity_duration if self.inactivity_enabled else None, self.stricter_idle
        )


def _least(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def strictest(policy: Policy, member_of: Collection[Hashable]) -> Policy:
    """Return ``policy`` as it holds for a member of these groups: of every limit the strictest.

    A warning that would come before its limit begins is given a minute after it does.
    """
    stricter_age, stricter_idle = policy.stricter_age, policy.stricter_idle
    for limits in policy.groups:
        if limits.group in member_of:
            stricter_age = _least(stricter_age, limits.max_age)
            stricter_idle = _least(stricter_idle, limits.max_idle)
    made = replace(policy, groups=(), stricter_age=stricter_age, stricter_idle=stricter_idle)
    return replace(
        made,
        session_warning=_before(made.session_warning, made.max_age),
        inactivity_warning=_before(made.inactivity_warning, made.max_idle),
    )


def _before(warning: timedelta, limit: timedelta | None) -> timedelta:
    return warning if limit is None else min(warning, limit - MINUTE)


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
    LOOSER = "looser"
    EMPTY = "empty"


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


#: The fields of a group's limits, by those of the policy that they make stricter.
GROUP_FIELDS = {"max_session_length": "max_age", "inactivity_duration": "max_idle"}


def group_problems(limits: GroupLimits, policy: Policy) -> list[Problem]:
    """Return every broken rule of a group's limits in an environment that has ``policy``.

    A limit may not be looser than the environment's own, which would win anyway; and inactivity
    must be less than the length that holds for the members, whoever has set that.
    """
    given = {
        field: span
        for field, name in GROUP_FIELDS.items()
        if (span := getattr(limits, name)) is not None
    }
    if not given:
        return [Problem("max_session_length", Code.EMPTY)]
    found = []
    for name, span in given.items():
        bounds, own = BOUNDS[name], getattr(policy, GROUP_FIELDS[name])
        if not bounds.least <= span <= bounds.most:
            found.append(Problem(name, Code.OUT_OF_RANGE))
        elif own is not None and span > own:
            found.append(Problem(name, Code.LOOSER))
    idle, longest = limits.max_idle, _least(limits.max_age, policy.max_age)
    if not found and idle is not None and longest is not None and idle >= longest:
        found.append(Problem("inactivity_duration", Code.NOT_BELOW, "max_session_length"))
    return found


def is_looser(new: Policy, old: Policy) -> bool:
    """Return whether some session could outlive its ``old`` deadline under ``new`` (I4)."""
    return any_is_looser(new.exemptions, old.exemptions) or any(
        _longer(after.max_age, before.max_age) or _longer(after.max_idle, before.max_idle)
        for member_of in [(), *((limits.group,) for limits in old.groups)]
        for before, after in [(strictest(old, member_of), strictest(new, member_of))]
    )


def _longer(new: timedelta | None, old: timedelta | None) -> bool:
    return old is not None and (new is None or new > old)
