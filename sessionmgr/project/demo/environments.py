"""The demo's environments: today's version, an older one, and a portal, each at its own host."""

from typing import NamedTuple


class Instance(NamedTuple):
    """One environment of the demo, and what it is for."""

    slug: str
    name: str
    version: str
    kind: str
    host: str
    told: str


INSTANCES = [
    Instance("main", "Main", "9.2.0.1", "application", "localhost", "the application"),
    Instance(
        "legacy",
        "Legacy",
        "9.1.0.3000",
        "application",
        "legacy.localhost",
        "an environment of an older version",
    ),
    Instance(
        "portal",
        "Portal",
        "9.2.0.1",
        "portal",
        "portal.localhost",
        "a portal, with limits and a sign-in of its own",
    ),
]


def create() -> None:
    """Create what is not there yet; what is stays as it is. ``migrate`` has made the first."""
    # Here, as the launcher asks for the hosts before there is a Django.
    from settings_app.models import Address, Environment

    for each in INSTANCES:
        environment, _is_new = Environment.objects.get_or_create(
            slug=each.slug,
            defaults={"name": each.name, "version": each.version, "kind": each.kind},
        )
        Address.objects.get_or_create(
            host=each.host, prefix="", defaults={"environment": environment}
        )
