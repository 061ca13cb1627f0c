"""A connection to a core, driven by hand: no network, no client, and time is what a test says."""

from host_sim.broker.core import Broker
from host_sim.broker.packets import Packet, Publish, decode


class Peer:
    """Its transport takes bytes only when `read` is called; nothing gives the broker turns but the test."""

    def __init__(self, broker: Broker | None = None, *items: Packet | bytes, now=0, address="") -> None:
        self.broker = broker or Broker()
        self.connection = self.broker.open(now, self, address)
        self.send(*items, now=now)

    def send(self, *items: Packet | bytes, now=0) -> None:
        data = b"".join(item if isinstance(item, bytes) else item.encode() for item in items)
        self.connection.receive(data, now)

    def read(self) -> list[Packet]:
        return [decode(frame) for frame in self.connection.take_frames()]

    def read_messages(self) -> list[Publish]:
        return [packet for packet in self.read() if isinstance(packet, Publish)]

    def ask(self, *items: Packet | bytes, now=0) -> list[Packet]:
        self.send(*items, now=now)
        return self.read()

    @property
    def closing(self) -> bool:
        return self.connection.closing


def run(broker: Broker, now=0) -> int:
    """Turns until nobody has anything more to do now; how many."""
    turns = 0
    while broker.ready:
        broker.turn(now)
        turns += 1
    return turns
