"""What arrives together shares a transaction; what somebody waits for does not wait for others."""

import pytest

from host_sim.cloud.catalogue import devices, tenants
from host_sim.cloud.catalogue.samples import Span, newest
from host_sim.cloud.exchange import exchange as module
from host_sim.cloud.exchange import inbox
from host_sim.cloud.exchange.exchange import Exchange
from host_sim.cloud.gate.recheck import refusal
from host_sim.cloud.security.vault import Vault
from hxtp import topics
from hxtp.errors import DEVICE_NOT_FOUND, FRAME_TYPE_INVALID, PAYLOAD_TOO_LARGE, HxtpError
from tests.cloud.raw_device import RawDevice
from tests.cloud.waiting import WAIT, until

STRANGER = "hxtp/home/device/lamp"


@pytest.fixture
def calm(database, monkeypatch):
    """As `turns`, and it has not started."""
    monkeypatch.setattr(module, "LINGER_S", 600)
    monkeypatch.setattr(module, "SHARE", 4)
    told = []
    exchange = Exchange(database, Vault([b"\xab" * 32]), refusal, lambda name, payload: None, lambda: True)
    exchange.listen_by_turn(lambda notices: told.append([notice.kind for notice in notices]))
    yield exchange, told
    exchange.stop()
    assert not exchange.alive


@pytest.fixture
def turns(calm):
    """(an exchange in which telemetry waits for others for ever, what it told: a list for each turn)"""
    calm[0].start()
    return calm


def test_telemetry_waits_for_others_and_a_command_for_none(turns):
    exchange, told = turns
    for channel in ("telemetry", "heartbeat", "telemetry"):
        exchange.receive(f"{STRANGER}/{channel}", b"{}")
    assert told == []
    future = exchange.order("home", "lamp", "light_on", {}, life=1000, actor="test")
    with pytest.raises(HxtpError, match=DEVICE_NOT_FOUND):
        future.result(WAIT)
    until(lambda: told, "the turn")
    assert told == [["refused"] * 3]
    exchange.receive(f"{STRANGER}/telemetry", b"{}")
    exchange.receive(f"{STRANGER}/state", b"{}")
    until(lambda: len(told) == 2, "the next turn")
    assert told[1] == ["refused"] * 2


def test_as_much_as_a_transaction_takes_waits_for_no_more(turns):
    exchange, told = turns
    for _ in range(11):
        exchange.receive(f"{STRANGER}/telemetry", b"{}")
    until(lambda: sum(map(len, told)) >= 8, "two full turns")
    assert max(map(len, told)) == 4


def test_commands_do_not_wait_behind_messages_nor_take_all_of_a_turn(calm):
    exchange, told = calm
    for _ in range(40):
        exchange.receive(f"{STRANGER}/state", b"{}")
    answered = []
    for _ in range(5):
        future = exchange.order("home", "lamp", "light_on", {}, life=1000, actor="test")
        future.add_done_callback(lambda done: answered.append(len(told)))
    exchange.start()
    until(lambda: sum(map(len, told)) == 40, "all messages")
    assert answered == [0, 0, 1, 1, 2]  # turns that had ended by then
    assert [len(kinds) for kinds in told[:4]] == [2, 2, 3, 4]


def test_commands_that_wait_when_it_stops_are_decided_before(calm):
    exchange, _ = calm
    futures = [exchange.order("home", "lamp", "light_on", {}, life=1000, actor="test") for _ in range(9)]
    exchange.start()
    exchange.stop()
    assert {type(future.exception(0)) for future in futures} == {HxtpError}


def test_what_waits_when_it_stops_is_done_before(turns):
    exchange, told = turns
    exchange.receive(f"{STRANGER}/telemetry", b"{}")
    exchange.stop()
    assert told == [["refused"]]


def test_what_is_longer_than_any_message_is_refused_and_does_not_wait(calm):
    # HX3-WIRE-04
    exchange, _ = calm
    for size in (module.LARGEST, module.LARGEST + 1, 250000):
        exchange.receive(f"{STRANGER}/state", bytes(size))
    assert (exchange.waiting, exchange.refused) == (1, {PAYLOAD_TOO_LARGE: 2})
    exchange.receive(f"{STRANGER}/telemetry", b"{}", bytes(250000), b"{}")
    assert (exchange.waiting, exchange.refused) == (3, {PAYLOAD_TOO_LARGE: 3})
    exchange.receive("hxtp/none", b"{}", b"{}")
    assert exchange.refused == {PAYLOAD_TOO_LARGE: 3, FRAME_TYPE_INVALID: 2}


def test_no_more_bytes_wait_than_may_and_then_there_is_room_again(calm, monkeypatch):
    monkeypatch.setattr(inbox, "WAITING_BYTES", 1000)
    exchange, told = calm
    for _ in range(12):
        exchange.receive(f"{STRANGER}/state", bytes(100))
    assert (exchange.waiting, exchange.dropped) == (10, 2)
    exchange.start()
    until(lambda: sum(map(len, told)) == 10, "those that waited")
    for _ in range(10):
        exchange.receive(f"{STRANGER}/state", bytes(100))
    until(lambda: sum(map(len, told)) == 20, "as many again")
    assert exchange.dropped == 2


@pytest.mark.parametrize(("limit", "value"), [("WAITING", 10), ("WAITING_BYTES", 1000)])
def test_of_messages_that_come_together_as_many_wait_as_there_is_room_for(calm, monkeypatch, limit, value):
    monkeypatch.setattr(inbox, limit, value)
    exchange, told = calm
    exchange.receive(f"{STRANGER}/state", *[bytes(100)] * 7)
    exchange.receive(f"{STRANGER}/state", *[bytes(100)] * 7)
    exchange.receive(f"{STRANGER}/state", *[bytes(100)] * 7)
    assert (exchange.waiting, exchange.dropped) == (10, 11)
    exchange.start()
    until(lambda: sum(map(len, told)) == 10, "those that waited")


def test_telemetry_is_told_where_somebody_wants_it_and_stored_in_any_case(database):
    vault = Vault([b"\xab" * 32])
    with database.writing() as connection:
        watched, other = (tenants.add_tenant(connection, name, 1)[0] for name in ("Watched", "Other"))
    made = []
    for tenant in (watched, other):
        with database.writing(tenant) as connection:
            made.append(devices.register(connection, vault, tenant, "x", 1))
    told = []
    exchange = Exchange(database, vault, refusal, lambda name, payload: None, lambda: True)
    exchange.listen_by_turn(told.extend, quiet=lambda tenant_id: tenant_id == watched)
    exchange.start()
    try:
        for device in map(RawDevice, made):
            for kind in ("state", "telemetry", "heartbeat"):
                said = device.say(kind, {"humidity": 40}, exchange.now())
                ((channel, payload),) = said.messages
                exchange.receive(topics.topic(device.tenant_id, device.id, channel), payload)
        until(lambda: exchange.taken.total() == 6, "all messages")
    finally:
        exchange.stop()
    kinds = {tenant: [one.kind for one in told if one.tenant_id == tenant] for tenant in (watched, other)}
    assert kinds == {watched: ["state", "telemetry", "heartbeat"], other: ["state"]}
    assert exchange.taken == {"state": 2, "telemetry": 2, "heartbeat": 2}
    for device in made:
        with database.reading(device.tenant_id) as connection:
            span = Span(device.tenant_id, device.device_id, 0, exchange.now() + 1)
            assert [row.body for row in newest(connection, span, 5)[0]] == [{"humidity": 40}]
