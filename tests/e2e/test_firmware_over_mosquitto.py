"""The firmware on real MicroPython, 32-bit with 128 KB of heap, over a real Mosquitto with TLS."""

import json
from pathlib import Path

import pytest

from host_sim.board import VirtualBoard
from host_sim.gateway.gateway import Gateway
from host_sim.gateway.store import Store
from host_sim.pki import make_pki
from host_sim.provision import board_files
from host_sim.soak.mosquitto import Mosquitto
from hxtp.sign import mqtt_password

COMMANDS = 1000
AT_ONCE = 20
SLACK = 1024  # bytes by which two collections may differ for no reason of ours

BOARD = {
    "device_type": "probe",
    "status_led": 2,
    "parts": [{"kind": "probe"}, {"kind": "light", "pin": 25}, {"kind": "relay", "pin": 26}],
}


@pytest.fixture
def world(tmp_path, program, micropython):
    """(gateway, board, mosquitto, device id), running and connected."""
    store = Store(tmp_path / "gateway", "home")
    gateway = board = None
    try:
        pki = make_pki(tmp_path / "pki")
        registration = store.register("probe", 1_790_000_000)
        device = registration.device_id
        users = {
            "gateway": "for-this-test-only",
            device: mqtt_password(registration.secret, device, registration.password_expiry),
        }
        mosquitto = Mosquitto(program, tmp_path / "mosquitto", pki, users)
        with mosquitto:
            files = board_files(
                registration,
                f"mqtts://127.0.0.1:{mosquitto.port}",
                registration.password_expiry,
                pki.ca.read_text(),
                "boards/probe.json",
            )
            files["boards/probe.json"] = json.dumps(BOARD)
            files["capabilities/probe.py"] = Path(__file__).with_name("probe_capability.py")
            gateway = Gateway(
                store, mosquitto.port, ca_file=pki.ca, username="gateway", password=users["gateway"]
            ).start()
            board = VirtualBoard(tmp_path / "board", runtime="micropython", heap="128K", files=files)
            board.start()
            yield gateway, board, mosquitto, device
    finally:
        if board is not None:
            board.stop()
        if gateway is not None:
            gateway.stop()
        store.close()


def run_commands(gateway, device, numbers, timeout=60):
    tickets = [gateway.command(device, "probe_run", {"n": n}) for n in numbers]
    return [ticket.wait(timeout) for ticket in tickets]


def test_a_thousand_commands_run_once_each_in_a_flat_heap(world):
    gateway, board, mosquitto, device = world
    board.wait_for_log("READY", 30)
    free = []
    for first in range(0, COMMANDS, AT_ONCE):
        if first == COMMANDS // 2:  # the broker restarts while commands come in
            mosquitto.stop()
            tickets = [gateway.command(device, "probe_run", {"n": n}) for n in range(first, first + AT_ONCE)]
            mosquitto.start()
            done = [ticket.wait(90) for ticket in tickets]
        else:
            done = run_commands(gateway, device, range(first, first + AT_ONCE))
        assert {order.state for order in done} == {"acknowledged"}, board.log[-20:]
        results = [order.result["result"] for order in done]
        assert [result["n"] for result in results] == list(range(first, first + AT_ONCE))
        assert [result["runs"] for result in results] == list(range(first + 1, first + AT_ONCE + 1))
        free += [result["free"] for result in results]
    assert board.restarts == 0
    assert board.pins()[2]["value"] == 1  # the status LED
    warm = free[100:200]
    assert min(free[-100:]) >= min(warm) - SLACK, (min(warm), min(free[-100:]))
