"""Telemetry: what devices measured, as it was sent. A row is a run: samples that were taken in together.

A burst of a device is one row, and not hundreds; its runs may overlap in time, since a device sends late what
it could not send before. Must never read more into this process than a page needs: what a page costs is
bounded by its limit, however many runs a device has made.
"""

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import heappop, heappush
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from host_sim.cloud.catalogue.pages import AT_ONCE, MOST_BYTES
from host_sim.cloud.storage import trips
from host_sim.cloud.storage.database import json_text
from host_sim.cloud.storage.tables import telemetry

# A device, when each of its samples was taken (ms since 1970), and each one's body as `text_of` gives it.
Run = tuple[str, list[int], list[str]]

RUN = 256  # samples of a row; a sample's id is its row's, times this, and its place in there
SPAN_MS = 3600 * 1000  # between the earliest and the latest of a row
LATEST = 253402300799999  # ms: the end of the year 9999, after which nothing is taken
LONGEST = 1 << 16  # characters of a row's bodies; one that is longer has a row to itself

_COLUMNS = "INSERT INTO telemetry (tenant_id, device_id, first_at, last_at, received_at, samples)"
_ROWS = 128  # of one statement on SQLite
_FLAT = frozenset((int, str, bool, type(None)))
_exponent = re.compile(rb"[0-9][eE]").search
_pair = "%d,%s".__mod__


def text_of(raw: bytes, body: Mapping[str, Any]) -> str:
    """The JSON text that is stored for a valid body: as it came, where both databases take that as it is."""
    # What PostgreSQL may refuse though it is JSON: an escape of U+0000, a number like 1e-99999 or 0e99999.
    text = raw.decode()
    if "\\" in text or (not _FLAT.issuperset(map(type, body.values())) and _exponent(raw)):
        return json_text(body)
    return text


def add(connection: sa.Connection, tenant_id: str, received_at: int, runs: Sequence[Run]) -> None:
    """Store samples that were taken in together: of each device a row, or as many as the bounds ask for.

    Each text is one of `text_of`: what a database refuses would undo the whole transaction.
    """
    rows = _rows(runs)
    if not rows:
        return
    if connection.dialect.name != "sqlite":
        # One statement whatever the number of rows, and four lists to hand over. Those of text in the binary
        # form: in the other one every quote of the JSON would have to be escaped.
        trips.send(
            connection,
            f"{_COLUMNS} SELECT %s, one.device_id, one.first_at, one.last_at, %s, one.samples::jsonb"
            " FROM unnest(%b::text[], %s::bigint[], %s::bigint[], %b::text[])"
            " AS one (device_id, first_at, last_at, samples)",
            (tenant_id, received_at, *map(list, zip(*rows, strict=True))),
        )
        return
    for first in range(0, len(rows), _ROWS):
        part = rows[first : first + _ROWS]
        connection.exec_driver_sql(_insert(len(part)), (tenant_id, received_at, *chain.from_iterable(part)))


@cache
def _insert(rows: int) -> str:
    # Many rows a statement: SQLite's module lets go of the interpreter for each one.
    values = (f"(?1,?{at},?{at + 1},?{at + 2},?2,?{at + 3})" for at in range(3, 3 + 4 * rows, 4))
    return f"{_COLUMNS} VALUES {','.join(values)}"


def _rows(runs: Iterable[Run]) -> list[tuple[str, int, int, str]]:
    """Device, earliest, latest and JSON of each row."""
    rows = []
    for device_id, times, texts in runs:
        if len(times) == 1:
            rows.append((device_id, times[0], times[0], f"[[{times[0]},{texts[0]}]]"))
            continue
        for begin in range(0, len(times), RUN):
            some, bodies = times[begin : begin + RUN], texts[begin : begin + RUN]
            first, last = min(some), max(some)
            if last - first <= SPAN_MS and sum(map(len, bodies)) <= LONGEST:
                rows.append((device_id, first, last, _joined(some, bodies, first == last)))
                continue
            for start, end in _parts(some, bodies):
                part = some[start:end]
                first, last = min(part), max(part)
                rows.append((device_id, first, last, _joined(part, bodies[start:end], first == last)))
    return rows


