"""Boards in a room: one sends with its RMT, another one's handler sees it; on CPython and MicroPython."""

import json
import time

import pytest

from host_sim import FIRMWARE
from host_sim.room import Interrupts, Noise, Room
from tests.board.running import said

# Commands as they come from the session, name and parameters: one for each press of the button.
SENDER = """
import json
import time
import capabilities
from hxtp.registry import Registry
from machine import Pin

class Context:
    def now(self):
        return time.ticks_ms()
    def changed(self, part):
        pass

registry = Registry(print)
part = capabilities.load({"parts": [{"kind": "ir", "pin": 4}]}, Context())[0]
registry.add(part)
presses = 0
def pressed(pin):
    global presses
    presses += 1

Pin(0, Pin.IN, Pin.PULL_UP).irq(pressed, Pin.IRQ_FALLING)
with open("commands") as file:
    commands = file.read().split("\\n")
print("ready")
done = 0
while True:
    if done < presses:
        action, params = json.loads(commands[done])
        done += 1
        print(registry.run(action, params)["ack_status"])
    part.tick(time.ticks_ms())
    time.sleep_ms(5)
"""
# A handler that notes times, and a loop that says what they mean when there was nothing for 20 ms.
WATCHER = """
import time
from array import array
from machine import Pin
from capabilities.ir import codecs

last = time.ticks_us()
gaps = array("i")

def edge(pin):
    global last
    now = time.ticks_us()
    gaps.append(time.ticks_diff(now, last))
    last = now

Pin(15, Pin.IN, Pin.PULL_UP).irq(handler=edge, trigger=Pin.IRQ_RISING | Pin.IRQ_FALLING)
print("ready")
while True:
    time.sleep_ms(10)
    if gaps and time.ticks_diff(time.ticks_us(), last) > 20000:
        found = codecs.decode(list(gaps)[1:])
        names = sorted(found or ())
        print(len(gaps), " ".join(["%s=%s" % (name, found[name]) for name in names]) or "?")
        gaps = array("i")
"""
NEC = "68 address=4 command=8 protocol=nec"


@pytest.fixture
def watcher(make):
    board = make(WATCHER, firmware=FIRMWARE)
    board.wait_for_log("ready")
    return board


def sender(make, *commands):
    files = {"commands": "\n".join(json.dumps(command) for command in commands)}
    board = make(SENDER, firmware=FIRMWARE, files=files, folder=f"sender {len(commands)}", name="sender")
    board.wait_for_log("ready")
    return board


def go(board):
    since = board.last
    board.press(0)
    board.wait_for(lambda event: event.ev == "rmt", since=since)
    board.release(0)


def seen(board, count):
    """What the watcher saw: so many lines after its first."""
    return board.wait_until(
        lambda: said(board)[1:] if len(said(board)) > count else None, 10, f"{count} frames"
    )


@pytest.fixture
def make(make):
    """Boards with the firmware's modules, and another program than its own."""

    def with_options(main, firmware=None, **options):
        board = make(main, start=False, **options)
        board.place(firmware, {"main.py": main, "boot.py": ""}, mpy=board.runtime == "micropython")
        board.start()
        return board

    return with_options


def test_what_one_board_sends_another_one_sees_and_understands(make, watcher):
    lamp = sender(make, ["ir_send", {"encoding": "samsung32", "address": 7, "command": 2, "repeats": 1}])
    with Room(seed=1) as room:
        room.place(lamp, at=(0, 0), emitter=4, clock=1.02)
        room.place(watcher, at=(4, 3), receiver=15, clock=0.99)
        go(lamp)
        assert seen(watcher, 2) == ["68 address=7 command=2 protocol=samsung32"] * 2
        assert room.reception(watcher).measured == pytest.approx(room.heard(watcher), abs=30)
    assert said(lamp)[1:] == ["executed"]


