"""Profile json-full: the canonical JSON of the whole envelope, less `signature`, is signed.

The form of the Python SDK 1.1.0, and without payload_hash the one form that both JSON
SDKs verify, so it is how the cloud answers app clients. Never for devices.

payload_hash, where present, is SHA-256 of the params as Python writes them: sorted,
compact, ASCII. Absent, it is accepted: the signature covers the params themselves, so
nothing is left unsigned, and the answers that the SDKs themselves accept have none.
Present but ill-formed it is HASH_MISMATCH, never taken for absent.
"""

import json
from typing import Any

from host_sim.profiles.canonical import PYTHON, canonical
from host_sim.profiles.common import JsonVerifier, assemble
from hxtp import VERSION, envelope, jsonscan
from hxtp.sign import Key, digest


def _hash(params: Any) -> bytes:
    return digest(json.dumps(params, sort_keys=True, separators=(",", ":")).encode())


class JsonFullVerifier(JsonVerifier):
    dialect = PYTHON
    hash_required = False

    def text(self, members: dict[bytes, bytes]) -> bytes:
        signed = {name.decode(): jsonscan.loads(raw) for name, raw in members.items() if name != b"signature"}
        return canonical(signed, PYTHON)

    def params_hash(self, message: envelope.Message) -> bytes:
        return _hash(message.params())


def build(key: Key, fields: dict[str, Any], body: bytes, framed: bool = True, hashed: bool = True) -> bytes:
    """The bytes of a signed message; arguments as for `hxtp.envelope.build`.

    With `hashed=False` there is no payload_hash: the form for answers to app clients.
    """
    params = jsonscan.loads(body)
    members = {**fields, "version": VERSION}
    if hashed:
        members["payload_hash"] = _hash(params).decode()
    members["signature"] = key.mac(canonical({**members, "params": params}, PYTHON)).hex()
    return assemble(members, body, framed)
