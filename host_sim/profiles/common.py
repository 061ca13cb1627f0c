"""What json-full and json-header share: the checks of the envelope before its signature.

The strict scan, the grammar of every field, the ages and the replay rules are those of
`hxtp`, called from there. This module must never be looser than pipe10 except where its
profile says so: the aliases `sequence` and `protocol_version`, and an absent payload_hash.

Who may use these profiles: app clients towards the cloud, and the cloud's answers to them.
A device's key verifies nothing but pipe10, so a verifier for one of a device's two
directions refuses them all with FRAME_TYPE_INVALID.

The canonical text is not one-to-one with the params, so these are FRAME_SCHEMA_INVALID:
- a string value that is not in NFC (the text is normalised, so two spellings sign alike);
- a `protocol` member of the params (one dialect adds it where it is missing);
- a number that no double holds; and where only the canonical text vouches for the params
  (always in json-header, in json-full without payload_hash), a number that the text
  no longer says: an integer that a double rounds, 1e30 which one dialect writes as 1e+3;
- a body under one of the names of older devices, which none of these clients ever used.
What stays: `80` and `"80"` sign alike where no payload_hash of the raw kind is there. The
parameters' schema tells them apart, since it is applied without coercion.
"""

import unicodedata
from abc import ABC, abstractmethod
from typing import Any

from host_sim.profiles.canonical import PROTOCOL, Dialect, faithful, finite
from hxtp import VERSION, envelope, frame, jsonscan
from hxtp.errors import (
    FRAME_JSON_INVALID,
    FRAME_SCHEMA_INVALID,
    FRAME_TYPE_INVALID,
    HASH_MISMATCH,
    NONCE_MISSING,
    SIGNATURE_MISSING,
    VERSION_MISMATCH,
    HxtpError,
)
from hxtp.jsontext import dumps

_BODIES = (b"params", b"state", b"data", b"result")
_IDS = (b"message_type", b"device_id", b"client_id", b"message_id", b"request_id")


class JsonVerifier(envelope.Verifier, ABC):
    """A Verifier for one of the two JSON profiles; `parse` fills the same Message as pipe10's.

    A subclass names its `dialect` and says whether payload_hash is `hash_required`.
    """

    dialect: Dialect
    hash_required = True

    @abstractmethod
    def text(self, members: dict[bytes, bytes]) -> bytes:
        """The signed text of the raw top-level members; raises ValueError where there is none."""

    @abstractmethod
    def params_hash(self, message: envelope.Message) -> bytes:
        """The payload_hash that the message ought to have: 64 lower-case hex digits."""

    def parse(self, data: bytes, message: envelope.Message) -> None:
        """As `hxtp.envelope.parse`, in the same order of refusals."""
        code, start = frame.open_frame(data)
        members = jsonscan.scan(data, start)
        bodies = [name for name in _BODIES if name in members]
        if len(bodies) > 1:
            raise HxtpError(FRAME_JSON_INVALID)
        _check_version(members)
        sequence = _one_of(members, b"sequence_number", b"sequence")
        texts = {name: envelope._text(members.get(name), FRAME_SCHEMA_INVALID) for name in _IDS}
        tenant_id = members.get(b"tenant_id")
        if tenant_id is not None:
            message.tenant_id = envelope._text(tenant_id, FRAME_SCHEMA_INVALID).decode()
        else:
            message.tenant_id = None
        message.sequence = envelope._number(sequence)
        sent = envelope._number(members.get(b"timestamp"))
        if bodies:
            message.body = members[bodies[0]]
            if bodies[0] != b"params" or message.body[:1] != b"{":
                raise HxtpError(FRAME_SCHEMA_INVALID)
        hashed = b"payload_hash" in members
        _check_params(message.params(), self.dialect, hashed and not self.hash_required)
        try:
            message.signed = self.text(members)
        except ValueError:
            raise HxtpError(FRAME_SCHEMA_INVALID) from None
        message.nonce = envelope._text(members.get(b"nonce"), NONCE_MISSING, envelope.MAX_NONCE)
        if envelope.nonce_size(message.nonce) < 16:
            raise HxtpError(NONCE_MISSING)
        message.payload_hash = None
        if hashed or self.hash_required:
            message.payload_hash = envelope._hex64(members.get(b"payload_hash"), HASH_MISMATCH)
        message.signature = bytes.fromhex(
            envelope._hex64(members.get(b"signature"), SIGNATURE_MISSING).decode()
        )
        message.type = texts[b"message_type"].decode()
        message.device_id = texts[b"device_id"].decode()
        message.message_id = texts[b"message_id"].decode()
        message.timestamp = sent if sent > 1000000000000 else sent * 1000
        message.framed = code is not None
        message.action = members.get(b"action")
        known = frame.TYPES.get(message.type)
        if known is None or code not in (None, known[0]):
            raise HxtpError(FRAME_TYPE_INVALID)
        if not self.direction & (frame.FROM_CLIENT | frame.TO_CLIENT):
            raise HxtpError(FRAME_TYPE_INVALID)

    def hash_holds(self, message: envelope.Message) -> bool:
        return message.payload_hash is None or self.params_hash(message) == message.payload_hash


def _one_of(members: dict[bytes, bytes], name: bytes, alias: bytes) -> bytes | None:
    if name in members and alias in members:
        raise HxtpError(FRAME_SCHEMA_INVALID)
    return members.get(name, members.get(alias))


def _check_version(members: dict[bytes, bytes]) -> None:
    raw = members.get(b"version", members.get(b"protocol_version"))
    if envelope._text(raw, VERSION_MISMATCH) != VERSION.encode():
        raise HxtpError(VERSION_MISMATCH)
    protocol = members.get(b"protocol")
    if protocol is not None and envelope._text(protocol, VERSION_MISMATCH) != PROTOCOL.encode():
        raise HxtpError(VERSION_MISMATCH)
    _one_of(members, b"version", b"protocol_version")


def _check_params(params: dict[str, Any], dialect: Dialect, pinned: bool) -> None:
    # `pinned`: a payload_hash over the raw kind of text already tells the numbers apart.
    if "protocol" in params:
        raise HxtpError(FRAME_SCHEMA_INVALID)
    waiting: list[Any] = [params]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str):
            if not unicodedata.is_normalized("NFC", value):
                raise HxtpError(FRAME_SCHEMA_INVALID)
        elif isinstance(value, (int, float)):
            try:
                finite(value)
            except ValueError:
                raise HxtpError(FRAME_SCHEMA_INVALID) from None
            if not pinned and not faithful(value, dialect):
                raise HxtpError(FRAME_SCHEMA_INVALID)


def assemble(members: dict[str, Any], body: bytes, framed: bool) -> bytes:
    """The bytes of a message: `members` (JSON values) and the raw `body` as params, sorted and compact."""
    raw = {name: dumps(value).encode() for name, value in members.items()}
    raw["params"] = body
    text = b"{" + b",".join(b'"%s":%s' % (name.encode(), raw[name]) for name in sorted(raw)) + b"}"
    return frame.pack(members["message_type"], text) if framed else text
