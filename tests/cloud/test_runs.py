"""Samples that a device sends together lie in one row, and are read as if each lay in its own."""

import contextlib
import json
from itertools import accumulate, count
from unittest import mock

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.cloud.catalogue import devices, samples, sums, tenants
from host_sim.cloud.catalogue.samples import LONGEST, RUN, SPAN_MS, Span
from host_sim.cloud.exchange.inbox import Arrivals
from host_sim.cloud.storage.tables import telemetry
from tests.cloud.raw_device import NOW, VAULT, RawDevice, Worker, manifest

DAY_MS = 24 * SPAN_MS


@pytest.fixture
def made(database, tenant):
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "x", NOW)


@pytest.fixture
def add(database, made):
    def store(times, texts):
        with database.writing(made.tenant_id) as connection:
            samples.add(connection, made.tenant_id, NOW, [(made.device_id, times, texts)])

    return store


@pytest.fixture
def rows(database, made):
    """rows() are those of the device, in the order in which they were added."""

    def found():
        query = sa.select(telemetry).where(telemetry.c.device_id == made.device_id).order_by(telemetry.c.id)
        with database.reading(made.tenant_id) as connection:
            return connection.execute(query).all()

    return found


# -- what lies in a row ----


def test_what_a_device_sends_in_a_turn_is_a_row(database, made, rows):
    worker, device = Worker(database), RawDevice(made)
    worker.turn(device.hello(manifest(), NOW), now=NOW)
    said = [device.say("telemetry", {"n": number, "sampled_at": NOW - number}, NOW) for number in range(5)]
    said.append(device.say("telemetry", {"n": 5}, NOW))
    messages = [message for one in said for message in one.messages]
    worker.turn(Arrivals(made.tenant_id, made.device_id, messages), now=NOW)
    (row,) = rows()
    assert [body["n"] for _, body in row.samples] == list(range(6))
    assert [at for at, _ in row.samples] == [*range(NOW, NOW - 5, -1), NOW]
    assert (row.first_at, row.last_at, row.received_at) == (NOW - 4, NOW, NOW)


H = SPAN_MS
WHOLE = LONGEST // 4


@pytest.mark.parametrize(
    ("times", "sizes", "expected"),
    [
        (range(RUN), 20, [RUN]),
        (range(2 * RUN + 1), 20, [RUN, RUN, 1]),
        ([7] * (RUN + 1), 20, [RUN, 1]),
        ([H, 0, 5], 20, [3]),
        ([H, 0, H + 1, 1], 20, [2, 2]),
        ([0, H + 1, 0], 20, [1, 1, 1]),
        ([0] * 4, WHOLE, [4]),
        ([0] * 8, WHOLE, [4, 4]),
        ([0, 1] * 4, [WHOLE] * 3 + [WHOLE + 1] + [WHOLE] * 4, [3, 3, 2]),
        ([0], LONGEST + 1, [1]),
        ([0, 1, 2], [20, 2 * LONGEST, 20], [1, 1, 1]),
    ],
)
def test_no_row_holds_more_than_it_may(add, rows, times, sizes, expected):
    sizes = [sizes] * len(times) if isinstance(sizes, int) else sizes
    bodies = [{"x": f"{number:0{size - 9}}"} for number, size in enumerate(sizes)]
    texts = list(map(json.dumps, bodies))
    assert list(map(len, texts)) == sizes
    add(list(times), texts)
    found = rows()
    assert [len(row.samples) for row in found] == expected
    assert [tuple(one) for row in found for one in row.samples] == list(zip(times, bodies, strict=True))
    for row in found:
        told = [at for at, _ in row.samples]
        assert (row.first_at, row.last_at) == (min(told), max(told))


# -- what is read ----


@st.composite
def bursts(draw):
    """Some ms since the epoch each: of some days, many of them alike or an hour apart."""
    few = st.sampled_from([5, H - 1, H, H + 1, 2 * H, DAY_MS])
    at = few | st.integers(0, 3 * DAY_MS)
    lot = st.builds(
        lambda first, step, many: [(first + n * step) % (3 * DAY_MS) for n in range(many)],
        *(at, st.sampled_from([0, 1, 1000, 17 * 60000, -60000]), st.integers(1, 2 * RUN)),
    )
    return draw(st.lists(st.lists(at, min_size=1, max_size=8), min_size=1, max_size=8)) + draw(
        st.lists(lot, max_size=2)
    )


class Kept:
    """The same, in memory: (at, number) of each, and its body."""

    def __init__(self):
        self._numbers = count()
        self.all = {}

    def bodies(self, times):
        made = []
        for at in times:
            number = next(self._numbers)
            body = {"n": number, "x" * (number % 3): "longer" * (number % 7)}
            if number % 5:
                body["v"] = number * (-1) ** number
            self.all[at, number] = body
            made.append(body)
        return made

    def page(self, begin, end, limit, most, after):
        """The bodies of a page, whether there are more, and the place of the last."""
        found = sorted((key for key in self.all if begin <= key[0] < end and key < after), reverse=True)
        sizes = accumulate(len(json.dumps(self.all[key])) for key in found)
        fit = sum(number == 0 or size <= most for number, size in enumerate(sizes))
        page = found[: min(fit, limit)]
        return [self.all[key] for key in page], len(page) < len(found), page[-1] if page else after

    def summed(self, begin, end, aggregate, bucket, field):
        buckets = {}
        for (at, _), body in self.all.items():
            if begin <= at < end and (field is None or field in body):
                buckets.setdefault(at - at % bucket, []).append(1 if field is None else body[field])
        made = {"sum": sum, "min": min, "max": max, "count": len, "avg": lambda all: sum(all) / len(all)}
        return [(start, made[aggregate](buckets[start]), len(buckets[start])) for start in sorted(buckets)]


