"""A virtual ESP32: the stock modules over recorded pins (`modules/`), and the host's side of them
(`virtual.py`).

It must never contain any of the firmware: boot.py and main.py run here as they are.
"""

import sys
from pathlib import Path

from host_sim.board.supervisor import BoardError
from host_sim.board.trace import Event
from host_sim.board.virtual import VirtualBoard

__all__ = ["MODULES", "BoardError", "Event", "VirtualBoard", "use_modules"]

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
