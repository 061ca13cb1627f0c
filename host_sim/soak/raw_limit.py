"""How many raw timings an infrared remote on MicroPython takes in one command, found by trying.

`python -m host_sim.soak.raw_limit [HEAP]` (kB, 128 by default) prints it for a board that has learned nothing
since its start, and for one that has learned, told and sent a button of each protocol. Over TLS to Mosquitto,
as min_heap. It must never decide by time alone: a refusal is what the answer or the console tells.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from host_sim import runtimes
from host_sim.board import BoardError, edges
from host_sim.ir.signals import codecs, from_fields
from host_sim.soak.house import House, Missing
from host_sim.soak.min_heap import BOARDS, OUT_OF_MEMORY, RECEIVER, executed, wait

STEP, MOST = 64, 1536


def button(protocol: str) -> dict[str, int]:
    """The fields of a button well within what the protocol has; its toggle bit is the device's affair."""
    bounds = codecs.module(protocol).FIELDS[protocol]
    return {name: low + (high - low) // 7 for name, (low, high) in bounds.items() if name != "toggle"}


def longest(heap: int, learned: bool, tell: Callable[[str], None]) -> int:
    """The most timings, in steps of STEP, up to which each command was executed. Raises TimeoutError."""
    with (
        tempfile.TemporaryDirectory() as folder,
        House(Path(folder), BOARDS["remote"][0], f"{heap}K") as house,
    ):
        gateway, device = house.gateway, house.device

        do = partial(executed, house)

        def learning() -> str:
            return (gateway.device(device).state or {}).get("ir_learning", "")

        wait(house, lambda: gateway.device(device).manifest is not None and learning() == "idle")
        for protocol in sorted(codecs.MODULES) if learned else ():
            do("ir_learn")
            wait(house, lambda: learning() == "waiting")
            house.board.edges(RECEIVER, edges.of_timings(from_fields("", protocol, **button(protocol)).once))
            wait(house, lambda: learning() != "waiting")
            do("ir_learned")
            do("ir_send", encoding=protocol, repeats=1, **button(protocol))
        most = 0
        for count in range(STEP, MOST + 1, STEP):
            try:
                sent = do("ir_send_raw", freq_khz=38, raw=[500 + at % 700 for at in range(count)])
            except TimeoutError as problem:
                told = [str(problem), *house.board.log]  # the answer may be here before the console's line
                if not any(sign in line for line in told for sign in OUT_OF_MEMORY):
                    raise
                break
            most = count
            time.sleep(sent["duration"] / 1000 + 0.1)  # what is still being sent takes room, too
            tell(f"{count} timings were sent")
        return most


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m host_sim.soak.raw_limit", description=__doc__)
    parser.add_argument("heap", nargs="?", type=int, default=128, help="kB")
    heap = parser.parse_args(argv).heap

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    try:
        if runtimes.micropython() is None:
            raise Missing("MicroPython's unix port is not here: make runtimes")
        for learned in (False, True):
            found = longest(heap, learned, tell)
            print(f"{'each protocol' if learned else 'nothing'} was learned before: {found} timings")
    except (Missing, BoardError, TimeoutError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
