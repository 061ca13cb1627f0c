"""A simulated device in virtual time: for trying the kit itself, and for its mutants.

Deterministic, without threads or a real clock: hours pass in milliseconds.
"""

from collections.abc import Callable

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryNetwork
from host_sim.broker.packets import Connect, Publish
from host_sim.conformance.device.line import CHANNELS, Login, hint_at, login_at
from host_sim.conformance.virtual import START, Ear, VirtualLine
from host_sim.device import MemoryDevice, SimDevice
from hxtp.topics import topic

LATENCY = 5  # ms each way
KEEPALIVE = 60  # seconds
EXPIRY = START // 1000 + 86400  # of the password, in Unix seconds


def as_it_is(packet: Connect) -> None:
    """Nothing is spoiled."""


class MemoryLine(VirtualLine):
    """A `Line` over a MemoryNetwork, with `device` on the other end; `connect` may spoil its CONNECT."""

    def __init__(self, device: SimDevice, connect: Callable[[Connect], None] = as_it_is) -> None:
        self.device = device
        self.network = MemoryNetwork(Broker(), start=START, latency=LATENCY)
        self.ear = self._listening("conformance")
        self._peer = MemoryDevice(device, self.network, EXPIRY, skew=None)
        packet = self._peer.client.connect_packet
        packet.keepalive = KEEPALIVE
        connect(packet)
        self._ping_at = START

    def _listening(self, client_id: str) -> Ear:
        ear = Ear(self.network, client_id)
        ear.packets = []
        ear.connect()
        self.network.settle()
        ear.subscribe(*[self._topic(channel) for channel in CHANNELS])
        self.network.settle()
        return ear

    def turn(self) -> None:
        self._peer.step()
        client = self._peer.client
        if self.now() >= self._ping_at and client.connected:
            self._ping_at = self.now() + 500 * KEEPALIVE
            client.ping()

    def _topic(self, channel: str) -> str:
        return topic(self.device.tenant_id, self.device.device_id, channel)

    def publish(self, channel: str, payload: bytes, retain: bool = False) -> None:
        self.ear.publish(self._topic(channel), payload, qos=1, retain=retain)

    def call_device(self) -> None:
        """Nothing: it was there from the beginning."""

    def trouble(self) -> str | None:
        return None

    def hint(self) -> str | None:
        return hint_at(self.network.broker, f"hxtp-{self.device.device_id}", self._topic("cmd"))

    def drop(self) -> None:
        self.network.disconnect(f"hxtp-{self.device.device_id}")
        self.network.settle()

    def reset(self) -> None:
        self.device.power_off()
        self.device.reboot()

    def deliver_retained(self, channel: str, payload: bytes) -> None:
        session = self.network.broker.sessions[f"hxtp-{self.device.device_id}"]
        session.deliver(Publish(self._topic(channel), payload, 1, True), 1, True)
        self.network.settle()

    def retained(self) -> list[str]:
        late = self._listening("conformance-late")
        late.poll()
        late.disconnect()
        self.network.settle()
        return [packet.topic for packet in late.packets if packet.retain]

    def login(self) -> Login:
        shown = (self._peer.client.connect_packet.password or b"").decode()
        right = self.device.login(EXPIRY)
        return login_at(self.network.broker, right.client_id, shown == right.password)

    def close(self) -> None:
        """Nothing is left of it."""
