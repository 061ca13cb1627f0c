"""What `--keep` adds: the stage stays up, commands can be sent by hand, and what the pins do is drawn.

It must never answer a question that the control port's token does not come with.
"""

import os
import sys
import time
from pathlib import Path

from host_sim import ROOT
from host_sim.demo.drawings import activity
from host_sim.demo.screen import Screen
from host_sim.demo.stage import Stage
from host_sim.gateway.control import Control

REST = 0.8  # seconds without a move, after which a drawing is made


def stay(stage: Stage, screen: Screen) -> None:
    """Until Ctrl-C (KeyboardInterrupt). Raises DemoError if a board's firmware ends."""
    with Control(stage.bench.gateway, stage.bench.folder):
        _explain(stage, screen)
        marks = {name: board.mark() for name, board in stage.boards.items()}
        seen = dict.fromkeys(marks, 0)
        moved = dict.fromkeys(marks, 0.0)
        while True:
            time.sleep(0.1)
            stage.check()
            for name, board in stage.boards.items():
                events = board.since(marks[name])
                if len(events) != seen[name]:
                    seen[name], moved[name] = len(events), time.monotonic()
                elif events and time.monotonic() - moved[name] > REST:
                    marks[name], seen[name] = events[-1].n, 0
                    screen.text(f"{name}:")
                    screen.drawing(activity(events))


def _explain(stage: Stage, screen: Screen) -> None:
    call = f"{_python()} -m host_sim gateway"
    # Always said: by themselves the commands look for the gateway of `gateway serve` first.
    data = f" --data {_shown(stage.bench.folder)}"
    ids = {name: board.device_id[:6] for name, board in stage.boards.items()}
    screen.step("Yours", "Everything stays up until Ctrl-C. From another terminal, in this folder:")
    screen.commands(
        [
            f"{call} devices{data}",
            f"{call} command{data} {ids['lamp']} light_brightness brightness=30 transition=1000",
            f"{call} command{data} {ids['relays']} relay_pulse duration=500",
            f"{call} command{data} {ids['blaster']} ir_send_nec address=4 command=9",
        ]
    )


def _python() -> str:
    return _shown(Path(sys.executable)) if ROOT / ".venv" in Path(sys.executable).parents else sys.executable


def _shown(path: Path) -> str:
    try:
        return os.fspath(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)
