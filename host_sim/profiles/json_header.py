"""Profile json-header: the canonical JSON of the header fields is signed, the params by their hash.

The form of the JavaScript SDK 1.0.6 (which cannot verify it). Accepted from app clients,
never written to anyone but by the codec, and never for devices.

payload_hash is required, since without it nothing would bind the params. It is SHA-256
of the canonical JSON of the params with `protocol` put in, so empty params hash as
`{"protocol":"hxtp/3.0"}`. An alias is signed under the name by which it was sent.
"""

from typing import Any

from host_sim.profiles.canonical import JAVASCRIPT, canonical
from host_sim.profiles.common import JsonVerifier, assemble
from hxtp import VERSION, envelope, jsonscan
from hxtp.sign import Key, digest

HEADER = (
    "version",
    "protocol_version",
    "message_type",
    "device_id",
    "tenant_id",
    "client_id",
    "message_id",
    "request_id",
    "sequence_number",
    "sequence",
    "timestamp",
    "nonce",
    "payload_hash",
)


class JsonHeaderVerifier(JsonVerifier):
    dialect = JAVASCRIPT

    def text(self, members: dict[bytes, bytes]) -> bytes:
        names = [name for name in HEADER if name.encode() in members]
        return canonical({name: jsonscan.loads(members[name.encode()]) for name in names}, JAVASCRIPT)

    def params_hash(self, message: envelope.Message) -> bytes:
        return digest(canonical(message.params(), JAVASCRIPT))


def build(key: Key, fields: dict[str, Any], body: bytes, framed: bool = True) -> bytes:
    """The bytes of a signed message; arguments as for `hxtp.envelope.build`."""
    payload_hash = digest(canonical(jsonscan.loads(body), JAVASCRIPT)).decode()
    members = {**fields, "version": VERSION, "payload_hash": payload_hash}
    signed = canonical({name: members[name] for name in HEADER if name in members}, JAVASCRIPT)
    return assemble({**members, "signature": key.mac(signed).hex()}, body, framed)
