"""A virtual ESP32: the stock modules over recorded pins (`modules/`), and the host's side of them.

It must never contain any of the firmware: boot.py and main.py run here as they are.

    modules/            what both runtimes import: machine, network, esp32, neopixel, umqtt.simple …
    modules/on_*/       what one of them needs besides: MicroPython's time, os, socket, ssl; CPython's rest
    launch.py           begins the board's process, in which rom.py's image has the modules on MicroPython,
                        made lighter by lean.py
    virtual.py          VirtualBoard, over supervisor.py (the process), world.py, recorder.py and air.py
    edges.py            trains of edges on an input, such as an infrared receiver makes
    trace.py            what it did, which waveform.py draws
    cli.py              runs a board in the foreground, by default with a flash of scratch.py

To add a stock module: write it in modules/ in what both runtimes understand, raise what the real one raises,
tell what the outside could see with `_board.record(kind, …)`, never a value or a secret, and say the kind in
trace.Event. What has to happen by itself hangs on `_board.timers` or `_board.hooks`; what the world does to
it is a command in `_board._obey` and a method of VirtualBoard. tests/board runs it on both runtimes and holds
its size. What few programs use goes into a module of its own that `_board.later` loads: on a chip it is in
flash, here it is in the firmware's heap.
"""

import sys
from pathlib import Path

from host_sim.board.edges import Edge
from host_sim.board.supervisor import BoardError
from host_sim.board.trace import Event
from host_sim.board.virtual import VirtualBoard

__all__ = ["MODULES", "BoardError", "Edge", "Event", "VirtualBoard", "use_modules"]

MODULES = Path(__file__).with_name("modules")


def use_modules() -> None:
    """Let this CPython process import `machine`, `neopixel`, `esp32` … as stand-ins, for unit tests of
    capabilities.

    Adds ticks_ms() and its relatives to `time`; nothing that exists is changed. `machine.board.trace` has the
    trace.
    """
    for folder in (str(MODULES), str(MODULES / "on_cpython")):
        if folder not in sys.path:
            sys.path.append(folder)
    import time

    import _board  # type: ignore[import-not-found]

    for name in ("ticks_ms", "ticks_us", "ticks_add", "ticks_diff", "sleep_ms", "sleep_us"):
        if not hasattr(time, name):
            setattr(time, name, getattr(_board, name))
