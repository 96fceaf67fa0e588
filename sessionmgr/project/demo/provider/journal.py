"""What has happened lately, in words. No secret is ever told here."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

logger = logging.getLogger(__name__)

#: Events that are remembered.
LENGTH = 30


class Event(NamedTuple):
    """One line of the journal; ``about`` names the part of the control panel it belongs to."""

    number: int
    at: float
    text: str
    about: str


class Journal:
    """The last events, newest first; each is written to the log as well."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._events: deque[Event] = deque(maxlen=LENGTH)

    def __iter__(self) -> Iterator[Event]:
        return iter(list(self._events))

    def note(self, text: str, about: str = "") -> Event:
        event = Event(next(self._numbers), self._clock(), text, about)
        self._events.appendleft(event)
        logger.info("%s", text)
        return event

    def find(self, number: str) -> Event | None:
        """Return the event of that number, if it is still remembered."""
        return next((event for event in self if str(event.number) == number), None)
