"""The fast path on the standard library: a regular expression that is the usual form of a message.

The usual form is what `hxtp.envelope.build` writes: members sorted, compact, no escapes outside the body, a
hex nonce. The expression must never match a message that breaks the grammar of a field, except where a
later comparison makes up for it.
"""

import re
import struct
from binascii import unhexlify
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from host_sim.fast import body
from host_sim.fast.accepting import UNUSUAL, AcceptingVerifier
from hxtp import envelope, frame

_ID = rb"([ !#-\[\]-{}~]{1,36}+)"  # printable ASCII less the separator, the quote and the backslash
_NUMBER = rb"(0|[1-9][0-9]{0,15})"
_NONCE = rb"([0-9A-Fa-f]{32}|(?:[0-9A-Fa-f]{2}){16,32})"
_HASH = rb'([^"]{64})'  # is hexadecimal where it equals the one that was computed
# Most bodies hold no brackets and no escapes, and end with the first that closes; of the others it is the
# shortest that leaves a rest of the right form.
_BODY = rb"(?:(\{[ -Z^-z|~]*+\})|(\{[ -~]*?\}))"
_usual_form = re.compile(
    rb'\{(?:"action":("[ !#-\[\]-~]*+"),)?"client_id":"%b","device_id":"%b","message_id":"%b"'
    rb',"message_type":"([a-z_]++)","nonce":"%b","params":%b,"payload_hash":"%b","request_id":"%b"'
    rb',"sequence_number":%b,"signature":"%b"(?:,"tenant_id":"%b")?,"timestamp":%b,"version":"HxTP/3\.0"\}'
    % (_ID, _ID, _ID, _NONCE, _BODY, _HASH, _ID, _NUMBER, _HASH, _ID, _NUMBER)
).fullmatch

_header = struct.Struct(">4sI").unpack_from
_HEADERS = {kind.encode(): frame.pack(kind, b"")[:4] for kind in frame.TYPES}
_FRAMED = ord("H")


class Message(envelope.Message):
    """An accepted message, with what is seldom asked for made when it is."""

    authentic = True
    rotated = False

    def params(self) -> dict[str, Any]:
        return self.values

    @property
    def action(self) -> bytes | None:
        return self.fields[0]

    @property
    def message_id(self) -> str:
        return self.fields[3].decode()

    @property
    def payload_hash(self) -> bytes:
        return self.fields[8]

    @property
    def signature(self) -> bytes:
        return unhexlify(self.fields[11])


class Verifier(AcceptingVerifier):
    def judge(self, data: bytes, now: int | None, channel: str | None = None) -> Any:
        """As `hxtp.envelope.Verifier.judge`; an accepted message has the same attributes and methods."""
        if now is None:
            return self.by_hxtp(data, now, channel)
        try:
            framed = data[0] == _FRAMED
            match = _usual_form(data, frame.HEADER if framed else 0)
            if match is None:
                return self.by_hxtp(data, now, channel)
            fields = match.groups()
            (_, client_id, device_id, message_id, kind, nonce, flat, nested) = fields[:8]
            (payload_hash, request_id, number, signature, tenant_id, time) = fields[8:]
            size = len(data)
            if framed:
                size -= frame.HEADER
                if _header(data) != (_HEADERS[kind], size):
                    return self.by_hxtp(data, now, channel)
            type_ = kind.decode()
            _, own_channel, directions = frame.TYPES[type_]
            raw = flat or nested
            values = body.flat_values(raw) if flat else body.values(raw)
            sequence = int(number)
            sent = timestamp = int(time)
            if timestamp <= 1000000000000:
                timestamp *= 1000
            device = device_id.decode()
            tenant = None
            if tenant_id is not None:
                tenant = tenant_id.decode()
            if (
                values is None
                or size > frame.MAX_JSON
                or sequence > envelope.MAX_INTEGER
                or sent > envelope.MAX_INTEGER
                or not directions & self.direction
                or (channel is not None and channel != own_channel)
                or (device != self.device_id and self.device_id is not None)
                or (tenant != self.tenant_id and (tenant is None or self.tenant_id is not None))
                or (tenant is None and self.tenant_required)
                or not -self.max_future <= now - timestamp <= self.max_age
                or sha256(raw).hexdigest().encode() != payload_hash
            ):
                return self.by_hxtp(data, now, channel)
            signed = b"|".join(
                (
                    b"HxTP/3.0",
                    device_id,
                    client_id,
                    message_id,
                    request_id,
                    number,
                    time,
                    nonce,
                    kind,
                    payload_hash,
                )
            )
            slots = self.slots
            for slot in slots:
                if compare_digest(slot[0].mac(signed).hex().encode(), signature):
                    replay = slot[1]
                    if replay.nonce_seen(nonce) or not replay.sequence_ok(sequence):
                        return self.by_hxtp(data, now, channel)
                    message = Message()
                    message.fields = fields
                    message.type = type_
                    message.device_id = device
                    message.tenant_id = tenant
                    message.sequence = sequence
                    message.timestamp = timestamp
                    message.nonce = nonce
                    message.body = raw
                    message.values = values
                    message.signed = signed
                    message.framed = framed
                    message.slot = slot
                    if slot is not slots[0]:
                        message.rotated = True
                    return message
        except UNUSUAL:
            pass
        return self.by_hxtp(data, now, channel)
