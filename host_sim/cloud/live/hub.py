"""The connections of this worker by tenant, and the way from the exchange's thread to their event loop.

Must never hold the exchange up: what comes faster than the loop takes it is dropped, the oldest first.
"""

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from host_sim.cloud.live.fanout import Fanout, LocalFanout
from host_sim.cloud.notices import Notice

WAITING = 8192  # notices of a tenant that may wait for the event loop


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection, or one tenant's in this worker, may do."""

    connections: int = 200  # of a tenant
    messages_per_s: int = 20  # from a connection, in the long run
    burst: int = 60  # and at once
    refused: int = 32  # messages in a row that are none
    idle_s: float = 3600.0  # without a word; dead peers are found within a minute by pings of the protocol
    recheck_s: float = 5.0  # how soon an ended token, key, client or role ends its connections


class Listener(Protocol):
    def deliver(self, notice: Notice) -> None:
        """On the event loop; must not raise."""


class Full(Exception):
    """The tenant has as many connections as it may have."""


class Live:
    """What this worker's connections have in common. The counters are for `/metrics`."""

    def __init__(self, fanout: Fanout | None = None, bounds: Bounds | None = None) -> None:
        self.fanout = fanout or LocalFanout()
        self.bounds = bounds or Bounds()
        self.accepted: Counter[str] = Counter()  # messages of app clients, by profile (HX3-CANON-08)
        self.refused: Counter[str] = Counter()  # and those that were refused, by code (HX3-VAL-15)
        self.dropped = 0  # things that somebody was too slow for
        self._rooms: dict[str, _Room] = {}

    @property
    def connections(self) -> int:
        return sum(len(room.listeners) for room in list(self._rooms.values()))

    @contextlib.contextmanager
    def seat(self, tenant_id: str, listener: Listener) -> Iterator[None]:
        """Deliver what happens in a tenant to `listener` meanwhile. On the event loop. Raises Full."""
        room = self._rooms.get(tenant_id)
        if room is None:
            room = self._rooms[tenant_id] = _Room(self, asyncio.get_running_loop())
            room.end = self.fanout.subscribe(tenant_id, room.notify)
        if len(room.listeners) >= self.bounds.connections:
            raise Full(f"{self.bounds.connections} connections are the most that a tenant may have")
        room.listeners.add(listener)
        try:
            yield
        finally:
            room.listeners.discard(listener)
            if not room.listeners:
                room.end()
                del self._rooms[tenant_id]


class _Room:
    """A tenant's connections."""

    def __init__(self, live: Live, loop: asyncio.AbstractEventLoop) -> None:
        self.listeners: set[Listener] = set()
        self.end = _nothing
        self._live = live
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: deque[Notice] = deque(maxlen=WAITING)
        self._called = False

    def notify(self, notice: Notice) -> None:
        """From any thread."""
        with self._lock:
            if len(self._waiting) == WAITING:
                self._live.dropped += 1
            self._waiting.append(notice)
            if self._called:
                return
            self._called = True
        # A loop that is closed has no connections to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        with self._lock:
            notices = list(self._waiting)
            self._waiting.clear()
            self._called = False
        for notice in notices:
            for listener in tuple(self.listeners):
                listener.deliver(notice)


def _nothing() -> None:
    pass
