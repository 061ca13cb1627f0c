"""The cloud's connection to the broker that runs in its own process: the same as `uplink`, without a network.

Every device still speaks MQTT to that broker; only what the cloud would say to itself stays here. Must never
hand on what the broker's authority did not let pass, nor log a payload.
"""

import threading
from collections import deque
from collections.abc import Callable

from host_sim.broker.packets import Publish
from host_sim.broker.server import ThreadedBroker
from host_sim.cloud.exchange.exchange import INBOUND
from host_sim.cloud.exchange.uplink import BrokerAddress, UplinkError

_ENDS = tuple(f"/{channel}" for channel in INBOUND)


class LocalUplink:
    """`receive(topic, payloads)` is called on the broker's thread for what devices publish, wills included.

    `address`: where others find that broker.
    """

    def __init__(
        self, broker: ThreadedBroker, address: BrokerAddress, receive: Callable[[str, list[bytes]], None]
    ) -> None:
        self.address = address
        self._broker = broker
        self._receive = receive
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._lock = threading.Lock()
        self._asked = False
        self._running = False

    def start(self) -> "LocalUplink":
        self._broker.server.broker.on_messages = self._messages
        self._running = True
        return self

    def stop(self) -> None:
        self._running = False
        self._broker.server.broker.on_messages = None

    def connected(self) -> bool:
        """Whether a message that is published now reaches the broker."""
        return self._running and self._broker.server.outage is None

    def round_trip(self, timeout: float) -> None:
        """Ask the broker's thread something. Raises UplinkError without an answer in `timeout` s."""
        answered = threading.Event()
        if self.connected():
            self._broker.server.loop.call_soon_threadsafe(answered.set)
        if not self.connected() or not answered.wait(timeout):
            raise UplinkError("the embedded broker does not answer")

    def publish(self, topic: str, payload: bytes) -> None:
        """At QoS 1, as soon as the broker's thread comes to it, in the order of the calls."""
        self._waiting.append((topic, payload))
        with self._lock:
            if self._asked:
                return
            self._asked = True
        self._broker.server.loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        with self._lock:
            self._asked = False
        server = self._broker.server
        while self._waiting:
            topic, payload = self._waiting.popleft()
            server.broker.publish(Publish(topic, payload, 1))
        server.flush()

    def _messages(self, topic: str, payloads: list[bytes], client_id: str) -> None:
        # Its own messages are told with an empty client id, and none is on one of the devices' channels.
        if client_id and topic.endswith(_ENDS):
            self._receive(topic, payloads)
