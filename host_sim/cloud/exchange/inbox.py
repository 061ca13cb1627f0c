"""What devices published and no turn has taken yet, by device: a turn then looks at each of them once.

Must never keep more than may wait, nor change the order in which a device's messages came.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat

WAITING = 20000  # messages that may wait; more are dropped and counted, and devices send again what matters
WAITING_BYTES = 64 * 1024 * 1024  # the same for their sizes
KNOWN = 100000  # topics that need not be taken apart again


@dataclass(slots=True)
class Arrivals:
    """What one device published: each message's channel and payload, in their order."""

    tenant_id: str
    device_id: str
    messages: list[tuple[str, bytes]] = field(repr=False)


class Box:
    """Where a device's messages wait."""

    __slots__ = ("device_id", "messages", "size", "tenant_id")

    def __init__(self, tenant_id: str, device_id: str) -> None:
        self.tenant_id = tenant_id
        self.device_id = device_id
        self.messages: list[tuple[str, bytes]] = []
        self.size = 0  # bytes


class Inbox:
    """`open` and `put` may be called from any thread, `take` from one."""

    def __init__(self) -> None:
        self.count = 0  # messages that wait
        self.sources: dict[str, tuple[Box, str]] = {}  # by topic: its device's box, and the channel; to read
        self._size = 0  # bytes that wait
        self._boxes: dict[tuple[str, str], Box] = {}  # by tenant and device
        self._full: deque[Box] = deque()  # those with something in them, the longest waiting first
        self._lock = threading.Lock()

    def open(self, name: str, tenant_id: str, device_id: str, channel: str) -> tuple[Box, str]:
        """The source that the topic `name` is from now on. A device has one box for all its channels."""
        with self._lock:
            if len(self.sources) >= KNOWN:
                # Two boxes of one device would lose its messages' order.
                self.sources.clear()
                self._boxes = {(box.tenant_id, box.device_id): box for box in self._full}
            box = self._boxes.get((tenant_id, device_id))
            if box is None:
                box = self._boxes[tenant_id, device_id] = Box(tenant_id, device_id)
            source = self.sources[name] = box, channel
        return source

    def put(self, box: Box, channel: str, payloads: Sequence[bytes]) -> tuple[int, int]:
        """How many messages waited before, and how many of these do now: as long as there is room."""
        size = sum(map(len, payloads))
        with self._lock:
            before = self.count
            if before + len(payloads) > WAITING or self._size + size > WAITING_BYTES:
                payloads = self._fitting(payloads)
                size = sum(map(len, payloads))
            if payloads:
                self.count = before + len(payloads)
                self._size += size
                if not box.messages:
                    self._full.append(box)
                box.messages.extend(zip(repeat(channel), payloads, strict=False))
                box.size += size
        return before, len(payloads)

    def _fitting(self, payloads: Sequence[bytes]) -> Sequence[bytes]:
        count, size = self.count, self._size
        for number, payload in enumerate(payloads):
            count += 1
            size += len(payload)
            if count > WAITING or size > WAITING_BYTES:
                return payloads[:number]
        return payloads

    def take(self, most: int) -> list[Arrivals]:
        """Up to so many messages, of those who wait the longest."""
        found = []
        with self._lock:
            while self._full and most > 0:
                box = self._full.popleft()
                messages, size = box.messages, box.size
                box.messages, box.size = messages[most:], 0
                if box.messages:
                    del messages[most:]
                    box.size = sum(len(payload) for _, payload in box.messages)
                    self._full.append(box)  # the others have their turn first
                most -= len(messages)
                self.count -= len(messages)
                self._size -= size - box.size
                found.append(Arrivals(box.tenant_id, box.device_id, messages))
        return found
