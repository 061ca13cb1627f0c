"""What a device signs outside of MQTT, and how it is answered: the texts and their keys, without I/O.

    HxTP/3.0|{purpose}|{device}|{tenant}|{ms}|{message_id}|{nonce}[|{sha256 of body or query}]
    HxTP/3.0|{purpose}-answer|{device}|{tenant}|{server_ms}|{message_id}|{nonce}|{status}|{sha256 of body}

(HX3-PROV-01, -02, -05). Must never sign an answer with the secret itself: that has a key of its own
(HX3-KEY-02).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from hxtp.envelope import MAX_INTEGER, MAX_NONCE, VERSION, nonce_size
from hxtp.sign import Key, derive, equal

SIGNATURE = "X-HXTP-Signature"
HEADERS = ("X-HXTP-Version", "X-HXTP-Timestamp", "X-HXTP-Nonce", "X-HXTP-Message-ID", SIGNATURE)
NONCE_BYTES = 16

_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_FIELD = re.compile(r"[\x20-\x7b\x7d\x7e]{1,36}")
_HEX = re.compile(r"[0-9a-f]{64}")


class Malformed(Exception):
    """A header is missing or has another form; says which."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The headers of a signed request. `timestamp`: ms since 1970."""

    timestamp: int
    nonce: str
    message_id: str
    signature: bytes

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> "Signed":
        """Raises Malformed."""
        version, timestamp, nonce, message_id, signature = (headers.get(name, "") for name in HEADERS)
        if version != VERSION:
            raise Malformed(f"X-HXTP-Version is not {VERSION}")
        if not _NUMBER.fullmatch(timestamp) or int(timestamp) > MAX_INTEGER:
            raise Malformed("X-HXTP-Timestamp is not a time in ms since 1970")
        if len(nonce) > MAX_NONCE or not nonce.isascii() or nonce_size(nonce.encode()) < NONCE_BYTES:
            raise Malformed(f"X-HXTP-Nonce is not {NONCE_BYTES} or more bytes in hex or base64")
        if not _FIELD.fullmatch(message_id):
            raise Malformed("X-HXTP-Message-ID is not 1 to 36 plain characters")
        if not _HEX.fullmatch(signature):
            raise Malformed("X-HXTP-Signature is not 64 lower-case hex digits")
        return cls(int(timestamp), nonce, message_id, bytes.fromhex(signature))

    def holds(self, secret: bytes, purpose: str, device_id: str, tenant_id: str, digest: str = "") -> bool:
        """Whether this secret signed it. `digest`: of the body or the query, where the purpose has one."""
        text = self.text(purpose, device_id, tenant_id, digest)
        return equal(Key(secret).mac(text), self.signature)

    def text(self, purpose: str, device_id: str, tenant_id: str, digest: str = "") -> bytes:
        """What the signature is over."""
        fields = [VERSION, purpose, device_id, tenant_id, str(self.timestamp), self.message_id, self.nonce]
        return "|".join([*fields, digest] if digest else fields).encode()

    def answer(
        self, secret: bytes, purpose: str, device_id: str, tenant_id: str, now: int, status: int, body: bytes
    ) -> dict[str, str]:
        """The headers that vouch for an answer to this request and tell `now`, in ms since 1970."""
        fields = [VERSION, f"{purpose}-answer", device_id, tenant_id, str(now), self.message_id, self.nonce]
        text = "|".join([*fields, str(status), sha256(body).hexdigest()])
        tag = Key(derive(secret, b"hxtp/3.0 http-answer")).mac(text.encode())
        return {
            "X-HXTP-Version": VERSION,
            "X-HXTP-Timestamp": str(now),
            SIGNATURE: tag.hex(),
        }
