"""A small MQTT client on the in-memory network, for tests.

It does what it is told and nothing by itself but acknowledge: no pings, no retries, no
reconnecting. It must never be taken for the device's client, which is in the firmware.
"""

from typing import TYPE_CHECKING, NamedTuple

from host_sim.broker import packets
from host_sim.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsubscribe,
)

if TYPE_CHECKING:  # memory imports this module, to offer both in one place
    from host_sim.broker.memory import Link, MemoryNetwork


class Message(NamedTuple):
    topic: str
    payload: bytes
    retain: bool
    dup: bool


class MemoryClient:
    """One client. Its link's name is its client id, for faults and the trace.

    `connack`, `granted` and `unacked` show what the broker has answered up to the last call that
    looked: `poll()`, `connected` and the calls that return an answer do. With latency, answers come
    as time passes. Sending raises ConnectionError when the link is closed.
    """

    def __init__(
        self,
        network: "MemoryNetwork",
        client_id: str = "",
        *,
        username: str | None = None,
        password: bytes | None = None,
        clean_session: bool = True,
        keepalive: int = 0,
        will: Publish | None = None,
        acknowledge: bool = True,
    ) -> None:
        self.network = network
        self.connect_packet = Connect(client_id, clean_session, keepalive, username, password, will)
        self.acknowledge = acknowledge  # False: QoS 1 messages stay unacknowledged; see ack()
        self.link: Link | None = None
        self.connack: Connack | None = None
        self.granted: dict[int, list[int]] = {}  # packet id -> SUBACK's codes
        self.unacked: dict[int, Publish] = {}  # what we published at QoS 1 and nobody acknowledged
        self.unanswered: list[int] = []  # packet ids received and not acknowledged, if not `acknowledge`
        self.pongs = 0
        self._messages: list[Message] = []
        self._last_id = 0

    @property
    def connected(self) -> bool:
        self._pump()
        accepted = self.connack is not None and self.connack.code == packets.ACCEPTED
        return accepted and self.link is not None and self.link.open

    def connect(self) -> int | None:
        """A new connection with CONNECT. The return code, or None if none has come (yet)."""
        if self.link is not None:
            self.link.close()
        self.connack = None
        self.unacked.clear()
        self.unanswered.clear()
        try:
            self.link = self.network.link(self.connect_packet.client_id)
            self._send(self.connect_packet)
        except ConnectionError:
            return None
        self._pump()
        return None if self.connack is None else self.connack.code

    def subscribe(self, *filters: str, qos: int = 1) -> list[int] | None:
        """The codes granted, or None if they have not come (yet)."""
        packet_id = self._next_id()
        self._send(Subscribe(packet_id, [(topic_filter, qos) for topic_filter in filters]))
        self._pump()
        return self.granted.get(packet_id)

    def unsubscribe(self, *filters: str) -> None:
        self._send(Unsubscribe(self._next_id(), list(filters)))

    def publish(
        self,
        topic: str,
        payload: bytes = b"",
        qos: int = 0,
        retain: bool = False,
        *,
        dup: bool = False,
        packet_id: int | None = None,
    ) -> int:
        """Send one message; its packet id (0 at QoS 0). Raises ConnectionError if the link is closed."""
        if qos and packet_id is None:
            packet_id = self._next_id()
        message = Publish(topic, payload, qos, retain, dup, packet_id if qos else 0)
        if qos:
            self.unacked[message.packet_id] = message
        self._send(message)
        return message.packet_id

    def poll(self) -> list[Message]:
        """The messages that have come since the last call; QoS 1 ones are acknowledged."""
        self._pump()
        messages, self._messages = self._messages, []
        return messages

    def ack(self, packet_id: int) -> None:
        """Acknowledge one of `unanswered`."""
        self.unanswered.remove(packet_id)
        self._send(Puback(packet_id))

    def ping(self) -> bool:
        """PINGREQ; whether a PINGRESP has come by the end of the call."""
        before = self.pongs
        self._send(Pingreq())
        self._pump()
        return self.pongs > before

    def disconnect(self) -> None:
        """DISCONNECT: the will is discarded."""
        if self.connected:
            self._send(Disconnect())
        self.vanish()

    def vanish(self) -> None:
        """The connection ends without DISCONNECT."""
        if self.link is not None:
            self.link.close()

    def _send(self, packet: packets.Packet) -> None:
        if self.link is None:
            raise ConnectionError("not connected")
        self.link.send_frame(packet.encode())

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self.unacked:
                self.granted.pop(self._last_id, None)
                return self._last_id

    def _pump(self) -> None:
        if self.link is None:
            return
        while frames := self.link.recv_frames():
            for frame in frames:
                self._take(packets.decode(frame))

    def _take(self, packet: packets.Packet) -> None:
        if isinstance(packet, Publish):
            self._messages.append(Message(packet.topic, packet.payload, packet.retain, packet.dup))
            if packet.qos:
                self.unanswered.append(packet.packet_id)
                if self.acknowledge and self.link.open:
                    self.ack(packet.packet_id)
        elif isinstance(packet, Connack):
            self.connack = packet
        elif isinstance(packet, Suback):
            self.granted[packet.packet_id] = packet.codes
        elif isinstance(packet, Pingresp):
            self.pongs += 1
        elif type(packet) is Puback:
            self.unacked.pop(packet.packet_id, None)
