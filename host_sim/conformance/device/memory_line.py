"""A simulated device in virtual time: for trying the kit itself, and for its mutants.

Deterministic, without threads or a real clock: hours pass in milliseconds.
"""

import hashlib

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.broker.packets import Packet, Publish
from host_sim.conformance.device.line import CHANNELS, NOT_OUR_BROKER, Heard, Login
from host_sim.device import MemoryDevice, SimDevice
from hxtp.topics import split, topic

START = 1777200000000  # ms since 1970
STEP, LONG_STEP = 25, 250  # ms between two looks at the device, and after 2 s without a message
LATENCY = 5  # ms each way


class Random:
    """Bytes that differ at every call and are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._state = seed

    def __call__(self, n: int) -> bytes:
        self._state = hashlib.sha256(self._state).digest()
        return self._state[:n]


class _Ear(MemoryClient):
    """A client that keeps the QoS of what it hears."""

    def __init__(self, network: MemoryNetwork, client_id: str) -> None:
        super().__init__(network, client_id)
        self.heard: list[Publish] = []

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            self.heard.append(packet)
        super()._take(packet)


class MemoryLine:
    """A `Line` over a MemoryNetwork, with `device` on the other end of it."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device
        self.network = MemoryNetwork(Broker(), start=START, latency=LATENCY)
        self._ear = _Ear(self.network, "conformance")
        self._ear.connect()
        self.network.settle()
        self._ear.subscribe(*[self._topic(channel) for channel in CHANNELS])
        self.network.settle()
        self._heard_at = self.network.now
        self._peer = MemoryDevice(device, self.network, START // 1000 + 86400, skew=None)

    def _topic(self, channel: str) -> str:
        return topic(self.device.tenant_id, self.device.device_id, channel)

    def now(self) -> int:
        return int(self.network.now)

    def publish(self, channel: str, payload: bytes, retain: bool = False) -> None:
        self._ear.publish(self._topic(channel), payload, qos=1, retain=retain)

    def receive(self, until: int) -> Heard | None:
        while True:
            self._peer.step()
            self._ear.poll()
            if self._ear.heard:
                packet = self._ear.heard.pop(0)
                parts = split(packet.topic)
                assert parts is not None  # it is one that we subscribed to
                self._heard_at = self.network.now
                return Heard(parts[2], packet.payload, packet.qos, packet.retain, self.now())
            left = until - self.network.now
            if left <= 0:
                return None
            step = STEP if self.network.now - self._heard_at < 2000 else LONG_STEP
            self.network.advance(min(step, left))

    def call_device(self) -> None:
        """Nothing: it was there from the beginning."""

    def trouble(self) -> str | None:
        return None

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
        channels = [self._topic(channel) for channel in CHANNELS]
        late = _Ear(self.network, "conformance-late")
        late.connect()
        self.network.settle()
        late.subscribe(*channels)
        self.network.settle()
        late.poll()
        late.disconnect()
        self.network.settle()
        return [packet.topic for packet in late.heard if packet.retain]

    def login(self) -> Login:
        raise NOT_OUR_BROKER

    def close(self) -> None:
        """Nothing is left of it."""
