"""What has become too old is deleted, on both databases, and nothing else is; by one worker at a time."""

import dataclasses
import re
import uuid

import pytest
import sqlalchemy as sa

from host_sim import ROOT
from host_sim.cloud import sweeper
from host_sim.cloud.broker import logins
from host_sim.cloud.catalogue import api_keys, clients, devices, keys, tenants, users
from host_sim.cloud.links import keyring, reports
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.settings import Settings
from host_sim.cloud.storage import chores, tables
from host_sim.cloud.sweeper import AT_ONCE, DAY_MS, EVERY_MS, LEASE_MS, Sweeper

NOW = 1767225600000
OLD, YOUNG = NOW - 10 * DAY_MS - 1, NOW - 10 * DAY_MS  # at ten days, which `settings` keep
VAULT = Vault([b"\xab" * 32])


@pytest.fixture
def settings():
    return Settings(telemetry_days=10, history_days=10, states_kept=3)


@pytest.fixture(autouse=True)
def nothing_done_yet(database):
    with database.writing() as connection:
        connection.execute(tables.chores.delete())


@pytest.fixture
def sweep(database, settings):
    """sweep(**settings) is a pass of a worker of its own at NOW."""

    def run(now=NOW, **changed):
        with database.writing() as connection:
            connection.execute(tables.chores.delete())
        return Sweeper(database, dataclasses.replace(settings, **changed), lambda: now).sweep()

    return run


@pytest.fixture
def lamp(database, tenant):
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "esp32", OLD).device_id


@pytest.fixture
def add(database, tenant):
    def one(table, **values):
        with database.writing(tenant) as connection:
            connection.execute(table.insert().values(**values))

    return one


@pytest.fixture
def there(database, tenant):
    """there(column) is what this column has in the rows that are left."""

    def values(column, of=None):
        query = sa.select(column).order_by(column)
        if "tenant_id" in column.table.c:
            query = query.where(column.table.c.tenant_id == (of or tenant))
        with database.reading(of or tenant) as connection:
            return list(connection.execute(query).scalars())

    return values


@pytest.fixture
def sample(add, tenant):
    def one(device_id, at, of=None):
        add(
            tables.telemetry,
            tenant_id=of or tenant,
            device_id=device_id,
            first_at=at - 1,
            last_at=at,
            received_at=NOW,
            samples=[[at - 1, {}], [at, {}]],
        )

    return one


@pytest.fixture
def command(add, tenant):
    def one(device_id, state, at):
        name = str(uuid.uuid4())
        add(
            tables.commands,
            **{"id": name, "tenant_id": tenant, "device_id": device_id, "number": 1, "action": state},
            **{"params": {}, "state": state, "due_at": at, "actor": "user:me", "created_at": at},
            expires_at=at,
        )

    return one


def test_samples_and_ended_commands_go_with_their_age(sweep, lamp, sample, command, there):
    for at in (OLD, YOUNG, NOW):
        sample(lamp, at)
    for state in ("queued", "dispatched", "acknowledged", "failed", "expired"):
        command(lamp, state, OLD)
        command(lamp, state, YOUNG)
    swept = sweep()
    assert (swept["telemetry"], swept["commands"]) == (1, 3)
    assert there(tables.telemetry.c.last_at) == [YOUNG, NOW]
    assert there(tables.commands.c.created_at) == [OLD] * 2 + [YOUNG] * 5
    assert there(tables.commands.c.action)[:2] == ["acknowledged", "dispatched"]


def test_for_ever_is_for_ever(sweep, lamp, sample, command, there):
    sample(lamp, 1)
    command(lamp, "failed", 1)
    assert not {"telemetry", "commands"} & set(sweep(telemetry_days=0, history_days=0))
    assert there(tables.telemetry.c.last_at) == [1]


