"""One transport connection: its bytes in, its packets served in turns, its bytes out.

It must never know a rule of MQTT beyond when a connection has to end: what a packet does is the core's
business, what a client is owed its session's.
"""

from collections import deque
from typing import TYPE_CHECKING

from host_sim.broker.admission import Rate
from host_sim.broker.framing import Parser
from host_sim.broker.packets import SUBSCRIBE, UNSUBSCRIBE, Connect, ProtocolError, Publish
from host_sim.broker.session import Session
from host_sim.broker.settings import NEVER, OVERHEAD

if TYPE_CHECKING:  # the core imports this module
    from host_sim.broker.core import Broker


class Connection:
    """Public: `receive`, `closed`, `take`, and the attributes below, to read."""

    __slots__ = (
        "_frames", "_grace", "_parser", "_unread", "broker", "client_id", "closing", "deadline", "keepalive",
        "paused", "peer", "pending", "rate", "reason", "resume_at", "session", "username", "will",
    )  # fmt: skip

    def __init__(self, broker: "Broker", now: int, peer: object) -> None:
        settings = broker.settings
        self.broker = broker
        self.peer = peer  # whatever the transport gave to open()
        self.client_id = ""  # known once CONNECT is accepted
        self.username: str | None = None
        self.session: Session | None = None
        self.will: Publish | None = None
        self.keepalive = 0  # seconds, as CONNECT said
        self.closing = False  # the transport is to send what take() gives and close
        self.reason = ""  # why, for people
        self.paused = False  # its bytes wait for their turn: the transport is not to read more
        self.resume_at = now  # when that turn is due
        self.pending = 0  # bytes waiting in take(), and OVERHEAD for each packet
        self.deadline = now + settings.connect_timeout_ms
        self._grace = 0
        self._unread = 0  # bytes that wait in the parser, as far as they are counted
        self._frames: deque[bytes] = deque()
        self._parser = Parser(settings.max_connect_size)
        # Its client's from CONNECT on, before which there is nothing but that to be counted.
        self.rate: Rate | None = None

    # -- for the transport --

    def receive(self, data: bytes, now: int) -> None:
        """Bytes from the client. Nothing is done with them once the connection is closing [MQTT-3.1.4-5],
        and nothing yet while it is paused.
        """
        if self.closing:
            return
        self._parser.feed(data)
        if self.paused:
            self._weigh(now)
        else:
            self.turn(now)

    def closed(self, now: int) -> None:
        """The transport is gone. Without a DISCONNECT before, the will is published [MQTT-3.1.2-8]."""
        if not self.closing:
            self.fail("connection lost", now)
        self._frames.clear()
        self.broker.held -= self.pending
        self.pending = 0

    def take(self, limit: int = NEVER) -> bytes:
        """The bytes to send now, and forgets them: whole packets, and no more of them when `limit` bytes
        are reached. Call it only when the transport can take them.
        """
        return b"".join(self.take_frames(limit))

    def take_frames(self, limit: int = NEVER) -> list[bytes]:
        """The same as whole packets, one in each item."""
        if self.pending <= limit:
            frames, taken = list(self._frames), self.pending
            self._frames.clear()
        else:
            frames, taken = [], 0
            while taken < limit:
                frame = self._frames.popleft()
                frames.append(frame)
                taken += len(frame) + OVERHEAD
            self.broker.dirty[self] = None
        self.pending -= taken
        self.broker.held -= taken
        session = self.session
        if taken and session is not None:
            session.pump()
            if session.scans:
                self.broker.ready[self] = None
        return frames

    # -- for the broker --

    def turn(self, now: int) -> None:
        """Serve what has come, and then what is retained for new subscriptions, until there is no more or it
        is the others' turn: so that no client, whatever it sends, holds up the rest.
        """
        if self.closing:
            return
        work = self.broker.settings.work_per_turn
        if not self.paused or self.resume_at <= now:
            was_paused, self.paused = self.paused, False
            try:
                work = self._serve(work, now)
            except ProtocolError as error:
                self.broker.counts.protocol_errors += 1
                self.fail(str(error), now)
            if was_paused and not self.paused:
                self.broker.dirty[self] = None  # the transport may read on
            if self._parser.waiting() != self._unread:
                self._weigh(now)
        if work > 0:
            self.look_through(work)

    def look_through(self, work: int) -> int:
        """Retained messages for new subscriptions; how much of `work` that was. The rest in the next turn."""
        session = self.session
        if session is None or not session.scans:
            return 0
        done = session.look_through(work)
        if session.scans and done >= work:
            self.broker.ready[self] = None
        return done

    def _weigh(self, now: int) -> None:
        """What has come and is not served yet counts too: part of a packet, or what waits for its turn."""
        grown = self._parser.waiting() - self._unread
        self._unread += grown
        self.broker.held += grown
        settings = self.broker.settings
        full = self._unread > settings.reserved_bytes and self.broker.held > settings.max_total_bytes
        if grown > 0 and full:
            self.fail("too much unread while too much is held", now)

    def _serve(self, work: int, now: int) -> int:
        """Packets in turn; what is left of `work`."""
        next_packet, handle = self._parser.next_packet, self.broker.handle
        while not self.closing and (packet := next_packet()) is not None:
            if self._grace:
                self.deadline = now + self._grace
            count, spent = 1, handle(self, packet, now)
            if spent == 1 and type(packet) is Publish:  # to which nobody has subscribed
                most = work if self.rate is None else min(work, self.rate.room(now))
                if payloads := self._parser.next_alike(most - 1):
                    self.broker.unheard(self, packet.topic, payloads)
                    count = spent = 1 + len(payloads)
            work -= spent
            if self.rate is not None and (wait := self.rate.spend(now, count)):
                self.broker.counts.throttled += 1
                self._pause(now + wait, now)
                break
            if work <= 0:
                self._pause(now, now)
                break
        return work

    def _pause(self, until: int, now: int) -> None:
        if self.closing:
            return
        self.paused = True
        self.resume_at = until
        (self.broker.ready if until <= now else self.broker.throttled)[self] = None

    def has_room(self, weight: int) -> bool:
        """Whether so much more may wait. Who has nothing waiting is always served."""
        pending = self.pending
        return not pending or self.broker.has_room(pending, weight, self.broker.settings.max_output_bytes)

    def offer(self, frame: bytes) -> bool:
        """Send a message unless its reader is behind; whether it was."""
        weight = len(frame) + OVERHEAD
        pending = self.pending
        broker = self.broker
        if pending and not broker.has_room(pending, weight, broker.settings.max_output_bytes):
            return False
        self._frames.append(frame)
        self.pending = pending + weight
        broker.held += weight
        broker.dirty[self] = None
        return True

    def answer(self, frame: bytes, now: int) -> None:
        """Send an acknowledgement. Who lets them pile up to twice the output limit is not reading: closed,
        and sooner where too much is held already.
        """
        settings = self.broker.settings
        full = self.pending > settings.reserved_bytes and self.broker.held > settings.max_total_bytes
        if full or self.pending > 2 * settings.max_output_bytes:
            self.fail("slow reader", now)
            return
        self._frames.append(frame)
        weight = len(frame) + OVERHEAD
        self.pending += weight
        self.broker.held += weight
        self.broker.dirty[self] = None

    def fail(self, reason: str, now: int) -> None:
        """End the connection from our side: a clean session goes, the will is published."""
        if self.closing:
            return
        self.closing = True
        self.reason = reason
        self._parser.clear()
        self.broker.held -= self._unread
        self._unread = 0
        self.broker.dirty[self] = None
        self.broker.end(self, now)

    def accept(self, packet: Connect, session: Session, now: int) -> None:
        """CONNECT is accepted: the wider limits hold from here."""
        settings = self.broker.settings
        self.client_id = session.client_id
        self.username = packet.username
        self.will = packet.will
        self.keepalive = packet.keepalive
        self.session = session
        if settings.max_packet_rate and packet.username not in self.broker.unmetered:
            self.rate = self.broker.rates.enter(session.client_id)
        self._grace = packet.keepalive * 1500  # one and a half times the keep alive [MQTT-3.1.2-24]
        self.deadline = now + self._grace if self._grace else NEVER
        by_kind = dict.fromkeys((SUBSCRIBE, UNSUBSCRIBE), settings.max_subscribe_size)
        self._parser.limit(settings.max_packet_size, by_kind)
