"""What the catalogue keeps, on SQLite and on PostgreSQL: samples, nonces, keys, places, groups, manifests."""

import json

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import (
    capabilities,
    commands,
    declarations,
    devices,
    groups,
    keys,
    manifests,
    nonces,
    places,
    samples,
    sums,
    tenants,
)
from host_sim.cloud.catalogue.samples import Span
from host_sim.cloud.links import keyring, ledger, reports
from host_sim.cloud.security.vault import Vault
from host_sim.cloud.storage import tables
from hxtp.cloud import Order

NOW = 1767225600000
VAULT = Vault([b"\xab" * 32])


@pytest.fixture
def device(database, tenant):
    with database.writing(tenant) as connection:
        return devices.register(connection, VAULT, tenant, "esp32", NOW).device_id


# -- telemetry ----


@pytest.fixture
def measured(database, tenant, device):
    """measured([(ms, body)]) stores samples; the same call gives the span of them all."""

    def store(told):
        texts = [samples.text_of(json.dumps(body).encode(), body) for _, body in told]
        with database.writing(tenant) as connection:
            samples.add(connection, tenant, NOW, [(device, [at for at, _ in told], texts)])
        return Span(tenant, device, 0, 10**12)

    return store


def summed(database, span, aggregate, bucket, *field):
    with database.reading(span.tenant_id) as connection:
        return sums.summed(connection, span, aggregate, bucket, field or None)


