"""`python -m host_sim.bench.cloud_load`: commands to a cloud over REST, in a process of its own.

On stdin one JSON object: {"host", "port", "ca", "token", "connections", "requests": [[path, body] …]}. It
prints {"seconds", "cpu", "commands": {command id: [asked, accepted, told]}} in seconds of the monotonic
clock, which all processes of a machine share.

Each connection stays open and has one request under way: the next leaves when the WebSocket has told the end
of every command of the one before. Requests are made beforehand, and of an answer only what is needed is
read: raw HTTP/1.1 costs a tenth of what a client library would. A command that fails is an error, never a
better figure.
"""

import asyncio
import json
import ssl
import sys
import time
from collections import deque

from websockets.asyncio.client import ClientConnection, connect

PATIENCE = 120  # seconds that a load may take


class Connection(asyncio.Protocol):
    """One keep-alive connection that takes requests from a common heap."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._data = b""
        self._asked = 0.0
        self._wanted = 0  # commands that have not ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at:].partition(b"\r\n")[0])
        if len(self._data) < end + 4 + length:
            return
        body = self._data[end + 4 :]
        self._data = b""
        status = int(head[9:12])
        if status >= 300:
            self._load.fail(f"HTTP {status}: {body[:300].decode(errors='replace')}")
            return
        self._wanted = self._load.answered(self, self._asked, time.monotonic(), json.loads(body))
        if not self._wanted:
            self._next()

    def told(self) -> None:
        """One of the commands of the last request has ended."""
        self._wanted -= 1
        if not self._wanted:
            self._next()

    def _next(self) -> None:
        request = self._load.take()
        if request is None:
            self._transport.close()
            return
        self._asked = time.monotonic()
        self._transport.write(request)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.closed()


class Load:
    """The requests that are left, and when what happened to each command."""

    def __init__(self, given: dict) -> None:
        self.commands: dict[str, list[float]] = {}  # asked, accepted, told
        self.finished = asyncio.Event()
        self.error = ""
        self._open = given["connections"]
        self._early: dict[str, float] = {}  # told before the answer came
        self._waiting: dict[str, Connection] = {}
        self._requests = deque(_encoded(given, path, body) for path, body in given["requests"])

    def take(self) -> bytes | None:
        return self._requests.popleft() if self._requests else None

    def answered(self, connection: Connection, asked: float, now: float, body: dict) -> int:
        """How many of its commands have not ended yet."""
        wanted = 0
        for one in body.get("results", (body,)):
            if not one.get("success"):
                self.fail(f"refused: {one}")
                return 1
            name = one["message_id"]
            told = self._early.pop(name, 0.0)
            self.commands[name] = [asked, now, told]
            if not told:
                wanted += 1
                self._waiting[name] = connection
        return wanted

    def told(self, update: dict, now: float) -> None:
        if update["status"] != "acknowledged":
            return self.fail(f"a command ended as {update['status']}: {update['error']}")
        name = update["command_id"]
        connection = self._waiting.pop(name, None)
        if connection is None:
            self._early[name] = now
        else:
            self.commands[name][2] = now
            connection.told()

    def fail(self, text: str) -> None:
        self.error = text
        self.finished.set()

    def closed(self) -> None:
        self._open -= 1
        if not self._open:
            self.finished.set()


def _encoded(given: dict, path: str, body: dict) -> bytes:
    text = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {given['host']}\r\nAuthorization: Bearer {given['token']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    return head.encode() + text


async def _listen(socket: ClientConnection, load: Load) -> None:
    async for text in socket:
        load.told(json.loads(text), time.monotonic())
    load.fail("the cloud closed the WebSocket")


async def _run(given: dict) -> dict:
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(cafile=given["ca"])
    load = Load(given)
    address = f"wss://{given['host']}:{given['port']}/ws/state?events=command"
    headers = {"Authorization": f"Bearer {given['token']}"}
    async with connect(address, additional_headers=headers, ssl=tls, compression=None) as socket:
        listening = asyncio.create_task(_listen(socket, load))
        spent, began = time.process_time(), time.monotonic()
        for _ in range(given["connections"]):
            await loop.create_connection(lambda: Connection(load), given["host"], given["port"], ssl=tls)
        await asyncio.wait_for(load.finished.wait(), PATIENCE)
        seconds, cpu = time.monotonic() - began, time.process_time() - spent
        listening.cancel()
    if load.error:
        raise SystemExit(load.error)
    return {"seconds": seconds, "cpu": cpu, "commands": load.commands}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(json.load(sys.stdin)))))
