"""One accepted connection over TCP or TLS, between asyncio's transport and the core's `Connection`.

It must never write to a reader that is behind (the core's bounded queue keeps the bytes then, and drops by
its rules) nor read from a client whose turn is over.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from host_sim.broker.core import Connection
from host_sim.broker.faults import DOWN, UP
from host_sim.broker.lanes import Lane

if TYPE_CHECKING:  # the server imports this module
    from host_sim.broker.server import BrokerServer

_CLOSE_S = 5.0  # for a peer to take the last bytes before its connection is reset
_WRITE_BUFFER = 256 * 1024  # bytes handed to the transport before it says that the reader is behind


class Peer(asyncio.BufferedProtocol):
    """One accepted connection: asyncio's transport on one side, the core's Connection on the other.

    The core knows it from the moment it is accepted, so that its limits and timeouts hold for who does not
    even finish the TLS handshake. All peers read into one buffer.
    """

    def __init__(self, server: "BrokerServer", sock: socket.socket, address: str) -> None:
        self.server = server
        self.sock = sock
        self.transport: asyncio.Transport | None = None  # from the end of the TLS handshake on
        self.opening: asyncio.Task | None = None  # what makes the transport
        self.paused = False  # the reader is behind
        self.waits = False  # for its turn: nothing is read
        self.deaf = server.outage == "silent"  # nothing passes any more
        self.connection: Connection = server.broker.open(server.now(), self, address)
        plan, largest = server.faults, server.broker.settings.max_packet_size
        self.lanes = {} if plan is None else {way: Lane(plan, way, self, largest) for way in (UP, DOWN)}

    # -- asyncio's side --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        if self.connection.closing or self.server.outage == "refuse":
            self.lose()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.server.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self.deaf:
            return
        data = bytes(self.server.read_buffer[:nbytes])
        if self.lanes:
            self.lanes[UP].feed(data)
        else:
            self.connection.receive(data, self.server.now())
        if self.connection.paused and not self.lost:
            self.waits = True
            self.transport.pause_reading()
        self.server.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.gone()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.flush()
        self.server.flush()

    # -- the server's side --

    async def open(self) -> None:
        tls = self.server.tls
        timeout = self.server.broker.settings.connect_timeout_ms / 1000 if tls else None
        # A failed TLS handshake (or a peer that is gone) is the peer's affair: asyncio has closed the socket.
        with contextlib.suppress(OSError):
            await self.server.loop.connect_accepted_socket(
                lambda: self, self.sock, ssl=tls, ssl_handshake_timeout=timeout
            )

    def opened(self, task: asyncio.Task) -> None:
        """It is open, or it failed; or it was cancelled, perhaps before it began."""
        if self.transport is None:
            self.sock.close()
            self.gone()

    def gone(self) -> None:
        self.server.peers.pop(self, None)
        self.connection.closed(self.server.now())
        self.server.flush()

    def flush(self) -> None:
        """Pass on what the core has for this peer, unless it is behind or cut off."""
        if self.deaf:
            return
        if self.transport is None:
            if self.connection.closing:
                self.lose()
            return
        if self.transport.is_closing():
            return
        while not self.paused and (frames := self.connection.take_frames(_WRITE_BUFFER)):
            if self.lanes:
                for frame in frames:
                    self.lanes[DOWN].carry(frame)
            else:
                self.transport.write(b"".join(frames))
        if self.connection.closing:
            self.close()
        elif self.waits and not self.connection.paused:
            self.waits = False
            self.transport.resume_reading()

    def close(self) -> None:
        """In order, unless it is behind: what was written arrives."""
        if self.paused:
            self.transport.abort()
        elif not self.transport.is_closing():  # closing a TLS transport twice makes it deaf to abort()
            self.transport.close()
            self.server.loop.call_later(_CLOSE_S, self.transport.abort)

    # -- for its lanes --

    @property
    def name(self) -> str:
        return self.connection.client_id

    @property
    def lost(self) -> bool:
        return self.transport is None or self.transport.is_closing()

    def clock(self) -> int:
        return self.server.now()

    def put(self, direction: str, data: bytes, last: bool = False) -> None:
        if self.lost or self.deaf:
            return
        if direction == UP:
            self.connection.receive(data, self.server.now())
            if last:
                self.lose()
            self.server.flush()
        else:
            self.transport.write(data)
            if last:
                self.close()

    def lose(self) -> None:
        """End the connection at once, so that the client sees a reset and not an orderly end."""
        linger_not(self.sock)
        if self.transport is not None:
            self.transport.abort()
        elif self.opening is not None:
            self.opening.cancel()
        else:
            self.sock.close()
            self.gone()

    def later(self, ms: int, call: Callable[[], None]) -> asyncio.TimerHandle:
        return self.server.loop.call_later(ms / 1000, call)


def linger_not(sock: Any) -> None:
    """Make close() send a reset."""
    with contextlib.suppress(OSError):  # it may be closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
