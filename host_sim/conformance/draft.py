"""Messages of the kit's cloud before they are sent: right in every part, until a case spoils one of them.

Everything here is bytes in, bytes out. Nothing decides whether a device may accept the result.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hxtp import envelope, frame
from hxtp.sign import Key, digest

SIGNED = (
    "device_id", "client_id", "message_id", "request_id", "sequence_number", "timestamp", "nonce",
    "message_type", "payload_hash",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON text that stands in a message as it is."""

    text: str


@dataclass(frozen=True)
class Draft:
    """`fields`: the envelope's members (any JSON values, or Raw); `body`: JSON text, or None for no body.

    `key` signs what the fields say when `wire` is called. `framed`: the form.
    """

    key: Key = field(repr=False)
    fields: Mapping[str, Any]
    body: bytes | None
    framed: bool

    @property
    def message_id(self) -> str:
        return self.fields["message_id"]

    @property
    def number(self) -> int:
        return self.fields["sequence_number"]

    def signing(self, **changes: Any) -> "Draft":
        """With other members, which are signed as they are; None takes one away."""
        return Draft(self.key, _changed(self.fields, changes), self.body, self.framed)

    def saying(self, body: bytes | None) -> "Draft":
        """With another body."""
        return Draft(self.key, self.fields, body, self.framed)

    def in_form(self, framed: bool) -> "Draft":
        """Framed or bare."""
        return Draft(self.key, self.fields, self.body, framed)

    def by(self, key: Key) -> "Draft":
        """Signed with another key."""
        return Draft(key, self.fields, self.body, self.framed)

    def members(self) -> dict[str, Any]:
        """All members of the message, signed; the body under `params`."""
        fields = {"version": "HxTP/3.0", "payload_hash": digest(self.body or b"{}").decode(), **self.fields}
        text = envelope.signed_text(*[_plain(fields.get(name, "")) for name in SIGNED])
        fields["signature"] = self.key.mac(text).hex()
        if self.body is not None:
            fields["params"] = Raw(self.body.decode())
        return fields

    def json(self, **changes: Any) -> bytes:
        """The JSON text, with members changed after they were signed; None takes one away."""
        return compact(_changed(self.members(), changes))

    def wire(self, **changes: Any) -> bytes:
        """The message as it travels, `changes` as in `json`."""
        return self.pack(self.json(**changes))

    def pack(self, text: bytes) -> bytes:
        """`text` in this draft's form."""
        code = frame.TYPES.get(self.fields.get("message_type", ""), frame.TYPES["command"])[0]
        return header(text, code) + text if self.framed else text


def header(
    text: bytes, code: int, magic: bytes = b"HX", version: int = 3, length: int | None = None
) -> bytes:
    """A frame's eight bytes for `text`, any of them wrong where a case wants that."""
    return struct.pack(">2sBBI", magic, version, code, len(text) if length is None else length)


def compact(value: Any) -> bytes:
    """A value as JSON, with members sorted, compact and in ASCII, as the specification sends it."""
    return _json(value).encode()


def flipped(text: str, at: int) -> str:
    """Hexadecimal digits with the one at `at` changed."""
    other = "0" if text[at] != "0" else "1"
    at %= len(text)
    return text[:at] + other + text[at + 1 :]


def edited(message: bytes, edit: Callable[[dict], dict]) -> bytes:
    """A message of anybody's with its members edited, and nothing signed anew; in the same form."""
    framed = message[:1] == b"H"
    text = json.dumps(edit(json.loads(message[frame.HEADER :] if framed else message))).encode()
    return header(text, message[3]) + text if framed else text


def _changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def _json(value: Any) -> str:
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{_json(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_json, value)) + "]"
    return json.dumps(value)


def _plain(value: Any) -> bytes:
    """A member as it stands in the signed text: the characters of a string, the digits of a number."""
    return (value.text if isinstance(value, Raw) else str(value)).encode("utf-8", "surrogatepass")