def test_what_was_revoked_or_is_over_goes_and_what_holds_stays(database, sweep, tenant, lamp, add, there):
    with database.writing(tenant) as connection:
        person = users.invite(connection, tenant, f"{uuid.uuid4()}@home.example", "owner", OLD)
        for name, ended in (("old", OLD), ("young", YOUNG), ("good", None)):
            key = api_keys.add(connection, tenant, person, name, [], OLD)
            client = clients.add(connection, VAULT, tenant, person, name, OLD)
            if ended is not None:
                api_keys.revoke(connection, tenant, key.id, ended)
                clients.revoke(connection, tenant, client.id, ended)
        # Two keys are done with; the one that ended lately was made long ago.
        for ended in (OLD - keyring.PREVIOUS_MS, YOUNG - keyring.PREVIOUS_MS):
            keys.rotate(connection, VAULT, tenant, lamp, OLD)
            keyring.promote(connection, tenant, [lamp], ended)
            keyring.erase_expired(connection, tenant, [lamp], NOW)
        for at in (OLD, YOUNG):
            connection.execute(
                tables.observations.insert().values(
                    id=str(uuid.uuid4()),
                    **{"tenant_id": tenant, "device_id": lamp, "context": "", "body": {}, "proposal": []},
                    state="none",
                    created_at=at,
                )
            )
    waiting = {"device_id": lamp, "user_id": person, "passed_as": "critical", "action": "x", "params": {}}
    waiting |= {"message_id": str(uuid.uuid4()), "counted": False}
    for number, until in enumerate((NOW - 1, NOW)):
        add(
            tables.confirmations,
            token_hash=f"{tenant}{number}",
            tenant_id=tenant,
            expires_at=until,
            **waiting,
        )
    sweep()
    assert there(tables.api_keys.c.name) == there(tables.clients.c.name) == ["good", "young"]
    assert there(tables.device_keys.c.key_version) == [2, 3]
    assert there(tables.device_keys.c.slot) == ["active", "retired"]
    assert there(tables.observations.c.created_at) == [YOUNG]
    assert there(tables.confirmations.c.expires_at) == [NOW]


