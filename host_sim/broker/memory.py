"""The in-memory network: the broker's core and its clients in virtual time, with injected faults.

Deterministic: the same calls give the same bytes, the same order and the same trace. It
must never use threads, asyncio, the real clock or unseeded randomness; time passes only in
`advance()` and `settle()`.

Without latency a packet arrives within the call that sends it. Faults concern PUBLISH packets, each
direction by itself; all other packets arrive in order. So a fault here is one that no TCP connection
shows (TCP neither loses nor reorders within a connection): it is what the peers behind a broker, bridges
and retries together can do to a message, and what HxTP has to survive.
"""

from heapq import heappop, heappush

from host_sim.broker import packets
from host_sim.broker.client import MemoryClient, Message
from host_sim.broker.core import NEVER, Broker, Connection
from host_sim.broker.faults import DOWN, UP, FaultPlan
from host_sim.broker.framing import Framer
from host_sim.broker.packets import ProtocolError, Publish

__all__ = ["Link", "MemoryClient", "MemoryNetwork", "Message"]

_FIN = b""  # in place of a frame: this side has closed


class Link:
    """A client's end of a connection. `name` is what faults and the trace call it."""

    __slots__ = ("_framer", "_inbox", "_network", "_raw", "connection", "held", "name", "open")

    def __init__(self, network: "MemoryNetwork", name: str) -> None:
        self.name = name
        self.open = True  # False once the client closed or learned that the other side did
        self.connection: Connection = network.broker.open(network.now, self)
        self.held: dict[str, list[list[bytes]]] = {UP: [], DOWN: []}  # reordered messages that wait
        self._network = network
        self._inbox: list[bytes] = []
        self._framer = Framer(network.broker.settings.max_packet_size)
        self._raw = False

    def send(self, data: bytes) -> None:
        """Bytes to the broker, sliced anyhow. Raises ConnectionError when the link is closed.

        They travel as whole packets, so that faults can meet single messages; what is no packet is
        handed to the broker as it is, and it will judge.
        """
        self._check_open()
        if not self._raw:
            self._framer.feed(data)
            try:
                while (frame := self._framer.next_frame()) is not None:
                    self._network.carry(self, UP, frame)
                return
            except ProtocolError:
                self._raw = True
                data = self._framer.rest()
        self._network.put(self, UP, data)

    def send_frame(self, frame: bytes) -> None:
        """One whole encoded packet to the broker. Not to be mixed with a packet half sent by `send`."""
        self._check_open()
        self._network.carry(self, UP, frame)

    def recv(self, limit: int = -1) -> bytes:
        """What has arrived, at most `limit` bytes; b"" if nothing has (`open`: whether more can come)."""
        data = b"".join(self._inbox)
        self._inbox.clear()
        if 0 <= limit < len(data):
            self._inbox.append(data[limit:])
            data = data[:limit]
        return data

    def recv_frames(self) -> list[bytes]:
        """The same as whole encoded packets. Not to be mixed with `recv` under a limit."""
        frames, self._inbox = self._inbox, []
        return frames

    def arrived(self, frame: bytes) -> None:
        self._inbox.append(frame)

    def close(self) -> None:
        """The client goes away without DISCONNECT; the broker notices when the news arrives."""
        if self.open:
            self.open = False
            self._network.put(self, UP, _FIN)

    def _check_open(self) -> None:
        if not self.open:
            raise ConnectionError(f"the link of {self.name!r} is closed")


