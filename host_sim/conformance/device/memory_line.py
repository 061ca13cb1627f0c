"""A simulated device in virtual time: for trying the kit itself, and for its mutants.

Deterministic, without threads or a real clock: hours pass in milliseconds.
"""

from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryNetwork
from host_sim.broker.packets import Publish
from host_sim.conformance.device.line import CHANNELS, NOT_OUR_BROKER, Login
from host_sim.conformance.virtual import START, Ear, VirtualLine
from host_sim.device import MemoryDevice, SimDevice
from hxtp.topics import topic

LATENCY = 5  # ms each way


class MemoryLine(VirtualLine):
    """A `Line` over a MemoryNetwork, with `device` on the other end of it."""

    def __init__(self, device: SimDevice) -> None:
        self.device = device
        self.network = MemoryNetwork(Broker(), start=START, latency=LATENCY)
        self.ear = self._listening("conformance")
        self._peer = MemoryDevice(device, self.network, START // 1000 + 86400, skew=None)

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

    def _topic(self, channel: str) -> str:
        return topic(self.device.tenant_id, self.device.device_id, channel)

    def publish(self, channel: str, payload: bytes, retain: bool = False) -> None:
        self.ear.publish(self._topic(channel), payload, qos=1, retain=retain)

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
        late = self._listening("conformance-late")
        late.poll()
        late.disconnect()
        self.network.settle()
        return [packet.topic for packet in late.packets if packet.retain]

    def login(self) -> Login:
        raise NOT_OUR_BROKER

    def close(self) -> None:
        """Nothing is left of it."""
