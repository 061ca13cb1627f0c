"""What waits to be sent to one connection: bounded, the newest state of each device alone.

On the event loop only. Must never grow because somebody reads slowly: the oldest that may be missed goes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST = 512  # things that may wait
NEWEST = ("state", "presence")  # of which a device's newest alone is told


@dataclass(slots=True)
class Out:
    """Something to be told. `kind`: "state", "telemetry", "ack", "error", "command", "presence", "pong",
    "pong json".

    `at`: ms since 1970. `vital`: it is never dropped. `text`: see `texts.text_of`, which alone changes one:
    several connections have the same.
    """

    kind: str
    device_id: str
    body: Mapping[str, Any]
    at: int = 0
    vital: bool = False
    text: str = field(default="", compare=False, repr=False)


class Overflow(Exception):
    """So much waits that may not be dropped that the connection is better ended."""


class Outbox:
    """A queue of one reader."""

    def __init__(self, most: int = MOST) -> None:
        self.dropped = 0
        self._most = most
        self._items: OrderedDict[Hashable, Out] = OrderedDict()
        self._count = 0
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Out) -> None:
        """Add one; what is of NEWEST takes the place of the device's older one. Raises Overflow."""
        self._count += 1
        key: Hashable = (item.kind, item.device_id) if item.kind in NEWEST else self._count
        self._items[key] = item
        self._some.set()
        if len(self._items) > self._most:
            for key, waiting in self._items.items():
                if not waiting.vital:
                    del self._items[key]
                    self.dropped += 1
                    return
            raise Overflow

    async def take(self) -> Out:
        """The oldest, as soon as there is one."""
        await self._some.wait()
        _, item = self._items.popitem(last=False)
        if not self._items:
            self._some.clear()
        return item