def test_a_train_in_several_pieces_keeps_its_pauses(make, watcher):
    raw = [900, 400] * 100 + [900, 30000]
    lamp = sender(make, ["ir_send_raw", {"freq_khz": 38, "raw": raw, "repeat": 4}])
    with Room() as room:
        room.place(lamp, emitter=4)
        room.place(watcher, at=(1, 0), receiver=15)
        go(lamp)
        assert seen(watcher, 4) == ["202 ?"] * 4
        pieces = [event for event in lamp.trace if event.ev == "rmt"]
        assert len(pieces) > 1
        timings = room.heard(watcher)
        assert timings[:203] == [*raw, 900]
        between = pieces[1].t_us - pieces[0].t_us - 2 * sum(raw)
        assert timings[403] == pytest.approx(30000 + between, abs=1)


def test_a_board_sees_its_own_light_only_where_it_is_reflected(make):
    board = make(WATCHER.replace("while True:", SENDER_PART + "while True:", 1), firmware=FIRMWARE)
    board.wait_for_log("ready")
    for metres, count in ((2.0, 68), (None, 0), (30.0, 0)):
        since = board.last
        with Room(reflection=metres) as room:
            room.place(board, emitter=4, receiver=15)
            go(board)
            assert board.wait_for(lambda event: event.ev == "edges", since=since)["moved"] == count


SENDER_PART = """
from capabilities.ir import nec, send
transmitter = send.Transmitter(4, 0, False)
button = Pin(0, Pin.IN, Pin.PULL_UP)
button.irq(lambda pin: transmitter.write(38000, 33, nec.frame(4, 8)), Pin.IRQ_FALLING)
"""


def test_two_boards_at_once_are_not_understood(make, watcher):
    lamps = [
        sender(make, *[["ir_send_nec", {"address": address, "command": 8}]] * (n + 1))
        for n, address in enumerate((4, 99))
    ]
    with Room() as room:
        for n, lamp in enumerate(lamps):
            room.place(lamp, at=(n, 0), emitter=4)
        room.place(watcher, at=(0, 3), receiver=15)
        with room.together():
            for lamp in lamps:
                go(lamp)
                room.wait_for_light(lamp)
        assert seen(watcher, 1)[0].endswith(" ?")
        go(lamps[1])
        assert seen(watcher, 2)[1] == "68 address=99 command=8 protocol=nec"


def test_twenty_presses_are_seen_in_less_time_than_they_take(watcher):
    with Room(seed=3) as room:
        room.place(watcher, receiver=15)
        remote = room.remote(at=(3, 0), clock=1.03)
        for _ in range(20):
            remote.press("nec", address=4, command=8, held=2)
        lines = seen(watcher, 60)
        assert lines == [NEC, "4 ?", "4 ?"] * 20
        room.settle()
        ends = [event for event in watcher.trace if event.ev == "edges"]
    assert ends[-1].t_us - ends[0].t_us > 19 * 3 * 108_000 > (ends[-1].at - ends[0].at) * 1e6


def test_noise_and_lost_edges_reach_the_handler(watcher):
    with Room(seed=5, noise=Noise(per_second=20), interrupts=Interrupts(lost=0.02)) as room:
        room.place(watcher, receiver=15)
        remote = room.remote(at=(3, 0))
        for _ in range(5):
            remote.press("nec", address=4, command=8)
        room.settle()
        last = room.reception(watcher)
        told = [event for event in watcher.trace if event.ev == "edges"]
        assert told[-1]["told"] == sum(bool(edge.tell) for edge in last.told) < len(last.output)


def test_a_board_that_is_off_misses_what_is_sent(watcher):
    with Room() as room:
        room.place(watcher, receiver=15)
        remote = room.remote(at=(3, 0))
        watcher.power_cut()
        remote.press("nec", address=4, command=8)
        room.settle()
        since = watcher.last
        watcher.power_on()
        watcher.wait_for(lambda event: event.ev == "boot", since=since)
        watcher.wait_until(lambda: said(watcher).count("ready") == 2)
        remote.press("nec", address=4, command=8)
        assert seen(watcher, 2)[1] == NEC


def test_a_board_is_in_a_room_once_and_time_runs_out_with_words(watcher):
    with Room() as room:
        room.place(watcher, receiver=15)
        with pytest.raises(ValueError, match="in this room already"):
            room.place(watcher)
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match="no light from that board in 0"):
            room.wait_for_light(watcher, timeout=0.01)
        assert time.monotonic() - begun < 10
