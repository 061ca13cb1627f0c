"""The fast path with msgspec, for the usual form with its members in any order.

msgspec is more lenient than the strict scan: it lets duplicates, unknown members, white space and escapes
pass. So lengths are added up: each value as it was read, and around it what JSON cannot do without. A message
that is not one byte longer than that holds these members once each, and nothing else. This module must never
rely on a value whose text may be shorter than what it counts for.
"""

import struct
from binascii import unhexlify
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Raw, Struct, ValidationError, field
from msgspec.json import Decoder

from host_sim.fast import body
from host_sim.fast.accepting import UNUSUAL, AcceptingVerifier
from hxtp import envelope, frame, jsonscan

_Id = Annotated[str, Meta(min_length=1, max_length=envelope.MAX_ID)]
_Nonce = Annotated[str, Meta(min_length=32, max_length=envelope.MAX_NONCE)]
_Hash = Annotated[str, Meta(min_length=64, max_length=64)]
# Has one spelling, but for `-0`, which is longer than it counts for.
_Number = Annotated[int, Meta(ge=0, le=envelope.MAX_INTEGER)]


class Message(Struct, gc=False, eq=False, kw_only=True):
    """An accepted message, with what is seldom asked for made when it is.

    First the members, in the order in which they usually come, which msgspec reads soonest. The others have
    names that no message can hold without being longer for it.
    """

    outer_action: str | None = field(name="action", default=None)
    client_id: _Id
    device_id: _Id
    message_id: _Id
    type: _Id = field(name="message_type")
    nonce_hex: _Nonce = field(name="nonce")
    raw: Raw = field(name="params")
    hash_hex: _Hash = field(name="payload_hash")
    request_id: _Id
    sequence: _Number = field(name="sequence_number")
    signature_hex: _Hash = field(name="signature")
    tenant_id: _Id | None = None
    timestamp: _Number
    version: Literal["HxTP/3.0"]

    framed: bool = field(name="-framed", default=True)
    rotated: bool = field(name="-rotated", default=False)
    nonce: Any = field(name="-nonce", default=None)
    signed: Any = field(name="-signed", default=None)
    slot: Any = field(name="-slot", default=None)
    values: Any = field(name="-values", default=None)

    code: ClassVar[None] = None
    authentic: ClassVar[bool] = True

    def params(self) -> dict[str, Any]:
        return self.values

    @property
    def body(self) -> bytes:
        return bytes(self.raw)

    @property
    def action(self) -> bytes | None:
        return None if self.outer_action is None else b'"%b"' % self.outer_action.encode()

    @property
    def payload_hash(self) -> bytes:
        return self.hash_hex.encode()

    @property
    def signature(self) -> bytes:
        return unhexlify(self.signature_hex)


_decode = Decoder(Message).decode
_decode_flat = Decoder(dict[str, int | float | str | bool | None]).decode

_header = struct.Struct(">4sI").unpack_from
_KINDS = {frame.pack(kind, b"")[:4]: kind for kind in frame.TYPES}
_FRAMED = ord("H")
_HEADER = frame.HEADER
_MAX_JSON = frame.MAX_JSON
_MAX_NUMBER = jsonscan.MAX_NUMBER
_TYPES = frame.TYPES

_ACTION = len('"action":"",')
_TENANT = len('"tenant_id":"",')
# What a message needs beside its body, the optional members and the text that is signed.
_REST = (
    len(
        '{"client_id":"","device_id":"","message_id":"","message_type":"","nonce":"","params":,"payload_hash":""'
        ',"request_id":"","sequence_number":,"signature":"","timestamp":,"version":"HxTP/3.0"}'
    )
    + 64
    - len("HxTP/3.0|||||||||")
)


class Verifier(AcceptingVerifier):
    def judge(self, data: bytes, now: int | None, channel: str | None = None) -> Any:
        """As `hxtp.envelope.Verifier.judge`; an accepted message has the same attributes and methods."""
        if now is None:
            return self.by_hxtp(data, now, channel)
        try:
            if data[0] == _FRAMED:
                head, size = _header(data)
                message = _decode(data[_HEADER:])
                kind = _KINDS[head]
                if size != len(data) - _HEADER or kind != message.type:
                    return self.by_hxtp(data, now, channel)
            else:
                size = len(data)
                message = _decode(data)
                message.framed = False
                kind = message.type
            _, own_channel, directions = _TYPES[kind]
            raw = bytes(message.raw)
            try:
                values = _decode_flat(raw)
                # As many colons as members: then no name was there twice.
                if len(values) != raw.count(58) or len(raw) > _MAX_NUMBER:
                    values = body.values(raw)
            except ValidationError:
                values = body.values(raw)
            nonce = message.nonce_hex
            unhexlify(nonce)
            device_id = message.device_id
            client_id = message.client_id
            message_id = message.message_id
            request_id = message.request_id
            sequence = message.sequence
            timestamp = message.timestamp
            payload_hash = message.hash_hex
            action = message.outer_action
            tenant_id = message.tenant_id
            signed = (
                f"HxTP/3.0|{device_id}|{client_id}|{message_id}|{request_id}|{sequence}|{timestamp}"
                f"|{nonce}|{kind}|{payload_hash}"
            )
            length = len(signed) + len(raw) + _REST
            if action is not None:
                length += len(action) + _ACTION
            if tenant_id is not None:
                length += len(tenant_id) + _TENANT
                if tenant_id != self.tenant_id and (
                    self.tenant_id is not None or "|" in tenant_id or "\x7f" in tenant_id
                ):
                    return self.by_hxtp(data, now, channel)
            elif self.tenant_required:
                return self.by_hxtp(data, now, channel)
            if timestamp <= 1000000000000:
                message.timestamp = timestamp = timestamp * 1000
            if (
                length != size
                or size > _MAX_JSON
                or values is None
                or "|" in device_id
                or "|" in client_id
                or "|" in message_id
                or "|" in request_id
                or "\x7f" in signed
                or not directions & self.direction
                or (channel is not None and channel != own_channel)
                or (device_id != self.device_id and self.device_id is not None)
                or not -self.max_future <= now - timestamp <= self.max_age
                or sha256(raw).hexdigest() != payload_hash
            ):
                return self.by_hxtp(data, now, channel)
            signed = signed.encode()
            slots = self.slots
            for slot in slots:
                if compare_digest(slot[0].mac(signed).hex(), message.signature_hex):
                    replay = slot[1]
                    message.nonce = nonce = nonce.encode()
                    if replay.nonce_seen(nonce) or not replay.sequence_ok(sequence):
                        return self.by_hxtp(data, now, channel)
                    message.signed = signed
                    message.values = values
                    message.slot = slot
                    if slot is not slots[0]:
                        message.rotated = True
                    return message
        except UNUSUAL:
            pass
        return self.by_hxtp(data, now, channel)
