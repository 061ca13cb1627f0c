"""What a virtual board did and said, kept for whoever waits for it: its trace and its serial console.

It must never grow without bound, and never hold up the board's thread, which feeds it.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from host_sim.board.trace import Event

KEEP_EVENTS = 200_000
KEEP_LINES = 20_000
TAIL = 20  # lines of the console that a time-out shows

T = TypeVar("T")


class Recorder:
    """Thread-safe. `fault`, once set, ends all waiting: nothing that can be relied on will come any more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.boot = 0
        self._fault: str | None = None
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._lines: list[str] = []
        self._serial = 0
        self._observers: list[Callable[[Event], None]] = []
        self._line_observers: list[Callable[[str], None]] = []

    # --- fed by the board's thread --------------------------------------------------------------------------
    def event(self, kind: str, data: dict[str, Any], t_us: int = 0) -> None:
        with self._changed:
            self._serial += 1
            event = Event(self._serial, self.boot, t_us, kind, time.monotonic(), data)
            self._events.append(event)
            if len(self._events) > KEEP_EVENTS:
                del self._events[: KEEP_EVENTS // 10]
            self._changed.notify_all()
        self._show(self._observers, event)

    def line(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            if len(self._lines) > KEEP_LINES:
                del self._lines[: KEEP_LINES // 10]
            self._changed.notify_all()
        self._show(self._line_observers, line)

    def _show(self, observers: list[Callable[[Any], None]], what: Event | str) -> None:
        for observer in observers:
            try:
                observer(what)
            except Exception as error:  # the board's thread must go on, and whoever waits must learn of it
                self.fault = f"an observer failed: {error!r}"

    @property
    def fault(self) -> str | None:
        return self._fault

    @fault.setter
    def fault(self, fault: str | None) -> None:
        with self._changed:
            self._fault = fault
            self._changed.notify_all()

    # --- read by anyone -------------------------------------------------------------------------------------
    @property
    def events(self) -> list[Event]:
        with self._changed:
            return list(self._events)

    @property
    def lines(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    @property
    def last(self) -> int:
        with self._changed:
            return self._serial

    def observe(self, event: Callable[[Event], None], line: Callable[[str], None] | None) -> None:
        self._observers.append(event)
        if line is not None:
            self._line_observers.append(line)

    def wait_for(self, predicate: Callable[[Event], bool], timeout: float, since: int) -> Event:
        seen = since

        def look() -> Event | None:
            nonlocal seen
            fresh = self._events[max(0, seen + 1 - self._events[0].n) :] if self._events else []
            seen = self._serial
            return next((event for event in fresh if predicate(event)), None)

        return self.wait_until(look, timeout, "such event")

    def wait_until(self, condition: Callable[[], T | None], timeout: float, what: str) -> T:
        end = time.monotonic() + timeout
        with self._changed:
            while not (found := condition()):
                left = end - time.monotonic()
                if left <= 0 or self._fault:
                    reason = self._fault or f"no {what} in {timeout} s"
                    tail = "\n  ".join(self._lines[-TAIL:])
                    raise TimeoutError(f"board {self.name}: {reason}; the end of its console:\n  {tail}")
                self._changed.wait(left)
            return found
