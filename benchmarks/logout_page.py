"""The result page of ``python -m benchmarks.logout``, as Markdown."""
# ruff: noqa: E501

from __future__ import annotations

import os
import platform
from typing import Any

import django

MILLISECONDS = 1000

#: What the issue asks for: providers wait about 2.5 seconds, and have many sites to tell.
MOST = 100.0

KINDS = {
    "nothing": "control: a view that reads the form and answers",
    "sid": "a token for one session (`sid`): 1 ended",
    "sub": "a token for a person (`sub`): 3 ended",
    "replay": "a token that came before: refused",
    "forged": "a forged signature: refused",
}


def as_page(found: dict[str, Any], sessions: int, version: str) -> str:
    """Return the whole page."""
    spans = found["spans"]
    longest = max(spans[kind]["longest"] for kind in ("sid", "sub")) * MILLISECONDS
    return f"""# What a back-channel logout costs

`make bench-logout` writes this page: {sessions:,} live sessions of {sessions // 3:,} people, each with payload, identity and lease,
and {found["count"]:,} deliveries of each kind, in turns, through Django's handler and every middleware of the reference project. Writing
the tokens is not part of the times, verifying them is.

{os.cpu_count()} shared CPU cores, PostgreSQL {version} with its own defaults, Python {platform.python_version()}, Django {django.get_version()}.
The cores were shared with other work: compare the lines with each other, the first one above all.

| milliseconds | median | 99 % | longest |
|---|--:|--:|--:|
{"".join(line(told, spans[kind]) for kind, told in KINDS.items())}
The very first delivery of a process, which asks the provider for its description and its keys first: {found["first"] * MILLISECONDS:.0f} ms.

| goal | figure | |
|---|--:|---|
| answered within {MOST:.0f} ms with {sessions:,} live sessions | {longest:.0f} ms at most | {"met" if longest <= MOST else "**not met**"} |

## Where the time goes

The sessions are found by one of two partial indexes of live rows (by `provider_sid`, by `identity`), so that their number hardly matters;
they are locked in the order of their ids, ended, and their payloads removed, in one transaction with the note that the token was obeyed.
"""


def line(told: str, span: dict[str, float]) -> str:
    cells = (f"{span[name] * MILLISECONDS:.1f}" for name in ("median", "p99", "longest"))
    return f"| {told} | {' | '.join(cells)} |\n"
