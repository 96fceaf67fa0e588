"""The addresses of environments: what one may look like, and which environment a request is for.

Pure: no database, no request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from sessionmgr.sources import DEFAULT_SCOPE

#: As databases understand them too: they hold the same patterns as constraints.
HOST = r"\A([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:.]+\])\Z"
PREFIX = r"\A(/[A-Za-z0-9][A-Za-z0-9._~-]*)+/\Z"
VERSION = r"\A[0-9]{1,5}(\.[0-9]{1,5}){1,3}\Z"

MALFORMED_HOST = _(
    "Enter a host name in small letters, without scheme and port, like portal.example.com."
)
MALFORMED_PREFIX = _("Enter a path of whole segments, like /portal/.")
MALFORMED_VERSION = _("Enter a version like 9.2.0.1.")

host_validator = RegexValidator(HOST, MALFORMED_HOST)
prefix_validator = RegexValidator(PREFIX, MALFORMED_PREFIX)
version_validator = RegexValidator(VERSION, MALFORMED_VERSION)


class Home(NamedTuple):
    """A host, and the path at it below which an environment lives."""

    host: str
    prefix: str = ""


class Place(NamedTuple):
    """Where a request has arrived: the environment, and the path below which it lives."""

    scope: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class AddressBook:
    """Every address by host, each host's longest path first; "" is every host.

    Where nothing matches, ``default`` answers.
    """

    default: str = DEFAULT_SCOPE
    by_host: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, default: str, addresses: Iterable[tuple[str, Place]]) -> "AddressBook":
        """Return the book of ``(host, place)`` pairs."""
        by_host: dict[str, list[Place]] = {}
        for host, place in addresses:
            by_host.setdefault(host, []).append(place)
        return cls(
            default,
            {
                host: tuple(sorted(places, key=lambda place: len(place.prefix), reverse=True))
                for host, places in by_host.items()
            },
        )

    def place_of(self, host: str, path: str) -> Place:
        """Return where ``path`` at ``host`` leads: by the host, then by the longest path."""
        if self.by_host:
            within = f"{path}/"
            for name in (host, ""):
                for place in self.by_host.get(name, ()):
                    if within.startswith(place.prefix):
                        return place
        return Place(self.default)

    def home_of(self, scope: str, host: str) -> Home | None:
        """Return where ``scope`` answers, ``host`` itself first; ``None``: no address leads there.

        An address that another one takes everything from leads elsewhere, and is not returned.
        """
        homes = [Home(host)] + [
            Home(name or host, place.prefix)
            for name, places in self.by_host.items()
            for place in places
            if place.scope == scope
        ]
        leading = (
            home for home in homes if self.place_of(home.host, home.prefix or "/").scope == scope
        )
        return next(leading, None)

    def shared_hosts(self) -> list[str]:
        """Return the hosts at which more than one environment answers; "" is every host."""
        return [
            host
            for host, places in self.by_host.items()
            if len({place.scope for place in places} | {self.place_of(host, "/").scope}) > 1
        ]
