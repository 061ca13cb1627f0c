"""The cloud's WebSocket, as dashboards use it: what devices tell and what becomes of commands, as it happens.

Must never put the token into an address or an error.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from host_sim.cloud_client.api import CloudError, Session, Unreachable

MAX_MESSAGE = 65536  # bytes
OPEN_S, CLOSE_S = 15, 2
QUIET_S = 600  # then a ping, or the cloud ends the connection after an hour
PING, PONG = "ping", "pong"


# Close codes after which it would be the same again: what was sent, who asked, what they may.
FINAL = (4400, 4401, 4403)


class Ended(CloudError):
    """The connection ended, and another one may be had: the cloud was shut down, say."""


class Live:
    """An open connection, from `opened`. For one thread: Python's TLS does not stand one that reads beside
    another one that writes."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._early: deque[str | bytes] = deque()

    async def hear(self) -> dict[str, Any]:
        """What is told next; what is no JSON object is left out. Raises CloudError when it ends."""
        while True:
            text = self._early.popleft() if self._early else await self._receive()
            try:
                told = json.loads(text)
            except (ValueError, RecursionError):
                continue  # a pong
            if isinstance(told, dict):
                return told

    async def answered(self) -> None:
        """Wait until the cloud answers, which shows that all that happens from now on is told."""
        with _in_words():
            await self._socket.send(PING)
        while (text := await self._receive()) != PONG:
            self._early.append(text)

    async def _receive(self) -> str | bytes:
        with _in_words():
            while True:
                try:
                    async with asyncio.timeout(QUIET_S):
                        return await self._socket.recv()
                except TimeoutError:
                    await self._socket.send(PING)


@contextlib.asynccontextmanager
async def opened(
    session: Session, alive_s: float | None = 20, events: Sequence[str] = ("state", "command")
) -> AsyncIterator[Live]:
    """A connection on which all that happens in the block is told. Raises CloudError.

    `events`: of what, of "state", "command", "telemetry" and "presence". `alive_s`: how often it is tried
    whether the other end is there, and how long it may take to answer; None for one that is on this machine,
    where what takes long is no reason to end the connection.
    """
    api = session.api
    socket = connect(
        f"ws{api.base.removeprefix('http')}/ws/state?events={','.join(events)}",
        ssl=api.context if api.base.startswith("https://") else None,
        additional_headers={"Authorization": session.authorization},
        open_timeout=OPEN_S,
        close_timeout=CLOSE_S,
        ping_interval=alive_s,
        ping_timeout=alive_s,
        max_size=MAX_MESSAGE,
        proxy=None,
    )
    with _in_words():
        connection = await socket
    try:
        live = Live(connection)
        await live.answered()
        yield live
    finally:
        await connection.close()


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except ConnectionClosed as closed:
        end = closed.rcvd
        kind = CloudError if end is not None and end.code in FINAL else Ended
        reason = end.reason if end is not None else ""
        raise kind(f"the cloud ended the WebSocket: {reason or 'the connection was lost'}") from None
    except InvalidStatus as refused:
        status = refused.response.status_code
        if status >= 500:  # a proxy says so while the cloud behind it is away
            raise Unreachable(f"the cloud's WebSocket cannot be reached: HTTP {status}") from None
        raise CloudError("the cloud does not open its WebSocket: check --cloud and the token") from None
    except InvalidHandshake:
        raise CloudError("the cloud does not open its WebSocket: check --cloud and the token") from None
    except (OSError, WebSocketException) as error:
        raise Unreachable(f"the cloud's WebSocket cannot be reached: {error}") from None
