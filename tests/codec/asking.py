"""How the tests ask the codec: requests with all in order, of which a test changes what it is about."""

import json
from typing import Any

from host_sim.codec import answer

NOW = 1777200000000
SECRET = "ab" * 32
PREVIOUS = "cd" * 32
STRANGER = "ef" * 32
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"
NONCE = "00112233445566778899aabbccddeeff"
BODY = '{"action":"light_on","brightness":80}'
PROFILES = ("pipe10", "json-full", "json-header")

FIELDS: dict[str, Any] = {
    "version": "HxTP/3.0",
    "message_type": "command",
    "device_id": DEVICE,
    "tenant_id": TENANT,
    "client_id": "unknown-client",
    "message_id": "20212223-2425-4627-a829-2a2b2c2d2e2f",
    "request_id": "20212223-2425-4627-a829-2a2b2c2d2e2f",
    "sequence_number": 7,
    "timestamp": NOW,
    "nonce": NONCE,
}


def without(request: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in names}


def ask(request: Any) -> dict[str, Any]:
    return answer(json.dumps(request).encode())


def sign_request(
    profile: str = "pipe10", fields: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    request = {
        "op": "sign",
        "profile": profile,
        "secret_hex": SECRET,
        "fields": FIELDS if fields is None else fields,
        "body_json": BODY,
        "framed": False,
    }
    return request | changes


def verify_request(wire: bytes, profile: str = "pipe10", **changes: Any) -> dict[str, Any]:
    request = {
        "op": "verify",
        "profile": profile,
        "direction": "any",
        "wire_hex": wire.hex(),
        "secret_hex": SECRET,
        "previous_secret_hex": None,
        "device_id": None,
        "tenant_id": None,
        "now_ms": NOW,
        "max_age_s": 300,
        "future_s": 60,
        "last_sequence": None,
    }
    return request | changes


def signed(profile: str = "pipe10", body: str = BODY, framed: bool = False, **fields: Any) -> bytes:
    """The bytes of a message that the codec agrees to sign; a field given as None is left out."""
    chosen = {name: value for name, value in {**FIELDS, **fields}.items() if value is not None}
    reply = ask(sign_request(profile, chosen, body_json=body, framed=framed))
    assert reply["ok"], reply
    return bytes.fromhex(reply["wire_hex"])


def verdict(wire: bytes, profile: str = "pipe10", **changes: Any) -> str:
    """ "OK" or the code of the refusal."""
    reply = ask(verify_request(wire, profile, **changes))
    if reply["ok"]:
        assert set(reply) == {"ok", "rotated", "message_type", "body_json"}
        return "OK"
    assert set(reply) == {"ok", "code"}
    return reply["code"]


def sign_verdict(profile: str = "pipe10", fields: dict[str, Any] | None = None, **changes: Any) -> str:
    """ "OK" or the code with which the codec refuses to sign."""
    reply = ask(sign_request(profile, fields, **changes))
    return "OK" if reply["ok"] else reply["code"]
