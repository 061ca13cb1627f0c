"""Programs at the other end of the WebSocket: a dashboard, and one that signs in any of the profiles."""

import json
import os
import time
import uuid
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from host_sim.profiles import PROFILES, json_full
from hxtp import envelope, frame
from hxtp.replay import Floor
from hxtp.sign import Key
from tests.cloud.waiting import WAIT

# The library's client reads and writes in two threads, which Python's TLS does not stand.
PLAIN = {"plain_http": True}


def address(cloud: Any, path: str = "/ws/state", **query: str) -> str:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    return f"ws://127.0.0.1:{cloud.settings.port}{path}" + (f"?{words}" if words else "")


def dial(cloud: Any, token: str | None, path: str = "/ws/state", **query: str) -> ClientConnection:
    """A connection with the token in the query. The cloud has to have PLAIN in its settings."""
    if token is not None:
        query["token"] = token
    return connect(address(cloud, path, **query), open_timeout=WAIT)


def token_of(api: Any) -> str:
    return api.headers["Authorization"].removeprefix("Bearer ")


def closed(socket: ClientConnection) -> int:
    """The code with which the cloud ends the connection."""
    try:
        while True:
            socket.recv(WAIT)
    except ConnectionClosed as end:
        assert end.rcvd is not None
        return end.rcvd.code


class Program:
    """Signs for itself: what an app built on an SDK does."""

    def __init__(
        self,
        socket: ClientConnection,
        client_id: str,
        secret: bytes,
        device: Any,
        profile: str = "pipe10",
        framed: bool = False,
    ) -> None:
        self.socket = socket
        self.client_id = client_id
        self.device = device
        self.profile = profile
        self.framed = framed
        self.sequence = 0
        self._key = Key(secret)
        self._in_session = False
        self._passed_over: list[envelope.Message] = []
        verifier = PROFILES["pipe10"].verifier if profile == "pipe10" else json_full.JsonFullVerifier
        tenant_id = device.registration["tenant_id"]
        self._verifier = verifier(frame.TO_CLIENT, [(self._key, Floor())], None, tenant_id)

    def built(self, kind: str = "command", body: dict | None = None, **changes: Any) -> bytes:
        """A message, signed as it is told."""
        self.sequence += 1
        message_id = str(uuid.uuid4())
        fields = {
            "message_type": kind,
            "device_id": self.device.id,
            "tenant_id": self.device.registration["tenant_id"],
            "client_id": self.client_id,
            "message_id": message_id,
            "request_id": message_id,
            "sequence_number": self.sequence,
            "timestamp": time.time_ns() // 1000000,
            "nonce": os.urandom(16).hex(),
            **changes,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        text = json.dumps(body or {}, sort_keys=True, separators=(",", ":")).encode()
        return PROFILES[self.profile].build(self._key, fields, text, self.framed)

    def send(self, data: bytes) -> None:
        self.socket.send(data if self.framed else data.decode())

    def command(self, action: str, params: dict | None = None, **changes: Any) -> str:
        """Send a command; its message id."""
        changes.setdefault("message_id", str(uuid.uuid4()))
        self.send(self.built("command", {"action": action, **(params or {})}, **changes))
        return changes["message_id"]

    def next(self, *kinds: str) -> envelope.Message:
        """The next message of one of these kinds. After a first signed one all has to be signed, and in the
        right form."""
        for message in self._passed_over:
            if message.type in kinds:
                self._passed_over.remove(message)
                return message
        while True:
            data = self.socket.recv(WAIT)
            if (
                not self._in_session
                and isinstance(data, str)
                and json.loads(data).get("type") == "state_update"
            ):
                continue
            self._in_session = True
            assert isinstance(data, bytes) == self.framed
            message = self._verifier.judge(
                data if isinstance(data, bytes) else data.encode(), time.time_ns() // 1000000
            )
            assert message.code is None, (message.code, data)
            if self.profile != "pipe10":
                assert message.payload_hash is None
            self._verifier.accept(message)
            if message.type in kinds:
                return message
            self._passed_over.append(message)

    def answer(self, message_id: str) -> dict:
        """The body of the ack or error for this message, with its type as `type`."""
        while True:
            message = self.next("ack", "error")
            body = message.params()
            if body["ref_message_id"] == message_id:
                return {"type": message.type, **body}