def test_pages_of_samples_miss_none_and_show_none_twice(database, measured):
    span = measured([(1000 + number // 3, {"n": number}) for number in range(10)])
    seen, after = [], None
    with database.reading(span.tenant_id) as connection:
        while rows := samples.newest(connection, span, 4, after)[0]:
            seen += [row.body["n"] for row in rows]
            after = rows[-1].sampled_at, rows[-1].id
    assert seen == list(range(9, -1, -1))


def test_a_field_is_summed_up_by_time(database, measured):
    span = measured([(0, {"t": 10}), (999, {"t": 20.5}), (1000, {"t": -4}), (5500, {"t": 7})])
    assert summed(database, span, "avg", 1000, "t") == [(0, 15.25, 2), (1000, -4, 1), (5000, 7, 1)]
    assert summed(database, span, "min", 2000, "t") == [(0, -4, 3), (4000, 7, 1)]
    assert summed(database, span, "max", 2000, "t") == [(0, 20.5, 3), (4000, 7, 1)]
    assert summed(database, span, "sum", 10000, "t") == [(0, 33.5, 4)]
    assert summed(database, span, "count", 2000, "t") == [(0, 3, 3), (4000, 1, 1)]
    ends = Span(span.tenant_id, span.device_id, 999, 5500)
    assert summed(database, ends, "count", 10000) == [(0, 2, 2)]


def test_what_is_no_number_is_not_summed_up(database, measured):
    others = ["5", True, None, [1], {"t": 1}, {}]
    span = measured([(1, {"t": value}) for value in others] + [(2, {}), (3, {"t": 1.5, "part": {"t": 3}})])
    assert summed(database, span, "sum", 1000, "t") == [(0, 1.5, 1)]
    assert summed(database, span, "sum", 1000, "part", "t") == [(0, 3, 1)]
    assert summed(database, span, "count", 1000) == [(0, 8, 8)]
    assert summed(database, span, "avg", 1000, "absent") == []


def test_a_number_that_no_double_holds_spoils_its_bucket_alone(database, measured):
    span = measured([(1, {"t": 10**400}), (1001, {"t": 1}), (2001, {"t": 1e308}), (2002, {"t": 1e308})])
    found = summed(database, span, "sum", 1000, "t")
    assert [(start, value) for start, value, _ in found] == [(0, None), (1000, 1), (2000, None)]


@pytest.mark.parametrize(
    "raw",
    [
        '{ "t" : 1.50,"é":"\u2028 ~",\n"of":[-0,{}],"big":1%s}' % ("0" * 400),
        '{"t":0e999999}',
        '{"t":1E-99999,"u":5}',
        '{"t":"\\u0000","\\u0000\\\\u0000":1}',
        "{}",
    ],
)
def test_a_sample_is_kept_as_it_came_where_the_database_can(database, tenant, device, raw):
    with database.writing(tenant) as connection:
        samples.add(connection, tenant, 7, [(device, [5], [samples.text_of(raw.encode(), json.loads(raw))])])
    with database.reading(tenant) as connection:
        (row,) = samples.newest(connection, Span(tenant, device, 0, 10), 2)[0]
    assert (row.sampled_at, row.received_at) == (5, 7)
    assert row.body == json.loads(raw.replace("\\u0000", "\ufffd", 2))


def test_more_samples_than_a_statement_holds_are_all_kept(database, measured):
    span = measured([(number, {"n": number}) for number in range(200)])
    assert summed(database, span, "count", 50) == [(start, 50, 50) for start in range(0, 200, 50)]
    assert summed(database, span, "sum", 1000, "n") == [(0, 19900, 200)]


def test_samples_of_another_tenant_are_not_there(database, measured):
    span = measured([(1, {"t": 1})])
    with database.writing() as connection:
        other = tenants.add_tenant(connection, "Other", NOW)[0]
    assert summed(database, Span(other, span.device_id, 0, 10), "count", 1000) == []


def test_a_device_may_say_anything_that_is_json(database, tenant, device):
    told = {"a": "x\x00\x00y", "\x00": "\\u0000", "b": "\\\x00", "big": 10**400, "é": ["\u2028", None]}
    with database.writing(tenant) as connection:
        reports.save_states(connection, tenant, {device: told}, NOW, 2)
        reports.save_firmware(connection, tenant, {device: "1.0\0" + "x" * 100})
        assert devices.find(connection, tenant, device).firmware_version == "1.0\ufffd" + "x" * 60
    with database.reading(tenant) as connection:
        kept = devices.state_of(connection, tenant, device).body
        (earlier,) = devices.states_of(connection, tenant, device, 10)[0]
    assert (earlier.version, earlier.body) == (1, kept)
    # U+0000 alone is replaced: PostgreSQL keeps none.
    assert kept == {
        "a": "x\ufffd\ufffdy",
        "\ufffd": "\\u0000",
        "b": "\\\ufffd",
        "big": 10**400,
        "é": ["\u2028", None],
    }


def test_a_code_of_any_length_ends_a_command(database, tenant, device):
    message_id = f"m-{device[:30]}"
    order = Order(message_id, 1, "light_on", b"{}", NOW)
    order.state, order.error, order.result = "failed", "\0" + "x" * 200, {"error": "\0"}
    row = {
        "id": message_id,
        "tenant_id": tenant,
        "device_id": device,
        "number": 1,
        "action": "light_on",
        "params": {},
        "dry_run": False,
        "passed_as": "normal",
        "attempts": 0,
    }
    row |= {"state": "queued", "due_at": 0, "actor": "x", "created_at": NOW, "expires_at": NOW}
    with database.writing(tenant) as connection:
        ledger.add_orders(connection, [row])
        ledger.save_orders(connection, tenant, [ledger.settled_row(order, NOW)])
        found = commands.find(connection, tenant, message_id)
    assert (found.state, found.error, found.result) == ("failed", "\ufffd" + "x" * 63, {"error": "\ufffd"})


# -- nonces ----


def test_a_nonce_counts_once_in_ten_minutes_and_for_one_alone(database):
    def take(scope, nonce, now, **life):
        with database.writing() as connection:
            return nonces.take(connection, scope, nonce, now, **life)

    assert take("a", "n", 1000)
    assert not take("a", "n", 1000)
    assert take("b", "n", 1000) and take("a", "m", 1000)
    assert not take("a", "n", 1000 + 600000 - 1)
    assert take("a", "n", 1000 + 600000)
    assert not take("a", "n", 1000 + 600001)
    # What is refused is not remembered longer by that.
    assert take("short", "n", 0, life=10) and not take("short", "n", 9, life=10)
    assert take("short", "n", 10, life=10)
    # Long ones are told apart.
    assert take("a", "x" * 100 + "1", 0) and take("a", "x" * 100 + "2", 0)
    assert not take("a", "x" * 100 + "1", 1)


def test_nonces_that_are_over_are_forgotten(database):
    def count():
        with database.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(tables.nonces)).scalar()

    with database.writing() as connection:
        for number in range(20):
            nonces.take(connection, "many", str(number), 10**11 + number)
    assert count() >= 20
    with database.writing() as connection:
        nonces.take(connection, "last", "n", 10**12)
    assert count() == 1


# -- keys ----


def test_a_device_that_was_revoked_just_now_gets_no_secret(database, tenant, device):
    # The route has looked before, perhaps, and waited for the lock that the other had.
    with database.writing(tenant) as connection:
        devices.revoke(connection, tenant, device, NOW)
        with pytest.raises(keys.Revoked):
            keys.rotate(connection, VAULT, tenant, device, NOW)
    with database.reading(tenant) as connection:
        sealed = [row.secret_sealed for row in keys.history(connection, tenant, device)]
    assert sealed == [None]


def test_a_key_moves_through_its_slots_and_a_promotion_counts_once(database, tenant, device):
    def slots():
        with database.reading(tenant) as connection:
            return {row.key_version: row.slot for row in keys.history(connection, tenant, device)}

    def promote(now):
        with database.writing(tenant) as connection:
            keyring.promote(connection, tenant, [device], now)

    def valid(now):
        with database.reading(tenant) as connection:
            return [(key.version, key.slot) for key in keys.valid(connection, VAULT, tenant, device, now)]

    def rotate(again=False):
        with database.writing(tenant) as connection:
            return keys.rotate(connection, VAULT, tenant, device, NOW, again)

    promote(NOW)  # nothing waits
    assert slots() == {1: "active"}
    second = rotate()
    with pytest.raises(keys.Pending):
        rotate()
    assert rotate(True).secret == second.secret
    assert valid(NOW) == [(1, "active"), (2, "next")]
    promote(NOW)
    promote(NOW + 1000)  # another worker saw the same message
    assert valid(NOW) == [(2, "active"), (1, "previous")]
    assert valid(NOW + keyring.PREVIOUS_MS) == [(2, "active")]
    rotate()
    promote(NOW + 5)
    assert slots() == {1: "retired", 2: "previous", 3: "active"}


# -- places, groups, manifests ----


def test_a_place_that_ends_leaves_its_devices(database, tenant, device):
    with database.writing(tenant) as connection:
        home = places.add_home(connection, tenant, "Home", "UTC", NOW)
        room = places.add_room(connection, tenant, home, "Hall", NOW)
        devices.change(connection, tenant, device, {"room_id": room})
        (row,) = places.every_home(connection, tenant)
        assert (row.rooms, row.devices) == (1, 1)
        assert [one.id for one in places.devices_in(connection, tenant, room)] == [device]
    with database.writing(tenant) as connection:
        assert places.delete_home(connection, tenant, home)
    with database.reading(tenant) as connection:
        row = devices.find(connection, tenant, device)
        assert (row.home_id, row.room_id) == (None, None)
        with pytest.raises(LookupError):
            places.devices_in(connection, tenant, room)


def test_who_joins_a_group_twice_is_in_it_once(database, tenant, device):
    with database.writing(tenant) as connection:
        group, slug = groups.add(connection, tenant, "Lights", "", "custom", None, [device], NOW)
        groups.join(connection, tenant, group, [device, device])
        assert groups.members(connection, tenant, [group]) == {group: [device]}
        assert groups.find(connection, tenant, slug).id == groups.find(connection, tenant, group).id == group
    with database.writing(tenant) as connection:
        groups.delete(connection, tenant, group)
        assert devices.find(connection, tenant, device) is not None


def test_manifests_of_one_kind_are_looked_through_once(database, tenant):
    body, hash = declarations.manifest([{"id": 600, "action": "blind_raise"}])
    with database.writing(tenant) as connection:
        for _ in range(2):
            device = devices.register(connection, VAULT, tenant, "x", NOW).device_id
            assert manifests.put(connection, tenant, device, body, hash, NOW, first=False) is None
            assert manifests.put(connection, tenant, device, body, hash, NOW, first=True).version == 1
            assert manifests.put(connection, tenant, device, body, hash, NOW, first=False).version == 2
    with database.reading(tenant) as connection:
        assert len(capabilities._told(connection, tenant)) == 1
        assert capabilities.categories(connection, tenant)["blind"] == ["blind_raise"]
