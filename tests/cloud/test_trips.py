"""Statements that travel together: nothing of a turn that failed stays, and a lost connection is not used."""

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from host_sim.cloud.catalogue import tenants
from host_sim.cloud.links import ledger
from host_sim.cloud.storage import bulk, trips
from host_sim.cloud.storage.database import Database
from host_sim.cloud.storage.tables import agenda, directory, homes

ADD = "INSERT INTO agenda (device_id, tenant_id, due_at) VALUES (%s, 'a', 1)"
COLUMNS = ("id", "tenant_id", "name", "timezone", "created_at")


@pytest.fixture(scope="module")
def settings(postgres_settings) -> dict:
    return postgres_settings()


@pytest.fixture(scope="module")
def database(settings):
    one = Database(settings["database"])
    yield one
    one.close()


def _known(database: Database, device_id: str) -> bool:
    with database.reading() as connection:
        return (
            connection.execute(sa.select(agenda).where(agenda.c.device_id == device_id)).first() is not None
        )


def test_what_is_sent_before_a_reading_has_happened_and_what_comes_after_it_is_committed_too(database):
    with database.writing(quiet=True) as connection, trips.on(connection):
        trips.send(connection, ADD, ("first",))
        assert trips.rows(connection, "SELECT device_id FROM agenda WHERE device_id = %s", ("first",)) == [
            ("first",)
        ]
        trips.land(connection)
        assert connection.execute(sa.select(agenda.c.due_at)).scalars().first() == 1
        trips.send(connection, ADD, ("last",))
    assert _known(database, "first") and _known(database, "last")


@pytest.mark.parametrize("behind", [False, True], ids=["at the end", "with more behind it"])
def test_a_statement_that_fails_on_its_way_undoes_all_of_them(database, behind):
    with (
        pytest.raises(IntegrityError),
        database.writing(quiet=True) as connection,
        trips.on(connection),
    ):
        trips.send(connection, ADD, ("before",))
        trips.send(connection, "INSERT INTO agenda (device_id) VALUES (%s)", ("wrong",))
        if behind:
            trips.send(connection, ADD, ("behind",))
    assert not _known(database, "before") and not _known(database, "behind")


def test_a_fault_of_ours_undoes_what_is_on_its_way(database):
    with pytest.raises(KeyError), database.writing(quiet=True) as connection, trips.on(connection):
        trips.send(connection, ADD, ("fault",))
        raise KeyError
    assert not _known(database, "fault")


def test_a_failure_that_somebody_passed_over_is_not_taken_for_a_commit(database):
    with pytest.raises(DBAPIError), database.writing(quiet=True) as connection, trips.on(connection):
        with pytest.raises(IntegrityError):
            trips.rows(connection, "INSERT INTO agenda (device_id) VALUES (%s) RETURNING 1", ("wrong",))
        trips.send(connection, "SELECT 1 + %s", (1,))
    assert not _known(database, "wrong")


@pytest.mark.parametrize("when", ["between transactions", "on the way"])
def test_a_connection_that_the_server_ended_costs_at_most_the_turn_it_was_in(
    database, postgres, settings, when
):
    name = sa.make_url(settings["database"]).database

    def end_all():
        postgres.execute(
            f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
            " AND usename = 'hxtp_app'"
        )

    with database.reading() as one, database.reading() as other:
        assert one.execute(sa.select(1)).scalar() == other.execute(sa.select(1)).scalar() == 1
    if when == "on the way":
        with pytest.raises(DBAPIError), database.writing(quiet=True) as connection, trips.on(connection):
            trips.send(connection, ADD, ("lost",))
            trips.land(connection)
            end_all()
            trips.send(connection, ADD, ("lost too",))
    else:
        end_all()
    with database.writing(quiet=True) as connection, trips.on(connection):
        trips.send(connection, ADD, (when,))
    assert _known(database, when) and not _known(database, "lost")


def test_what_only_reads_cannot_write(database):
    with pytest.raises(DBAPIError) as refused, database.reading() as connection:
        connection.execute(directory.delete())
    assert isinstance(refused.value.orig, psycopg.errors.ReadOnlySqlTransaction)


def test_rows_are_guarded_however_they_travel(database):
    with database.writing() as connection:
        ours, theirs = (tenants.add_tenant(connection, name, 0)[0] for name in ("ours", "theirs"))

    def row(tenant_id, name):
        return dict(zip(COLUMNS, (name, tenant_id, name, "UTC", 0), strict=True))

    for tenant_id in (ours, theirs):
        with database.writing(quiet=True) as connection, trips.on(connection):
            database.see(connection, tenant_id)
            rows = bulk.rows_text([row(tenant_id, f"{tenant_id[:8]}-{number}") for number in range(3)])
            trips.send(connection, bulk.insert(homes, COLUMNS), (rows,))
    change = bulk.update(homes, "id", ("name",))
    with database.writing(quiet=True) as connection, trips.on(connection):
        database.see(connection, ours)
        rows = [{bulk.KEY: f"{tenant_id[:8]}-1", "name": "new"} for tenant_id in (ours, theirs)]
        for tenant_id in (ours, theirs):
            trips.send(connection, change, bulk.changes(tenant_id, ("name",), rows))
    for tenant_id, names in ((ours, ["0", "2", "new"]), (theirs, ["0", "1", "2"])):
        with database.reading(tenant_id) as connection:
            found = connection.execute(sa.select(homes.c.name)).scalars()
            assert sorted(name.rpartition("-")[2] for name in found) == names
    with (
        pytest.raises(DBAPIError, match="row-level security"),
        database.writing(quiet=True) as connection,
        trips.on(connection),
    ):
        database.see(connection, ours)
        trips.send(connection, bulk.insert(homes, COLUMNS), (bulk.rows_text([row(theirs, "mine")]),))


def test_each_look_is_one_workers_and_falls_to_another_where_that_one_does_not_come_to_it(settings, database):
    other = Database(settings["database"])
    with database.writing(quiet=True) as connection:
        connection.execute(agenda.delete())
        rows = [{"device_id": f"d{number}", "tenant_id": "t", "due_at": 1000 + number} for number in range(4)]
        connection.execute(agenda.insert(), rows)

    def due(connection, now):
        return sorted(device_id for _, device_id in ledger.due_devices(connection, now, 2))

    with database.writing(quiet=True) as one, other.writing(quiet=True) as two:
        assert due(one, 1002) == ["d0", "d1"]
        assert due(two, 1002) == ["d2"]  # without waiting for the first, and d3 is not due
    with other.writing(quiet=True) as two:
        assert due(two, 1002) == []
    later = 1002 + ledger.CLAIM_MS
    with other.writing(quiet=True) as two:
        first, second, third = due(two, later), due(two, later), due(two, later)
    assert "d3" in first and sorted(first + second) == ["d0", "d1", "d2", "d3"] and third == []
    other.close()
