"""Judges what a device under test says, and remembers it over connections.

A message that is not authentic, or a number that is used again, is a Failed here and now, whatever the case
is about. Time and order are for cases to judge.
"""

import json
from dataclasses import dataclass
from typing import Any

from host_sim.conformance.case import Failed
from host_sim.conformance.listening import Heard, NoMemory
from hxtp import envelope, frame
from hxtp.sign import Key

FOR_EVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the device. `type` "will" is the empty one, which has no `message`."""

    type: str
    channel: str
    body: dict[str, Any]
    payload: bytes
    qos: int
    at: int  # by the line's clock
    message: Any = None

    @property
    def framed(self) -> bool:
        return self.message.framed

    @property
    def ref(self) -> str | None:
        """The message that it answers, for an ack."""
        return self.body.get("ref_message_id") if self.type == "ack" else None

    @property
    def members(self) -> dict[str, Any]:
        """The envelope's members."""
        return json.loads(self.payload[frame.HEADER :] if self.framed else self.payload)

    def __str__(self) -> str:
        if self.type == "will":
            return "the will"
        told = json.dumps(self.body, sort_keys=True)
        return f"{self.type} {told if len(told) < 120 else told[:120] + ' …'}"


class Record:
    """What one device has said so far."""

    def __init__(self, tenant_id: str, device_id: str, key: Key) -> None:
        self.highest = 0
        self.said: list[Said] = []
        self._numbers: dict[int, bytes] = {}
        self._nonces: set[bytes] = set()
        self._first: dict[str, Said] = {}  # the first hello with a challenge
        self._verifier = envelope.Verifier(frame.TO_CLOUD, [(key, NoMemory())], device_id, tenant_id, True)
        self._verifier.max_age = self._verifier.max_future = FOR_EVER

    def first_of(self, hello: Said) -> Said:
        """The first hello of the attempt to which this one belongs."""
        return self._first.get(str(hello.body.get("challenge")), hello)

    def take(self, heard: Heard, now: int) -> Said | None:
        """None for a copy that MQTT made of a message that was here before. Raises Failed."""
        if not heard.payload and heard.channel == "heartbeat":
            said = Said("will", heard.channel, {}, b"", heard.qos, heard.at)
            self.said.append(said)
            return said
        message = self._verifier.judge(heard.payload, now, heard.channel)
        right = frame.TYPES.get(message.type, (0, heard.channel))[1]
        if message.code and right != heard.channel:
            raise Failed(f"a {message.type} on the device's topic {right}", f"one on {heard.channel}")
        if message.code:
            what = message.type or "something"
            raise Failed(
                "an authentic message of the device", f"{what} on {heard.channel} that is {message.code}"
            )
        known = self._numbers.get(message.sequence)
        if known == heard.payload:
            return None
        if known is not None:
            raise Failed(
                "each number to be used once (HX3-SEQ-11)", f"two messages with the number {message.sequence}"
            )
        if message.nonce in self._nonces:
            raise Failed(
                "a new nonce in each message (HX3-WIRE-40)", f"one again in a message of type {message.type}"
            )
        self._nonces.add(message.nonce)
        self._numbers[message.sequence] = heard.payload
        self.highest = max(self.highest, message.sequence)
        said = Said(
            message.type, heard.channel, message.params(), heard.payload, heard.qos, heard.at, message
        )
        self.said.append(said)
        if message.type == "hello":
            self._first.setdefault(str(said.body.get("challenge")), said)
        return said
