"""The door: uvicorn's server, but that every connection is counted before anything is done for it.

Before TLS too, since a handshake that never ends costs as much as any other connection. Must never read a
byte of a connection that is over the bounds, nor stop accepting because one could not be.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn

from host_sim.cloud.front.protocol import Bounds, Http
from host_sim.cloud.front.seats import Seats

log = logging.getLogger(__name__)

BACKLOG = 2048  # connections that wait to be accepted
PAUSE_S = 0.2  # after one that could not be: this process may have no more files
SHUTDOWN_S = 2.0  # that a peer has to end its TLS


class Door(uvicorn.Server):
    """Serves on the sockets that `run` is given. `tls`: None for plain HTTP.

    A peer that is over the bounds is cut off without a word: in TLS there are none before the handshake.
    """

    def __init__(
        self, config: uvicorn.Config, tls: ssl.SSLContext | None, bounds: Bounds, seats: Seats
    ) -> None:
        super().__init__(config)
        self._tls = tls
        self._bounds = bounds
        self._seats = seats
        self._work: set[asyncio.Task[None]] = set()  # that accept, and connections whose TLS is not there yet

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        for listener in sockets or []:
            listener.listen(BACKLOG)
            listener.setblocking(False)
            self._begin(self._accept(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await super().shutdown(sockets)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                peer, address = await loop.sock_accept(listener)
            except OSError as error:
                log.error("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(PAUSE_S)
                continue
            leave = self._seats.enter(str(address[0]))
            if leave is None:
                peer.close()
            else:
                self._begin(self._connect(peer, leave))
            await asyncio.sleep(0)  # others have their turn between two, however many wait

    async def _connect(self, peer: socket.socket, leave: Callable[[], None]) -> None:
        def protocol() -> Http:
            return Http(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                bounds=self._bounds,
                seats=self._seats,
                leave=leave,
            )

        time_s = None if self._tls is None else self._bounds.head_s
        end_s = None if self._tls is None else SHUTDOWN_S
        connected = False
        try:
            # Whatever is in the way, be it time, the peer or its idea of TLS: this connection is over.
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await asyncio.get_running_loop().connect_accepted_socket(
                    protocol, peer, ssl=self._tls, ssl_handshake_timeout=time_s, ssl_shutdown_timeout=end_s
                )
                connected = True
        finally:
            if not connected:
                peer.close()
                leave()
