"""The firmware as it is flashed, on virtual boards of both runtimes, over TCP and TLS, with a cloud's end.

The board's heap is 128 KB on MicroPython, the stand-ins of the simulated hardware in it too.
"""

import json
import os
import re

import pytest

from host_sim.gateway.pki import make_pki
from tests.device.cloud import SECRET, World, make_broker

RELAY = "boards/demo-relay.json"
LIGHT = "boards/demo-light.json"
RELAY_PIN = 26
COMMANDS = int(os.environ.get("HXTP_COMMANDS") or 500)

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


@pytest.fixture(params=["cpython", "micropython"])
def runtime(request):
    if request.param == "micropython":
        request.getfixturevalue("micropython")
    return request.param


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def tls(request):
    return request.param


@pytest.fixture
def world(tmp_path, runtime):
    """world(tls, board, **settings) is a World whose board is still off."""
    made = []

    def make(tls=True, board=RELAY, **settings):
        made.append(World(tmp_path, runtime, tls, board, **settings))
        return made[0]

    yield make
    for one in made:
        one.__exit__()


def pin(world, number=RELAY_PIN):
    return world.board.pins()[number]["value"]


def wait_pin(world, value, number=RELAY_PIN):
    world.board.wait_until(lambda: pin(world, number) == value, 20, f"GPIO {number} at {value}")


def log(world):
    return "\n".join(world.board.log)


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


def test_the_broker_is_cut_and_restored(world, tls):
    one = world(tls)
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.command("relay_on").state == "acknowledged"
    one.broker.cut()
    one.board.wait_until(lambda: "READY:" in log(one), 30, "notice of the cut")
    order = one.cloud.order("relay_off")
    one.broker.restore()
    one.cloud.wait(order.settled, "end of the order")
    assert order.state == "acknowledged"
    wait_pin(one, 0)
    one.cloud.no_number_twice()


def test_a_pulse_ends_on_time_while_the_broker_is_away(world):
    one = world(False)
    one.board.start()
    one.cloud.wait_ready()
    order = one.cloud.command("relay_pulse", duration=1500)
    assert order.state == "acknowledged"
    one.broker.cut(silent=True)
    wait_pin(one, 0)
    moves = [event for event in one.board.trace if event.ev == "pin" and event["pin"] == RELAY_PIN]
    on, off = moves[-2:]
    assert off.t_us - on.t_us >= 1_490_000


def test_wifi_is_lost_and_found(world):
    one = world(True)
    one.board.start()
    one.cloud.wait_ready()
    one.board.wifi(False)
    one.board.wait_for_log("Wi-Fi is lost", 30)
    order = one.cloud.order("relay_on")
    one.board.wifi(True)
    one.cloud.wait(order.settled, "end of the order")
    assert order.state == "acknowledged"
    wait_pin(one, 1)


@pytest.mark.slow
def test_a_wrong_wifi_password_is_told_without_it_and_the_right_one_tried_later(world, runtime):
    one = world(False)
    one.board.wifi_password(False)
    one.board.start()
    one.board.wait_for_log("WRONG_PASSWORD", 60)
    assert "not-a-secret" not in log(one)
    one.board.wifi_password(True)
    one.cloud.wait_ready()


@pytest.mark.parametrize("cause", ["power", "reset"])
def test_after_a_reboot_numbers_go_on_and_boots_are_counted(world, cause):
    one = world(True)
    one.board.start()
    one.cloud.wait_ready()
    for count in range(2, 5):
        assert one.cloud.command("relay_toggle").state == "acknowledged"
        if cause == "power":
            one.board.power_cut()
            one.board.power_on()
        else:
            one.board.reset()
        one.cloud.wait_ready(count)
    boots = [hello["boot_count"] for hello in one.cloud.hellos()]
    assert boots == [boots[0], boots[0] + 1, boots[0] + 2, boots[0] + 3]
    assert {hello["reset_reason"] for hello in one.cloud.hellos()[1:]} == {
        "power" if cause == "power" else "hard"
    }
    one.cloud.no_number_twice()


@pytest.mark.parametrize("write", [1, 2, 3])
@pytest.mark.parametrize("at", ["before", "within", "after"])
def test_a_power_cut_at_any_flash_write_of_the_first_session_repeats_no_number(world, write, at):
    one = world(False)
    # The boot, that the cloud answers, and its time.
    one.board.power_cut(write, at)
    one.board.start()
    one.board.wait_until(lambda: not one.board.powered, 30, "power cut")
    one.board.power_on()
    one.cloud.wait_ready()
    one.board.power_cut()
    heard = len(one.cloud.hellos())
    one.board.power_on()
    one.cloud.wait_ready(heard + 1)
    assert one.cloud.command("relay_on").state == "acknowledged"
    one.cloud.no_number_twice()
    boots = [hello["boot_count"] for hello in one.cloud.hellos()]
    assert len(set(boots)) == len(boots)


def test_a_command_of_the_boot_before_is_not_run_again(world):
    one = world(False)
    one.board.start()
    one.cloud.wait_ready()
    runs = []
    one.board.observe(
        lambda event: runs.append(event) if event.ev == "pin" and event.data.get("value") else None
    )
    one.broker.cut(silent=True)
    order = one.cloud.order("relay_on")
    one.board.power_cut()
    one.broker.restore()
    one.board.power_on()
    one.cloud.wait(order.settled, "end of the order")
    assert (order.state, order.error) in [("failed", "OUTCOME_UNKNOWN"), ("acknowledged", None)]
    assert len(runs) == (1 if order.state == "acknowledged" else 0)


def test_last_state_comes_back_after_a_power_cut(world):
    board = {"device_type": "x", "parts": [{"kind": "relay", "pin": RELAY_PIN, "power_on": "last"}]}
    one = world(False, "boards/mine.json")
    (one.board.fs / "boards/mine.json").write_text(json.dumps(board))
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.command("relay_on").state == "acknowledged"
    one.board.wait_for(lambda event: event.ev == "nvs" and any("parts" in key for key in event["keys"]), 30)
    one.board.power_cut()
    one.board.power_on()
    one.cloud.wait_ready(2)
    assert pin(one) == 1
    one.cloud.wait(lambda: one.cloud.link.state == {"relay": "on"}, "state with the relay on")


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
