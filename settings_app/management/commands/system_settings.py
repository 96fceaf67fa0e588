"""The System Settings page without the page: ``system_settings show|set|reset|export|apply``."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from sessionmgr.core.policy import Policy
from sessionmgr.sources import DEFAULT_SCOPE
from settings_app import exchange
from settings_app.conf import conf
from settings_app.exchange import MOST_BYTES, RefusedError, policy_from_text, text_of
from settings_app.models import Environment, SettingsChange, database
from settings_app.saving import Author, StaleVersionError, store, stored_policy
from settings_app.values import changes_between, values_of
from settings_app.words import NAMES, policy_words, value_words

AUTHOR = Author(name="command line")


class Command(BaseCommand):
    help = "Shows or changes the limits on sign-ins, by the rules of the System Settings page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="Show what is stored.")
        change = actions.add_parser("set", help="Change some settings.")
        change.add_argument("assignments", nargs="+", metavar="field=value")
        reset = actions.add_parser("reset", help="Restore all defaults.")
        export = actions.add_parser("export", help="Write a file of settings.")
        apply = actions.add_parser("apply", help="Read a file of settings.")
        for each, word in ((export, "write"), (apply, "read")):
            each.add_argument("file", nargs="?", default="-", help=f"The file to {word}; - here.")
        for each in (show, change, reset, export, apply):
            each.add_argument("--environment", help="The short name of one environment.")
            each.add_argument("--json", action="store_true", help="Print JSON for scripts.")
        for each in (change, reset, apply):
            each.add_argument("--reason", default="", help="Kept in the history of changes.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["action"])(**options)
        except RefusedError as error:
            if options["json"]:
                self.print_json({"changed": 0, "errors": error.messages})
            raise CommandError(f"Nothing was changed.\n{error}") from error
        except StaleVersionError as error:
            message = "Somebody else has changed the settings meanwhile. Nothing was changed."
            raise CommandError(message) from error

    def show(self, *, environment: str | None, **options: Any) -> None:
        """Print what is stored."""
        found = {each: stored_policy(each) for each in chosen(environment)}
        if options["json"]:
            self.print_json(
                {
                    each.slug: {**values_of(policy), "version": policy.version}
                    for each, policy in found.items()
                }
            )
            return
        for each, policy in found.items():
            self.stdout.write(f"{each.slug}: version {policy.version}")
            for field, value in values_of(policy).items():
                self.stdout.write(f"  {field} = {text_of({field: value})[field]}")
            for sentence in policy_words(policy):
                self.stdout.write(f"  {sentence}")
        if conf.SESSIONMGR_RESTORE_DEFAULTS:
            self.stderr.write("SESSIONMGR_RESTORE_DEFAULTS is on: the defaults are in force.")

    def set(self, *, assignments: list[str], environment: str | None, **options: Any) -> None:
        """Change some settings of one environment."""
        given = parsed(assignments)
        (target,) = chosen(environment or DEFAULT_SCOPE)
        old = stored_policy(target)
        typed = {**text_of(values_of(old)), **given}
        new = policy_from_text(typed, old.version, options["reason"])
        self.save({target: (old, new)}, **options)

    def reset(self, *, environment: str | None, **options: Any) -> None:
        """Restore the defaults of one environment."""
        (target,) = chosen(environment or DEFAULT_SCOPE)
        old = stored_policy(target)
        typed = text_of(values_of(Policy()))
        new = policy_from_text(typed, old.version, options["reason"])
        self.save({target: (old, new)}, **options)

    def export(self, *, file: str, environment: str | None, **options: Any) -> None:
        """Write a file that ``apply`` reads."""
        text = exchange.file_of(
            {each.slug: values_of(stored_policy(each)) for each in chosen(environment)}
        )
        if file == "-":
            self.stdout.write(text)
        else:
            Path(file).write_text(text + "\n", encoding="utf-8")

    def apply(self, *, file: str, environment: str | None, **options: Any) -> None:
        """Store a file's settings: all of them or, where one is refused, none."""
        content = exchange.read_file(contents_of(file))
        if environment is not None:
            content = {slug: typed for slug, typed in content.items() if slug == environment}
        if not content:
            raise RefusedError({"file": ["There are no settings for that environment."]})
        wanted = {}
        for slug, typed in content.items():
            (target,) = chosen(slug)
            old = stored_policy(target)
            wanted[target] = (old, policy_from_text(typed, old.version, options["reason"]))
        self.save(wanted, **options)

    def save(
        self, wanted: dict[Environment, tuple[Policy, Policy]], *, reason: str, **options: Any
    ) -> None:
        """Store what differs and tell what was changed."""
        made: list[SettingsChange] = []
        with transaction.atomic(using=database()):
            for target, (old, new) in wanted.items():
                if changes_between(old, new):
                    change = store(target, new, based_on=old.version, author=AUTHOR, reason=reason)
                    made.append(change)
        counts = {"changed": len(made), "unchanged": len(wanted) - len(made)}
        if options["json"]:
            told = {each.environment.slug: each.changes for each in made}
            self.print_json({**counts, "changes": told})
            return
        for each in made:
            for field, (old_value, new_value) in each.changes.items():
                moved = f"{value_words(field, old_value)} -> {value_words(field, new_value)}"
                self.stdout.write(f"{each.environment.slug}: {NAMES[field]}: {moved}")
        self.stdout.write("changed {changed}, unchanged {unchanged}".format(**counts))

    def print_json(self, content: Any) -> None:
        self.stdout.write(json.dumps(content))


def chosen(slug: str | None) -> list[Environment]:
    """Return the environment of that name, or all of them."""
    environments = Environment.objects.using(database())
    found = list(environments if slug is None else environments.filter(slug=slug))
    if slug is not None and not found:
        raise RefusedError({"environment": [f"There is no environment “{slug}”."]})
    return found


def parsed(assignments: list[str]) -> dict[str, str]:
    """Return ``field=value`` words as a mapping; each field once."""
    given: dict[str, str] = {}
    for each in assignments:
        field, sign, value = each.partition("=")
        if not sign or field in given:
            raise RefusedError({field: ["Give each setting once, as field=value."]})
        given[field] = value
    return given


def contents_of(file: str) -> str:
    """Return the text of ``file``; ``-``: what is piped in."""
    try:
        if file == "-":
            return sys.stdin.read(MOST_BYTES + 1)
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError({"file": [str(error)]}) from error