@pytest.fixture(scope="module")
def runs_of(database):
    """runs_of(runs=…) is a transaction in which a device has these alone, and the span of them."""
    with database.writing() as connection:
        tenant_id, _ = tenants.add_tenant(connection, "Home", NOW)
    with database.writing(tenant_id) as connection:
        device_id = devices.register(connection, VAULT, tenant_id, "x", NOW).device_id

    @contextlib.contextmanager
    def begun(runs=()):
        with database.writing(tenant_id) as connection:
            connection.execute(telemetry.delete().where(telemetry.c.device_id == device_id))
            samples.add(connection, tenant_id, NOW, [(device_id, *run) for run in runs])
            yield connection, Span(tenant_id, device_id, 0, 2 * NOW)

    return begun


ENDS = st.sampled_from([0, 5, H, H + 1, DAY_MS, 4 * DAY_MS]) | st.integers(0, 3 * DAY_MS)


@settings(max_examples=50)
@given(
    came=bursts(),
    late=bursts(),
    ends=st.tuples(ENDS, ENDS).map(sorted),
    limit=st.integers(1, 40),
    most=st.sampled_from([20, 200, 1 << 20]),
    after=st.sampled_from([None, (9 * DAY_MS, 7)]),
    bucket=st.sampled_from([1000, 60000, H, DAY_MS]),
    by=st.sampled_from([("count", None), *((name, "v") for name in sums.AGGREGATES)]),
)
def test_what_is_read_is_what_was_sent(runs_of, came, late, ends, limit, most, after, bucket, by):
    with runs_of() as (connection, span):
        span = Span(span.tenant_id, span.device_id, *ends)
        _reads(connection, span, came, late, limit, most, after, bucket, by)


def _reads(connection, span, came, late, limit, most, after, bucket, by):
    ends = span.begin, span.end
    kept = Kept()

    def send(bursts):
        texts = [list(map(json.dumps, kept.bodies(times))) for times in bursts]
        runs = [(span.device_id, *run) for run in zip(bursts, texts, strict=True)]
        samples.add(connection, span.tenant_id, NOW, runs)

    send(came)
    place = 4 * DAY_MS, 0
    with mock.patch.object(samples, "MOST_BYTES", most):
        for _ in range(12):  # pages
            found, more = samples.newest(connection, span, limit, after)
            bodies, expected, place = kept.page(*ends, limit, most, place)
            assert [one.body for one in found] == bodies and more == expected
            assert [(one.sampled_at, one.body["n"]) for one in found][-1:] == [place][: len(found)]
            if not more:
                break
            after = found[-1].sampled_at, found[-1].id
            if late:
                send([late.pop()])
    name, field = by
    told = sums.summed(connection, span, name, bucket, None if field is None else (field,))
    assert told == kept.summed(*ends, name, bucket, field)


ODD = [
    {"é": "\u2028 ~", "of": [-0, {}], "big": 10**400},
    {"t": 1e22, "u": [1e-7, True, None, '\\" [1,2] }']},
    {},
    {"t": "\U0001f600", "deep": {"a": [[[[{"b": 5}]]]]}},
]


@pytest.mark.parametrize("end", [2, 3, 9])
def test_a_sample_is_the_same_wherever_in_its_row_a_page_begins(database, made, add, end):
    texts = [samples.text_of(raw.encode(), json.loads(raw)) for raw in map(json.dumps, ODD)]
    plain = [json.dumps(body, ensure_ascii=False) for body in ODD]
    add([1, 2, 3, 4], texts)
    add([1, 2, 3, 4], [samples.text_of(raw.encode(), json.loads(raw)) for raw in plain])
    with database.reading(made.tenant_id) as connection:
        found, more = samples.newest(connection, Span(made.tenant_id, made.device_id, 0, end), 20)
    taken = [body for at, body in zip([4, 3, 2, 1], reversed(ODD), strict=True) if at < end]
    assert [one.body for one in found] == [body for one in taken for body in (one, one)] and not more


FLOOD = 10000


@pytest.fixture(scope="module")
def flood(runs_of):
    """A device all of whose runs have two samples, an hour apart, at the same times."""
    texts = [(f'{{"n":{number}}}', f'{{"n":{number + FLOOD}}}') for number in range(FLOOD)]
    with runs_of([([NOW - H, NOW], list(both)) for both in texts]) as (connection, span):
        yield connection, span


def test_a_page_costs_no_more_where_a_device_has_made_all_its_runs_overlap(flood):
    connection, span = flood
    ((newest,), _) = samples.newest(connection, span, 1)
    for known in (0, 1, FLOOD // 2, FLOOD - 7, FLOOD, FLOOD + 5000, 2 * FLOOD - 7):
        after = None
        if known:
            late, run = known <= FLOOD, newest.id // RUN - (known - 1) % FLOOD
            after = NOW - (0 if late else H), run * RUN + late
        with mock.patch.object(json, "loads", wraps=json.loads) as parsed:
            found, more = samples.newest(connection, span, 100, after)
        assert [one.body["n"] for one in found] == list(range(2 * FLOOD - known - 1, -1, -1))[:100]
        assert more == (known < 2 * FLOOD - 100)
        assert parsed.call_count <= 2 * 101, "rows that came out of the database"


def test_an_aggregate_of_overlapping_runs_is_of_what_lies_in_its_span(flood):
    connection, span = flood
    ends = Span(span.tenant_id, span.device_id, NOW - H, NOW)
    (bucket,) = sums.summed(connection, ends, "sum", DAY_MS, ("n",))
    assert bucket == ((NOW - H) // DAY_MS * DAY_MS, FLOOD * (FLOOD - 1) // 2, FLOOD)
