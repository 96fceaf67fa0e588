"""Settings from outside the page, by the page's own rules: text, JSON, and the words of a refusal.

Everything goes through the General form, so that the command and an import refuse what the page
refuses.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict

from sessionmgr.core.policy import Policy
from settings_app.forms import GeneralForm
from settings_app.values import FIELDS, MINUTE_FIELDS, Values

#: Longest file that is read; a settings file has a few hundred bytes per environment.
MOST_BYTES = 1_000_000


class RefusedError(ValueError):
    """The input breaks a rule; ``messages`` has the sentences by field."""

    def __init__(self, messages: Mapping[str, list[str]]) -> None:
        self.messages = dict(messages)
        super().__init__(
            "\n".join(f"{field}: {' '.join(said)}" for field, said in self.messages.items())
        )


def policy_from_text(values: Mapping[str, str], version: int, reason: str = "") -> Policy:
    """Return the policy of values as one would type them, else raise RefusedError."""
    if unknown := values.keys() - set(FIELDS):
        raise RefusedError({field: ["There is no such setting."] for field in sorted(unknown)})
    data = QueryDict(mutable=True)
    data.update({**values, "version": str(version), "reason": reason})
    form = GeneralForm(data)
    if not form.is_valid():
        raise RefusedError({field: list(map(str, said)) for field, said in form.errors.items()})
    return form.policy()


def text_of(values: Values) -> dict[str, str]:
    """Return values as one would type them."""
    return {
        field: ("on" if value else "off") if isinstance(value, bool) else str(value)
        for field, value in values.items()
    }


def text_from_json(values: Any) -> dict[str, str]:
    """Return the six values of a settings file as one would type them.

    A number must be a number there and a switch ``true`` or ``false``: anything else is refused.
    """
    if not isinstance(values, dict):
        raise RefusedError({"settings": ["An object with the six settings is needed."]})
    wrong = [
        field
        for field in FIELDS
        if field not in values or type(values[field]) is not _type_of(field)
    ]
    if wrong:
        raise RefusedError({field: [f"{_type_name(field)} is needed."] for field in wrong})
    return text_of(values)


def _type_of(field: str) -> type:
    if field in MINUTE_FIELDS:
        return int
    return bool if field == "inactivity_enabled" else str


def _type_name(field: str) -> str:
    return {int: "A whole number", bool: "true or false", str: "A text"}[_type_of(field)]


def read_file(text: str) -> dict[str, dict[str, str]]:
    """Return ``{environment: values as typed}`` of a settings file, else raise RefusedError."""
    if len(text) > MOST_BYTES:
        raise RefusedError({"file": ["This is too long for a file of settings."]})
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RefusedError({"file": [f"This is not a file of settings: {error}"]}) from error
    environments = content.get("environments") if isinstance(content, dict) else None
    if not isinstance(environments, dict) or set(content) != {"environments"}:
        raise RefusedError({"file": ['An object with "environments" is needed, and no more.']})
    return {slug: text_from_json(values) for slug, values in environments.items()}


def file_of(environments: Mapping[str, Values]) -> str:
    """Return a settings file, which ``read_file`` reads."""
    return json.dumps({"environments": dict(environments)}, indent=2)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
