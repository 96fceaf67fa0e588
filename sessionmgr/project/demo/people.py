"""The demo's people. Their password is their name and ``-demo``."""

from typing import NamedTuple


class Person(NamedTuple):
    """Who somebody is in the demo, and what it is for."""

    name: str
    told: str
    flags: dict[str, bool]
    may: tuple[str, ...] = ()
    #: As the demo's identity provider tells them.
    groups: tuple[str, ...] = ("staff",)

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    @property
    def password(self) -> str:
        return f"{self.name}-demo"


PEOPLE = [
    Person(
        "admin",
        "sets the limits",
        {"is_staff": True, "is_superuser": True},
        groups=("staff", "administrators"),
    ),
    Person(
        "auditor",
        "may look at the settings and change nothing",
        {"is_staff": True},
        ("view_systemsettings", "view_environment", "view_usersession"),
        ("staff", "auditors"),
    ),
    Person("alice", "works", {}),
    Person("bob", "works", {}),
]


def create() -> None:
    """Create the people who are not there yet; those who are stay as they are."""
    # The provider, which knows nothing of Django, reads this module as well.
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    model = get_user_model()
    there = set(model.objects.values_list("username", flat=True))
    for person in PEOPLE:
        if person.name not in there:
            user = model.objects.create_user(
                person.name, person.email, person.password, **person.flags
            )
            user.user_permissions.set(Permission.objects.filter(codename__in=person.may))
