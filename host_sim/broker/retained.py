"""The retained messages, and looking through them a piece at a time.

It must never deliver anything or look at permissions, and no step of it may take longer because more
messages are kept.
"""

from collections.abc import Iterator, Mapping

from host_sim.broker import topics
from host_sim.broker.packets import Publish
from host_sim.broker.settings import OVERHEAD


def _weight(message: Publish) -> int:
    return len(message.topic) + len(message.payload) + OVERHEAD


class Retained(Mapping[str, Publish]):
    """topic -> the message kept for it: at most `max_count` of them and `max_bytes` in all.

    They lie in numbered slots, so that a `Scan` is a number that stays right whatever is kept or cleared
    meanwhile; each carries the number of its keeping, so that a scan leaves out what is newer than itself
    (which the subscriber got as it was published).
    """

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self.bytes = 0
        self.newest = 0  # the number of the last keeping
        self.slots: list[tuple[int, Publish] | None] = []
        self._slot_of: dict[str, int] = {}
        self._free: list[int] = []

    def __getitem__(self, topic: str) -> Publish:
        return self.slots[self._slot_of[topic]][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._slot_of)

    def __len__(self) -> int:
        return len(self._slot_of)

    def entry(self, topic: str) -> tuple[int, Publish] | None:
        """(number of its keeping, message)"""
        slot = self._slot_of.get(topic)
        return None if slot is None else self.slots[slot]

    def keep(self, message: Publish) -> bool:
        """Keep it in place of the last one of its topic [MQTT-3.3.1-5]; an empty one clears the topic
        [MQTT-3.3.1-10] [MQTT-3.3.1-11]. False if there is no room: then what was kept for the topic goes
        too, since it is not the last message any more.
        """
        slot = self._slot_of.get(message.topic)
        if not message.payload:
            if slot is not None:
                self._clear(message.topic, slot)
            return True
        count, total = len(self._slot_of), self.bytes + _weight(message)
        if slot is not None:
            count -= 1
            total -= _weight(self.slots[slot][1])
        if count >= self._max_count or total > self._max_bytes:
            if slot is not None:
                self._clear(message.topic, slot)
            return False
        if slot is None:
            slot = self._free.pop() if self._free else len(self.slots)
            if slot == len(self.slots):
                self.slots.append(None)
            self._slot_of[message.topic] = slot
        self.newest += 1
        self.slots[slot] = (self.newest, message)
        self.bytes = total
        return True

    def _clear(self, topic: str, slot: int) -> None:
        self.bytes -= _weight(self.slots[slot][1])
        self.slots[slot] = None
        self._free.append(slot)
        del self._slot_of[topic]


class Scan:
    """What one new subscription is still to get of the retained messages."""

    __slots__ = ("_at", "_end", "_exact", "_filter", "_newest", "_store", "qos")

    def __init__(self, store: Retained, topic_filter: str, qos: int) -> None:
        self.qos = qos  # granted
        self._store = store
        self._filter = topic_filter
        self._exact = not topics.is_wild(topic_filter)
        self._at = 0
        self.refresh()

    @property
    def done(self) -> bool:
        return self._at >= self._end

    def refresh(self) -> None:
        """Go on with what is kept now: the client was away, and may have missed what came meanwhile."""
        self._newest = self._store.newest
        self._end = 1 if self._exact else len(self._store.slots)

    def find(self, steps: int) -> tuple[Publish | None, int]:
        """The next match and the steps taken, each a look at one message; None after `steps` without one
        or at the end (see `done`).
        """
        slots, newest, at = self._store.slots, self._newest, self._at
        if self._exact:
            self._at = 1
            entry = self._store.entry(self._filter)
            return (None if entry is None or entry[0] > newest else entry[1]), 1
        end = min(self._end, at + steps)
        while at < end:
            entry = slots[at]
            at += 1
            if entry is not None and entry[0] <= newest and topics.matches(self._filter, entry[1].topic):
                steps = at - self._at
                self._at = at
                return entry[1], steps
        steps = at - self._at
        self._at = at
        return None, steps