def test_what_is_nobodys_goes_when_it_is_over(sweep, database, add, there):
    name = str(uuid.uuid4())
    add(tables.nonces, scope=name, nonce="over", expires_at=NOW)
    add(tables.nonces, scope=name, nonce="taken", expires_at=NOW + 1)
    for window, end in enumerate((NOW // 1000 - 1, NOW // 1000)):
        add(tables.counts, name=name, window=window, count=1, ends_at=end)
    for number, end in enumerate((NOW - sweeper.HANDSHAKE_MS - 1, NOW)):
        add(tables.handshakes, code_hash=f"{name}{number}", state="waiting", created_at=OLD, expires_at=end)
    for number, end in enumerate((NOW - sweeper.TOKEN_MS - 1, NOW - sweeper.TOKEN_MS, None)):
        sealed = {"key_sealed": b"\xab", "created_at": OLD}
        add(tables.signing_keys, id=f"{number}-{name}"[:36], retired_at=end, **sealed)
    sweep()
    assert there(tables.nonces.c.nonce) == ["taken"]
    assert there(tables.counts.c.window) == [1]
    assert [one[-1] for one in there(tables.handshakes.c.code_hash)] == ["1"]
    assert [one[0] for one in there(tables.signing_keys.c.id)] == ["1", "2"]
    with database.writing() as connection:
        for table in (tables.nonces, tables.counts, tables.handshakes, tables.signing_keys):
            connection.execute(table.delete())


def test_states_beyond_those_that_are_kept_go_where_fewer_are_kept_than_before(
    database, sweep, tenant, lamp, there
):
    with database.writing(tenant) as connection:
        for number in range(12):
            reports.save_states(connection, tenant, {lamp: {"n": number}}, NOW, 5)
    assert there(tables.state_history.c.version) == [8, 9, 10, 11, 12], "the ring holds no more"
    sweep()
    assert len(there(tables.state_history.c.version)) == 3
    with database.reading(tenant) as connection:
        assert devices.state_of(connection, tenant, lamp).version == 12
    sweep(states_kept=0)
    assert there(tables.state_history.c.version) == []


def test_a_revoked_device_goes_with_all_that_names_it_when_nothing_of_it_is_left(
    database, sweep, tenant, sample, there
):
    ends = {"gone": OLD, "lately": YOUNG, "good": None, "heard": OLD}
    with database.writing(tenant) as connection:
        made = {name: devices.register(connection, VAULT, tenant, name, OLD).device_id for name in ends}
        for name, ended in ends.items():
            if ended is not None:
                devices.revoke(connection, tenant, made[name], ended)
    sample(made["heard"], NOW)  # its clock was ahead
    assert sweep(telemetry_days=0)["devices"] == 0, "what is kept for ever needs its device"
    assert sweep(dynamic_security=True)["devices"] == 0, "the broker has not been told yet"
    with database.writing() as connection:
        for name in ("gone", "good"):
            connection.execute(
                tables.broker_logins.update()
                .where(tables.broker_logins.c.device_id == made[name])
                .values(written=tables.broker_logins.c.wanted)
            )
    assert sweep(dynamic_security=True)["devices"] == 1
    assert there(tables.devices.c.device_type) == ["good", "heard", "lately"]
    left = {made[name] for name in ("good", "heard", "lately")}
    assert there(tables.device_keys.c.slot) == ["active", "retired"], "that which ended lately is known still"
    with database.reading() as connection:
        for column in (tables.directory.c.key, tables.broker_logins.c.device_id):
            rows = connection.execute(sa.select(column).where(column.table.c.tenant_id == tenant)).scalars()
            assert set(rows) == left
        assert logins.is_written(connection, made["good"])


def test_every_device_of_every_tenant_is_looked_at(database, sweep, tenant, sample, there, monkeypatch):
    monkeypatch.setattr(sweeper, "AT_ONCE", 2)
    of = [tenant]
    with database.writing() as connection:
        of += [tenants.add_tenant(connection, "Other", NOW)[0] for _ in range(2)]
    for one in of:
        with database.writing(one) as connection:
            made = [devices.register(connection, VAULT, one, "x", NOW).device_id for _ in range(5)]
            for device_id in made:
                connection.execute(
                    tables.telemetry.insert().values(
                        **{"tenant_id": one, "device_id": device_id, "first_at": OLD, "last_at": OLD},
                        **{"received_at": OLD, "samples": [[OLD, {}]]},
                    )
                )
    assert sweep()["telemetry"] == 15
    assert [there(tables.telemetry.c.id, one) for one in of] == [[], [], []]


def test_a_transaction_deletes_few_rows_and_others_write_in_between(
    database, sweep, lamp, sample, there, monkeypatch
):
    monkeypatch.setattr(sweeper, "ROWS", 4)
    for number in range(10):
        sample(lamp, OLD - number)
    paused = []

    def pause(self):
        paused.append(len(there(tables.telemetry.c.id)))
        sample(lamp, NOW)

    monkeypatch.setattr(Sweeper, "_pause", pause)
    assert sweep()["telemetry"] == 10
    assert paused == [6, 3] and there(tables.telemetry.c.last_at) == [NOW, NOW]


def test_one_worker_does_it_and_another_goes_on_where_that_has_died(
    database, settings, lamp, sample, there, monkeypatch
):
    clock = [NOW]
    first, second = (Sweeper(database, settings, lambda: clock[0]) for _ in range(2))
    sample(lamp, OLD)
    assert first.sweep()["telemetry"] == 1
    assert first.sweep() is None and second.sweep() is None, "it is done for this hour"
    clock[0] += EVERY_MS
    sample(lamp, OLD)
    # The first one dies in the middle: of what it began nobody hears any more.
    monkeypatch.setattr(first, "_pass", lambda *unused: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        first.sweep()
    assert second.sweep() is None
    clock[0] += LEASE_MS
    assert second.sweep()["telemetry"] and there(tables.telemetry.c.id) == []


def test_a_worker_that_was_held_up_leaves_it_to_the_one_that_went_on(
    database, settings, lamp, sample, there, monkeypatch
):
    clock = [NOW]
    one = Sweeper(database, settings, lambda: clock[0])
    sample(lamp, OLD)
    devices_of = one._devices

    def slowly(tenant_id):
        clock[0] += 2 * LEASE_MS
        assert chores.take(database, sweeper.CHORE, "another", clock[0], clock[0] + LEASE_MS, EVERY_MS)
        yield from devices_of(tenant_id)

    monkeypatch.setattr(one, "_devices", slowly)
    assert one.sweep() == {} and there(tables.telemetry.c.last_at) == [OLD]


@pytest.mark.parametrize("ended", [True, False])
def test_a_clock_that_was_far_ahead_does_not_end_the_sweeping(
    database, settings, lamp, sample, there, monkeypatch, ended
):
    ahead = Sweeper(database, settings, lambda: NOW + 365 * DAY_MS)
    if not ended:
        monkeypatch.setattr(ahead, "_pass", lambda *unused: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ahead.sweep()
    else:
        assert ahead.sweep() is not None
    sample(lamp, OLD)
    right = Sweeper(database, settings, lambda: NOW)
    assert right.sweep()["telemetry"] and there(tables.telemetry.c.id) == []
    assert Sweeper(database, settings, lambda: NOW).sweep() is None


def test_the_thread_sweeps_and_goes_on_after_a_fault(database, settings, lamp, sample, there, monkeypatch):
    from tests.cloud.waiting import until

    monkeypatch.setattr(sweeper, "LOOK_S", 0.01)
    worker = Sweeper(database, settings)
    turns, sweep = [], worker.sweep

    def failing():
        turns.append(None)
        return {}["fault"] if len(turns) == 1 else sweep()

    monkeypatch.setattr(worker, "sweep", failing)
    sample(lamp, OLD)
    worker.start()
    until(lambda: there(tables.telemetry.c.id) == [], "the old sample to go")
    worker.stop()
    assert len(turns) > 1 and AT_ONCE > 1


def test_the_operators_page_says_of_every_table_what_bounds_it():
    page = (ROOT / "docs" / "cloud-operations.md").read_text(encoding="utf-8")
    rows = re.search(r"# What grows, and what bounds it\n(?:.*\n)*?((?:\|.*\n)+)", page)[1].splitlines()[2:]
    told = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(tables.metadata.tables)
