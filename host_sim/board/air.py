"""The air between a virtual board and its peers: every connection of the board passes through here.

With the link down nothing passes in either direction and nobody is told, as when a real station is out of
reach: the peer learns of it from its own time-outs. It must never alter a byte, and never close the peer's
side for a board that lost power, since such a board closes nothing.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

# how long a closing connection waits to see whether its board died (which says nothing to the peer)
SETTLE_S = 0.05
# Connections of a dead board that are still open at the peer's side; more than a broker would keep for one
# device.
GHOSTS = 32


class _Leg(asyncio.Protocol):
    """One side of a connection. `reasons` are why it is not being read just now."""

    def __init__(self, link: "_Link", name: str) -> None:
        self.link = link
        self.name = name
        self.transport: asyncio.Transport | None = None
        self.reasons: set[str] = set()
        self.other: _Leg | None = None
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.link.made(self)

    def hold(self, reason: str, on: bool) -> None:
        (self.reasons.add if on else self.reasons.discard)(reason)
        if self.transport is None or self.transport.is_closing():
            return
        if self.reasons:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.transport is not None:
            _acknowledge_at_once(self.transport)
        self.link.data(self, data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hold("full", True)

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.hold("full", False)

    def eof_received(self) -> bool:
        self.link.ended(self, abrupt=False)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.ended(self, abrupt=exc is not None)

    def finish(self, abrupt: bool) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if abrupt:
            _reset_on_close(self.transport)
            self.transport.abort()
        else:
            self.transport.close()


class _Link:
    """A connection of the board and the peer's half of it."""

    def __init__(self, air: "Air", host: str, port: int) -> None:
        self.air = air
        self.host = host
        self.port = port
        self.board = _Leg(self, "board")
        self.peer = _Leg(self, "peer")
        self.ghost = False
        self.answered = False  # the peer sent something to the ghost
        self.early = bytearray()  # from the board, before the peer was reached
        self.task: asyncio.Task[None] | None = None

    def made(self, leg: _Leg) -> None:
        if leg is self.board:
            self.air.links.add(self)
            # Not before the transport has begun to read: until then CPython 3.11 forgets a pause.
            asyncio.get_running_loop().call_soon(self.board.hold, "peer", self.peer.transport is None)
            asyncio.get_running_loop().call_soon(self.board.hold, "air", not self.air.up)
            self.task = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        loop = asyncio.get_running_loop()
        while not self.air.up:
            await self.air.changed.wait()
        try:
            await loop.create_connection(lambda: self.peer, self.host, self.port)
        except OSError:
            # a refused connection is a reset, and lwIP calls it ECONNRESET too
            self.board.finish(abrupt=True)
            self.air.links.discard(self)
            return
        self.board.other, self.peer.other = self.peer, self.board
        if self.early and self.peer.transport is not None:
            self.peer.transport.write(bytes(self.early))
            self.early.clear()
        self.peer.hold("air", not self.air.up)
        self.board.hold("peer", False)

    def data(self, leg: _Leg, data: bytes) -> None:
        if leg.other is not None and leg.other.transport is not None:
            if not leg.other.transport.is_closing():
                leg.other.transport.write(data)
        elif self.ghost:
            self.answered = True
            self.air.answer_ghosts()
        elif leg is self.board:
            self.early += data

    def ended(self, leg: _Leg, abrupt: bool) -> None:
        if leg.ended:
            return
        leg.ended = True
        if self.ghost and leg is self.board:
            return  # its end was our own doing
        if self.ghost or leg is self.peer:
            self.board.finish(abrupt)
            self.peer.finish(abrupt)
            self.air.links.discard(self)
            return
        loop = asyncio.get_running_loop()
        loop.call_later(SETTLE_S, self._settle, abrupt)

    def _settle(self, abrupt: bool) -> None:
        if not self.air.alive():
            self.become_ghost()
        elif not self.ghost:
            self.board.finish(abrupt)
            self.peer.finish(abrupt)
            self.air.links.discard(self)

    def become_ghost(self) -> None:
        """The board is gone without a word: the peer's half stays as it is until the peer gives up."""
        if self.ghost:
            return
        self.ghost = True
        self.board.other = self.peer.other = None
        self.board.finish(abrupt=True)
        if self.peer.transport is None:
            if self.task is not None:
                self.task.cancel()
            self.air.links.discard(self)
            return
        self.peer.reasons.clear()
        self.peer.hold("air", False)
        ghosts = [link for link in self.air.links if link.ghost]
        if len(ghosts) > GHOSTS:
            self.air.links.discard(ghosts[0])
            ghosts[0].peer.finish(abrupt=True)


class Air:
    """All connections of one board. Lives in the event loop of its VirtualBoard.

    `alive` says whether the board's process still runs.
    """

    def __init__(self, alive: Callable[[], bool]) -> None:
        self.alive = alive
        self.up = False
        self.changed = asyncio.Event()
        self.links: set[_Link] = set()
        self._routes: dict[tuple[str, int], asyncio.Server] = {}

    async def route(self, host: str, port: int) -> int | None:
        """The loopback port that leads to host:port; None if the name means nothing."""
        key = (host, port)
        loop = asyncio.get_running_loop()
        if key not in self._routes:
            try:
                await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                return None
            self._routes[key] = await loop.create_server(
                lambda: _Link(self, host, port).board, "127.0.0.1", 0
            )
        return self._routes[key].sockets[0].getsockname()[1]

    def set_link(self, up: bool) -> None:
        """The board is in reach, or out of it."""
        self.up = up
        for link in self.links:
            if not link.ghost:
                link.board.hold("air", not up)
                link.peer.hold("air", not up)
        if up:
            self.changed.set()
            self.changed = asyncio.Event()
        self.answer_ghosts()

    def answer_ghosts(self) -> None:
        """A board that is back resets the connections that it knows nothing of, once their peer has sent
        something."""
        if not self.up:
            return
        for link in list(self.links):
            if link.ghost and link.answered:
                link.peer.finish(abrupt=True)
                self.links.discard(link)

    def board_gone(self) -> None:
        """Power cut or reset: no connection is closed, all of them fall silent."""
        self.set_link(False)
        for link in list(self.links):
            link.become_ghost()

    def reset_all(self) -> None:
        """Reset every connection on both sides, as a router that starts anew does."""
        for link in list(self.links):
            link.board.finish(abrupt=True)
            link.peer.finish(abrupt=True)
            self.links.discard(link)

    async def close(self) -> None:
        for server in self._routes.values():
            server.close()
        tasks = [link.task for link in self.links if link.task is not None]
        for task in tasks:
            task.cancel()
        self.reset_all()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset_on_close(transport: asyncio.Transport) -> None:
    """Close with RST instead of FIN."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )


def _acknowledge_at_once(transport: asyncio.Transport) -> None:
    """Spare the small writes of umqtt.simple the 40 ms that delayed acknowledgements cost them (Linux)."""
    quick = getattr(socket, "TCP_QUICKACK", None)
    if quick is not None:
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, quick, 1)
