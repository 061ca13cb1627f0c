"""Whole devices in a room: one sends a button for the cloud, the other one learns it and can send it too."""

import time

import pytest

from host_sim.board import VirtualBoard
from host_sim.board.trace import pulses_us
from host_sim.gateway.bench import Bench
from host_sim.room import Noise, Room

BOARDS = {"blaster": "boards/demo-ir.json", "remote": "boards/ir-remote.json"}
LED, EYE = 4, 27  # of both boards, and of the one that learns
HEAP = "128K"
BUTTON = {"encoding": "samsung32", "address": 7, "command": 152}


@pytest.fixture
def house(tmp_path, runtime):
    """(gateway, {name: (board, device id)}, a room with both boards in it), all of them connected."""
    boards = {}
    with Bench(tmp_path / "bench") as bench, Room(seed=1, noise=Noise(per_second=1)) as room:
        try:
            for name, data in BOARDS.items():
                registration = bench.gateway.register(name)
                files = bench.board_files(registration, data)
                board = VirtualBoard(tmp_path / name, runtime=runtime, heap=HEAP, name=name, files=files)
                boards[name] = (board, registration.device_id)
                board.start()
            for board, device in boards.values():
                board.wait_for_log("READY", 30)
                until(lambda device=device: bench.gateway.device(device).state is not None)
            room.place(boards["blaster"][0], at=(0, 0), emitter=LED, clock=1.01)
            room.place(boards["remote"][0], at=(3, 2), emitter=LED, receiver=EYE, clock=0.99)
            yield bench.gateway, boards, room
        finally:
            for board, _ in boards.values():
                board.stop()


def until(condition, seconds=20):
    """A state arrives over the network: nobody tells when."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def command(gateway, device, action, **params):
    order = gateway.command(device, action, params).wait(30)
    assert order.state == "acknowledged", (action, order.error, order.result)
    return order.result.get("result", {})


def test_what_one_device_sends_another_one_learns_and_can_send(house):
    gateway, boards, room = house
    blaster, remote = boards["blaster"][1], boards["remote"][1]
    board = boards["remote"][0]
    command(gateway, remote, "ir_learn", name="power")
    command(gateway, blaster, "ir_send", **BUTTON, repeats=1)
    room.wait_for_light(boards["blaster"][0])
    room.settle()
    until(lambda: gateway.device(remote).state["ir_learning"] == "captured")
    learned = command(gateway, remote, "ir_learned")
    assert learned["decoded"] == BUTTON
    since = board.last
    command(gateway, remote, "ir_power")
    sent = board.wait_for(lambda event: event.ev == "rmt", since=since)
    assert sent["pin"] == LED and sent["carrier"][0] == 38000
    frame = 2 + 2 * 32 + 1  # header, bits, and the mark that ends it
    first = next(event for event in boards["blaster"][0].trace if event.ev == "rmt")
    assert pulses_us(sent)[:frame] == pulses_us(first)[:frame]
    assert not [line for other, _ in boards.values() for line in other.log if "Traceback" in line]


def test_a_device_learns_buttons_of_any_protocol_from_remotes_whose_clocks_are_wrong(house):
    gateway, boards, room = house
    remote = boards["remote"][1]
    room.noise = Noise()
    for encoding, numbers, words in (
        ("nec", {"address": 4, "command": 8}, "nec address=4 command=8"),
        ("sony15", {"address": 164, "command": 21}, "sony15 address=164 command=21"),
        ("rc5", {"address": 5, "command": 35}, "rc5 address=5 command=35"),
        ("rc6", {"address": 15, "command": 12}, "rc6 address=15 command=12"),
        ("jvc", {"address": 3, "command": 9}, "jvc address=3 command=9"),
        (
            "kaseikyo",
            {"address": 9, "command": 61, "vendor": 8194},
            "kaseikyo address=9 command=61 vendor=8194",
        ),
    ):
        command(gateway, remote, "ir_learn")
        room.remote(at=(0, 0), clock=1.05).press(encoding, held=1, **numbers)
        until(lambda words=words: gateway.device(remote).state["ir_decoded"] == words)


def test_a_device_that_learns_tells_two_remotes_at_once_from_a_button(house):
    gateway, boards, room = house
    remote = boards["remote"][1]
    one, other = room.remote(at=(0, 0)), room.remote(at=(5, 0))
    command(gateway, remote, "ir_learn")
    with room.together():
        one.press("nec", address=4, command=8)
        other.press("nec", address=99, command=1, after=0.021)
    until(lambda: gateway.device(remote).state["ir_learning"] == "collided")
    command(gateway, remote, "ir_learn")
    with room.together():
        one.press("nec", address=4, command=8)
        one.press("nec", address=4, command=9, after=0.3)
    until(lambda: gateway.device(remote).state["ir_learning"] == "different")
