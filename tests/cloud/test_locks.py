"""PostgreSQL: transactions lock in one order, so that none waits for another one that waits for it."""

import contextlib
import threading

import pytest
import sqlalchemy as sa

from host_sim.cloud.broker import logins
from host_sim.cloud.catalogue import api_keys, devices, handshakes, places, tenants, users
from host_sim.cloud.links import ledger
from host_sim.cloud.rekey import rekey
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.settings import Settings
from host_sim.cloud.storage import tables
from host_sim.cloud.storage.database import Database
from host_sim.cloud.sweeper import DAY_MS, Sweeper
from tests.cloud.waiting import WAIT, until

NOW = 1767225600000
LATER = NOW + 400 * DAY_MS
OLD_KEY, NEW_KEY = b"\xab" * 32, b"\xcd" * 32
VAULT = Vault([OLD_KEY])
WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"


@pytest.fixture(scope="module")
def database(postgres_settings):
    database = Database(postgres_settings()["database"])
    yield database
    database.close()


@pytest.fixture
def meanwhile(postgres, database):
    """`with meanwhile(do):` begins when `do()`, in another thread, waits for a lock that is held outside of
    the block, and ends when it is done. Its failure is raised.
    """
    waiting = WAITING.format(database.url.database)

    @contextlib.contextmanager
    def running(do):
        failures = []

        def work():
            try:
                do()
            except Exception as error:
                failures.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: postgres.execute(waiting) or not thread.is_alive(), "it to wait")
        assert thread.is_alive(), "it waits for nothing"
        yield
        thread.join(WAIT)
        assert not failures, failures

    return running


def settings_changed(database, tenant, home, room):
    with database.writing(tenant) as connection:
        tenants.change_settings(connection, tenant, {"max_age_s": 60})


def passwords_changed(database, tenant, home, room):
    with database.writing(tenant) as connection:
        logins.renew_tenant(connection, tenant, NOW)


def every_login_renewed(database, tenant, home, room):
    assert logins.renew_all(database, NOW) >= 2


def home_deleted(database, tenant, home, room):
    with database.writing(tenant) as connection:
        assert places.delete_home(connection, tenant, home)


def room_deleted(database, tenant, home, room):
    with database.writing(tenant) as connection:
        assert places.delete_room(connection, tenant, home, room)


def secrets_sealed_anew(database, tenant, home, room):
    assert rekey(database, Vault([NEW_KEY, OLD_KEY])) >= 2
    rekey(database, Vault([OLD_KEY, NEW_KEY]))


def devices_forgotten(database, tenant, home, room):
    settings = Settings(telemetry_days=1, history_days=1)
    with database.writing() as connection:
        connection.execute(tables.chores.delete())
    assert Sweeper(database, settings, lambda: LATER).sweep()["devices"] == 2


@pytest.mark.parametrize(
    "change",
    [
        settings_changed,
        passwords_changed,
        every_login_renewed,
        home_deleted,
        room_deleted,
        secrets_sealed_anew,
        devices_forgotten,
    ],
)
def test_whoever_changes_several_devices_waits_for_a_turn_holding_nothing_that_the_turn_may_want(
    database, tenant, meanwhile, change
):
    with database.writing(tenant) as connection:
        home = places.add_home(connection, tenant, "Home", "UTC", NOW)
        room = places.add_room(connection, tenant, home, "Room", NOW)
        first, second = sorted(
            devices.register(connection, VAULT, tenant, "esp32", NOW, room_id=room).device_id
            for _ in range(2)
        )
        if change is devices_forgotten:
            for one in (first, second):
                devices.revoke(connection, tenant, one, NOW)
    for table, key in (
        (tables.links, "device_id"),
        (tables.devices, "id"),
        (tables.broker_logins, "device_id"),
    ):
        # Which makes this row lie behind the other one, where a plain UPDATE comes to it last.
        with database.writing(tenant) as connection:
            same = {column.name: column for column in table.c if column.name not in ("id", "device_id")}
            connection.execute(table.update().where(table.c[key] == first).values(same))
    with contextlib.ExitStack() as stack, database.writing(tenant) as turn:
        ledger.hold(turn, VAULT, tenant, [first], {}, NOW)
        stack.enter_context(meanwhile(lambda: change(database, tenant, home, room)))
        ledger.hold(turn, VAULT, tenant, [first, second], {}, NOW)
        for name in (tables.devices.c.id, tables.device_keys.c.device_id, tables.broker_logins.c.device_id):
            theirs = sa.select(name).where(name.in_([first, second]))
            turn.execute(theirs.with_for_update(nowait=True, key_share=True))  # or it fails at once


def test_who_lets_somebody_go_waits_for_a_key_that_is_rotated_and_not_the_other_way_round(
    database, tenant, meanwhile
):
    with database.writing(tenant) as connection:
        users.invite(connection, tenant, "stays@one.example", "owner", NOW)
        user_id = users.invite(connection, tenant, "goes@one.example", "user", NOW)
        key = api_keys.add(connection, tenant, user_id, "key", ["read:devices"], NOW)

    def let_go():
        with database.writing(tenant, user_id) as connection:
            users.remove(connection, tenant, user_id, NOW)

    with contextlib.ExitStack() as stack, database.writing(tenant) as connection:
        which = tables.api_keys.c.id == key.id
        connection.execute(sa.select(tables.api_keys.c.id).where(which).with_for_update())
        stack.enter_context(meanwhile(let_go))
        assert api_keys.rotate(connection, tenant, api_keys.find(connection, tenant, None, key.id))
    with database.reading(tenant) as connection:
        assert api_keys.find(connection, tenant, None, key.id).revoked_at == NOW
        kinds = sa.select(tables.directory.c.kind).where(tables.directory.c.ref == key.id)
        assert connection.execute(kinds).all() == []


def test_what_is_over_is_forgotten_but_for_what_somebody_holds(database):
    with database.writing() as connection:
        for code in ("ab", "cd"):
            row = {"code_hash": code * 32, "state": "waiting", "created_at": 0, "expires_at": 1}
            connection.execute(tables.handshakes.insert().values(row))

    def left():
        with database.reading() as connection:
            old = sa.select(tables.handshakes.c.code_hash).where(tables.handshakes.c.expires_at == 1)
            return connection.execute(old).scalars().all()

    with database.writing() as connection:
        held = tables.handshakes.c.code_hash == "ab" * 32
        connection.execute(sa.select(tables.handshakes.c.state).where(held).with_for_update())
        assert handshakes.begin(database, "HXT-" + "1" * 64, NOW).state == "waiting"
        assert left() == ["ab" * 32]
    handshakes.begin(database, "HXT-" + "2" * 64, NOW)
    assert left() == []
