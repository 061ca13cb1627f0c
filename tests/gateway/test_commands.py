"""A command through gateway, broker and device, and what can become of it."""

import json

import pytest

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryNetwork
from host_sim.device import MemoryDevice, SimDevice
from host_sim.gateway.memory import MemoryGateway
from host_sim.gateway.store import MemoryFile, Store
from hxtp.errors import (
    BUFFER_OVERFLOW,
    COMMAND_INVALID,
    DEVICE_NOT_FOUND,
    INVALID_PARAMS,
    PAYLOAD_TOO_LARGE,
    UNKNOWN_ACTION,
    HxtpError,
)
from tests.gateway.house import START, Random


def fields(payload: bytes) -> dict:
    return json.loads(payload[8:])


def test_a_device_says_hello_and_tells_its_manifest_and_its_state(house):
    device = house.join()
    known = house.gateway.hub.device(device.device.device_id, house.network.now)
    assert known.online and known.session and known.boot_count == 1
    assert known.state == {"light": False, "brightness": 0, "relay": False}
    assert "relay_toggle" in {entry["action"] for entry in known.manifest["capabilities"]}
    assert [notice.kind for notice in house.gateway.notices] == ["hello", "online", "manifest", "state"]


@pytest.mark.parametrize("latency", [0, 40, 700])
def test_with_any_latency_one_connection_is_made_and_commands_go_through(latency):
    story = []
    broker = Broker(on_event=lambda now, kind, name, detail: story.append((kind, name)))
    network = MemoryNetwork(broker, start=START, latency=latency)
    gateway = MemoryGateway(network, Store(MemoryFile(), random=Random(b"latency")))
    told = gateway.register()
    device = SimDevice(told.device_id, told.tenant_id, told.secret, Random(b"device"))
    wire = MemoryDevice(device, network, told.password_expiry, skew=0)
    ticket = gateway.command(told.device_id, "relay_toggle")
    for _ in range(150):
        network.advance(100)
        wire.step()
        gateway.step()
    assert ticket.executed and len(device.runs) == 1
    connected = sorted(name for kind, name in story if kind == "connected")
    assert connected == ["hxtp-" + told.device_id, "hxtp-gateway"]


def test_a_command_is_executed_and_acknowledged(house):
    device = house.join()
    ticket = house.gateway.command(device.device.device_id, "light_brightness", {"brightness": 80})
    assert not ticket.done()
    house.step()
    assert ticket.done() and ticket.executed
    assert ticket.result["result"] == {"brightness": 80}
    assert device.device.parts[0].brightness == 80
    assert house.told("settled")[0].ticket is ticket
    known = house.gateway.hub.device(device.device.device_id, house.network.now)
    assert known.state["brightness"] == 80 and known.pending == ()


@pytest.mark.parametrize(
    "action, params, code",
    [
        ("light_brightness", {"brightness": 101}, INVALID_PARAMS),
        ("light_brightness", {}, INVALID_PARAMS),
        ("light_on", {"colour": 1}, INVALID_PARAMS),
        ("door_open", {}, UNKNOWN_ACTION),
    ],
)
def test_what_a_device_refuses_ends_as_failed_with_its_code(house, action, params, code):
    device = house.join()
    ticket = house.gateway.command(device.device.device_id, action, params)
    house.step()
    assert (ticket.state, ticket.error) == ("failed", code)
    assert device.device.parts[0].brightness == 0


def test_many_commands_arrive_once_each_and_in_order(house):
    device = house.join()
    tickets = [
        house.gateway.command(device.device.device_id, "light_brightness", {"brightness": n})
        for n in range(100)
    ]
    house.run(1000)
    assert all(ticket.executed and ticket.attempts == 1 for ticket in tickets)
    assert [run.params["brightness"] for run in device.device.runs] == list(range(100))


def test_no_more_commands_are_on_their_way_than_the_device_remembers(house):
    device = house.join()
    house.network.cut(silent=True)
    for _ in range(20):
        house.gateway.command(device.device.device_id, "relay_toggle")
    before = len(house.wire)
    house.network.outage = None
    house.gateway.step()  # the device does not answer
    assert len(house.wire) - before == 8


def test_a_lost_ack_is_asked_for_with_the_same_message_id_and_runs_nothing_twice(house):
    device = house.join()
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    house.gateway.step()
    device.step()  # runs it; its ack is on its way to a gateway that loses it
    lost = [message for message in house.gateway.client.poll() if message.topic.endswith("cmd_ack")]
    assert len(lost) == 1
    house.run(11000)
    assert ticket.executed and ticket.attempts == 2
    assert device.device.parts[1].on and len(device.device.runs) == 1
    first, second = (fields(payload) for payload in house.sent("cmd", "command"))
    assert first["message_id"] == second["message_id"]
    assert first["sequence_number"] < second["sequence_number"]
    assert first["nonce"] != second["nonce"] and first["signature"] != second["signature"]


