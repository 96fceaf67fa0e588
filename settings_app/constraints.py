"""The rules of the settings page as database constraints, made from the core's own tables."""

from django.db.models import BaseConstraint, CheckConstraint, F, Q, UniqueConstraint

from sessionmgr.core.policy import BOUNDS, GROUP_FIELDS, Policy, joint_rules
from settings_app.values import CUSTOM, PROVIDER, minutes


def constraints() -> list[BaseConstraint]:
    """Return one named constraint per rule of ``core.policy.problems``."""
    return [*_known_choice(), *_ranges(), *_joint_rules()]


def group_constraints() -> list[BaseConstraint]:
    """Return one named constraint per rule of ``core.policy.group_problems`` on its own row."""
    ranges = [
        CheckConstraint(
            name=f"group_{field}_range",
            condition=Q((f"{field}__isnull", True)) | _is_within(field),
        )
        for field in GROUP_FIELDS
    ]
    is_joint = Q(max_session_length__isnull=True) | Q(inactivity_duration__isnull=True)
    return [
        UniqueConstraint(fields=["environment", "group"], name="group_limits_once"),
        *ranges,
        CheckConstraint(
            name="group_inactivity_duration_below_max_session_length",
            condition=is_joint | Q(inactivity_duration__lt=F("max_session_length")),
        ),
        CheckConstraint(
            name="group_limits_not_empty",
            condition=~Q(max_session_length__isnull=True, inactivity_duration__isnull=True),
        ),
    ]


def _known_choice() -> list[CheckConstraint]:
    condition = Q(session_timeout__in=[PROVIDER, CUSTOM])
    return [CheckConstraint(name="settings_session_timeout_known", condition=condition)]


def _ranges() -> list[CheckConstraint]:
    return [
        CheckConstraint(name=f"settings_{field}_range", condition=_is_within(field))
        for field in BOUNDS
    ]


def _is_within(field: str) -> Q:
    least, most = BOUNDS[field]
    return Q((f"{field}__gte", minutes(least)), (f"{field}__lte", minutes(most)))


def _joint_rules() -> list[CheckConstraint]:
    """Return the rules between fields; one that holds only for a custom length says so."""
    always = joint_rules(Policy(custom_length=False))
    made = []
    for field, other in joint_rules(Policy(custom_length=True)):
        condition = Q((f"{field}__lt", F(other)))
        if (field, other) not in always:
            condition |= Q(session_timeout=PROVIDER)
        made.append(CheckConstraint(name=f"settings_{field}_below_{other}", condition=condition))
    return made
