"""The settings page's fields by the names everybody uses (contract §2), to and from a Policy."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from sessionmgr.core.policy import BOUNDS, MINUTE, Policy

Values: TypeAlias = dict[str, Any]

#: The choices of ``session_timeout``: honour the identity provider, or a length of our own.
PROVIDER, CUSTOM = "default", "custom"

#: Fields that hold whole minutes.
MINUTE_FIELDS = tuple(BOUNDS)

#: Every field of the General tab, in the order of the page.
FIELDS = (
    "session_timeout",
    "max_session_length",
    "session_warning",
    "inactivity_enabled",
    "inactivity_duration",
    "inactivity_warning",
)


def minutes(span: timedelta) -> int:
    """Return ``span`` in whole minutes."""
    return span // MINUTE


def values_of(policy: Policy) -> Values:
    """Return the field values that make up ``policy``."""
    given: Values = {field: minutes(getattr(policy, field)) for field in MINUTE_FIELDS}
    given["session_timeout"] = CUSTOM if policy.custom_length else PROVIDER
    given["inactivity_enabled"] = policy.inactivity_enabled
    return {field: given[field] for field in FIELDS}


def policy_of(values: Mapping[str, Any], version: int = 0) -> Policy:
    """Return the policy that the field values make up."""
    return Policy(
        custom_length=values["session_timeout"] == CUSTOM,
        inactivity_enabled=values["inactivity_enabled"],
        version=version,
        **{field: values[field] * MINUTE for field in MINUTE_FIELDS},
    )


def changes_between(old: Policy, new: Policy) -> dict[str, list[Any]]:
    """Return ``{field: [from, to]}`` for each field that differs."""
    before, after = values_of(old), values_of(new)
    return {
        field: [before[field], after[field]] for field in FIELDS if before[field] != after[field]
    }


DEFAULTS = values_of(Policy())
