"""A raw MQTT peer over a socket: sends any bytes, reads packets, tells without waiting that none came."""

import contextlib
import socket
import ssl
import time

from host_sim.broker.framing import Parser
from host_sim.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
)

TIMEOUT = 10  # seconds; only a failing test waits for it


opened: list["Wire"] = []  # closed by a fixture after each test


class Wire:
    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        if tls is not None:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
            except OSError:
                self.socket.close()
                raise
        self.session_present: bool | None = None  # what CONNACK said
        self.early: list[Publish] = []  # messages that came while something else was awaited
        self._parser = Parser()
        opened.append(self)

    def send(self, *items: Packet | bytes) -> "Wire":
        """A peer that has already closed is no error here: what it did before is what a test looks at."""
        with contextlib.suppress(ConnectionError):
            self.socket.sendall(
                b"".join(item if isinstance(item, bytes) else item.encode() for item in items)
            )
        return self

    def receive(self) -> Packet | None:
        """The next packet, or None when the other side has closed. TimeoutError if neither happens."""
        while (packet := self._parser.next_packet()) is None:
            try:
                data = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._parser.feed(data)
        return packet

    def expect(self, kind: type) -> Packet:
        packet = self.receive()
        assert type(packet) is kind, f"expected {kind.__name__}, got {packet}"
        return packet

    def connect(self, client_id: str, **options) -> "Wire":
        self.send(Connect(client_id, **options))
        answer = self.expect(Connack)
        assert answer.code == 0
        self.session_present = answer.session_present
        return self

    def subscribe(self, *filters: str, qos: int = 1) -> list[int]:
        self.send(Subscribe(77, [(topic_filter, qos) for topic_filter in filters]))
        return self.expect(Suback).codes

    def publish(self, topic: str, payload: bytes = b"", retain: bool = False, qos: int = 1) -> None:
        """At QoS 1 until it is acknowledged: by then both brokers have passed it on."""
        self.send(Publish(topic, payload, qos, retain, packet_id=99 if qos else 0))
        if qos:
            self.expect(Puback)

    def messages(self, acknowledge: bool = True) -> list[Publish]:
        """All that was sent to us before the broker answers a ping, QoS 1 acknowledged; after `early`."""
        self.send(Pingreq())
        found, self.early = self.early, []
        while not isinstance(packet := self.receive(), Pingresp):
            assert isinstance(packet, Publish), f"expected PUBLISH, got {packet}"
            found.append(packet)
        for packet in found:
            if packet.qos and acknowledge:
                self.send(Puback(packet.packet_id))
        return found

    def wait_for_messages(self, count: int) -> list[Publish]:
        """Like `messages`, but goes on until there are `count`: for what another connection's end causes."""
        found = []
        end = time.monotonic() + TIMEOUT
        while len(found) < count and time.monotonic() < end:
            found += self.messages()
        assert len(found) >= count, f"only {found} came"
        return found

    def leave(self) -> None:
        """DISCONNECT, until the other side has seen it."""
        self.send(Disconnect())
        assert self.is_closed()

    def is_closed(self) -> bool:
        """Whether the other side ends the connection without sending anything more."""
        return self.receive() is None

    def close(self) -> None:
        """The network connection ends, without DISCONNECT."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