class MemoryNetwork:
    """A broker, its links, the clock between them.

    start: the clock's first value in ms (Unix time if the authority checks passwords against it).
    latency: ms that every packet takes each way; fixed, since a change would let packets overtake.
    slice_bytes: hand packets to the broker in pieces of that many bytes (0: whole).
    """

    def __init__(
        self,
        broker: Broker | None = None,
        faults: FaultPlan | None = None,
        *,
        start: int = 0,
        latency: int = 0,
        slice_bytes: int = 0,
    ) -> None:
        self.broker = broker or Broker()
        self.faults = faults or FaultPlan()
        self.now = start
        self.latency = latency
        self.slice_bytes = slice_bytes
        self.outage: str | None = None  # "refuse" or "silent", see cut()
        self.links: dict[Link, None] = {}
        self._air: list[tuple[int, int, Link, str, list[bytes], bool]] = []
        self._order = 0
        self._busy = False

    @property
    def trace(self) -> list:
        """Every injected fault so far, as `faults.Injected`."""
        return self.faults.trace

    # -- connections --

    def link(self, name: str) -> Link:
        """A new connection. Raises ConnectionRefusedError during an outage that refuses."""
        if self.outage == "refuse":
            raise ConnectionRefusedError("the network is cut")
        link = Link(self, name)
        self.links[link] = None
        self._flush()
        return link

    def break_link(self, link: Link) -> None:
        """Both ends lose the connection at once; what is on its way is lost."""
        link.open = False
        self.links.pop(link, None)
        link.connection.closed(self.now)
        self._flush()

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """A message from the broker's owner to whoever subscribed to it."""
        self.broker.publish(Publish(topic, payload, qos, retain))
        self._flush()

    def disconnect(self, client_id: str) -> bool:
        """The broker cuts one client off, its will published; False if it is not there."""
        found = self.broker.disconnect(client_id, self.now)
        self._flush()
        return found

    def cut(self, silent: bool = False) -> None:
        """Outage until `restore()`: all connections break and new ones are refused.

        silent: nobody is told, and whatever is sent is lost, so that only timeouts find out.
        """
        self.outage = "silent" if silent else "refuse"
        if not silent:
            self._break_all()

    def restore(self) -> None:
        """The end of an outage. Connections that lost bytes in a silent one break now."""
        if self.outage == "silent":
            self._break_all()
        self.outage = None

    def _break_all(self) -> None:
        for link in list(self.links):
            self.break_link(link)

    # -- time --

    def advance(self, ms: int) -> None:
        """Let `ms` pass: what is due arrives, what is late times out, each at its own time."""
        self._flush()
        end = self.now + ms
        while True:
            deadline = self.broker.next_deadline()
            due = self._next_due()
            if min(due, deadline) > end:
                break
            if deadline < due:
                self.now = max(self.now, deadline)
                self.broker.tick(self.now)
                self._flush()
            else:
                self._next()
        self.now = end

    def settle(self, limit_ms: int = 600_000) -> bool:
        """Let time pass until nothing is on its way; False if something still is after `limit_ms`."""
        end = self.now + limit_ms
        while (due := self._next_due()) <= end:
            self.advance(max(0, due - self.now))
        return due == NEVER

    def _next_due(self) -> int:
        while self._air and not self._air[0][4]:
            heappop(self._air)  # a reordered message that was released before its time
        return self._air[0][0] if self._air else NEVER

    def _next(self) -> None:
        due, _, link, direction, parcel, cut = heappop(self._air)
        self.now = max(self.now, due)
        if any(parcel is other for other in link.held[direction]):
            self._release_one(link, direction, parcel)
        else:
            self._arrive(link, direction, parcel[0], cut)

    # -- carrying --

    def carry(self, link: Link, direction: str, frame: bytes) -> None:
        """One whole packet on its way, faults included."""
        if self.outage is not None:
            return
        if frame[0] >> 4 != packets.PUBLISH:
            self.put(link, direction, frame)
            return
        fault = None
        if self.faults.active:
            try:
                message = packets.decode(frame)
            except ProtocolError:
                message = None  # the broker will say so
            if message is not None:
                fault = self.faults.choose(self.now, direction, link.name, message)
        action = None if fault is None else fault.action
        if action == "reorder":
            self._hold(link, direction, frame, fault.amount)
            return
        if action is None:
            self.put(link, direction, frame)
        elif action == "duplicate":
            self.put(link, direction, frame)
            self.put(link, direction, frame)
        elif action == "delay":
            self._push(self.now + self.latency + fault.amount, link, direction, [frame])
        elif action == "corrupt":
            self.put(link, direction, _flip(frame, len(frame) - fault.size, fault.amount))
        elif action == "disconnect":
            self.break_link(link)
        elif action == "disconnect_after":
            self.put(link, direction, frame, cut=True)
        if link.held[direction]:
            for parcel in list(link.held[direction]):
                self._release_one(link, direction, parcel)

    def put(self, link: Link, direction: str, frame: bytes, cut: bool = False) -> None:
        """Bytes on their way without faults: one packet, raw bytes, or the end of the connection."""
        if self.outage is not None:
            return
        if self.latency:
            self._push(self.now + self.latency, link, direction, [frame], cut)
        else:
            self._arrive(link, direction, frame, cut)

    def _hold(self, link: Link, direction: str, frame: bytes, ms: int) -> None:
        parcel = [frame]
        link.held[direction].append(parcel)
        self._push(self.now + ms, link, direction, parcel)

    def _release_one(self, link: Link, direction: str, parcel: list[bytes]) -> None:
        frame = parcel.pop()
        link.held[direction] = [other for other in link.held[direction] if other is not parcel]
        self.put(link, direction, frame)

    def _push(self, due: int, link: Link, direction: str, parcel: list[bytes], cut: bool = False) -> None:
        self._order += 1
        heappush(self._air, (due, self._order, link, direction, parcel, cut))

    def _arrive(self, link: Link, direction: str, frame: bytes, cut: bool) -> None:
        if self.outage is not None:
            return  # it was in the air when the silence began
        if direction == DOWN:
            if link.open:
                if frame:
                    link.arrived(frame)
                else:
                    link.open = False
                    self.links.pop(link, None)
        elif not frame:
            self.links.pop(link, None)
            link.connection.closed(self.now)
        elif self.slice_bytes:
            for start in range(0, len(frame), self.slice_bytes):
                link.connection.receive(frame[start : start + self.slice_bytes], self.now)
        else:
            link.connection.receive(frame, self.now)
        if cut:
            self.break_link(link)
        elif direction == UP:
            self._flush()

    def _flush(self) -> None:
        """Carry what the broker has to send. Not nested: what that causes is taken by the loop that runs."""
        if self._busy:
            return
        self._busy = True
        try:
            while self.broker.dirty:
                for connection in self.broker.take_dirty():
                    link = connection.peer
                    for frame in connection.take_frames():
                        self.carry(link, DOWN, frame)
                    if connection.closing:
                        self.put(link, DOWN, _FIN)
        finally:
            self._busy = False


def _flip(frame: bytes, payload_at: int, bit: int) -> bytes:
    changed = bytearray(frame)
    changed[payload_at + bit // 8] ^= 1 << bit % 8
    return bytes(changed)
