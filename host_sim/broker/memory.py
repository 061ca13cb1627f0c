"""The in-memory network: the broker's core and its clients in virtual time, with injected faults.

Deterministic: the same calls give the same bytes, the same order and the same trace. It
must never use threads, asyncio, the real clock or unseeded randomness; time passes only in
`advance()` and `settle()`.

Without latency a packet arrives within the call that sends it. Faults concern PUBLISH packets, each
direction by itself; all other packets arrive in order. So a fault here is one that no TCP connection
shows (TCP neither loses nor reorders within a connection): it is what the peers behind a broker, bridges
and retries together can do to a message, and what HxTP has to survive.
"""

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush

from host_sim.broker.client import MemoryClient, Message
from host_sim.broker.core import NEVER, Broker, Connection
from host_sim.broker.faults import DOWN, UP, FaultPlan
from host_sim.broker.lanes import Lane
from host_sim.broker.packets import Publish

__all__ = ["Link", "MemoryClient", "MemoryNetwork", "Message"]

_FIN = b""  # in place of a frame: this side has closed


class _Due:
    """Something that happens at its time, unless it is cancelled before."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class Link:
    """A client's end of a connection. `name` is what faults and the trace call it."""

    __slots__ = ("_inbox", "_network", "connection", "lanes", "name", "open")

    def __init__(self, network: "MemoryNetwork", name: str) -> None:
        self.name = name
        self.open = True  # False once the client closed or learned that the other side did
        self.connection: Connection = network.broker.open(network.now, self)
        largest = network.broker.settings.max_packet_size
        self.lanes = {way: Lane(network.faults, way, self, largest) for way in (UP, DOWN)}
        self._network = network
        self._inbox: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Bytes to the broker, sliced anyhow. Raises ConnectionError when the link is closed.

        They travel as whole packets, so that faults can meet single messages; what is no packet is
        handed to the broker as it is, and it will judge.
        """
        self._check_open()
        if self._network.outage is None:
            self.lanes[UP].feed(data)

    def send_frame(self, frame: bytes) -> None:
        """One whole encoded packet to the broker. Not to be mixed with a packet half sent by `send`."""
        self._check_open()
        if self._network.outage is None:
            self.lanes[UP].carry(frame)

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

    # -- for its lanes --

    @property
    def lost(self) -> bool:
        return not self.open

    def clock(self) -> int:
        return self._network.now

    def put(self, direction: str, data: bytes, last: bool = False) -> None:
        self._network.put(self, direction, data, last)

    def lose(self) -> None:
        self._network.break_link(self)

    def later(self, ms: int, call: Callable[[], None]) -> _Due:
        return self._network.later(ms, call)

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
        self._agenda: list[tuple[int, int, _Due]] = []
        self._order = 0
        self._busy = False
        outages = []
        for at_ms, for_ms, silent in self.faults.outages:
            outages += [
                (start + at_ms, lambda silent=silent: self.cut(silent)),
                (start + at_ms + for_ms, self.restore),
            ]
        self._outages = deque(sorted(outages, key=lambda outage: outage[0]))

    @property
    def trace(self) -> list:
        """Every injected fault and outage so far, as `faults.Injected`."""
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

    def forget(self, client_id: str) -> bool:
        """The same, and its session ends, also if it is away; False if there is neither."""
        found = self.broker.forget(client_id, self.now)
        self._flush()
        return found

    def cut(self, silent: bool = False) -> None:
        """Outage until `restore()`: all connections break and new ones are refused.

        silent: nobody is told, and whatever is sent is lost, so that only timeouts find out.
        """
        self.faults.note(self.now, "silence" if silent else "cut")
        self.outage = "silent" if silent else "refuse"
        if not silent:
            self._break_all()

    def restore(self) -> None:
        """The end of an outage. Connections that lost bytes in a silent one break now."""
        if self.outage is not None:
            self.faults.note(self.now, "restore")
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
            outage = self._outages[0][0] if self._outages else NEVER
            if min(due, deadline, outage) > end:
                break
            if outage <= min(due, deadline):
                self.now = max(self.now, outage)
                self._outages.popleft()[1]()
            elif deadline < due:
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

    def later(self, ms: int, call: Callable[[], None]) -> _Due:
        """Call it when `ms` have passed in `advance()`, in order."""
        due = _Due(call)
        self._order += 1
        heappush(self._agenda, (self.now + ms, self._order, due))
        return due

    def _next_due(self) -> int:
        while self._agenda and self._agenda[0][2].call is None:
            heappop(self._agenda)
        return self._agenda[0][0] if self._agenda else NEVER

    def _next(self) -> None:
        at, _, due = heappop(self._agenda)
        self.now = max(self.now, at)
        due.call()

    # -- carrying --

    def put(self, link: Link, direction: str, frame: bytes, last: bool = False) -> None:
        """Bytes on their way without faults: one packet, raw bytes, or the end of the connection."""
        if self.outage is not None:
            return
        if self.latency:
            self.later(self.latency, lambda: self._arrive(link, direction, frame, last))
        else:
            self._arrive(link, direction, frame, last)

    def _arrive(self, link: Link, direction: str, frame: bytes, last: bool) -> None:
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
        if last:
            self.break_link(link)
        elif direction == UP:
            self._flush()

    def _flush(self) -> None:
        """Carry what the broker has to send. Not nested: what that causes is taken by the loop that runs."""
        if self._busy:
            return
        self._busy = True
        broker = self.broker
        try:
            while broker.dirty or broker.ready:
                for connection in broker.take_dirty():
                    link = connection.peer
                    for frame in connection.take_frames():
                        if self.outage is None:
                            link.lanes[DOWN].carry(frame)
                    if connection.closing:
                        self.put(link, DOWN, _FIN)
                broker.turn(self.now)
        finally:
            self._busy = False