def _joined(times: list[int], texts: list[str], alike: bool) -> str:
    """`alike`: whether all were taken at one time, as of a device without a clock."""
    if alike:
        return f"[[{times[0]},{f'],[{times[0]},'.join(texts)}]]"
    return f"[[{'],['.join(map(_pair, zip(times, texts, strict=True)))}]]"


def _parts(times: list[int], texts: list[str]) -> Iterator[tuple[int, int]]:
    """Where each row begins and ends, for samples that are too long or too far apart for one."""
    begin, first, last, size = 0, times[0], times[0], 0
    for number, (at, text) in enumerate(zip(times, texts, strict=True)):
        first, last, size = min(first, at), max(last, at), size + len(text)
        if number > begin and (last - first > SPAN_MS or size > LONGEST):
            yield begin, number
            begin, first, last, size = number, at, at, len(text)
    yield begin, len(times)


@dataclass(frozen=True, slots=True)
class Span:
    """Samples of a device from `begin` on and before `end`, in ms since 1970."""

    tenant_id: str
    device_id: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Expanded:
    """The samples of the runs that a statement reads. `pair`: [at, body] of one; `number`: its place."""

    runs: Any
    pair: Any
    number: Any
    at: Any


def expanded(sqlite: bool) -> Expanded:
    """Runs taken apart by the database."""
    if sqlite:
        each = sa.func.json_each(telemetry.c.samples).table_valued("key", "value", joins_implicitly=True)
        at = sa.func.json_extract(each.c.value, "$[0]", type_=sa.BigInteger)
        return Expanded(sa.join(telemetry, each, sa.true()), each.c.value, each.c.key, at)
    each = sa.func.jsonb_array_elements(telemetry.c.samples).table_valued(
        sa.column("pair", JSONB), with_ordinality="number", joins_implicitly=True
    )
    each = each.render_derived()
    at = sa.cast(each.c.pair[0].astext, sa.BigInteger)
    return Expanded(sa.join(telemetry, each, sa.true()), each.c.pair, each.c.number - 1, at)


class Sample(NamedTuple):
    """One of a device. `id`: no other has it, and of two of the same time the greater one is the newer."""

    sampled_at: int
    id: int
    received_at: int
    body: Any


def newest(
    connection: sa.Connection, span: Span, limit: int, after: tuple[int, int] | None = None
) -> tuple[list[Sample], bool]:
    """The newest samples, fewer than `limit` where their bodies are over MOST_BYTES of JSON, but one at
    least; and whether there are more.

    `after`: (sampled_at, id) of the last one that is known.
    """
    # All of them lie behind this place.
    at, id = (span.end, 0) if after is None else min(after, (span.end, 0))
    values = {
        "tenant_id": span.tenant_id,
        "device_id": span.device_id,
        "begin": span.begin,
        "at": at,
        "id": id,
        "run": id // RUN,
        "most": limit + 1,
    }
    best = _Best(limit)
    sqlite = connection.dialect.name == "sqlite"
    if span.begin <= at < LATEST:
        with contextlib.closing(connection.execute(_across(sqlite), values)) as rows:
            best.take((row.at, row.id, row.received_at, json.loads(row.pair)[1]) for row in rows)
    with contextlib.closing(connection.execute(_behind(), values)) as rows:
        for row in rows:
            first = row.id * RUN
            if best.is_closed(row.last_at, first + RUN - 1):
                break
            found = [
                (at, first + number, row.received_at, body)
                for number, (at, body) in enumerate(json.loads(row.samples))
                if at >= span.begin
            ]
            best.take(sorted(found, reverse=True))
    return best.page()


