"""The firmware on virtual boards when broker, Wi-Fi or power are lost, and what never comes twice."""

import json

import pytest

from host_sim import FIRMWARE
from tests.device.cloud import RELAY_PIN, World, log, pin, wait_pin


def hurry(one: World, name: str, ms: int) -> None:
    """The board is to wait so long where the firmware waits longer: `name` is a constant's, in ms."""
    module, _, constant = name.rpartition(".")
    main = (FIRMWARE / "main.py").read_text()
    (one.board.fs / "main.py").write_text(f"import {module} as hurried\nhurried.{constant} = {ms}\n{main}")


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
def test_a_wrong_wifi_password_is_told_without_it_and_the_right_one_tried_later(tmp_path):
    with World(tmp_path, "cpython", False, "boards/demo-relay.json") as one:
        hurry(one, "hxtp_device.wifi.TIMEOUT", 2000)
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
    hurry(one, "hxtp_device.device.DEBOUNCE", 500)
    one.board.start()
    one.cloud.wait_ready()
    assert one.cloud.command("relay_on").state == "acknowledged"
    one.board.wait_for(lambda event: event.ev == "nvs" and any("parts" in key for key in event["keys"]), 30)
    one.board.power_cut()
    one.board.power_on()
    one.cloud.wait_ready(2)
    assert pin(one) == 1
    one.cloud.wait(lambda: one.cloud.link.state == {"relay": "on"}, "state with the relay on")
