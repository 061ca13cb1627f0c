"""Keeps a log readable while something fails again and again: each reason is told, and not at every attempt.

Must never keep a new reason back.
"""

import math
import threading
import time

EVERY_S = 5.0
MOST = 100  # reasons that are remembered


class Seldom:
    """For any thread."""

    def __init__(self, every_s: float | None = None) -> None:
        """`every_s`: seconds between two times, EVERY_S by default."""
        self._every_s = every_s
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}

    def now(self, reason: str) -> bool:
        """Whether to tell it: it was not told for so long."""
        now, every_s = time.monotonic(), self._every_s or EVERY_S
        with self._lock:
            if now - self._told.get(reason, -math.inf) < every_s:
                return False
            if len(self._told) >= MOST:
                self._told.clear()
            self._told[reason] = now
        return True
