"""What a device sends and when: heartbeats, state, telemetry, numbers."""

import json

from world import START, Forger, World, opened, ready

from check import raises
from hxtp import frame, jsontext


class Room:
    """A smaller limit for bodies, since a small heap has no room for many of the real one."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.before, frame.MAX_BODY = frame.MAX_BODY, self.size

    def __exit__(self, *unused):
        frame.MAX_BODY = self.before


def test_heartbeats_come_at_the_interval():
    # HX3-PRES-01
    world = ready()
    beats = 0
    for _ in range(100):
        world.wait(3000)
        for event in world.pump():
            beats += event.type == "heartbeat"
    assert beats == 10


def test_state_is_coalesced():
    # HX3-STATE-02
    world = ready()
    for _ in range(50):
        world.device.report_state()
    assert [event.type for event in world.pump()] == ["state"]


def test_telemetry_waits_for_a_session_with_the_time_of_its_sample():
    # HX3-STATE-03, HX3-STATE-04, HX3-STATE-05
    world = World()
    for n in range(40):
        world.device.telemetry({"n": n}, world.now)
        world.now += 1000
    events = [event for event in world.connect() if event.type == "telemetry"]
    assert len(events) == 32
    assert events[0].body == {"n": 8, "dropped": 8, "sampled_at": START + 5000 + 8000}
    assert events[1].body == {"n": 9, "sampled_at": START + 5000 + 9000}


def test_the_form_of_the_first_authentic_message_is_answered():
    # HX3-WIRE-06
    world = World()
    world.device.connected(world.now, world.time())
    assert world.device.take(world.now)[1][:2] == b"HX"
    forger = Forger(world)
    body = {
        "challenge": world.device._challenge,
        "last_cloud_sequence": 1001,
        "last_device_sequence": 0,
        "server_time": world.time(),
        "session": True,
    }
    message = forger.send("hello_ack", body, deliver=False)
    world.to_device((message[0], message[1][8:]))
    assert world.device.take(world.now)[1][:1] == b"{"
    forger.send("command", {"action": "light_on"})  # framed, but not the first
    assert world.device.take(world.now)[1][:1] == b"{"


def test_message_ids_are_version_four_uuids():
    # HX3-WIRE-38
    world = ready()
    for message in world.wire:
        a, b, c, d, e = opened(message).message_id.split("-")
        assert [len(part) for part in (a, b, c, d, e)] == [8, 4, 4, 4, 12]
        assert c[0] == "4" and d[0] in "89ab"


def test_a_device_never_uses_a_number_twice_over_reboots():
    # HX3-SEQ-11
    world = World()
    seen = set()
    for _ in range(6):
        world.connect()
        world.order()
        world.pump()
        world.device.disconnected(world.now)
        numbers = [opened(message).sequence for message in world.wire if message[0] != "cmd"]
        assert len(set(numbers)) == len(numbers) > 2 and not seen.intersection(numbers)
        seen.update(numbers)
        world.wire.clear()
        world.boot()
        world.wait(5000)


def test_what_flash_or_memory_keeps_from_leaving_is_not_forgotten():
    # HX3-STATE-06, HX3-STATE-07
    world = World()
    world.connect()
    world.device.disconnected(world.now)
    world.connect()
    order = world.order()
    world.to_device(world.cloud.take(world.time()))
    world.device.telemetry({"n": 1}, world.now)
    world.wait(30000)
    world.device.report_state()
    world.device._manifest_wanted = True
    next_number = world.device._counter.next

    def broken():
        raise OSError(5)

    seen = []
    for _ in range(5):
        world.device._counter.next = broken
        assert raises(OSError, world.device.take, world.now)
        world.device._counter.next = next_number
        message = world.device.take(world.now)
        seen.append(opened(message).type)
        world.to_cloud(message)
    assert seen == ["ack", "manifest", "state", "heartbeat", "telemetry"]
    assert world.device.take(world.now) is None and order.state == "acknowledged"


def test_a_sample_without_a_json_form_is_the_callers_error():
    # HX3-WIRE-35
    world = World()
    raises(TypeError, world.device.telemetry, {"n": b"bytes"}, world.now)
    raises(ValueError, world.device.telemetry, {"n": float("nan")}, world.now)
    raises(ValueError, world.device.telemetry, {"n": 1 << 53}, world.now)
    assert world.device.outbox.samples == []


def test_a_sample_that_fits_into_no_message_is_the_callers_error():
    # HX3-WIRE-04
    world = ready()
    with Room(200):
        error = raises(ValueError, world.device.telemetry, {"x": "y" * 193}, world.now)
        assert "201 bytes" in str(error) and "200 fit" in str(error)
        world.device.telemetry({"x": "y" * 192}, world.now)
    assert [event.type for event in world.pump()] == ["telemetry"]


def test_a_state_that_fits_into_no_message_is_told_once_and_the_session_goes_on():
    # HX3-WIRE-04
    world = ready()
    world.lamp.state = lambda: {"text": "y" * 200}
    world.device.report_state()
    with Room(200):
        raises(ValueError, world.device.take, world.now)
    world.device.telemetry({"n": 1}, world.now)
    assert [event.type for event in world.pump()] == ["telemetry"]


def test_a_state_without_a_json_form_does_not_stop_the_rest():
    # HX3-WIRE-35
    world = World()
    world.connect()
    for problem, value in ((TypeError, b"on"), (ValueError, 1 << 53)):
        world.lamp.state = lambda value=value: {"light": value}
        world.device.report_state()
        world.device.telemetry({"n": 1}, world.now)
        raises(problem, world.device.take, world.now)
        assert opened(world.device.take(world.now)).type == "telemetry"


def test_members_are_sorted_and_nothing_is_padded_at_every_depth_of_what_either_end_sends():
    # HX3-WIRE-34
    world = World()
    world.connect()
    world.lamp.state = lambda: {"zone": [{"b": 1, "a": "ü"}], "light": "on"}
    world.device.report_state()
    world.device.telemetry({"z": 1, "t": 2.5}, world.now)
    world.order("light_on", {"target": "light", "brightness": 5})
    world.pump()
    seen = set()
    for channel, payload in world.wire:
        text = payload[8:].decode()
        assert jsontext.dumps(json.loads(text)) == text
        seen.add(channel)
    assert seen == {"hello", "cmd", "manifest", "state", "telemetry", "cmd_ack"}


def test_the_transport_can_count_what_it_refused():
    world = World()
    world.device.refuse("PAYLOAD_TOO_LARGE")
    assert world.device.refused == {"PAYLOAD_TOO_LARGE": 1} and world.device.refusal == "PAYLOAD_TOO_LARGE"
