"""Telemetry: what devices measured, as it was sent, and summed up by time inside the database.

A sample is whatever the device put into it, so a field is summed up only where it holds a number. Must never
read more rows into this process than were asked for.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import chain
from typing import Any

import sqlalchemy as sa

from host_sim.cloud.catalogue.pages import beyond, bounded
from host_sim.cloud.storage import trips
from host_sim.cloud.storage.database import json_text
from host_sim.cloud.storage.tables import telemetry

AGGREGATES = ("avg", "min", "max", "sum", "count")


# A device, when each of its samples was taken (ms since 1970), and each one's body as `text_of` gives it.
Run = tuple[str, list[int], list[str]]

_HUGE = Decimal(2**1024 - 2**970)  # what is smaller is rounded to the largest double
_COLUMNS = "INSERT INTO telemetry (tenant_id, device_id, sampled_at, received_at, body)"
_AT_ONCE = 128  # rows of one statement on SQLite
_FLAT = frozenset((int, str, bool, type(None)))
_exponent = re.compile(rb"[0-9][eE]").search


def text_of(raw: bytes, body: Mapping[str, Any]) -> str:
    """The JSON text that is stored for a valid body: as it came, where both databases take that as it is."""
    # What PostgreSQL may refuse though it is JSON: an escape of U+0000, a number like 1e-99999 or 0e99999.
    text = raw.decode()
    if "\\" in text or (not _FLAT.issuperset(map(type, body.values())) and _exponent(raw)):
        return json_text(body)
    return text


def add(connection: sa.Connection, tenant_id: str, received_at: int, runs: Sequence[Run]) -> None:
    """Store samples that were taken in together.

    Each text is one of `text_of`: what a database refuses would undo the whole transaction.
    """
    rows = [(name, at, text) for name, times, texts in runs for at, text in zip(times, texts, strict=True)]
    if not rows:
        return
    if connection.dialect.name != "sqlite":
        # One statement whatever the number of rows, and three lists to hand over.
        trips.send(
            connection,
            f"{_COLUMNS} SELECT %s, one.device_id, one.sampled_at, %s, one.body::jsonb"
            " FROM unnest(%s::text[], %s::bigint[], %s::text[]) AS one (device_id, sampled_at, body)",
            (tenant_id, received_at, *map(list, zip(*rows, strict=True))),
        )
        return
    for first in range(0, len(rows), _AT_ONCE):
        part = rows[first : first + _AT_ONCE]
        connection.exec_driver_sql(_insert(len(part)), (tenant_id, received_at, *chain.from_iterable(part)))


@cache
def _insert(rows: int) -> str:
    # Many rows a statement: SQLite's module lets go of the interpreter for each one.
    values = (f"(?1,?{at},?{at + 1},?2,?{at + 2})" for at in range(3, 3 + 3 * rows, 3))
    return f"{_COLUMNS} VALUES {','.join(values)}"


@dataclass(frozen=True, slots=True)
class Span:
    """Samples of a device from `begin` on and before `end`, in ms since 1970."""

    tenant_id: str
    device_id: str
    begin: int
    end: int

    def where(self) -> tuple[Any, ...]:
        return (
            telemetry.c.tenant_id == self.tenant_id,
            telemetry.c.device_id == self.device_id,
            telemetry.c.sampled_at >= self.begin,
            telemetry.c.sampled_at < self.end,
        )


def newest(
    connection: sa.Connection, span: Span, limit: int, after: tuple[int, int] | None = None
) -> tuple[list[Any], bool]:
    """Rows, the newest first, and whether there are more (`bounded`).

    `after`: (sampled_at, id) of the last one that is known.
    """
    conditions: tuple[Any, ...] = ()
    if after is not None:
        # Told by time alone too: no index leads to a pair beside another bound, and all before it was read.
        span = replace(span, end=min(span.end, after[0] + 1))
        conditions = (beyond(telemetry.c.sampled_at, telemetry.c.id, after, newest_first=True),)
    query = sa.select(telemetry).where(*span.where(), *conditions)
    query = query.order_by(telemetry.c.sampled_at.desc(), telemetry.c.id.desc())
    return bounded(connection, query, limit, "body")


def summed(
    connection: sa.Connection, span: Span, aggregate: str, bucket: int, field: tuple[str, ...] | None
) -> list[tuple[int, float | None, int]]:
    """(start in ms, value, how many) of each bucket of `bucket` ms in which there is something, in order.

    `field`: the names that lead to a number; None counts samples. What no double holds is None; so are
    sum and average where one of the numbers is none, or their sum.
    """
    start = telemetry.c.sampled_at - telemetry.c.sampled_at % bucket
    value = sa.literal(1) if field is None else _number(connection, field)
    inner = sa.select(start.label("start"), value.label("value")).where(*span.where()).subquery()
    count = sa.func.count(inner.c.value)
    # One database adds up exactly what to the other is infinite: an average is of a sum that a double holds.
    added = aggregate in ("avg", "sum")
    result = count if aggregate == "count" else getattr(sa.func, "sum" if added else aggregate)(inner.c.value)
    huge = sa.func.max(sa.case((sa.func.abs(inner.c.value) >= _huge(connection), 1), else_=0))
    query = (
        sa.select(inner.c.start, result.label("result"), count.label("count"), huge.label("huge"))
        .where(inner.c.value.is_not(None))
        .group_by(inner.c.start)
        .order_by(inner.c.start)
    )
    found = []
    for row in connection.execute(query):
        value = None if added and row.huge else _double(row.result)
        if value is not None and aggregate == "avg":
            value /= row.count
        found.append((row.start, value, row.count))
    return found


def _huge(connection: sa.Connection) -> Any:
    """From which size on no double holds a number."""
    if connection.dialect.name == "sqlite":
        return sa.literal(math.inf, sa.Float)
    return sa.literal(_HUGE, sa.Numeric)


def _number(connection: sa.Connection, field: tuple[str, ...]) -> Any:
    """The number at this place of a sample, or null. Names are letters, digits, _ and -."""
    if connection.dialect.name == "sqlite":
        path = "$" + "".join(f'."{name}"' for name in field)
        is_number = sa.func.json_type(telemetry.c.body, path).in_(("integer", "real"))
        value = sa.cast(sa.func.json_extract(telemetry.c.body, path), sa.Float)
    else:
        is_number = sa.func.jsonb_typeof(sa.func.jsonb_extract_path(telemetry.c.body, *field)) == "number"
        # No double: 10^400 is a number in JSON, and to turn it into one would end the statement.
        value = sa.cast(sa.func.jsonb_extract_path_text(telemetry.c.body, *field), sa.Numeric)
    return sa.case((is_number, value))


def _double(value: Any) -> float | None:
    if value is None:  # what SQLite makes of infinity less infinity
        return None
    number = float(value)
    return number if math.isfinite(number) else None
