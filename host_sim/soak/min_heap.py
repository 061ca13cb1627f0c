"""The smallest heap in which the firmware does its work over TLS, found by trying.

`python -m host_sim.soak.min_heap [relay|light|remote]` prints a table; `firmware_min_heap` is for benches.

A heap passes if 300 commands are acknowledged, and run once each, through a restart of the broker, without a
restart of the board and without one allocation that failed on the way; the remote, if a button is learned,
told, kept, sent, renamed and removed instead. It must never decide by time.

The heap holds all that the firmware allocates, and besides the virtual board's own modules, which on a chip
lie in flash. The last column is without them: without what `stand_ins` finds allocated once those that such a
device uses are imported, less what MicroPython has allocated by itself. mbedTLS's buffers are outside of the
heap, as on an ESP32.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from host_sim import runtimes
from host_sim.board import BoardError, VirtualBoard, edges
from host_sim.ir.signals import from_fields
from host_sim.soak.house import House, Missing

COMMANDS = 300
AT_ONCE = 20
WAIT = 45  # s, for the session, and for each batch of commands with the longest way back to the broker
OUT_OF_MEMORY = ("MemoryError", "BUFFER_OVERFLOW", "PAYLOAD_TOO_LARGE")  # as the console names it
LOW, HIGH, STEP = 24, 160, 1  # kB
RECEIVER = 27  # the GPIO of the remote

STAND_INS = """\
import gc
import machine, network, esp32, ntptime, ssl, socket, select, time, os
import umqtt.simple
network.WLAN(network.STA_IF).active(True)
{more}
gc.collect()
print("allocated", gc.mem_alloc())
"""
# What loads only when it is used, by the device that uses it.
MORE = {"relay": "", "light": "machine.PWM", "remote": "esp32.RMT; import _edges"}

BOARDS = {
    "relay": (
        {"device_type": "relay", "parts": [{"kind": "relay", "pin": 26}]},
        [("relay_toggle", {})],
    ),
    "light": (
        {"device_type": "light", "parts": [{"kind": "light", "pin": 25}]},
        [
            ("light_brightness", {"brightness": 40}),
            ("light_toggle", {}),
            ("light_effect", {"effect": "breathe"}),
            ("light_off", {}),
        ],
    ),
    "remote": (
        {"device_type": "ir-remote", "parts": [{"kind": "ir", "pin": 4, "receiver_pin": RECEIVER}]},
        [],
    ),
}


def passes(kind: str, heap: int) -> bool:
    """Whether the device of that kind does all of it in `heap` kB."""
    board, actions = BOARDS[kind]
    with tempfile.TemporaryDirectory() as folder:
        try:
            with House(Path(folder), board, f"{heap}K") as house:
                return _works(house, kind, actions) if actions else _learns(house)
        except (BoardError, TimeoutError):  # it did not start, had no session, or stopped answering
            return False


def _check(house: House) -> None:
    """Raises TimeoutError when the firmware has ended, started anew or lacked memory: it will not pass."""
    board = house.board
    if board.restarts or any(event.ev in ("crash", "end") for event in board.trace):
        raise TimeoutError("the firmware has ended")
    if any(sign in line for line in board.log for sign in OUT_OF_MEMORY):
        raise TimeoutError("an allocation failed")


def wait(house: House, condition: Callable[[], bool]) -> None:
    """Raises TimeoutError after WAIT, or at once where it is in vain."""
    end = time.monotonic() + WAIT
    while not condition():
        _check(house)
        if time.monotonic() > end:
            raise TimeoutError(f"nothing in {WAIT} s")
        time.sleep(0.05)


def executed(house: House, action: str, **params: Any) -> dict[str, Any]:
    """What the device answers to a command. Raises TimeoutError as `wait`, and where it was not executed."""
    ticket = house.gateway.command(house.device, action, params)
    wait(house, ticket.done)
    if not ticket.executed:
        raise TimeoutError(f"{action}: {ticket.error}")
    return ticket.result.get("result", {})


def _batch(house: House, orders: list) -> bool:
    tickets = [house.gateway.command(house.device, *order) for order in orders]
    wait(house, lambda: all(ticket.done() for ticket in tickets))
    return all(ticket.executed for ticket in tickets)


def _works(house: House, kind: str, actions: list) -> bool:
    wait(house, lambda: any("READY" in line for line in house.board.log))
    for first in range(0, COMMANDS, AT_ONCE):
        if first == COMMANDS // AT_ONCE // 2 * AT_ONCE:
            house.broker.stop()
            house.broker.start()
        if not _batch(house, [actions[number % len(actions)] for number in range(first, first + AT_ONCE)]):
            return False
    if kind == "relay":  # each toggle moves the contact, so that the pin itself counts them
        moves = [event for event in house.board.trace if event.ev == "pin" and event.data.get("pin") == 26]
        assert len(moves) in (COMMANDS, COMMANDS + 1), f"{COMMANDS} toggles moved the pin {len(moves)} times"
    _check(house)
    return True


def _learns(house: House) -> bool:
    gateway, device = house.gateway, house.device
    button = from_fields("power", "nec", address=4, command=8)

    do = partial(executed, house)

    def offered(action: str) -> bool:
        manifest = gateway.device(device).manifest or {"capabilities": []}
        return any(entry["action"] == action for entry in manifest["capabilities"])

    def learning() -> str:
        return gateway.device(device).state["ir_learning"]

    wait(house, lambda: offered("ir_learn"))
    for raw in (False, True):
        do("ir_learn")
        wait(house, lambda: learning() == "waiting")
        house.board.edges(RECEIVER, edges.of_timings(button.once))
        wait(house, lambda: learning() != "waiting")
        if do("ir_learned").get("decoded") is None:
            return False
        do("ir_keep", name="power", raw=raw)
        wait(house, lambda: offered("ir_power"))
        do("ir_power", repeats=1)
        do("ir_learned", name="power")
        do("ir_kept")
        do("ir_rename", name="power", to="off")
        wait(house, lambda: offered("ir_off"))
        do("ir_remove", name="off")
        wait(house, lambda: not offered("ir_off"))
    _check(house)
    return True


def stand_ins(kind: str = "relay") -> int:
    """Bytes of the heap that the virtual board's modules take, which on a chip lie in flash."""
    found = runtimes.micropython()
    assert found is not None
    alone = [*found.argv(f"{HIGH}K"), "-c", "import gc; gc.collect(); print(gc.mem_alloc())"]
    bare = int(subprocess.run(alone, capture_output=True, check=True, timeout=WAIT).stdout)
    with tempfile.TemporaryDirectory() as folder:
        files = {"main.py": STAND_INS.format(more=MORE[kind])}
        with VirtualBoard(
            Path(folder), runtime="micropython", heap=f"{HIGH}K", firmware=None, files=files
        ) as board:
            return int(board.wait_for_log("allocated", WAIT).split()[1]) - bare


