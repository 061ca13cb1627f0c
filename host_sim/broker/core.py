"""The broker itself, without I/O: bytes and clock ticks in, bytes and a `closing` flag out.

It must never open a socket, read a clock, draw a random number or raise because of what a
peer sent. Whoever carries the bytes does this:

    connection = broker.open(now, peer, address)    a transport connection was made
    connection.receive(data, now)           bytes came, sliced anyhow; not while connection.paused
    connection.closed(now)                  the transport connection is gone
    broker.tick(now)                        now and then; at the latest at broker.next_deadline()
    broker.turn(now)                        as long as broker.ready: who has more to do gets a turn
    for connection in broker.take_dirty():  after each of these: what has something to send or to close,
        write(connection.take()); if connection.closing: close the transport        or may read on

`now` is in ms, an int that never goes backwards; any origin will do, unless the authority
wants Unix time (`HxtpAuthority` does).

Where what is: `settings` the limits, `admission` who may come in, `connection` bytes and turns,
`session` what a client is owed, `retained` the retained messages, `topics` who subscribed to what.

Choices where the standard leaves one: a subscription that is not permitted gets 0x80, a
message that is not permitted is acknowledged and dropped [MQTT-3.3.5-2], overlapping
subscriptions give one copy, a taken-over client's will is published, a refused password
gets return code 5. QoS 1 messages are sent again when a client is back, and only then [MQTT-4.4.0-1].
A session is resumed by the user who made it only; permissions for its subscriptions are asked again then.
A QoS 2 subscription is granted 1 [MQTT-3.8.4-6]; a QoS 2 message or will ends the connection.
"""

from collections.abc import Callable, Collection
from typing import ClassVar

from host_sim.broker import packets, topics
from host_sim.broker.admission import HalfOpen, Rates
from host_sim.broker.authority import Authority, OpenAuthority, Unable
from host_sim.broker.connection import Connection
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
from host_sim.broker.retained import Retained
from host_sim.broker.session import Session
from host_sim.broker.settings import NEVER, Counts, Settings

__all__ = ["NEVER", "Broker", "Connection", "Counts", "Session", "Settings"]


