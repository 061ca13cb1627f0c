"""The broker's core over TCP and TLS for real clients: asyncio, and a thread for synchronous callers.

It only carries bytes (`peer`) and the clock; every rule of MQTT is in `core`, every fault in the plan. It
must never listen anywhere but on the address it was given.
"""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from host_sim.broker.authority import Authority
from host_sim.broker.core import Broker, Counts, Settings
from host_sim.broker.faults import FaultPlan, Outage
from host_sim.broker.packets import Publish
from host_sim.broker.peer import Peer, linger_not

_TICK_S = 0.2  # how late a timeout may be noticed
_READ_AT_ONCE = 64 * 1024  # bytes of one client taken in before the others have their turn


class BrokerServer:
    """The broker as a server in the running event loop.

        async with BrokerServer(authority=…) as server: … server.port …

    port 0: the system chooses; `port` tells after `start()`. tls: a server-side SSLContext.
    faults: what happens to messages, and when there are outages; without it bytes pass untouched.
    on_messages and on_event are the core's, called in the loop's thread. Its clock is Unix time
    at the start and steady from there, so `HxtpAuthority` gets the seconds it needs.
    start() raises OSError when the address cannot be had.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        authority: Authority | None = None,
        settings: Settings | None = None,
        faults: FaultPlan | None = None,
        on_messages: Callable[[str, list[bytes], str], None] | None = None,
        on_event: Callable[[int, str, str, str], None] | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.broker = Broker(authority, settings, on_messages, on_event)
        self.faults = faults
        self.outage: str | None = None  # "refuse" or "silent", see cut()
        self.peers: dict[Peer, None] = {}
        self.read_buffer = memoryview(bytearray(_READ_AT_ONCE))
        self.loop: asyncio.AbstractEventLoop = None  # type: ignore[assignment]  # known in start()
        self.tls = tls
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task] = set()
        self._turn_is_planned = False
        self._wake: asyncio.TimerHandle | None = None  # when the first of those who are too fast may go on
        self._epoch = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000

    @property
    def counts(self) -> Counts:
        return self.broker.counts

    def now(self) -> int:
        """The broker's clock: ms, never backwards."""
        return self._epoch + time.monotonic_ns() // 1_000_000

    async def start(self) -> "BrokerServer":
        self.loop = asyncio.get_running_loop()
        found = await self.loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        family, kind, proto, _, address = found[0]
        listener = socket.socket(family, kind, proto)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self.port = listener.getsockname()[1]
        self._spawn(self._accept(listener))
        self._spawn(self._ticker())
        for outage in self.faults.outages if self.faults is not None else ():
            self._spawn(self._planned(outage))
        return self

    async def stop(self) -> None:
        """Close everything. What waits for a client that is not behind is still written."""
        for _ in range(3):  # who has just been accepted becomes a peer, and is closed like the others
            await asyncio.sleep(0)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for peer in list(self.peers):
            if peer.transport is not None:
                peer.flush()
                if not peer.transport.is_closing():
                    peer.transport.close()
        for pause in (0, 0.01, 0.05, 0.2, 0.7):  # about a second for those who still take their last bytes
            if not self.peers:
                break
            await asyncio.sleep(pause)
        self._lose_all()
        for _ in range(3):  # transports end in the loop's next rounds
            await asyncio.sleep(0)

    async def __aenter__(self) -> "BrokerServer":
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        """A message from the broker's owner to whoever subscribed to it."""
        self.broker.publish(Publish(topic, payload, qos, retain))
        self.flush()

    def disconnect(self, client_id: str) -> bool:
        """Cut one client off, its will published; False if it is not there."""
        found = self.broker.disconnect(client_id, self.now())
        self.flush()
        return found

    def forget(self, client_id: str) -> bool:
        """The same, and end its session, also if it is away; False if there is neither."""
        found = self.broker.forget(client_id, self.now())
        self.flush()
        return found

    def cut(self, silent: bool = False) -> None:
        """Outage until `restore()`: connections are reset and new ones too, as soon as they are made.

        silent: connections stay, but nothing passes in either direction and new ones are never
        answered, as when Wi-Fi is gone: only timeouts find out. With TLS a handshake that
        had begun may still finish.
        """
        if self.faults is not None:
            self.faults.note(self.now(), "silence" if silent else "cut")
        self.outage = "silent" if silent else "refuse"
        if silent:
            for peer in self.peers:
                peer.deaf = True
        else:
            self._lose_all()

    def restore(self) -> None:
        """The end of an outage. Connections that lost bytes in a silent one are reset now."""
        if self.faults is not None and self.outage is not None:
            self.faults.note(self.now(), "restore")
        if self.outage == "silent":
            for peer in [peer for peer in self.peers if peer.deaf]:
                peer.lose()
        self.outage = None

    def flush(self) -> None:
        """Send what the core has produced, after each batch of received bytes: so writes are batches too.

        What that causes is sent in the loop's next round: nobody's answers keep the others from being heard.
        """
        broker = self.broker
        for connection in broker.take_dirty():
            connection.peer.flush()
        if broker.dirty or broker.ready:
            if not self._turn_is_planned:
                self._turn_is_planned = True
                self.loop.call_soon(self._turn)
        elif broker.throttled and self._wake is None:
            due = min(connection.resume_at for connection in broker.throttled)
            self._wake = self.loop.call_later(max(0, due - self.now()) / 1000, self._turn)

    def _turn(self) -> None:
        self._turn_is_planned = False
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self.broker.turn(self.now())
        self.flush()

    def _lose_all(self) -> None:
        for peer in list(self.peers):
            peer.lose()

    def _spawn(self, coroutine: Any) -> asyncio.Task:
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, address = await self.loop.sock_accept(listener)
            except OSError:  # out of file descriptors, or the peer has gone again
                await asyncio.sleep(0.05)
                continue
            if self.outage == "refuse":
                linger_not(sock)
                sock.close()
                continue
            peer = Peer(self, sock, address[0])
            self.peers[peer] = None
            if self.outage is None and not peer.connection.closing:
                peer.opening = self._spawn(peer.open())
                peer.opening.add_done_callback(peer.opened)
            self.flush()
            await asyncio.sleep(0)  # those who are connected already have their turn

    async def _planned(self, outage: Outage) -> None:
        await asyncio.sleep(outage.at_ms / 1000)
        self.cut(outage.silent)
        await asyncio.sleep(outage.for_ms / 1000)
        self.restore()

    async def _ticker(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.broker.tick(self.now())
            self.flush()


class ThreadedBroker:
    """A `BrokerServer` in a background thread, for synchronous tests and demos.

        with ThreadedBroker(authority=…) as broker: … broker.port …

    Takes the same arguments; `on_messages` and `on_event` are called in that thread. Starting raises
    what `BrokerServer.start` raises. Every call below waits until the broker has done it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.server = BrokerServer(*args, **kwargs)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def start(self) -> "ThreadedBroker":
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.server.start(), self._loop).result(10)
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self.server.stop(), self._loop).result(10)
            self._end()

    def __enter__(self) -> "ThreadedBroker":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def host(self) -> str:
        return self.server.host

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def counts(self) -> Counts:
        """Live; read it, do not write."""
        return self.server.counts

    def cut(self, silent: bool = False) -> None:
        self.call(self.server.cut, silent)

    def restore(self) -> None:
        self.call(self.server.restore)

    def inject(self, action: str, **aim: Any) -> None:
        """`FaultPlan.inject` on the plan that it was given."""
        self.call(lambda: self.server.faults.inject(action, **aim))

    def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        self.call(self.server.publish, topic, payload, qos, retain)

    def disconnect(self, client_id: str) -> bool:
        return self.call(self.server.disconnect, client_id)

    def forget(self, client_id: str) -> bool:
        return self.call(self.server.forget, client_id)

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function of the server or its core in the broker's thread, and return what it returns.

        Raises RuntimeError where the broker has stopped.
        """
        done: Future[Any] = Future()

        def run() -> None:
            try:
                done.set_result(function(*args))
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(run)
        return done.result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
