"""The way to whoever can ask the identity provider whether a session may go on (R2).

The engine calls it when a lease has run out. ``sessionmgr.identity`` connects itself where a
provider is configured; without one nobody can answer, which counts as out of reach.
"""

from collections.abc import Callable

from sessionmgr.core.reasons import Outcome

#: Asks for the session of this id, and has stored what came of it when it returns.
Ask = Callable[[int], Outcome]


class Asker:
    """Who asks; one for each process."""

    ask: Ask | None = None


_asker = Asker()


def connect(ask: Ask | None) -> None:
    """Let ``ask`` answer from now on."""
    _asker.ask = ask


def ask(session_id: int) -> Outcome:
    """Have the session's lease renewed, or learn why it cannot be; never raises for a fault."""
    return Outcome.UNREACHABLE if _asker.ask is None else _asker.ask(session_id)
