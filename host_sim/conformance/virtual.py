"""Lines in virtual time, for trying the kit itself: hours pass in milliseconds, and every run is the same.

It must never use threads, a real clock, or randomness that was not seeded.
"""

import hashlib

from host_sim.broker.client import MemoryClient
from host_sim.broker.memory import MemoryNetwork
from host_sim.broker.packets import Packet, Publish
from host_sim.conformance.listening import Heard
from hxtp.topics import split

START = 1777200000000  # ms since 1970
STEP, LONG_STEP = 25, 250  # ms between two looks at the peer, and after 2 s without a message


class Random:
    """Bytes that differ at every call and are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._state = seed

    def __call__(self, n: int) -> bytes:
        self._state = hashlib.sha256(self._state).digest()
        return self._state[:n]


class Ear(MemoryClient):
    """A client that keeps the QoS of what it hears."""

    packets: list[Publish]

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            self.packets.append(packet)
        super()._take(packet)


class VirtualLine:
    """The part of a line that is the same for a device and for a cloud in a MemoryNetwork."""

    network: MemoryNetwork
    ear: Ear | None = None
    _heard_at = START

    def now(self) -> int:
        return int(self.network.now)

    def turn(self) -> None:
        """Let the peer do what there is to do."""
        raise NotImplementedError

    def receive(self, until: int) -> Heard | None:
        while True:
            self.turn()
            if self.ear is not None:
                self.ear.poll()
                if self.ear.packets:
                    packet = self.ear.packets.pop(0)
                    self._heard_at = self.now()
                    parts = split(packet.topic)
                    assert parts is not None  # it is one that we subscribed to
                    return Heard(parts[2], packet.payload, packet.qos, packet.retain, self.now())
            left = until - self.now()
            if left <= 0:
                return None
            step = STEP if self.now() - self._heard_at < 2000 else LONG_STEP
            self.network.advance(min(step, left))
