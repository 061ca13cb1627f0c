"""The firmware as it is flashed, on virtual boards of both runtimes, over TCP and TLS, with a cloud's end.

The board's heap is 128 KB on MicroPython, the stand-ins of the simulated hardware in it too.
"""

import json
import os
import re

import pytest

from host_sim.pki import make_pki
from tests.device.cloud import SECRET, World, log, make_broker, pin, wait_pin

RELAY = "boards/demo-relay.json"
LIGHT = "boards/demo-light.json"
COMMANDS = int(os.environ.get("HXTP_COMMANDS") or 1000)

# A maker's own program, which tells how much of the heap is in use after each hundred messages.
MEASURING = """
import gc
import time
from hxtp_device.device import build

device = build()
busy = 0
while True:
    if device.poll():
        busy += 1
        if busy % 100 == 0:
            gc.collect()
            print("in use", gc.mem_alloc())
    else:
        time.sleep_ms(1)
"""


def test_hello_manifest_state_command_ack(world, tls):
    one = world(tls)
    one.board.start()
    one.cloud.wait_ready()
    kinds = [event.type for event in one.cloud.events]
    assert kinds.index("hello") < kinds.index("manifest") < kinds.index("state")
    assert one.cloud.link.state == {"relay": "off", "relay2": {"relay": "off"}}
    actions = [entry["action"] for entry in one.cloud.link.manifest["capabilities"]]
    assert actions == sorted(actions) and "relay_pulse" in actions
    order = one.cloud.command("relay_on")
    assert order.state == "acknowledged"
    wait_pin(one, 1)
    one.cloud.wait(lambda: one.cloud.link.state["relay"] == "on", "state with the relay on")
    assert one.cloud.command("relay_fly").error == "UNKNOWN_ACTION"
    order = one.cloud.command("relay_pulse", duration="long")
    assert order.error == "INVALID_PARAMS" and order.result["member"] == "duration"
    assert one.cloud.command("relay_off").state == "acknowledged"
    wait_pin(one, 0)
    one.cloud.no_number_twice()
    assert "Traceback" not in log(one) and SECRET.hex() not in log(one)


def test_the_light_with_its_large_manifest(world, tls):
    one = world(tls, LIGHT)
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.command("light_on").state == "acknowledged"
    assert one.cloud.command("light_brightness", brightness=80).state == "acknowledged"
    one.cloud.wait(lambda: one.cloud.link.state["brightness"] == 80, "state at 80 percent")
    assert "Traceback" not in log(one)


def test_a_clock_at_2000_and_a_silent_time_server_do_not_stop_tls(world):
    one = world(True)
    one.board.ntp(up=False)
    one.board.start()
    one.cloud.wait_ready()
    # The first hello came with a wrong time, and its answer repaired the clock.
    assert one.cloud.link.refused == {"TIMESTAMP_EXPIRED": 1}
    assert one.cloud.command("relay_on").state == "acknowledged"


def test_a_lying_time_server_moves_nothing(world):
    one = world(False)
    one.board.ntp(skew=10**8)
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.link.refused == {"TIMESTAMP_FUTURE": 1}
    assert one.cloud.command("relay_on").state == "acknowledged"


def test_a_server_of_another_authority_is_not_spoken_to(world, tmp_path):
    one = world(True)
    other = make_pki(tmp_path / "other")
    (one.board.fs / "ca.pem").write_bytes(other.ca.read_bytes())
    one.board.start()
    one.board.wait_until(lambda: "MQTT_LINKING" in log(one), 30, "failed handshake")
    assert one.cloud.said == []
    assert SECRET.hex() not in log(one)


def test_a_server_of_another_name_is_not_spoken_to(world):
    one = world(True)
    # The same machine, but not by a name that its certificate has.
    elsewhere = make_broker(one.pki, host="127.0.0.2").start()
    try:
        settings = one.board.fs / "hxtp.json"
        given = json.loads(settings.read_text())
        settings.write_text(json.dumps({**given, "mqtt": f"mqtts://127.0.0.2:{elsewhere.port}"}))
        one.board.start()
        one.board.wait_until(lambda: "MQTT_LINKING" in log(one), 30, "failed handshake")
        assert elsewhere.counts.connected == 0
    finally:
        elsewhere.stop()


def test_a_wrong_secret_is_refused_by_the_broker_and_told(world):
    one = world(False, secret="cd" * 32)
    one.board.start()
    one.board.wait_for_log("refused by the broker", 30)
    assert "cd" * 32 not in log(one) and one.cloud.said == []


def test_hostile_messages_change_nothing_and_are_told_by_code(world):
    one = world(False)
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.command("relay_on").state == "acknowledged"
    command = one.cloud.sent[-1]
    one.cloud.publish("cmd", command)  # a replay
    one.cloud.publish("cmd", command.replace(b"relay_on", b"relay_of"))
    one.cloud.publish("cmd", b"{" * 20000)
    one.cloud.publish("cmd", b"\xff" * 300)
    one.cloud.publish("ota", command)
    for code in ("NONCE_REUSED", "PAYLOAD_TOO_LARGE", "FRAME_MAGIC_INVALID", "FRAME_TYPE_INVALID"):
        one.board.wait_for_log("refused " + code, 20)
    assert pin(one) == 1
    assert one.cloud.command("relay_off").state == "acknowledged"
    one.cloud.no_number_twice()


def test_a_retained_command_is_not_run_at_the_next_connection(world):
    one = world(False)
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.command("relay_on").state == "acknowledged"
    assert one.cloud.command("relay_off").state == "acknowledged"
    one.cloud.publish("cmd", one.cloud.sent[-1], retain=True)
    one.board.reset()
    one.board.wait_for_log("refused", 60)
    one.cloud.wait_ready(2)
    assert pin(one) == 0


def test_heartbeats_and_the_will(world):
    one = world(False)
    one.cloud.link.heartbeat_interval = 5
    one.board.start()
    one.cloud.wait_ready()
    one.cloud.wait(lambda: "heartbeat" in [event.type for event in one.cloud.events], "heartbeat", 30)
    one.board.reset_connections()
    one.cloud.wait(lambda: ("heartbeat", b"") in one.cloud.said, "will", 30)


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_the_heap_stays_flat_over_many_commands(tmp_path, micropython, tls):
    with World(tmp_path, "micropython", tls, RELAY) as one:
        (one.board.fs / "main.py").write_text(MEASURING)
        one.board.start()
        one.cloud.wait_ready()
        orders = []
        for _ in range(COMMANDS):
            orders.append(one.cloud.order("relay_toggle"))
            one.cloud.wait(lambda: sum(not order.settled() for order in orders[-8:]) < 7, "room")
        one.cloud.wait(lambda: all(order.settled() for order in orders), "end of all orders")
        assert {order.state for order in orders} == {"acknowledged"}
        used = [int(number) for number in re.findall(r"in use (\d+)", log(one))]
        assert len(used) >= COMMANDS // 50, log(one)
        assert max(used[3:]) - min(used[3:]) < 2048, used
        one.cloud.no_number_twice()