def smallest(kind: str, tell: Callable[[str], None] = lambda text: None) -> int:
    """The smallest heap in kB (a multiple of STEP) that passes. Raises Missing, RuntimeError (HIGH fails).

    Near the border a pass can hang on how the heap happens to lie; so what is named has passed twice.
    """
    if runtimes.micropython() is None:
        raise Missing("MicroPython's unix port is not here: make runtimes")

    def tried(heap: int) -> bool:
        good = passes(kind, heap)
        tell(f"{kind}: {heap} kB {'passes' if good else 'fails'}")
        return good

    low, high = LOW, HIGH
    if not tried(high):
        raise RuntimeError(f"the {kind} device does not work in {high} kB")
    while high - low > STEP:
        middle = (low + high) // 2 // STEP * STEP
        low, high = (low, middle) if tried(middle) else (middle, high)
    while not tried(high):
        high += STEP
        if high > HIGH:
            raise RuntimeError(f"the {kind} device does not work reliably in {HIGH} kB")
    return high


def firmware_min_heap() -> int:
    """For benches: the smallest heap in bytes of a relay device over TLS."""
    return smallest("relay") * 1024


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m host_sim.soak.min_heap", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*BOARDS, []], help="which devices; all by default")
    kinds = parser.parse_args(argv).kinds or list(BOARDS)

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        found = {kind: smallest(kind, tell) for kind in kinds}
    except (Missing, RuntimeError) as problem:
        print(problem, file=sys.stderr)
        return 1
    work = f"{COMMANDS} commands, or to learn,"
    print(f"| device | smallest heap for {work} over TLS | without the board's stand-ins |")
    print("|---|---|---|")
    for kind, heap in found.items():
        print(f"| {kind} | {heap} kB | {heap - stand_ins(kind) / 1024:.0f} kB |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
