"""Telemetry summed up by time, inside the database.

A sample is whatever the device put into it, so a field is summed up only where it holds a number. Must never
read samples into this process.
"""

import math
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.samples import SPAN_MS, Expanded, Span, expanded
from host_sim.cloud.storage.tables import telemetry

AGGREGATES = ("avg", "min", "max", "sum", "count")

_HUGE = Decimal(2**1024 - 2**970)  # what is smaller is rounded to the largest double


def summed(
    connection: sa.Connection, span: Span, aggregate: str, bucket: int, field: tuple[str, ...] | None
) -> list[tuple[int, float | None, int]]:
    """(start in ms, value, how many) of each bucket of `bucket` ms in which there is something, in order.

    `field`: the names that lead to a number; None counts samples. What no double holds is None; so are
    sum and average where one of the numbers is none, or their sum.
    """
    inner = _samples(connection, span, bucket, field)
    start = inner.c.at - inner.c.at % bucket
    inner = (
        sa.select(start.label("start"), inner.c.value)
        .where(inner.c.at >= span.begin, inner.c.at < span.end, inner.c.value.is_not(None))
        .subquery()
    )
    count = sa.func.count(inner.c.value)
    # One database adds up exactly what to the other is infinite: an average is of a sum that a double holds.
    added = aggregate in ("avg", "sum")
    result = count if aggregate == "count" else getattr(sa.func, "sum" if added else aggregate)(inner.c.value)
    huge = sa.func.max(sa.case((sa.func.abs(inner.c.value) >= _huge(connection), 1), else_=0))
    query = (
        sa.select(inner.c.start, result.label("result"), count.label("count"), huge.label("huge"))
        .group_by(inner.c.start)
        .order_by(inner.c.start)
    )
    if connection.dialect.name != "sqlite":
        # PostgreSQL cannot tell how many samples a run has, and compiles for many more.
        connection.exec_driver_sql("SET LOCAL jit = off")
    found = []
    for row in connection.execute(query):
        value = None if added and row.huge else _double(row.result)
        if value is not None and aggregate == "avg":
            value /= row.count
        found.append((row.start, value, row.count))
    return found


def _samples(connection: sa.Connection, span: Span, bucket: int, field: tuple[str, ...] | None) -> Any:
    """The samples of all runs that may have some in the span: `at`, when each was taken, and its `value`."""
    first, last = telemetry.c.first_at, telemetry.c.last_at
    all_of = expanded(connection.dialect.name == "sqlite")
    # Where that makes no difference no sample is asked for its own time, which costs as much as its value.
    alike = sa.and_(first >= span.begin, last < span.end, first - first % bucket == last - last % bucket)
    return (
        sa.select(
            sa.case((alike, first), else_=all_of.at).label("at"),
            (sa.literal(1) if field is None else _number(connection, all_of, field)).label("value"),
        )
        .select_from(all_of.runs)
        .where(
            telemetry.c.tenant_id == span.tenant_id,
            telemetry.c.device_id == span.device_id,
            last >= span.begin,
            last < span.end + SPAN_MS,
            first < span.end,
        )
        .offset(0)  # which keeps both databases from asking it again wherever it is named
        .subquery()
    )


def _huge(connection: sa.Connection) -> Any:
    """From which size on no double holds a number."""
    if connection.dialect.name == "sqlite":
        return sa.literal(math.inf, sa.Float)
    return sa.literal(_HUGE, sa.Numeric)


def _number(connection: sa.Connection, all_of: Expanded, field: tuple[str, ...]) -> Any:
    """The number at this place of a sample, or null. Names are letters, digits, _ and -."""
    if connection.dialect.name == "sqlite":
        path = "$[1]" + "".join(f'."{name}"' for name in field)
        is_number = sa.func.json_type(all_of.pair, path).in_(("integer", "real"))
        value = sa.cast(sa.func.json_extract(all_of.pair, path), sa.Float)
    else:
        is_number = sa.func.jsonb_typeof(sa.func.jsonb_extract_path(all_of.pair, "1", *field)) == "number"
        # No double: 10^400 is a number in JSON, and to turn it into one would end the statement.
        value = sa.cast(sa.func.jsonb_extract_path_text(all_of.pair, "1", *field), sa.Numeric)
    return sa.case((is_number, value))


def _double(value: Any) -> float | None:
    if value is None:  # what SQLite makes of infinity less infinity
        return None
    number = float(value)
    return number if math.isfinite(number) else None
