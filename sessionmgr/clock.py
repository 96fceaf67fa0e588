"""One seam for "now". Authority is the database's clock: app servers' clocks disagree.

A request learns the time with its session row (``read``); a sign-in has the database write it
(``expression``); commands and jobs, which have no row, ask for it (``now``).
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, Value
from django.db.models.expressions import Combinable
from django.db.models.fields import DateTimeField
from django.db.models.functions import Now
from django.db.models.sql import Query

TICK = timedelta(microseconds=1)

#: How far a test has moved the clock. Nothing else sets it.
shift = timedelta()


class DatabaseNow(Now):
    """The database's time with as many digits as Python writes: SQLite compares times as text."""

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'NOW')"
        return self.as_sql(compiler, connection, template=template, **context)


def read(database_now: datetime) -> datetime:
    """Return the time of an instant that the database told along with a row.

    Never a whole second: Python writes that without digits, which SQLite would sort wrongly.
    """
    instant = database_now + shift
    return instant if instant.microsecond else instant + TICK


def expression() -> Combinable:
    """Return "now" as an expression, for a row whose times the database itself writes."""
    if not shift:
        return DatabaseNow()
    return ExpressionWrapper(
        DatabaseNow() + Value(shift, output_field=DurationField()), output_field=DateTimeField()
    )


def now(using: str) -> datetime:
    """Return the database's time, in a statement of its own."""
    query = Query(None)  # A SELECT without FROM, as Q.check() does.
    query.add_annotation(DatabaseNow(), "now")
    (instant,) = next(iter(query.get_compiler(using=using).results_iter()))
    return read(instant)