def test_a_command_for_a_device_that_is_away_is_delivered_when_it_comes_back(house):
    device = house.join()
    house.network.cut()
    house.step()
    ticket = house.gateway.command(device.device.device_id, "light_on")
    house.run(30000)
    assert not ticket.done()
    house.network.restore()
    house.run(6000)  # whichever of the two is back first: the hello is repeated after 5 s
    assert ticket.executed and device.device.parts[0].brightness == 100


def test_a_command_that_nobody_fetched_in_time_ends_as_expired(house):
    registration = house.gateway.register()
    ticket = house.gateway.command(registration.device_id, "light_on", life=5000)
    house.run(5100)
    assert (ticket.state, ticket.error, ticket.attempts) == ("expired", None, 0)


def test_a_command_published_but_never_acknowledged_ends_as_outcome_unknown_when_it_expires(house):
    device = house.join()
    device.device.cut_in_command = "before"
    ticket = house.gateway.command(device.device.device_id, "light_on", life=5000)
    house.run(5100)
    assert (ticket.state, ticket.error) == ("expired", "OUTCOME_UNKNOWN")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_power_lost_while_a_command_runs_ends_as_outcome_unknown_and_it_is_not_run_again(house, moment):
    device = house.join()
    device.device.cut_in_command = moment
    ticket = house.gateway.command(device.device.device_id, "relay_toggle")
    house.step()
    assert not device.device.powered
    device.device.reboot()
    house.run(30000)
    assert (ticket.state, ticket.error) == ("failed", "OUTCOME_UNKNOWN")
    assert len(device.device.runs) == (moment == "after")
    after = house.gateway.command(device.device.device_id, "relay_on")
    house.step()
    assert after.executed


def test_a_command_not_yet_published_survives_the_devices_reboot(house):
    device = house.join()
    device.device.cut_in_command = "before"
    tickets = [house.gateway.command(device.device.device_id, "relay_toggle") for _ in range(12)]
    house.step()  # eight leave, and the first one finds the device losing its power
    device.device.reboot()
    house.run(1000)
    assert [ticket.error for ticket in tickets[:8]] == ["OUTCOME_UNKNOWN"] * 8
    assert all(ticket.executed for ticket in tickets[8:])
    assert len(device.device.runs) == 4


def test_commands_for_a_device_that_is_switched_off_wait_until_it_is_back(house):
    # HX3-CMD-33
    device = house.join()
    device.device.power_off()
    house.step()
    tickets = [house.gateway.command(device.device.device_id, "relay_toggle") for _ in range(12)]
    house.run(3000)
    assert {ticket.state for ticket in tickets} == {"queued"}
    device.device.reboot()
    house.run(1000)
    assert all(ticket.executed for ticket in tickets) and len(device.device.runs) == 12


def test_a_device_falls_silent_and_is_told_as_offline(house):
    device = house.join()
    device.device.power_off()
    house.run(121000, 1000)
    assert [notice.kind for notice in house.gateway.notices][-1] == "offline"
    assert house.told("will"), "the broker's hint"
    device.device.reboot()
    house.step()
    assert house.told("online")[-1].at > house.told("offline")[-1].at


@pytest.mark.parametrize(
    "action, params, code",
    [
        ("hxtp.rotate", {}, "RESTRICTED_ACTION"),
        ("", {}, COMMAND_INVALID),
        ("a" * 33, {}, COMMAND_INVALID),
        ("licht_größer", {}, COMMAND_INVALID),
        ("light_on", {"action": "relay_on"}, INVALID_PARAMS),
        ("light_on", {"n": 2**53}, INVALID_PARAMS),
        ("light_on", {"n": float("nan")}, INVALID_PARAMS),
        ("light_on", {"n": "\ud800"}, INVALID_PARAMS),
        ("light_on", {1: 2}, INVALID_PARAMS),
        ("light_on", {"n": {1, 2}}, INVALID_PARAMS),
        ("light_on", {"n": [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}, INVALID_PARAMS),
        ("light_on", {"n": "x" * 15360}, PAYLOAD_TOO_LARGE),
    ],
)
def test_what_no_device_could_read_is_refused_before_it_is_queued(house, action, params, code):
    device = house.join()
    with pytest.raises(HxtpError) as refusal:
        house.gateway.command(device.device.device_id, action, params)
    assert refusal.value.code == code
    assert not house.gateway.hub.device(device.device.device_id, house.network.now).pending


def test_the_largest_body_that_is_taken_reaches_the_device(house):
    device = house.join()
    ticket = house.gateway.command(device.device.device_id, "a" * 32, {"n": "x" * (15360 - len('{"n":""}'))})
    house.step()
    assert (ticket.state, ticket.error) == ("failed", UNKNOWN_ACTION)


def test_an_unknown_device_and_a_full_queue_are_refused(house):
    with pytest.raises(HxtpError) as refusal:
        house.gateway.command("f" * 32, "light_on")
    assert refusal.value.code == DEVICE_NOT_FOUND
    device = house.gateway.register().device_id
    for _ in range(256):
        house.gateway.command(device, "light_on")
    with pytest.raises(HxtpError) as refusal:
        house.gateway.command(device, "light_on")
    assert refusal.value.code == BUFFER_OVERFLOW
