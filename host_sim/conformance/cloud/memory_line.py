"""The gateway in virtual time as a cloud under test: for trying the kit itself, and for its mutants."""

from collections.abc import Callable

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryNetwork
from host_sim.broker.packets import Publish
from host_sim.conformance.case import KitError, Skipped
from host_sim.conformance.cloud.line import Api, Outcome
from host_sim.conformance.virtual import START, Ear, VirtualLine
from host_sim.gateway.hub import Ticket
from host_sim.gateway.memory import MemoryGateway
from host_sim.gateway.store import MemoryFile, Registration, Store
from hxtp.sign import mqtt_password
from hxtp.topics import SUBSCRIBED, topic

LATENCY = 2  # ms each way


class _Asked:
    def __init__(self, ticket: Ticket) -> None:
        self._ticket = ticket

    def outcome(self) -> Outcome | None:
        ticket = self._ticket
        return Outcome(ticket.executed, f"{ticket.state} {ticket.error or ''}") if ticket.done() else None


class MemoryLine(VirtualLine):
    """A `Line` over a MemoryNetwork, with a new gateway on the other end. `spoil(link)` breaks its cloud."""

    def __init__(self, random: Callable[[int], bytes], spoil: Callable[[object], None] | None = None) -> None:
        self._file, self._random, self._spoil = MemoryFile(), random, spoil
        store = Store(self._file, random=random)
        self.identity: Registration = store.register("conformance", START // 1000)
        store.register("another", START // 1000)  # so that there are others' topics
        store.close()
        authority = HxtpAuthority(dict(store.tenants), self._check, {"gateway": "gateway-password"})
        self.network = MemoryNetwork(Broker(authority), start=START, latency=LATENCY)
        self._start()

    def _start(self) -> None:
        """A gateway over what is stored; the one before just stops, as in a crash."""
        self._store = Store(self._file, random=self._random)
        self.gateway = MemoryGateway(self.network, self._store, "gateway", "gateway-password")
        if self._spoil is not None:
            for link in self._store.links():
                self._spoil(link)
        self._pass(100)

    def _check(self, device_id: str, password: str, now_s: int) -> bool:
        return self._store.check_password(device_id, password, now_s)

    def _pass(self, ms: int) -> None:
        for _ in range(0, ms, LATENCY):
            self.network.advance(LATENCY)
            self.gateway.step()

    def _topic(self, channel: str) -> str:
        return topic(self.identity.tenant_id, self.identity.device_id, channel)

    def turn(self) -> None:
        self.gateway.step()

    def connect(self) -> None:
        who = self.identity
        client = Ear(
            self.network,
            f"hxtp-{who.device_id}",
            username=who.device_id,
            password=mqtt_password(who.secret, who.device_id, who.password_expiry).encode(),
            will=Publish(self._topic("heartbeat"), b""),
        )
        client.packets = []
        client.connect()
        self._pass(20)
        if not client.connected:
            raise KitError("the gateway's broker does not let the device in")
        client.subscribe(*map(self._topic, SUBSCRIBED))
        self._pass(20)
        self.ear = client

    def disconnect(self, vanish: bool = False) -> None:
        if self.ear is not None:
            if vanish:
                self.ear.vanish()
            else:
                self.ear.disconnect()
            self.ear = None
        self._pass(20)

    def publish(self, channel: str, payload: bytes, qos: int = 1) -> None:
        assert self.ear is not None
        self.ear.publish(self._topic(channel), payload, qos=qos)

    def publish_as(self, tenant_id: str, device_id: str, channel: str, payload: bytes) -> None:
        assert self.ear is not None
        self.ear.publish(topic(tenant_id, device_id, channel), payload, qos=1)

    def may_subscribe(self, tenant_id: str, device_id: str, channel: str) -> bool:
        assert self.ear is not None
        before = set(self.ear.granted)
        self.ear.subscribe(f"hxtp/{tenant_id}/device/{device_id}/{channel}")
        self._pass(20)
        self.ear.poll()
        codes = [code for id in set(self.ear.granted) - before for code in self.ear.granted[id]]
        return any(code < 0x80 for code in codes)

    def ask(self, action: str, params: dict) -> _Asked:
        return _Asked(self.gateway.command(self.identity.device_id, action, params))

    def online(self) -> bool:
        return self.gateway.hub.device(self.identity.device_id, self.now()).online

    def api(self) -> Api:
        raise Skipped("the gateway has no HTTP API")

    def restart(self) -> None:
        self.gateway.client.vanish()
        self._start()

    def close(self) -> None:
        self._store.close()
