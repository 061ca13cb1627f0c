"""Messages for the vectors, right by default and wrong where a table says how.

Nothing is checked here, since most of what is built has to be refused. Must never use hxtp: what this module
signs is signed by the standard library's hashlib and hmac, over texts that the tables can see and change.
"""

import hashlib
import hmac
import json
import struct
from dataclasses import dataclass, replace
from typing import Any

# Secrets that nobody could take for one.
ACTIVE = bytes(range(32))
PREVIOUS = b"\xab" * 32
STRANGER = b"\xcd" * 32

NOW = 1777200000000
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"
CLIENT = "99999999-8888-4777-8666-555555555555"
MESSAGE = "20212223-2425-4627-a829-2a2b2c2d2e2f"
NONCE = "00112233445566778899aabbccddeeff"
BASE64_NONCE = "MDEyMzQ1Njc4OTo7PD0+Pw=="  # the sixteen bytes 30 to 3f

BODY = '{"action":"light_on","brightness":80}'
# What the JSON profiles make of that body.
CANONICAL = '{"action":"light_on","brightness":"80"}'
CANONICAL_ALONE = '{"action":"light_on","brightness":"80","protocol":"hxtp/3.0"}'

FIELDS: dict[str, Any] = {
    "version": "HxTP/3.0",
    "message_type": "command",
    "device_id": DEVICE,
    "tenant_id": TENANT,
    "client_id": CLIENT,
    "message_id": MESSAGE,
    "request_id": MESSAGE,
    "sequence_number": 7,
    "timestamp": NOW,
    "nonce": NONCE,
}

PIPE10 = (
    *("version", "device_id", "client_id", "message_id", "request_id"),
    *("sequence_number", "timestamp", "nonce", "message_type", "payload_hash"),
)
CODES = {
    "state": 1,
    "command": 2,
    "ack": 3,
    "heartbeat": 4,
    "telemetry": 5,
    "ota": 6,
    "error": 7,
    "hello": 8,
    "hello_ack": 9,
    "manifest": 10,
    "ota_status": 11,
}


class Raw(str):
    """JSON text that stands in the message as it is, and is signed as it is."""


@dataclass(frozen=True)
class Wire:
    """A message as bytes. `kind` and `body` are what an acceptance has to answer; `signed` was signed."""

    data: bytes
    kind: str = "command"
    body: str = "{}"
    signed: str = ""

    def swap(self, old: str | bytes, new: str | bytes) -> "Wire":
        """With a piece that occurs once replaced after signing."""
        before, after = (text.encode() if isinstance(text, str) else text for text in (old, new))
        if self.data.count(before) != 1:
            raise ValueError(f"{before!r} occurs {self.data.count(before)} times")
        return replace(self, data=self.data.replace(before, after))

    def first(self, members: str | bytes) -> "Wire":
        """With members (their text) put in front of the others after signing."""
        text = members.encode() if isinstance(members, str) else members
        return replace(self, data=b"{" + text + b"," + self.data[1:])

    def between(self, before: bytes, after: bytes) -> "Wire":
        """With bytes before and behind the JSON."""
        return replace(self, data=before + self.data + after)

    def framed(self, code: int | None = None, magic: bytes = b"HX", version: int = 3, off: int = 0) -> "Wire":
        """Behind a header, right by default; `off` is added to the length that it tells."""
        code = CODES[self.kind] if code is None else code
        header = magic + struct.pack(">BBI", version, code, len(self.data) + off)
        return replace(self, data=header + self.data)

    def padded(self, size: int) -> "Wire":
        """With spaces behind the JSON, so that it is `size` bytes long."""
        return replace(self, data=self.data.ljust(size))


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def mac(key: bytes, text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return hmac.new(key, data, hashlib.sha256).hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, Raw) else json.dumps(value)


def assemble(values: dict[str, Any], name: str, body: str | None, texts: dict[str, str | None]) -> bytes:
    """The text of a message: members sorted and compact, as a sender writes them. `texts` are put in for the
    values; a member whose text is None is left out.
    """
    members: dict[str, str | None] = {member: _text(value) for member, value in values.items()}
    members[name] = body
    members.update(texts)
    inner = ",".join(
        f'"{member}":{members[member]}' for member in sorted(members) if members[member] is not None
    )
    return f"{{{inner}}}".encode()


def _fields(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**FIELDS, **changes}.items() if value is not None}


def pipe10(
    body: str | None = BODY,
    key: bytes = ACTIVE,
    name: str = "params",
    texts: dict[str, str | None] | None = None,
    **changes: Any,
) -> Wire:
    """A bare pipe10 message. `changes` are fields before signing (None: without it, signed as empty);
    `texts` are the JSON texts of members (None: without it) that stand there instead after signing; `body` is
    the text of the body, hashed as it is, or None for none, under the member `name`.
    """
    values = _fields(changes)
    values.setdefault("payload_hash", sha256("{}" if body is None else body))
    signed = pipe10_text(values)
    values.setdefault("signature", mac(key, signed))
    data = assemble(values, name, body, texts or {})
    return Wire(data, str(values.get("message_type")), "{}" if body is None else body, signed)


def pipe10_text(values: dict[str, Any]) -> str:
    """The signed text of pipe10; a field that is not there is empty."""
    return "|".join(str(values.get(name, "")) for name in PIPE10)