class _Best:
    """The newest samples of those that were seen: no more than a page has, and one that says that it ends."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[int, int, int, Any, int]] = []  # a sample each, and its size
        self._bytes = 0

    def is_closed(self, at: int, id: int) -> bool:
        """Whether what is not newer than this changes nothing."""
        return self._is_full() and self._heap[0][:2] > (at, id)

    def take(self, samples: Iterable[tuple[int, int, int, Any]]) -> None:
        """`samples`: the newest first."""
        heap = self._heap
        for one in samples:
            if self.is_closed(one[0], one[1]):
                return
            size = len(json.dumps(one[3]))
            heappush(heap, (*one, size))
            self._bytes += size
            while len(heap) > self._limit + 1 or (len(heap) > 2 and self._bytes - heap[0][4] > MOST_BYTES):
                self._bytes -= heappop(heap)[4]

    def page(self) -> tuple[list[Sample], bool]:
        found = [Sample(*one[:4]) for one in sorted(self._heap, reverse=True)]
        return (found[:-1], True) if self._is_full() else (found, False)

    def _is_full(self) -> bool:
        return len(self._heap) > self._limit or (len(self._heap) > 1 and self._bytes > MOST_BYTES)


# The statements are made once: to make one costs more than what it asks. Each gives a few rows first, which
# mostly are enough.
_STREAMED = {"stream_results": True, "max_row_buffer": AT_ONCE}
_BEGIN, _AT, _ID, _RUN, _MOST = (
    sa.bindparam(name, type_=sa.BigInteger) for name in ("begin", "at", "id", "run", "most")
)
_OF_DEVICE = (
    telemetry.c.tenant_id == sa.bindparam("tenant_id"),
    telemetry.c.device_id == sa.bindparam("device_id"),
)


@cache
def _across(sqlite: bool) -> Any:
    """Samples behind the place, of runs that do not lie there as a whole. There may be any number of these,
    and each may hold nothing that is wanted: so the database looks through them.
    """
    all_of = expanded(sqlite)
    run = sa.tuple_(_AT, _RUN)
    inner = (
        sa.select(
            all_of.at.label("at"),
            (telemetry.c.id * RUN + all_of.number).label("id"),
            telemetry.c.received_at,
            sa.cast(all_of.pair, sa.Text).label("pair"),
        )
        .select_from(all_of.runs)
        .where(
            *_OF_DEVICE,
            # Told by time alone too: SQLite's index leads to no pair beside another bound.
            telemetry.c.last_at.between(_AT, _AT + SPAN_MS),
            sa.tuple_(telemetry.c.last_at, telemetry.c.id) >= run,
            sa.tuple_(telemetry.c.first_at, telemetry.c.id) <= run,
        )
        .subquery()
    )
    query = sa.select(inner).where(
        inner.c.at >= _BEGIN, sa.tuple_(inner.c.at, inner.c.id) < sa.tuple_(_AT, _ID)
    )
    query = query.order_by(inner.c.at.desc(), inner.c.id.desc()).limit(_MOST)
    return query.execution_options(**_STREAMED)


@cache
def _behind() -> Any:
    """Runs that lie behind the place as a whole, the newest first.

    Each has one sample that is wanted, its latest, and that is newer than all of the next run's: so no more
    of them are needed than samples.
    """
    columns = telemetry.c.id, telemetry.c.last_at, telemetry.c.received_at
    query = sa.select(*columns, sa.cast(telemetry.c.samples, sa.Text).label("samples")).where(
        *_OF_DEVICE,
        telemetry.c.last_at.between(_BEGIN, _AT),  # as above
        sa.tuple_(telemetry.c.last_at, telemetry.c.id) < sa.tuple_(_AT, _RUN),
    )
    query = query.order_by(telemetry.c.last_at.desc(), telemetry.c.id.desc()).limit(_MOST)
    return query.execution_options(**_STREAMED)
