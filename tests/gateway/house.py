"""A gateway, its broker and devices in one process with a clock that the test moves."""

import hashlib

from host_sim.broker.authority import HxtpAuthority
from host_sim.broker.core import Broker
from host_sim.broker.memory import MemoryClient, MemoryNetwork
from host_sim.device import MemoryDevice, SimDevice
from host_sim.gateway.memory import MemoryGateway
from host_sim.gateway.store import MemoryFile, Registration, Store
from hxtp import envelope
from hxtp.sign import Key

START = 1777200000000  # ms since 1970
SERVICES = {"gateway": "gateway-password", "intruder": "intruder-password"}


class Random:
    """Bytes that differ at every call and are the same in every run."""

    def __init__(self, seed: bytes) -> None:
        self._state = seed

    def __call__(self, n: int) -> bytes:
        self._state = hashlib.sha256(self._state).digest()
        return self._state[:n]


class Joined(MemoryDevice):
    """A device, and what it was told at its registration."""

    registration: Registration


class House:
    """`step` lets everybody do what there is to do; `run` lets time pass in steps of 100 ms."""

    def __init__(self) -> None:
        self.file = MemoryFile()
        self.random = Random(b"gateway")
        self.devices: list[Joined] = []
        self.wire: list[tuple[str, bytes]] = []  # all that passed the broker
        self.network = MemoryNetwork(
            Broker(HxtpAuthority(_Live(self), self._check, SERVICES), on_messages=self._saw), start=START
        )
        self.gateway: MemoryGateway | None = None
        self.start_gateway()

    def _check(self, device_id: str, password: str, now_s: int) -> bool:
        return self.gateway.hub.store.check_password(device_id, password, now_s)

    def _saw(self, topic: str, payloads: list[bytes], client_id: str) -> None:
        self.wire += [(topic, payload) for payload in payloads]

    def start_gateway(self) -> MemoryGateway:
        """A new one over what the last one stored; the last one just stops, as in a crash."""
        if self.gateway is not None:
            self.gateway.client.vanish()
        store = Store(self.file, random=self.random)
        self.gateway = MemoryGateway(self.network, store, "gateway", SERVICES["gateway"])
        self.gateway.step()
        return self.gateway

    def join(self, registration: Registration | None = None, **options) -> Joined:
        """A registered device, connected."""
        registration = registration or self.gateway.register()
        device = SimDevice(
            registration.device_id,
            registration.tenant_id,
            registration.secret,
            Random(registration.device_id.encode()),
            **options,
        )
        joined = Joined(device, self.network, registration.password_expiry, skew=0)
        joined.registration = registration
        self.devices.append(joined)
        self.step()
        return joined

    def intruder(self) -> MemoryClient:
        """Somebody with a service's login: may publish anything anywhere, and has no device's key."""
        client = MemoryClient(
            self.network, "intruder", username="intruder", password=SERVICES["intruder"].encode()
        )
        assert client.connect() == 0
        return client

    def step(self) -> None:
        for _ in range(6):
            for device in self.devices:
                device.step()
            if self.gateway is not None:
                self.gateway.step()

    def run(self, ms: int, step: int = 100) -> None:
        for _ in range(ms // step):
            self.network.advance(step)
            self.step()

    def told(self, kind: str) -> list:
        return [notice for notice in self.gateway.notices if notice.kind == kind]

    def refusals(self) -> list[str]:
        return [notice.code for notice in self.told("refused")]

    def sent(self, channel: str, message_type: str = "") -> list[bytes]:
        """What passed the broker on one channel, the frames' headers included."""
        mark = f'"message_type":"{message_type}'.encode()
        return [payload for topic, payload in self.wire if topic.endswith("/" + channel) and mark in payload]


class _Live(dict):
    """The registered devices of whichever gateway runs."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __contains__(self, device_id: object) -> bool:
        return device_id in self._house.gateway.hub.store.tenants

    def get(self, device_id: str, default: str | None = None) -> str | None:
        return self._house.gateway.hub.store.tenants.get(device_id, default)


def signed(
    secret: bytes, device_id: str, kind: str, sequence: int, body: bytes, now: int = START, **other
) -> bytes:
    """A message as `device_id` would send it, signed with any secret."""
    fields = {
        "message_type": kind,
        "device_id": device_id,
        "tenant_id": "home",
        "client_id": device_id,
        "message_id": "m-1",
        "request_id": "m-1",
        "sequence_number": sequence,
        "timestamp": now,
        "nonce": "ab" * 16,
        **other,
    }
    return envelope.build(Key(secret), fields, body)
