"""An outage, simulated: what the provider does instead of its work."""

from enum import StrEnum
from threading import Event


class Kind(StrEnum):
    """What an outage looks like from outside."""

    NONE = ""
    UNAVAILABLE = "503"
    HANG = "hang"
    TRICKLE = "trickle"


#: In the words of the control panel.
TOLD = {
    Kind.UNAVAILABLE: "answers 503 to everything",
    Kind.HANG: "takes requests and does not answer",
    Kind.TRICKLE: "answers a byte a second",
}


class Outage:
    """The outage that is on, if one is; whoever is held up by it can wait for its end."""

    def __init__(self) -> None:
        self.kind = Kind.NONE
        self._over = Event()

    def switch(self, kind: Kind) -> None:
        """End the outage that is on, and begin one of ``kind``."""
        over, self._over = self._over, Event()
        self.kind = kind
        over.set()

    def is_over_within(self, seconds: float) -> bool:
        """Wait for the end, no longer than ``seconds``; return whether it has come."""
        return self._over.wait(seconds)
