"""What `--keep` adds: the stage stays up, commands can be sent by hand, and what the pins do is drawn.

It must never print a token: whoever may read the cloud's folder can have one made from it.
"""

import os
import sys
import time
from pathlib import Path

from host_sim import ROOT
from host_sim.demo.drawings import activity
from host_sim.demo.screen import Screen
from host_sim.demo.stage import Stage

REST = 0.8  # seconds without a move, after which a drawing is made


def stay(stage: Stage, screen: Screen) -> None:
    """Until Ctrl-C (KeyboardInterrupt). Raises DemoError if a board's firmware ends."""
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
    call = f"{_python()} -m host_sim client"
    # The folder says where the cloud is, has its CA, and lets whoever may read it make a token.
    data = f"--data {_shown(stage.data)}"
    screen.step("Yours", "Everything stays up until Ctrl-C. From another terminal, in this folder:")
    screen.commands(
        [
            f"{call} devices {data}",
            f"{call} command {data} lamp light_brightness brightness=30 transition=1000",
            f"{call} command {data} relays relay_pulse duration=500",
            f"{call} command {data} blaster ir_send_nec address=4 command=9",
        ]
    )
    screen.note(f"The API, to read and to try: {stage.cloud.settings.base_url()}/docs")
    screen.note("(a browser does not know the CA of the demo's own, and says so)")


def _python() -> str:
    return _shown(Path(sys.executable)) if ROOT / ".venv" in Path(sys.executable).parents else sys.executable


def _shown(path: Path) -> str:
    try:
        return os.fspath(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return os.fspath(path)