class Broker:
    """The whole behaviour. See the module's docstring for how to drive it.

    on_messages(topic, payloads, client_id) sees every message that is passed on, before it is, and those that
    came together in one call; wills included, "" for those of `publish()`. on_event(now, kind, client_id,
    detail) sees "connected", "refused", "subscribed", "closed" and, for a persistent session that ends,
    "discarded". Neither may call back into the broker, and neither ever sees a password.
    """

    def __init__(
        self,
        authority: Authority | None = None,
        settings: Settings | None = None,
        on_messages: Callable[[str, list[bytes], str], None] | None = None,
        on_event: Callable[[int, str, str, str], None] | None = None,
    ) -> None:
        self.authority: Authority = authority or OpenAuthority()
        self.settings = settings or Settings()
        self.on_messages = on_messages
        self.on_event = on_event
        self.counts = Counts()
        self.unmetered: Collection[str] = ()  # the users whom max_packet_rate does not hold for
        self.rates = Rates(self.settings.max_packet_rate, self.settings.max_packet_burst)
        self.retained = Retained(self.settings.max_retained, self.settings.max_retained_bytes)
        self.sessions: dict[str, Session] = {}  # by client id, those of clients that are away included
        self.held = 0  # bytes in outputs, queues and subscriptions, for max_total_bytes
        # Ordered sets, as dicts: the order must not depend on hashes.
        self.dirty: dict[Connection, None] = {}
        self.ready: dict[Connection, None] = {}  # they have more to do, in the next turn
        self.throttled: dict[Connection, None] = {}  # the same, when their time has come
        self._connections: dict[Connection, None] = {}
        self._half_open = HalfOpen(self.settings.max_half_open, self.settings.max_half_open_per_address)
        self._away: dict[Session, None] = {}  # persistent sessions without a client, longest away first
        self._persistent = 0  # how many sessions are
        self._tree = topics.SubscriptionTree()
        self._named = 0

    # -- driving it --

    def open(self, now: int, peer: object = None, address: str = "") -> Connection:
        """A new transport connection; `peer` is kept in it, `address` is whose it is, "" if unknown. Over
        max_connections it is closing at once.
        """
        connection = Connection(self, now, peer)
        self.counts.connections += 1
        if len(self._connections) >= self.settings.max_connections:
            connection.fail("too many connections", now)
            return connection
        self._connections[connection] = None
        oldest = self._half_open.add(connection, address)
        if oldest is not None:
            self.counts.evicted += 1
            oldest.fail("too many connections without CONNECT", now)
        return connection

    def tick(self, now: int) -> None:
        """What is due: keep alive [MQTT-3.1.2-24], no CONNECT in time, sessions that expire; and a turn."""
        late = [connection for connection in self._connections if connection.deadline <= now]
        for connection in late:
            self.counts.timeouts += 1
            connection.fail("no CONNECT in time" if connection.session is None else "keep alive", now)
        while self._away and (session := next(iter(self._away))).expires_at <= now:
            self._expire(session, now)
        self.turn(now)

    def turn(self, now: int) -> None:
        """One turn for everyone in `ready`, and for those in `throttled` who have waited long enough. Who is
        not done then is in one of them again.
        """
        for connection in [each for each in self.throttled if each.resume_at <= now]:
            del self.throttled[connection]
            self.ready[connection] = None
        ready, self.ready = self.ready, {}
        for connection in ready:
            connection.turn(now)

    def next_deadline(self) -> int:
        """When `tick` has something to do next, or NEVER. Looks at every connection."""
        deadlines = [connection.deadline for connection in self._connections]
        deadlines += [connection.resume_at for connection in self.throttled]
        deadlines += [session.expires_at for session in self._away][:1]
        return min(deadlines, default=NEVER)

    def take_dirty(self) -> list[Connection]:
        """The connections that since the last call have something to send or to close, or may read on, in a
        fixed order.
        """
        dirty = list(self.dirty)
        self.dirty.clear()
        return dirty

    # -- for its owner --

    def publish(self, message: Publish, client_id: str = "") -> int:
        """Pass a message on, and keep it if it says so; to how many sessions. Also for whoever embeds the
        broker.
        """
        if self.on_messages is not None:
            self.on_messages(message.topic, [message.payload], client_id)
        if message.retain and not self.retained.keep(message):
            self.counts.not_retained += 1
        receivers = self._tree.match(message.topic)
        for session, qos in receivers:
            session.deliver(message, qos)  # RETAIN 0 for subscriptions that stood before [MQTT-3.3.1-9]
        return len(receivers)

    def disconnect(self, client_id: str, now: int) -> bool:
        """Cut a client off as its will foresees; False if it is not there. A persistent session stays."""
        session = self.sessions.get(client_id)
        if session is None or session.connection is None:
            return False
        session.connection.fail("disconnected by the broker's owner", now)
        return True

    def forget(self, client_id: str, now: int) -> bool:
        """Cut a client off if it is there, and end its session too; False if there is neither."""
        cut_off = self.disconnect(client_id, now)
        session = self.sessions.get(client_id)
        if session is not None:
            self._discard(session, "forgotten by the broker's owner", now)
        return cut_off or session is not None

    def has_room(self, held: int, weight: int, limit: int) -> bool:
        """Whether somebody who holds `held` bytes may hold `weight` more, `limit` being for him alone.

        Who holds nothing always may, and up to `reserved_bytes` it does not matter what the others hold.
        """
        if not held:
            return True
        total = held + weight
        settings = self.settings
        return total <= limit and (
            total <= settings.reserved_bytes or self.held + weight <= settings.max_total_bytes
        )

    # -- packets --

    def handle(self, connection: Connection, packet: packets.Packet, now: int) -> int:
        """One packet from a client; how much work it was, in steps of `work_per_turn`.

        Raises ProtocolError, which `Connection.turn` makes the end.
        """
        if connection.session is None:
            if type(packet) is not Connect:
                raise ProtocolError("MQTT-3.1.0-1", "the first packet is not CONNECT")
            self._connect(connection, packet, now)
            return 1
        handler = self._HANDLERS.get(type(packet))
        if handler is None:
            if type(packet) is Connect:
                raise ProtocolError("MQTT-3.1.0-2", "a second CONNECT")
            raise ProtocolError("MQTT-4.8.0-1", f"{type(packet).__name__} is not for a client to send")
        return handler(self, connection, packet, now)

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
        try:
            allowed = self.authority.authenticate(client_id, packet.username, packet.password, now)
        except Unable as error:
            self._refuse(connection, packets.SERVER_UNAVAILABLE, str(error), packet, now)
            return
        if not allowed:
            self._refuse(connection, packets.NOT_AUTHORIZED, "not authorized", packet, now)
            return
        known = self.sessions.get(client_id)
        one_more = not packet.clean_session and not (known is not None and known.persistent)
        if one_more and self._persistent >= self.settings.max_sessions:
            self.counts.sessions_refused += 1
            self._refuse(connection, packets.SERVER_UNAVAILABLE, "too many sessions", packet, now)
            return
        if known is not None and known.connection is not None:  # [MQTT-3.1.4-2]
            known.connection.fail("taken over by a newer connection", now)
        session, present = self._session_for(client_id, packet, now)
        self._half_open.remove(connection)
        connection.accept(packet, session, now)
        self.counts.connected += 1
        self.counts.resumed += present
        connection.answer(Connack(packets.ACCEPTED, present).encode(), now)  # [MQTT-3.1.4-4] [MQTT-3.2.2-2]
        self._tell(now, "connected", client_id, packet.username or "")
        session.resume(connection)

    def _session_for(self, client_id: str, packet: Connect, now: int) -> tuple[Session, bool]:
        """The session for a client that may connect, and whether it was there [MQTT-3.1.2-4]."""
        known = self.sessions.get(client_id)  # its client is away by now
        if known is not None and known.expires_at <= now:
            self._expire(known, now)
            known = None
        if known is not None:
            if packet.clean_session:  # [MQTT-3.1.2-6]
                self._discard(known, "a clean session", now)
            elif known.username != packet.username:
                self._discard(known, "another user", now)
            else:
                del self._away[known]
                self._withdraw(known)
                return known, True
        session = Session(self, client_id, packet.username, persistent=not packet.clean_session)
        self.sessions[client_id] = session
        self._persistent += session.persistent
        return session, False

    def _withdraw(self, session: Session) -> None:
        """Permissions may be gone since: what is not permitted any more is neither subscribed nor sent."""

        def forbidden(topic_filter: str) -> bool:
            return not self.authority.may_subscribe(session.username, topic_filter)

        revoked = [topic_filter for topic_filter in session.subscriptions if forbidden(topic_filter)]
        for topic_filter in revoked:
            session.remove(topic_filter)
            self._tree.remove(topic_filter, session)
        if revoked:
            self.counts.dropped_revoked += session.drop_messages(forbidden)

    def _refuse(self, connection: Connection, code: int, reason: str, packet: Connect, now: int) -> None:
        self.counts.refused_connects += 1
        self._tell(now, "refused", packet.client_id, reason)
        connection.answer(Connack(code).encode(), now)
        connection.fail(reason, now)  # [MQTT-3.2.2-5]

    def _publish(self, connection: Connection, packet: Publish, now: int) -> int:
        if packet.qos == 2:
            raise ProtocolError("MQTT-4.8.0-1", "a QoS 2 message, which this broker does not take")
        self.counts.received += 1
        receivers = 0
        if self.authority.may_publish(connection.username, packet.topic):
            receivers = self.publish(packet, connection.client_id)
        else:
            self.counts.publish_refused += 1
        if packet.qos:  # refused ones too: in 3.1.1 there is no way to say no [MQTT-3.3.5-2]
            connection.answer(Puback(packet.packet_id).encode(), now)
        return 1 + receivers

    def unheard(self, connection: Connection, topic: str, payloads: list[bytes]) -> None:
        """Further messages of QoS 0 like one that has just been passed on, to nobody: in that turn nobody can
        have subscribed to their topic since.
        """
        self.counts.received += len(payloads)
        if not self.authority.may_publish(connection.username, topic):
            self.counts.publish_refused += len(payloads)
        elif self.on_messages is not None:
            self.on_messages(topic, payloads, connection.client_id)

    def _puback(self, connection: Connection, packet: Puback, now: int) -> int:
        connection.session.acknowledge(packet.packet_id)
        return 1

    def _subscribe(self, connection: Connection, packet: Subscribe, now: int) -> int:
        session = connection.session
        codes = []
        for topic_filter, wanted in packet.filters:
            if not (
                session.may_add(topic_filter)
                and self.authority.may_subscribe(connection.username, topic_filter)
            ):
                self.counts.subscribe_refused += 1
                codes.append(packets.SUBSCRIPTION_REFUSED)
                continue
            qos = min(wanted, 1)
            session.add(topic_filter, qos)  # [MQTT-3.3.1-6], again for a repeated one [MQTT-3.8.4-3]
            self._tree.add(topic_filter, session, qos)
            codes.append(qos)
            self._tell(now, "subscribed", session.client_id, topic_filter)
        connection.answer(Suback(packet.packet_id, codes).encode(), now)  # [MQTT-3.8.4-1] [MQTT-3.8.4-5]
        return len(codes) + connection.look_through(self.settings.work_per_turn)

    def _unsubscribe(self, connection: Connection, packet: Unsubscribe, now: int) -> int:
        session = connection.session
        for topic_filter in packet.filters:
            if session.remove(topic_filter):
                self._tree.remove(topic_filter, session)
        connection.answer(Unsuback(packet.packet_id).encode(), now)  # even if there was none [MQTT-3.10.4-5]
        return len(packet.filters)

    def _pingreq(self, connection: Connection, packet: Pingreq, now: int) -> int:
        connection.answer(Pingresp().encode(), now)  # [MQTT-3.12.4-1]
        return 1

    def _disconnect(self, connection: Connection, packet: Disconnect, now: int) -> int:
        connection.will = None  # [MQTT-3.14.4-3]
        connection.fail("DISCONNECT", now)
        return 1

    _HANDLERS: ClassVar = {
        Publish: _publish, Puback: _puback, Subscribe: _subscribe, Unsubscribe: _unsubscribe,
        Pingreq: _pingreq, Disconnect: _disconnect,
    }  # fmt: skip

    # -- the end of things --

    def end(self, connection: Connection, now: int) -> None:
        """Forget a connection that failed, and its session if that is clean; then its will goes out."""
        self._connections.pop(connection, None)
        self.ready.pop(connection, None)
        self.throttled.pop(connection, None)
        self._half_open.remove(connection)
        session, connection.session = connection.session, None
        if session is None:
            return
        session.connection = None
        if connection.rate is not None:
            self.rates.leave(session.client_id, connection.rate, now)
        if session.persistent:
            session.expires_at = now + self.settings.session_expiry_ms
            self._away[session] = None
        else:
            self._discard(session, "", now)
        self._tell(now, "closed", session.client_id, connection.reason)
        will, connection.will = connection.will, None
        if will is not None:
            if self.authority.may_publish(connection.username, will.topic):
                self.counts.wills += 1
                self.publish(will, session.client_id)
            else:
                self.counts.publish_refused += 1

    def _expire(self, session: Session, now: int) -> None:
        self.counts.sessions_expired += 1
        self._discard(session, "expired", now)

    def _discard(self, session: Session, reason: str, now: int) -> None:
        """End a session whose client is not connected."""
        for topic_filter in list(session.subscriptions):
            session.remove(topic_filter)
            self._tree.remove(topic_filter, session)
        session.end()
        del self.sessions[session.client_id]
        if session.persistent:
            self._persistent -= 1
            self._away.pop(session, None)
            self._tell(now, "discarded", session.client_id, reason)

    def _tell(self, now: int, kind: str, client_id: str, detail: str) -> None:
        if self.on_event is not None:
            self.on_event(now, kind, client_id, detail)
