"""The connections of this worker by tenant, and the way from the exchange's thread to their event loop.

Must never hold the exchange up: what comes faster than the loop takes it is dropped, the oldest first. Nor
may one tenant hold up the loop, which all of them share: however much happens there, so many are told of it,
and then others have their turn.
"""

import asyncio
import contextlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol

from host_sim.cloud.live.fanout import Fanout, LocalFanout
from host_sim.cloud.live.outbox import NEWEST, Out
from host_sim.cloud.notices import Notice

WAITING = 8192  # notices of a tenant that may wait for the event loop
DELIVERIES = 128  # of a tenant's notices to its connections, in one callback of the loop


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
    def deliver(self, item: Out) -> None:
        """On the event loop; must not raise, nor change the item, which is that of the others too."""


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
        self._waiting: OrderedDict[Hashable, Notice] = OrderedDict()
        self._count = 0
        self._called = False
        self._item = Out("", "", {})  # that is being told, on the loop
        self._untold: list[Listener] = []  # and to whom still

    def notify(self, notice: Notice) -> None:
        """From any thread."""
        with self._lock:
            self._count += 1
            # As in an outbox, and for all of them at once: what is older of these need not be told.
            key: Hashable = (notice.kind, notice.device_id) if notice.kind in NEWEST else self._count
            self._waiting[key] = notice
            if len(self._waiting) > WAITING:
                self._waiting.popitem(last=False)
                self._live.dropped += 1
            if self._called:
                return
            self._called = True
        # A loop that is closed has no connections to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        """Tell the next few, and call the rest for when the loop has done what else is due."""
        more = True
        try:
            for _ in range(DELIVERIES):
                if not self._untold and not self._take():
                    more = False
                    return
                listener = self._untold.pop()
                if listener in self.listeners:  # still
                    listener.deliver(self._item)
        finally:
            if more:
                self._loop.call_soon(self._drain)

    def _take(self) -> bool:
        """Take the oldest notice that waits, for all who are there now; whether there is something to do."""
        with self._lock:
            if not self.listeners:
                self._waiting.clear()
            if not self._waiting:
                self._called = False
                return False
            _, notice = self._waiting.popitem(last=False)
        self._item = Out(notice.kind, notice.device_id, notice.body, notice.at)
        self._untold = list(self.listeners)
        return True


def _nothing() -> None:
    pass
