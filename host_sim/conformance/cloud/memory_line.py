"""The gateway in virtual time as a cloud under test: for trying the kit itself, and for its mutants."""

from collections.abc import Callable

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.client import MemoryClient
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryNetwork
from host_sim.broker.packets import Packet, Publish
from host_sim.conformance.case import KitError
from host_sim.conformance.cloud.line import Heard, Outcome
from host_sim.gateway.hub import Ticket
from host_sim.gateway.memory import MemoryGateway
from host_sim.gateway.store import MemoryFile, Registration, Store
from hxtp.sign import mqtt_password
from hxtp.topics import SUBSCRIBED, split, topic

START = 1777200000000  # ms since 1970
STEP, LONG_STEP = 25, 250  # ms between two looks at the gateway, and after 2 s without a message
LATENCY = 2  # ms each way


class _Ear(MemoryClient):
    """A client that keeps the QoS of what it hears."""

    heard: list[Publish]

    def _take(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            self.heard.append(packet)
        super()._take(packet)


class _Asked:
    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def outcome(self) -> Outcome | None:
        ticket = self._ticket
        return Outcome(ticket.executed, f"{ticket.state} {ticket.error or ''}") if ticket.done() else None


class MemoryLine:
    """A `Line` over a MemoryNetwork, with a new gateway on the other end. `spoil(link)` breaks its cloud."""

    def __init__(self, random: Callable[[int], bytes], spoil: Callable[[object], None] | None = None) -> None:
        store = Store(MemoryFile(), random=random)
        authority = HxtpAuthority(store.tenants, store.check_password, {"gateway": "gateway-password"})
        self.network = MemoryNetwork(Broker(authority), start=START, latency=LATENCY)
        self.gateway = MemoryGateway(self.network, store, "gateway", "gateway-password")
        self.identity: Registration = self.gateway.register()
        self.gateway.register()  # another, so that there are others' topics
        if spoil is not None:
            for link in store.links():
                spoil(link)
        self._device: _Ear | None = None
        self._heard_at = START
        self._pass(100)

    def _pass(self, ms: int) -> None:
        for _ in range(0, ms, LATENCY):
            self.network.advance(LATENCY)
            self.gateway.step()

    def _topic(self, channel: str) -> str:
        return topic(self.identity.tenant_id, self.identity.device_id, channel)

    def now(self) -> int:
        return int(self.network.now)

    def connect(self) -> None:
        who = self.identity
        client = _Ear(
            self.network,
            f"hxtp-{who.device_id}",
            username=who.device_id,
            password=mqtt_password(who.secret, who.device_id, who.password_expiry).encode(),
            will=Publish(self._topic("heartbeat"), b""),
        )
        client.heard = []
        client.connect()
        self._pass(20)
        if not client.connected:
            raise KitError("the gateway's broker does not let the device in")
        client.subscribe(*map(self._topic, SUBSCRIBED))
        self._pass(20)
        self._device = client

    def disconnect(self, vanish: bool = False) -> None:
        if self._device is not None:
            if vanish:
                self._device.vanish()
            else:
                self._device.disconnect()
            self._device = None
        self._pass(20)

    def publish(self, channel: str, payload: bytes, qos: int = 1) -> None:
        assert self._device is not None
        self._device.publish(self._topic(channel), payload, qos=qos)

    def publish_as(self, tenant_id: str, device_id: str, channel: str, payload: bytes) -> None:
        assert self._device is not None
        self._device.publish(topic(tenant_id, device_id, channel), payload, qos=1)

    def may_subscribe(self, tenant_id: str, device_id: str, channel: str) -> bool:
        assert self._device is not None
        before = set(self._device.granted)
        self._device.subscribe(f"hxtp/{tenant_id}/device/{device_id}/{channel}")
        self._pass(20)
        self._device.poll()
        codes = [code for id in set(self._device.granted) - before for code in self._device.granted[id]]
        return any(code < 0x80 for code in codes)

    def receive(self, until: int) -> Heard | None:
        while True:
            self.gateway.step()
            device = self._device
            if device is not None:
                device.poll()
                if device.heard:
                    packet = device.heard.pop(0)
                    self._heard_at = self.network.now
                    parts = split(packet.topic)
                    assert parts is not None  # it is one that we subscribed to
                    return Heard(parts[2], packet.payload, packet.qos, packet.retain, self.now())
            left = until - self.network.now
            if left <= 0:
                return None
            step = STEP if self.network.now - self._heard_at < 2000 else LONG_STEP
            self.network.advance(min(step, left))

    def ask(self, action: str, params: dict) -> _Asked:
        return _Asked(self.gateway.command(self.identity.device_id, action, params))

    def online(self) -> bool:
        return self.gateway.hub.device(self.identity.device_id, self.now()).online

    def close(self) -> None:
        self.gateway.hub.store.close()
