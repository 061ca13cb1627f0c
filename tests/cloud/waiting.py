"""Waiting for what other threads bring about."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

WAIT = 20  # seconds that anything may take here


def until(check: Callable[[], Any], what: str = "it to come true", every: float = 0.01) -> Any:
    """Wait for `check()`, which is asked `every` so many seconds, to give something true, and give that."""
    end = time.monotonic() + WAIT
    while not (found := check()):
        assert time.monotonic() < end, f"waited {WAIT} s for {what}"
        time.sleep(every)
    return found


def hold_still(monkeypatch: Any) -> Callable[[float], None]:
    """Let limits count at one moment, however long the test takes; the result moves it on by some seconds."""
    moved = [time.time()]
    clock = SimpleNamespace(time=lambda: moved[0], monotonic=time.monotonic)
    for name in ("limits", "failures"):
        monkeypatch.setattr(f"host_sim.cloud.gate.{name}.time", clock)

    def move(seconds: float) -> None:
        moved[0] += seconds

    return move
