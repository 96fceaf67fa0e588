"""Storing the limits of groups: a change of the environment's settings like any other (R14)."""

from dataclasses import replace
from typing import Any, cast

from django.contrib.auth.models import Group

from sessionmgr.core.policy import GROUP_FIELDS, Policy, group_problems
from sessionmgr.core.policy import GroupLimits as Limits
from settings_app.models import Environment, GroupLimits, SettingsChange
from settings_app.saving import Author, RefusedPolicyError, Written, change, stored_policy
from settings_app.values import minutes


def set_limits(
    environment: Environment,
    limits: Limits,
    *,
    based_on: int,
    author: Author,
    reason: str = "",
) -> SettingsChange:
    """Store the limits of a group, or other ones in their place, and record who did."""
    if found := group_problems(limits, stored_policy(environment)):
        raise RefusedPolicyError(found)

    def write(old: Policy, using: str) -> Written:
        GroupLimits.objects.using(using).update_or_create(
            environment=environment,
            group_id=cast(int, limits.group),
            defaults={**values_of(limits), "reason": reason},
        )
        return _written(old, limits.group, limits)

    return change(environment, write, based_on=based_on, author=author, reason=reason)


def remove_limits(
    environment: Environment, group: Any, *, based_on: int, author: Author, reason: str = ""
) -> SettingsChange:
    """Have the environment's own limits hold for the members of ``group`` again."""

    def write(old: Policy, using: str) -> Written:
        GroupLimits.objects.using(using).filter(environment=environment, group_id=group).delete()
        return _written(old, group, None)

    return change(environment, write, based_on=based_on, author=author, reason=reason)


def values_of(limits: Limits | None) -> dict[str, int | None]:
    """Return limits by the names of their fields, in minutes."""
    spans = {field: getattr(limits, name, None) for field, name in GROUP_FIELDS.items()}
    return {field: None if span is None else minutes(span) for field, span in spans.items()}


def _written(old: Policy, group: Any, limits: Limits | None) -> Written:
    others = tuple(each for each in old.groups if each.group != group)
    before = next((each for each in old.groups if each.group == group), None)
    was, is_now = values_of(before), values_of(limits)
    name = Group.objects.filter(pk=group).values_list("name", flat=True).first()
    return Written(
        replace(
            old,
            version=old.version + 1,
            groups=others if limits is None else (*others, limits),
        ),
        {
            f"group/{name}/{field}": [was[field], is_now[field]]
            for field in GROUP_FIELDS
            if was[field] != is_now[field]
        },
    )
