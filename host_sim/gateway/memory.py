"""The gateway on the in-memory network, in virtual time: for tests and fuzzers.

It must never use threads, the real clock, or the disk (unless its store is there).
"""

from collections.abc import Mapping
from typing import Any

from host_sim.broker.client import MemoryClient
from host_sim.broker.memory import MemoryNetwork
from host_sim.gateway.hub import INBOUND, Hub, Notice, Ticket
from host_sim.gateway.store import Registration, Store
from hxtp.cloud import LIFE


class MemoryGateway:
    """A Hub with a MemoryClient. `step()` does all that can be done at the network's present time.

    Unix time is the network's. `notices` are what happened so far. To restart: a new one over the same file.
    """

    def __init__(
        self, network: MemoryNetwork, store: Store, username: str | None = None, password: str | None = None
    ) -> None:
        self.network = network
        self.hub = Hub(store)
        self.notices: list[Notice] = []
        self.client = MemoryClient(
            network,
            "hxtp-gateway",
            username=username,
            password=None if password is None else password.encode(),
        )
        self._asked = False  # to be subscribed, on this connection

    def register(self, device_type: str = "simulated") -> Registration:
        return self.hub.register(device_type, self.network.now)

    def command(
        self, device_id: str, action: str, params: Mapping[str, Any] | None = None, life: int = LIFE
    ) -> Ticket:
        """Raises what Hub.command and Hub.secure raise."""
        ticket = self.hub.command(device_id, action, params or {}, self.network.now, life)
        self.hub.secure([ticket])
        return ticket

    def step(self) -> None:
        """Connect where it is not connected, take what came, send what is due."""
        subscribed = self._subscribe()
        for message in self.client.poll():
            self.hub.receive(message.topic, message.payload, self.network.now)
        messages, notices = self.hub.turn(self.network.now, subscribed and self.client.connected)
        self.notices += notices
        for message in messages:
            try:
                self.client.publish(*message, qos=1)
            except ConnectionError:
                return  # lost, like anything on a network; signed anew when it is due

    def _subscribe(self) -> bool:
        # With latency each answer takes its time, and a connection that is asked for is not asked for again.
        client = self.client
        if client.link is None or not client.link.open:
            self._asked = False
            client.connect()
        if client.connected and not self._asked:
            self._asked = True
            client.granted.clear()
            prefix = f"hxtp/{self.hub.store.tenant_id}/device/+/"
            client.subscribe(*(prefix + channel for channel in INBOUND))
        return self._asked and bool(client.granted)
