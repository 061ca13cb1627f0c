"""The cloud's clock, set while it runs: what was written ahead of time, and what is not deleted."""

import dataclasses
import time

import pytest
import sqlalchemy as sa

from host_sim.cloud.catalogue import devices, tenants, users
from host_sim.cloud.catalogue.presence import heard_since
from host_sim.cloud.exchange import exchange as module
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.security.tokens import Tokens
from host_sim.cloud.settings import load
from host_sim.cloud.storage.tables import commands, links, telemetry
from host_sim.cloud.sweeper import DAY_MS, Sweeper
from tests.cloud.raw_device import NOW, VAULT, RawDevice, Worker, capability, manifest
from tests.cloud.waiting import until

HOUR = 3600 * 1000
GO = manifest(capability("go"))


@pytest.fixture
def made(database, tenant):
    with database.writing(tenant) as connection:
        return RawDevice(devices.register(connection, VAULT, tenant, "x", NOW))


@pytest.fixture
def row(database):
    def find(order):
        with database.reading(order.tenant_id) as connection:
            return connection.execute(sa.select(commands).where(commands.c.id == order.message_id)).one()

    return find


class Clock:
    """Both of them; `set_by` moves the one that can be set."""

    def __init__(self):
        self.wall, self.steady = NOW, 5000.0

    def wait(self, seconds):
        self.wall += 1000 * seconds
        self.steady += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sweeper(database, clock):
    settings = dataclasses.replace(load({}, environment={}), telemetry_days=30)
    return Sweeper(database, settings, lambda: clock.wall, lambda: clock.steady)


def test_nothing_is_deleted_by_a_clock_that_was_just_set(database, made, clock, sweeper):
    with database.writing(made.tenant_id) as connection:
        row = {"tenant_id": made.tenant_id, "device_id": made.id, "samples": [[NOW, {}]]}
        connection.execute(telemetry.insert().values(first_at=NOW, last_at=NOW, received_at=NOW, **row))

    def left():
        with database.reading(made.tenant_id) as connection:
            which = telemetry.c.device_id == made.id
            return len(connection.execute(sa.select(telemetry.c.id).where(which)).all())

    clock.wait(60)
    sweeper.look()
    clock.wall += 100 * DAY_MS
    for _ in range(59):
        clock.wait(60)
        assert sweeper.look() is None
    clock.wall -= 100 * DAY_MS
    clock.wait(60)
    assert sweeper.look() is None and left() == 1
    for _ in range(60):
        clock.wait(60)
        sweeper.look()
    assert left() == 1
    clock.wall += 100 * DAY_MS  # and this time it stays: a machine that slept, say
    for _ in range(62):
        clock.wait(60)
        sweeper.look()
    assert left() == 0


def test_what_was_ordered_by_a_clock_ahead_lives_as_long_as_it_may_from_now_on(made, row, database):
    # HX3-CMD-22
    worker = Worker(database)
    worker.turn(made.hello(GO, NOW), made.say("manifest", GO, NOW), now=NOW)
    away = made.order(life=2000)
    worker.turn(away, now=NOW + HOUR)
    worker.forget()
    assert worker.turn(made.look(), now=NOW) and row(away).expires_at == NOW + 2000
    worker.turn(made.look(), now=NOW + 2000)
    assert (row(away).state, row(away).created_at) == ("expired", NOW)


def test_what_was_sent_by_a_clock_ahead_is_signed_again_soon(made, row, database):
    # HX3-CMD-18
    worker, ahead = Worker(database), NOW + HOUR
    worker.turn(made.hello(GO, NOW), made.say("manifest", GO, NOW), now=NOW)
    order = made.order(life=2 * HOUR)
    worker.turn(order, now=NOW)
    with database.writing(made.tenant_id) as connection:
        which = commands.c.id == order.message_id
        connection.execute(commands.update().where(which).values(due_at=ahead + 10000, attempts=1))
    worker.forget()
    (again,) = worker.turn(made.look(), now=NOW + 1000)
    assert again["message_id"] == order.message_id and row(order).due_at < NOW + 60000


def test_a_clock_that_is_put_back_lets_everything_planned_be_looked_at(database, made, row, monkeypatch):
    monkeypatch.setattr(module, "TURN_S", 0.01)
    now = [NOW + HOUR]
    exchange = Exchange(
        database, VAULT, refusal, lambda name, payload: None, lambda: True, lambda: now[0]
    ).start()
    try:
        accepted = exchange.order(made.tenant_id, made.id, "go", {}, life=2000, actor="test")
        order = dataclasses.replace(made.order(), message_id=accepted.result(20))
        now[0] = NOW
        until(lambda: row(order).expires_at == NOW + 2000, "the command to get the right time")
        now[0] += 2000
        until(lambda: row(order).state == "expired", "it to expire")
    finally:
        exchange.stop()


def test_a_device_that_a_clock_ahead_heard_is_not_online_for_long():
    # HX3-PRES-02
    heard = type("Row", (), {"revoked_at": None, "last_seen": NOW + HOUR})
    assert not devices.online(heard, NOW, 30)
    assert devices.online(heard, NOW + HOUR, 30) and not devices.online(heard, NOW + HOUR + 120000, 30)


def test_devices_that_a_clock_ahead_heard_are_not_counted_for_long(database, made):
    now = time.time_ns() // 1000000

    def counted(last_seen):
        with database.writing(made.tenant_id) as connection:
            which = links.c.device_id == made.id
            connection.execute(links.update().where(which).values(last_seen=last_seen))
        return heard_since(database, now - HOUR)

    assert counted(now + 30 * HOUR) == counted(now - 2 * HOUR) == counted(now) - 1


def test_who_signed_out_by_a_clock_ahead_can_sign_in_and_no_old_token_comes_back(database, tenant):
    tokens = Tokens(database, VAULT)
    user_id = tenants.add_user(database, f"{tenant}@home.example", NOW)
    real = time.time_ns() // 1000000
    before = tokens.make(user_id)
    users.end_sessions(database, user_id, real + HOUR)

    def good(token):
        return tokens.read(token).issued_at > tenants.find_user(database, user_id).sessions_after

    after = tokens.make(user_id)
    assert good(after) and not good(before)
    users.end_sessions(database, user_id, real)
    assert not good(after) and good(tokens.make(user_id)) and not good(before)
