"""Environments, and the policy in force in each: held in process at most one second, and refreshed
beside the requests.

``current_policy`` is what SESSIONMGR_POLICY_SOURCE points at, ``scopes.scope_of`` reads the
addresses for SESSIONMGR_SCOPE_SOURCE. In steady state it costs a look
into a dict: a thread, started by the first use and stopped a minute after the last, asks the
database twice a second. Where it cannot keep up the request asks for itself, so that nobody is
judged by a policy that is older than a second.
"""

import atexit
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, connections
from django.http import HttpRequest

from sessionmgr import sources
from sessionmgr.core.policy import GROUP_FIELDS, GroupLimits, Policy
from sessionmgr.sources import DEFAULT_SCOPE
from settings_app.addresses import AddressBook, Place
from settings_app.clients import exemptions
from settings_app.conf import conf
from settings_app.models import Environment, database, limits_of
from settings_app.values import FIELDS, policy_of

logger = logging.getLogger("settings_app")

#: How old a policy may be, how often the thread asks, and how long it goes on unused; seconds.
HELD_FOR = 1.0
ASK_EVERY = 0.5
UNUSED_FOR = 60.0

NO_SETTINGS = Policy()


class Known(NamedTuple):
    """What is held of one environment."""

    slug: str
    name: str
    kind: str
    version: str
    client_id: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Held:
    """What the database said at ``at`` (monotonic, taken before it was asked)."""

    policies: Mapping[str, Policy]
    at: float
    environments: Mapping[str, Known] = field(default_factory=dict)
    addresses: AddressBook = field(default_factory=AddressBook)
    #: Of a scope that has no settings: the defaults, and the kinds of client.
    default: Policy = NO_SETTINGS

    def policy_of(self, scope: str) -> Policy:
        """Return the policy of ``scope``."""
        return self.policies.get(scope, self.default)


class Holder:
    """What one process holds. Lives anew after a fork: threads do not come along."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.held: Held | None = None
        self.used_at = 0.0
        self.generation = 0
        self.thread: threading.Thread | None = None
        self.stopping = threading.Event()

    def keep(self, held: Held, generation: int) -> None:
        """Hold what was read, unless a save or a later answer has overtaken it."""
        with self.lock:
            is_latest = self.held is None or held.at >= self.held.at
            if generation == self.generation and is_latest:
                self.held = held

    def forget(self) -> None:
        """Have the next use ask; what is being read now is not kept."""
        with self.lock:
            self.generation += 1
            self.held = None

    def ensure_thread(self) -> None:
        """Start the thread unless it runs."""
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.stopping.clear()
                self.thread = threading.Thread(
                    target=self.run, name="sessionmgr-policy", daemon=True
                )
                self.thread.start()

    def run(self) -> None:
        """Ask again and again until nobody uses the answers; close the connection then."""
        is_failing = False
        alias = database()
        try:
            while not self.stopping.wait(ASK_EVERY) and monotonic() - self.used_at < UNUSED_FOR:
                try:
                    connections[alias].close_if_unusable_or_obsolete()
                    generation = self.generation
                    self.keep(read(), generation)
                    is_failing = False
                except Exception:
                    # The held policy ages, and the next request meets the fault itself.
                    if not is_failing:
                        logger.warning("The settings could not be read.", exc_info=True)
                    is_failing = True
                    connections[alias].close()
        finally:
            connections[alias].close()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self.stopping.set()
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join(timeout=2)


_holder = Holder()


def current_policy(scope: HttpRequest | str) -> Policy:
    """Return the policy in force for a request or a scope; at most one second old."""
    if not isinstance(scope, str):
        scope = sources.scope_of(scope)
    return _held().policy_of(scope)


def addresses() -> AddressBook:
    """Return where each environment answers; while the database is lost, as it was last known.

    A limit must be fresh, and so a policy is not served then; a cookie's name may be old.
    """
    try:
        return _held().addresses
    except (OperationalError, InterfaceError):
        held = _holder.held
        if held is None:
            raise
        return held.addresses


def environments() -> Mapping[str, Known]:
    """Return every environment by its slug; at most one second old."""
    return _held().environments


def is_fresh() -> bool:
    """Return whether what is held can be used without asking the database."""
    held = _holder.held
    return held is not None and monotonic() - held.at < HELD_FOR


def _held() -> Held:
    holder = _holder
    now = holder.used_at = monotonic()
    held = holder.held
    return _ask(holder) if held is None or now - held.at >= HELD_FOR else held


def invalidate() -> None:
    """Have this process see a committed save at once; others see it within a second."""
    _holder.forget()


COLUMNS = [name for name in Known._fields if name != "slug"]
SETTINGS = [f"system_settings__{name}" for name in ("version", *FIELDS)]
GROUPS = [f"group_limits__{name}" for name in ("group", *GROUP_FIELDS)]


def read() -> Held:
    """Ask the database for every environment, its addresses and its policy: one query."""
    at = monotonic()
    rows = (
        Environment.objects.using(database())
        .order_by("pk")
        .values("slug", *COLUMNS, *SETTINGS, *GROUPS, "addresses__host", "addresses__prefix")
    )
    policies: dict[str, Policy] = {}
    groups: dict[str, dict[Any, GroupLimits]] = {}
    known: dict[str, Known] = {}
    #: In their order, once each: an environment with groups comes in many rows.
    places: dict[tuple[str, Place], None] = {}
    kinds = {} if conf.SESSIONMGR_RESTORE_DEFAULTS else exemptions()
    defaults = Policy(exemptions=kinds)
    for row in rows:
        slug = row["slug"]
        known[slug] = Known(slug, *(row[name] for name in COLUMNS))
        version, *values = (row[name] for name in SETTINGS)
        if version is not None:
            policy = policy_of(dict(zip(FIELDS, values, strict=True)), version)
            policies[slug] = replace(policy, exemptions=kinds)
        group, *limits = (row[name] for name in GROUPS)
        if group is not None:
            groups.setdefault(slug, {})[group] = limits_of(group, *limits)
        if row["addresses__host"] is not None:
            places[row["addresses__host"], Place(slug, row["addresses__prefix"])] = None
    for slug, found in groups.items():
        policies[slug] = replace(policies.get(slug, defaults), groups=tuple(found.values()))
    default = next((each.slug for each in known.values() if each.is_default), DEFAULT_SCOPE)
    book = AddressBook.of(default, places)
    in_force = {} if conf.SESSIONMGR_RESTORE_DEFAULTS else policies
    return Held(in_force, at, known, book, defaults)


def _ask(holder: Holder) -> Held:
    generation = holder.generation
    held = read()
    if not _is_saving():
        holder.keep(held, generation)
        if conf.SESSIONMGR_POLICY_REFRESH == "thread":
            holder.ensure_thread()
    return held


def _is_saving() -> bool:
    """Return whether this connection has a save to commit: what it reads may yet be undone."""
    return any(entry[1] is invalidate for entry in connections[database()].run_on_commit)


def _start_anew() -> None:
    global _holder
    _holder = Holder()


os.register_at_fork(after_in_child=_start_anew)
atexit.register(lambda: _holder.stop())
