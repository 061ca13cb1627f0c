"""The broker itself, without I/O: bytes and clock ticks in, bytes and a `closing` flag out.

It must never open a socket, read a clock, draw a random number or raise because of what a
peer sent. Whoever carries the bytes does this:

    connection = broker.open(now, peer)     a transport connection was made
    connection.receive(data, now)           bytes came, sliced anyhow
    connection.closed(now)                  the transport connection is gone
    broker.tick(now)                        now and then; at the latest at broker.next_deadline()
    for connection in broker.take_dirty():  after each of these: what has something to send or to close
        write(connection.take()); if connection.closing: close the transport

`now` is in ms, an int that never goes backwards; any origin will do, unless the authority
wants Unix time (`HxtpAuthority` does).

Choices where the standard leaves one: a subscription that is not permitted gets 0x80, a
message that is not permitted is acknowledged and dropped [MQTT-3.3.5-2], overlapping
subscriptions give one copy, a taken-over client's will is published, a refused password
gets return code 5. A client with CleanSession 0 is told "no session present" and works as
with a clean one: sessions end with their connection here, so QoS 1 messages are never sent
twice by the broker, and what a client had not acknowledged is lost with its connection.
A QoS 2 subscription is granted 1 [MQTT-3.8.4-6]; a QoS 2 message or will ends the connection.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from host_sim.broker import packets, topics
from host_sim.broker.authority import Authority, OpenAuthority
from host_sim.broker.framing import Parser
from host_sim.broker.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    ProtocolError,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)

NEVER = 1 << 62  # a deadline that does not come


@dataclass(slots=True)
class Settings:
    """Limits. A peer that meets one loses messages or its connection, never the broker; each is counted."""

    max_packet_size: int = 256 * 1024  # bytes, whole packet; larger: closed
    max_connections: int = 20_000  # more: closed at once
    connect_timeout_ms: int = 10_000  # from open() to a complete CONNECT
    max_output_bytes: int = 8 * 1024 * 1024  # for one slow reader; then QoS 0 is dropped, QoS 1 queued
    max_inflight: int = 64  # unacknowledged QoS 1 messages per session; more wait in its queue
    max_queued_bytes: int = 8 * 1024 * 1024  # that queue; more: the newest is dropped
    max_subscriptions: int = 1000  # per session; more: refused with 0x80
    max_retained: int = 100_000  # messages, all together; more: passed on but not kept


@dataclass(slots=True)
class Counts:
    """What happened since the start, by kind."""

    connections: int = 0  # transports opened
    connected: int = 0  # CONNECTs accepted
    refused_connects: int = 0  # answered with a return code other than 0
    received: int = 0  # messages from clients, permitted or not
    sent: int = 0  # messages to clients
    publish_refused: int = 0  # not permitted: dropped though acknowledged
    subscribe_refused: int = 0  # 0x80
    dropped_slow: int = 0  # QoS 0, the reader being too slow
    dropped_queue: int = 0  # QoS 1, the queue being full
    dropped_unacked: int = 0  # QoS 1, lost with a session that ended
    not_retained: int = 0  # over max_retained
    protocol_errors: int = 0
    timeouts: int = 0  # keep alive, or no CONNECT in time
    wills: int = 0


class Session:
    """What belongs to a client id rather than to a connection: subscriptions and QoS 1 deliveries (3.1.2.4).

    Kept apart from `Connection` because a persistent session outlives it; today both end together.
    """

    __slots__ = ("_last_id", "client_id", "connection", "inflight", "queue", "queued_bytes", "subscriptions")

    def __init__(self, client_id: str, connection: "Connection") -> None:
        self.client_id = client_id
        self.connection = connection
        self.subscriptions: dict[str, int] = {}  # filter -> granted QoS
        self.inflight: dict[int, Publish] = {}  # packet id -> sent, not yet acknowledged, in order of sending
        self.queue: deque[tuple[Publish, bool]] = deque()  # (message, as retained), to send at QoS 1
        self.queued_bytes = 0
        self._last_id = 0

    def deliver(self, message: Publish, qos: int, retain: bool = False) -> None:
        """Send or queue one message at min(its QoS, the granted one); `retain` only for a new subscription.

        DUP is always 0 here [MQTT-3.3.1-3]. Per QoS, messages leave in the order they came [MQTT-4.6.0-6].
        """
        connection = self.connection
        broker = connection.broker
        if not (qos and message.qos):
            if not connection.has_room(message):
                broker.counts.dropped_slow += 1
                return
            broker.counts.sent += 1
            if retain:
                connection.send(Publish(message.topic, message.payload, retain=True).encode())
            else:
                connection.send(message.plain())
            return
        size = len(message.payload) + 1
        if self.queue and self.queued_bytes + size > broker.settings.max_queued_bytes:
            broker.counts.dropped_queue += 1
            return
        self.queue.append((message, retain))
        self.queued_bytes += size
        self.pump()

    def pump(self) -> None:
        """Send what is queued while the window and the output buffer have room."""
        connection = self.connection
        broker = connection.broker
        while self.queue and len(self.inflight) < broker.settings.max_inflight:
            message, retain = self.queue[0]
            if not connection.has_room(message):
                return
            self.queue.popleft()
            self.queued_bytes -= len(message.payload) + 1
            packet_id = self._unused_id()
            copy = Publish(message.topic, message.payload, 1, retain, False, packet_id)
            self.inflight[packet_id] = copy
            broker.counts.sent += 1
            connection.send(copy.encode())

    def _unused_id(self) -> int:
        """[MQTT-2.3.1-2] in 1…65535; there is one, since max_inflight is less than that."""
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self.inflight:
                return self._last_id


class Connection:
    """One transport connection. Public: `receive`, `closed`, `take`, and the attributes below, to read."""

    __slots__ = (
        "_frames", "_grace", "_parser", "broker", "client_id", "closing", "deadline", "peer", "pending",
        "reason", "session", "username", "will",
    )  # fmt: skip

    def __init__(self, broker: "Broker", now: int, peer: object) -> None:
        self.broker = broker
        self.peer = peer  # whatever the transport gave to open()
        self.client_id = ""  # known once CONNECT is accepted
        self.username: str | None = None
        self.session: Session | None = None
        self.will: Publish | None = None
        self.closing = False  # the transport is to send what take() gives and close
        self.reason = ""  # why, for people
        self.pending = 0  # bytes waiting in take()
        self.deadline = now + broker.settings.connect_timeout_ms
        self._grace = 0
        self._frames: list[bytes] = []
        self._parser = Parser(broker.settings.max_packet_size)

    def receive(self, data: bytes, now: int) -> None:
        """Bytes from the client. Nothing is done with them once the connection is closing [MQTT-3.1.4-5]."""
        if self.closing:
            return
        parser = self._parser
        parser.feed(data)
        try:
            while not self.closing and (packet := parser.next_packet()) is not None:
                if self._grace:
                    self.deadline = now + self._grace
                self.broker.handle(self, packet, now)
        except ProtocolError as error:
            self.broker.counts.protocol_errors += 1
            self.fail(str(error), now)

    def closed(self, now: int) -> None:
        """The transport is gone. Without a DISCONNECT before, the will is published [MQTT-3.1.2-8]."""
        if not self.closing:
            self.fail("connection lost", now)
        self._frames.clear()
        self.pending = 0

    def take(self) -> bytes:
        """The bytes to send now, and forgets them. Call it only when the transport can take them."""
        return b"".join(self.take_frames())

    def take_frames(self) -> list[bytes]:
        """The same as whole packets, one in each item."""
        frames, self._frames, self.pending = self._frames, [], 0
        if self.session is not None and self.session.queue:
            self.session.pump()
        return frames

    # -- for the broker --

    def has_room(self, message: Publish) -> bool:
        pending = self.pending
        return not pending or pending + len(message.payload) <= self.broker.settings.max_output_bytes

    def send(self, frame: bytes) -> None:
        self._frames.append(frame)
        self.pending += len(frame)
        self.broker.dirty[self] = None

    def answer(self, frame: bytes, now: int) -> None:
        """Send an acknowledgement. Who lets them pile up to twice the output limit is not reading: closed."""
        if self.pending > 2 * self.broker.settings.max_output_bytes:
            self.fail("slow reader", now)
        else:
            self.send(frame)

    def fail(self, reason: str, now: int) -> None:
        """End the connection from our side: the session goes, the will is published."""
        if self.closing:
            return
        self.closing = True
        self.reason = reason
        self.broker.dirty[self] = None
        self.broker.end(self, now)

    def accept(self, packet: Connect, client_id: str, now: int) -> None:
        self.client_id = client_id
        self.username = packet.username
        self.will = packet.will
        self.session = Session(client_id, self)
        self._grace = packet.keepalive * 1500  # one and a half times the keep alive [MQTT-3.1.2-24]
        self.deadline = now + self._grace if self._grace else NEVER


class Broker:
    """The whole behaviour. See the module's docstring for how to drive it.

    on_message(topic, payload, client_id) sees every message that is passed on, before it is; wills
    included, "" for those of `publish()`. on_event(now, kind, client_id, detail) sees "connected",
    "refused", "subscribed" and "closed". Neither may call back into the broker, and neither ever
    sees a password.
    """

    def __init__(
        self,
        authority: Authority | None = None,
        settings: Settings | None = None,
        on_message: Callable[[str, bytes, str], None] | None = None,
        on_event: Callable[[int, str, str, str], None] | None = None,
    ) -> None:
        self.authority: Authority = authority or OpenAuthority()
        self.settings = settings or Settings()
        self.on_message = on_message
        self.on_event = on_event
        self.counts = Counts()
        self.retained: dict[str, Publish] = {}
        self.sessions: dict[str, Session] = {}
        self.dirty: dict[Connection, None] = {}
        self._connections: dict[Connection, None] = {}  # an ordered set: order must not depend on hashes
        self._tree = topics.SubscriptionTree()
        self._named = 0
        if not 0 < self.settings.max_inflight < 65535:
            raise ValueError("max_inflight must be in 1…65534")

    # -- driving it --

    def open(self, now: int, peer: object = None) -> Connection:
        """A new transport connection; `peer` is kept in it. Over the limit it is closing at once."""
        connection = Connection(self, now, peer)
        self.counts.connections += 1
        if len(self._connections) >= self.settings.max_connections:
            connection.fail("too many connections", now)
        else:
            self._connections[connection] = None
        return connection

    def tick(self, now: int) -> None:
        """End the connections whose time is over: keep alive [MQTT-3.1.2-24], or no CONNECT in time."""
        late = [connection for connection in self._connections if connection.deadline <= now]
        for connection in late:
            self.counts.timeouts += 1
            connection.fail("no CONNECT in time" if connection.session is None else "keep alive", now)

    def next_deadline(self) -> int:
        """When `tick` has something to do next, or NEVER. Looks at every connection."""
        return min((connection.deadline for connection in self._connections), default=NEVER)

    def take_dirty(self) -> list[Connection]:
        """The connections that since the last call have something to send or to close, in a fixed order."""
        dirty = list(self.dirty)
        self.dirty.clear()
        return dirty

    def publish(self, message: Publish, client_id: str = "") -> None:
        """Pass a message on, and keep it if it says so. Also for whoever embeds the broker."""
        if self.on_message is not None:
            self.on_message(message.topic, message.payload, client_id)
        if message.retain:
            self._retain(message)
        for session, qos in self._tree.match(message.topic):
            session.deliver(message, qos)  # RETAIN 0 for subscriptions that stood before [MQTT-3.3.1-9]

    def disconnect(self, client_id: str, now: int) -> bool:
        """Cut a client off as its will foresees; False if it is not there."""
        session = self.sessions.get(client_id)
        if session is not None:
            session.connection.fail("disconnected by the broker's owner", now)
        return session is not None

    # -- packets --

    def handle(self, connection: Connection, packet: packets.Packet, now: int) -> None:
        """One packet from a client. Raises ProtocolError, which `Connection.receive` turns into the end."""
        if connection.session is None:
            if type(packet) is not Connect:
                raise ProtocolError("MQTT-3.1.0-1", "the first packet is not CONNECT")
            self._connect(connection, packet, now)
            return
        handler = self._HANDLERS.get(type(packet))
        if handler is None:
            if type(packet) is Connect:
                raise ProtocolError("MQTT-3.1.0-2", "a second CONNECT")
            raise ProtocolError("MQTT-4.8.0-1", f"{type(packet).__name__} is not for a client to send")
        handler(self, connection, packet, now)

    def _connect(self, connection: Connection, packet: Connect, now: int) -> None:
        if packet.level != 4:  # [MQTT-3.1.2-2]; an MQTT 5 client reads this as "use an older version"
            self._refuse(connection, packets.UNACCEPTABLE_PROTOCOL_VERSION, "protocol version", packet, now)
            return
        if packet.will is not None and packet.will.qos == 2:
            raise ProtocolError("MQTT-4.8.0-1", "a will of QoS 2, which this broker does not have")
        client_id = packet.client_id
        if not client_id:
            if not packet.clean_session:  # [MQTT-3.1.3-8]
                self._refuse(connection, packets.IDENTIFIER_REJECTED, "no client id", packet, now)
                return
            while not client_id or client_id in self.sessions:  # [MQTT-3.1.3-6]
                self._named += 1
                client_id = f"auto-{self._named}"
        if not self.authority.authenticate(client_id, packet.username, packet.password, now):
            self._refuse(connection, packets.NOT_AUTHORIZED, "not authorized", packet, now)
            return
        if client_id in self.sessions:  # [MQTT-3.1.4-2]
            self.sessions[client_id].connection.fail("taken over by a newer connection", now)
        connection.accept(packet, client_id, now)
        self.sessions[client_id] = connection.session
        self.counts.connected += 1
        connection.send(Connack(packets.ACCEPTED).encode())  # [MQTT-3.1.4-4] [MQTT-3.2.2-1]
        self._tell(now, "connected", client_id, packet.username or "")

    def _refuse(self, connection: Connection, code: int, reason: str, packet: Connect, now: int) -> None:
        self.counts.refused_connects += 1
        self._tell(now, "refused", packet.client_id, reason)
        connection.send(Connack(code).encode())
        connection.fail(reason, now)  # [MQTT-3.2.2-5]

    def _publish(self, connection: Connection, packet: Publish, now: int) -> None:
        if packet.qos == 2:
            raise ProtocolError("MQTT-4.8.0-1", "a QoS 2 message, which this broker does not take")
        self.counts.received += 1
        if self.authority.may_publish(connection.username, packet.topic):
            self.publish(packet, connection.client_id)
        else:
            self.counts.publish_refused += 1
        if packet.qos:  # refused ones too: in 3.1.1 there is no way to say no [MQTT-3.3.5-2]
            connection.answer(Puback(packet.packet_id).encode(), now)

    def _puback(self, connection: Connection, packet: Puback, now: int) -> None:
        session = connection.session
        if session.inflight.pop(packet.packet_id, None) is not None:  # an unknown one is none of our business
            session.pump()

    def _subscribe(self, connection: Connection, packet: Subscribe, now: int) -> None:
        session = connection.session
        codes, granted = [], []
        for topic_filter, wanted in packet.filters:
            known = topic_filter in session.subscriptions
            if not (known or len(session.subscriptions) < self.settings.max_subscriptions) or (
                not self.authority.may_subscribe(connection.username, topic_filter)
            ):
                self.counts.subscribe_refused += 1
                codes.append(packets.SUBSCRIPTION_REFUSED)
                continue
            qos = min(wanted, 1)
            session.subscriptions[topic_filter] = qos
            self._tree.add(topic_filter, session, qos)
            codes.append(qos)
            granted.append((topic_filter, qos))
            self._tell(now, "subscribed", session.client_id, topic_filter)
        connection.answer(Suback(packet.packet_id, codes).encode(), now)  # [MQTT-3.8.4-1] [MQTT-3.8.4-5]
        if connection.closing:
            return
        for topic_filter, qos in granted:  # [MQTT-3.3.1-6], again for a repeated subscription [MQTT-3.8.4-3]
            for message in self._retained_for(topic_filter):
                session.deliver(message, qos, retain=True)

    def _unsubscribe(self, connection: Connection, packet: Unsubscribe, now: int) -> None:
        session = connection.session
        for topic_filter in packet.filters:
            if session.subscriptions.pop(topic_filter, None) is not None:
                self._tree.remove(topic_filter, session)
        connection.answer(Unsuback(packet.packet_id).encode(), now)  # even if there was none [MQTT-3.10.4-5]

    def _pingreq(self, connection: Connection, packet: Pingreq, now: int) -> None:
        connection.answer(Pingresp().encode(), now)  # [MQTT-3.12.4-1]

    def _disconnect(self, connection: Connection, packet: Disconnect, now: int) -> None:
        connection.will = None  # [MQTT-3.14.4-3]
        connection.fail("DISCONNECT", now)

    _HANDLERS: ClassVar = {
        Publish: _publish, Puback: _puback, Subscribe: _subscribe, Unsubscribe: _unsubscribe,
        Pingreq: _pingreq, Disconnect: _disconnect,
    }  # fmt: skip

    # -- the rest --

    def end(self, connection: Connection, now: int) -> None:
        """Forget a connection that failed, and with it the session; then its will goes out."""
        self._connections.pop(connection, None)
        session, connection.session = connection.session, None
        if session is None:
            return
        for topic_filter in session.subscriptions:
            self._tree.remove(topic_filter, session)
        self.counts.dropped_unacked += len(session.inflight) + len(session.queue)
        del self.sessions[session.client_id]
        self._tell(now, "closed", session.client_id, connection.reason)
        will, connection.will = connection.will, None
        if will is not None:
            if self.authority.may_publish(connection.username, will.topic):
                self.counts.wills += 1
                self.publish(will, session.client_id)
            else:
                self.counts.publish_refused += 1

    def _retain(self, message: Publish) -> None:
        topic = message.topic
        if not message.payload:  # [MQTT-3.3.1-10] [MQTT-3.3.1-11]
            self.retained.pop(topic, None)
        elif topic in self.retained or len(self.retained) < self.settings.max_retained:
            self.retained[topic] = message  # [MQTT-3.3.1-5]
        else:
            self.counts.not_retained += 1

    def _retained_for(self, topic_filter: str) -> list[Publish]:
        if not topics.is_wild(topic_filter):
            message = self.retained.get(topic_filter)
            return [] if message is None else [message]
        return [message for topic, message in self.retained.items() if topics.matches(topic_filter, topic)]

    def _tell(self, now: int, kind: str, client_id: str, detail: str) -> None:
        if self.on_event is not None:
            self.on_event(now, kind, client_id, detail)
