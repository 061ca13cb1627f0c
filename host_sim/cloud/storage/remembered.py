"""What was read from the database, to be used again while it is still true.

An entry is forgotten with the first transaction of this process that may have changed it, and after HOLD_S at
the latest, because another process may have: that is how long a worker may act on what another one has just
ended. Must never hold what was read before a change and kept after it.
"""

import math
import threading
import time
from collections.abc import Hashable
from typing import Any

HOLD_S = 1.0
ALONE_S = 60.0  # for what no other process changes: on SQLite, where there is one worker
MOST = 20000  # entries; then all are forgotten


class Remembered:
    """Entries by key. Take `mark()` before reading, and give it to `keep()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes = 0
        self._entries: dict[
            Hashable, tuple[float, Any, float]
        ] = {}  # until when, what, when to read it again

    def find(self, key: Hashable) -> Any:
        """What was kept under this key, or None."""
        entry = self._entries.get(key)
        return entry[1] if entry is not None and time.monotonic() < entry[0] else None

    def due(self, key: Hashable) -> bool:
        """Whether to read it again now, so that it goes on being known: more than half of its time is over.

        Only one of those who ask is told so.
        """
        entry = self._entries.get(key)
        if entry is None or time.monotonic() < entry[2]:
            return False
        with self._lock:
            if self._entries.get(key) is not entry:
                return False
            self._entries[key] = (*entry[:2], math.inf)
        return True

    def mark(self) -> tuple[int, float]:
        """Now, for `keep`."""
        return self._changes, time.monotonic()

    def keep(self, key: Hashable, value: Any, mark: tuple[int, float], seconds: float = HOLD_S) -> None:
        """Remember what was read since `mark`, unless something has changed meanwhile.

        `seconds`: more than HOLD_S only for what no other process changes.
        """
        changes, read_at = mark
        with self._lock:
            if changes != self._changes:
                return
            if len(self._entries) >= MOST:
                self._entries = {}
            self._entries[key] = (read_at + seconds, value, read_at + seconds / 2)

    def drop(self, key: Hashable) -> None:
        """This is no longer so."""
        with self._lock:
            self._entries.pop(key, None)

    def forget(self) -> None:
        """Something has changed."""
        with self._lock:
            self._changes += 1
            self._entries = {}
