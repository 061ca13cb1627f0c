"""Reads of telemetry that are very long, or of very large numbers, keep nobody else from being served."""

import json

import pytest
import sqlalchemy as sa

from host_sim.cloud.at_once import AtOnce
from host_sim.cloud.catalogue import cognition, devices, samples
from host_sim.cloud.catalogue.samples import Span, newest
from host_sim.cloud.catalogue.sums import AGGREGATES, summed
from host_sim.cloud.errors import ApiError
from host_sim.cloud.routes import telemetry
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage.deadline import TooLong, within

ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"
AT = 1767225600000


def test_a_read_ends_when_its_time_is_over_and_the_next_one_is_not_bounded_by_it(database):
    for _ in range(2):
        with pytest.raises(TooLong), database.reading() as connection, within(connection, 0.02):
            connection.exec_driver_sql(ENDLESS)
    with database.reading() as connection:
        if database.is_sqlite:
            few = ENDLESS.replace("FROM r)", "FROM r WHERE n < 100000)")
            assert connection.exec_driver_sql(few).scalar() == 100000
        else:
            assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "30s"


def test_another_error_stays_what_it_is(database):
    with (
        pytest.raises(sa.exc.DBAPIError),
        database.reading() as connection,
        within(connection, 5),
    ):
        connection.exec_driver_sql("SELECT nothing FROM nowhere")


@pytest.fixture(scope="module")
def measured(api, cloud):
    """The telemetry of a device with so many samples that SQLite looks at the clock on its way."""
    registered = api().post("/device/register", json={"device_type": "x"}).json()
    tenant_id, device_id = registered["tenant_id"], registered["device_id"]
    runs = [(device_id, [AT + number], ['{"t": 1}']) for number in range(1000)]
    with cloud.services.database.writing(tenant_id) as connection:
        samples.add(connection, tenant_id, AT, runs)
    return f"/devices/{device_id}/telemetry", tenant_id


def test_a_page_begins_where_its_cursor_says_without_reading_what_lies_before(cloud, measured):
    told = []
    span = Span(measured[1], measured[0].split("/")[2], 0, 2 * AT)
    with cloud.services.database.reading(measured[1]) as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *given: told.append(given[2:4]))
        assert [row.sampled_at - AT for row in newest(connection, span, 2, (AT + 500, 1))[0]] == [499, 498]
        asked = [one for one in told if one[0].startswith("SELECT")]
        steps = [
            connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one}", values).all() for one, values in asked
        ]
    index = "USING INDEX ix_telemetry_device_id_last_at (device_id=? AND last_at>? AND last_at<?)"
    across, behind = steps
    assert [step.detail for step in behind] == [f"SEARCH telemetry {index}"], "it sorts nothing"
    assert any(index in step.detail for step in across)
    assert all(AT + 500 in values and 2 * AT not in values for _, values in asked)


SUM = {"aggregate": "sum", "field": "t", "from": AT, "to": AT + 1000}


def test_an_aggregate_of_too_much_asks_for_a_shorter_time(api, measured, monkeypatch):
    path, _ = measured
    monkeypatch.setattr(telemetry, "LONGEST_S", 0)
    answer = api().get(path, params=SUM)
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")
    assert "shorter" in answer.json()["hint"]
    monkeypatch.undo()
    assert [one["value"] for one in api().get(path, params=SUM).json()["buckets"]] == [1000]


def test_of_a_tenant_one_aggregate_runs_at_a_time(api, cloud, measured):
    path, tenant_id = measured
    with cloud.services.sums.place(tenant_id):
        answer = api().get(path, params=SUM)
        assert (answer.status_code, answer.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert answer.headers["Retry-After"] == "1"
        assert api().get(path, params={"limit": 1}).status_code == 200
    for _ in range(2):  # the refused one has not kept the place, nor has one that was answered
        assert api().get(path, params=SUM).status_code == 200
    assert api().get(path, params={**SUM, "bucket": 1, "from": 0}).status_code == 400
    assert api().get(path, params=SUM).status_code == 200


def test_of_a_tenant_one_long_page_is_read_at_a_time(api, cloud, measured):
    path, tenant_id = measured
    with cloud.services.pages.place(tenant_id):
        answer = api().get(path, params={"limit": 1000})
        assert (answer.status_code, answer.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert api().get(path).status_code == 200
    assert api().get(path, params={"limit": 1000}).json()["count"] == 1000


def test_a_page_that_took_too_long_asks_for_less(api, measured, monkeypatch):
    monkeypatch.setattr(telemetry, "LONGEST_S", 0)
    answer = api().get(measured[0], params={"limit": 1000})
    assert answer.status_code == 400 and "a smaller limit" in answer.json()["hint"]


def test_a_page_of_much_is_shorter_and_goes_on_where_it_ended(database, tenant):
    with database.writing(tenant) as connection:
        device = devices.register(connection, Vault([b"\xab" * 32]), tenant, "x", AT).device_id
        texts = [json.dumps({"t": "x" * 14000})] * 160
        samples.add(connection, tenant, AT, [(device, list(range(AT, AT + 160)), texts)])
    seen, after, fetched = [], None, []
    span = Span(tenant, device, 0, 2 * AT)
    with database.reading(tenant) as connection:
        more = True
        while more:
            rows, more = newest(connection, span, 1000, after)
            after = rows[-1].sampled_at, rows[-1].id
            fetched.append(len(rows))
            seen += [row.sampled_at - AT for row in rows]
    assert seen == list(range(159, -1, -1)) and fetched == [74, 74, 12]


def test_of_all_tenants_only_so_many_run_at_a_time():
    both = AtOnce(2)
    with both.place("one"):
        with both.place("another"), pytest.raises(ApiError) as refused, both.place("third"):
            pass
        assert refused.value.status == 429
        with both.place("third"):
            pass


def test_of_observations_only_those_in_the_state_that_is_asked_for_are_read(cloud, measured):
    told = []
    with cloud.services.database.reading(measured[1]) as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *given: told.append(given[2:4]))
        assert cognition.proposals(connection, measured[1], "proposed", None, 10) == ([], False)
        statement, values = told[-1]
        step = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).first()
    assert "ix_observations_tenant_id_state_created_at (tenant_id=? AND state=?)" in step.detail


HUGE = 10**400
BIG = 1.5e308


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((HUGE, -HUGE), {"sum": None, "avg": None, "min": None, "max": None, "count": 2}),
        ((HUGE, 3), {"sum": None, "avg": None, "min": 3, "max": None, "count": 2}),
        ((-HUGE, 3), {"sum": None, "avg": None, "min": None, "max": 3, "count": 2}),
        ((BIG, BIG), {"sum": None, "avg": None, "min": BIG, "max": BIG, "count": 2}),
        ((2.5, 4), {"sum": 6.5, "avg": 3.25, "min": 2.5, "max": 4, "count": 2}),
    ],
)
def test_numbers_that_no_double_holds_are_summed_up_alike_by_both_databases(
    database, tenant, numbers, expected
):
    with database.writing(tenant) as connection:
        device_id = devices.register(connection, Vault([b"\xab" * 32]), tenant, "x", AT).device_id
        texts = [f'{{"x": {number}}}' for number in numbers]
        samples.add(connection, tenant, AT, [(device_id, [AT, AT + 1], texts)])
        span = Span(tenant, device_id, AT, AT + 10)
        for aggregate in AGGREGATES:
            found = summed(connection, span, aggregate, 1000, ("x",))
            assert found == [(AT, expected[aggregate], 2)], aggregate
            json.dumps(found, allow_nan=False)
        assert summed(connection, span, "count", 1000, None) == [(AT, 2, 2)]
