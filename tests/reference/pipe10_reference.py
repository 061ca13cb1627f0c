"""A second implementation of pipe10, to be compared with `hxtp.envelope`; it must never import hxtp.

Written from the rules of the protocol alone, with other means: Python's own JSON decoder
for the grammar, regular expressions for the fields, `cryptography` for the hash and the
MAC. It is not meant to be fast, small or portable.

`verify` gives the first refusal in this order: size, frame, UTF-8, strict JSON, version,
fields, type and direction, device, tenant, timestamp, nonce, payload hash, sequence, signature.
"""

import base64
import binascii
import json
import re
import struct
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.hmac import HMAC

LIMIT = 16384
DEPTH = 16
LITERAL = 512
LARGEST = 2**53 - 1

# message type: (frame code, who says it)
DEVICE_BOUND, CLOUD_BOUND, FROM_APP, TO_APP = "to_device", "to_cloud", "from_client", "to_client"
KINDS = {
    "state": (1, {CLOUD_BOUND, TO_APP}),
    "command": (2, {DEVICE_BOUND, FROM_APP}),
    "ack": (3, {CLOUD_BOUND, TO_APP}),
    "heartbeat": (4, {CLOUD_BOUND, FROM_APP}),
    "telemetry": (5, {CLOUD_BOUND, TO_APP}),
    "ota": (6, {DEVICE_BOUND}),
    "error": (7, {CLOUD_BOUND, TO_APP}),
    "hello": (8, {CLOUD_BOUND}),
    "hello_ack": (9, {DEVICE_BOUND}),
    "manifest": (10, {CLOUD_BOUND}),
    "ota_status": (11, {CLOUD_BOUND}),
}
OLD_BODIES = {"state": "state", "data": "telemetry", "result": "ack"}
TEN = (
    "version",
    "device_id",
    "client_id",
    "message_id",
    "request_id",
    "sequence_number",
    "timestamp",
    "nonce",
    "message_type",
    "payload_hash",
)

FIELD = re.compile(r"[ -{}~]{1,36}")
LONG_FIELD = re.compile(r"[ -{}~]{1,64}")
DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
DIGEST = re.compile(r"[0-9a-f]{64}")
WHITE = " \t\r\n"


class Refused(Exception):
    """The code of the first rule that the message breaks."""


class Verdict(NamedTuple):
    """`code` is None for an accepted message; the other members belong to an accepted one."""

    code: str | None
    rotated: bool = False
    message_type: str | None = None
    body: bytes | None = None


class Numeral(str):
    """The literal of a JSON number as it was written."""


def sha256(data: bytes) -> str:
    context = Hash(SHA256())
    context.update(data)
    return context.finalize().hex()


def mac(secret: bytes, text: str) -> HMAC:
    context = HMAC(secret, SHA256())
    context.update(text.encode())
    return context


def sign(secret: bytes, fields: dict[str, Any], body: bytes, framed: bool) -> bytes:
    """The bytes of a message with these fields (Python values) and this body, in no particular order."""
    values = {"version": "HxTP/3.0", **fields, "payload_hash": sha256(body)}
    signature = mac(secret, "|".join(str(values[name]) for name in TEN)).finalize().hex()
    head = json.dumps({**values, "signature": signature}).encode()
    text = b'{"params":' + body + b"," + head[1:]
    return frame(KINDS[fields["message_type"]][0], text) if framed else text


def frame(code: int, text: bytes) -> bytes:
    return struct.pack(">2sBBI", b"HX", 3, code, len(text)) + text


def verify(
    data: bytes,
    direction: str,
    secrets: list[bytes],
    now_ms: int,
    device_id: str | None = None,
    tenant_id: str | None = None,
    max_age_ms: int = 300_000,
    future_ms: int = 60_000,
    last_sequence: int = -1,
    seen_nonces: tuple[str, ...] = (),
) -> Verdict:
    """Judge one message. `direction` is a name or "any"; `secrets` are tried in order."""
    try:
        code, text = unframe(data)
        raw, values = members(text)
        body_name = only_body(raw)
        if values.get("version") != "HxTP/3.0" or "version" not in raw:
            raise Refused("VERSION_MISMATCH")
        check_fields(raw, values, body_name)
        kind = values["message_type"]
        if kind not in KINDS or code not in (None, KINDS[kind][0]):
            raise Refused("FRAME_TYPE_INVALID")
        if direction != "any" and direction not in KINDS[kind][1]:
            raise Refused("FRAME_TYPE_INVALID")
        if device_id is not None and values["device_id"] != device_id:
            raise Refused("DEVICE_NOT_FOUND")
        tenant = values.get("tenant_id")
        unnamed = "tenant_id" not in raw
        if tenant_id is not None and (direction == DEVICE_BOUND if unnamed else tenant != tenant_id):
            raise Refused("PERMISSION_DENIED")
        sent = int(values["timestamp"])
        age = now_ms - (sent if sent > 10**12 else 1000 * sent)
        if age < -future_ms:
            raise Refused("TIMESTAMP_FUTURE")
        if age > max_age_ms:
            raise Refused("TIMESTAMP_EXPIRED")
        if values["nonce"] in seen_nonces:
            raise Refused("NONCE_REUSED")
        body = (raw[body_name] if body_name else "{}").encode()
        if sha256(body) != values["payload_hash"]:
            raise Refused("HASH_MISMATCH")
        if int(values["sequence_number"]) <= last_sequence:
            raise Refused("SEQUENCE_VIOLATION")
        signed = "|".join(values[name] for name in TEN)
        for index, secret in enumerate(secrets):
            try:
                mac(secret, signed).verify(bytes.fromhex(values["signature"]))
            except InvalidSignature:
                continue
            return Verdict(None, index > 0, kind, body)
        raise Refused("SIGNATURE_INVALID")
    except Refused as refusal:
        return Verdict(str(refusal))


def unframe(data: bytes) -> tuple[int | None, str]:
    """The frame's type code (None for a bare message) and the text of the JSON."""
    bare = re.match(rb'[{\[" \t\r\n0-9tfn\xef-]', data) is not None
    if len(data) > LIMIT + (0 if bare else 8):
        raise Refused("PAYLOAD_TOO_LARGE")
    code = None
    if not bare:
        if len(data) < 8:
            raise Refused("FRAME_TOO_SHORT")
        if not data.startswith(b"HX"):
            raise Refused("FRAME_MAGIC_INVALID")
        if data[2] != 3:
            raise Refused("FRAME_VERSION_INVALID")
        code = data[3]
        if code not in range(1, 12):
            raise Refused("FRAME_TYPE_INVALID")
        if int.from_bytes(data[4:8], "big") + 8 != len(data):
            raise Refused("FRAME_LENGTH_INVALID")
        data = data[8:]
    try:
        return code, data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("FRAME_UTF8_INVALID") from None


def members(text: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The top-level members of a strict JSON object: name to text, and name to value."""
    try:
        return _members(text)
    except (ValueError, IndexError, RecursionError):
        raise Refused("FRAME_JSON_INVALID") from None


def _members(text: str) -> tuple[dict[str, str], dict[str, Any]]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_object, parse_int=_numeral, parse_float=_numeral, parse_constant=_no_constant
    )
    raw: dict[str, str] = {}
    values: dict[str, Any] = {}
    at = _expect(text, 0, "{")
    more = text[_white(text, at)] != "}"
    while more:
        name = re.compile(r'"([^"\\\x00-\x1f]*)"').match(text, _white(text, at))
        if name is None or name[1] in raw:
            raise ValueError("a name")
        start = _white(text, _expect(text, name.end(), ":"))
        value, at = decoder.raw_decode(text, start)
        if _depth(value) >= DEPTH:
            raise ValueError("too deep")
        raw[name[1]], values[name[1]] = text[start:at], value
        more = text[_white(text, at)] == ","
        if more:
            at = _expect(text, at, ",")
    if _white(text, _expect(text, at, "}")) != len(text):
        raise ValueError("something behind")
    return raw, values


def _white(text: str, at: int) -> int:
    return len(text) - len(text[at:].lstrip(WHITE))


def _expect(text: str, at: int, mark: str) -> int:
    at = _white(text, at)
    if text[at] != mark:
        raise ValueError(mark)
    return at + 1


def _numeral(literal: str) -> Numeral:
    if len(literal) > LITERAL:
        raise ValueError("a long number")
    return Numeral(literal)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name twice")
    for name, _ in pairs:
        name.encode()
    return dict(pairs)


def _depth(value: Any) -> int:
    """The levels of nesting in a value; raises ValueError for a lone surrogate in a string."""
    if isinstance(value, str):
        value.encode()
        return 0
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def only_body(raw: dict[str, str]) -> str | None:
    bodies = [name for name in ("params", *OLD_BODIES) if name in raw]
    if len(bodies) > 1:
        raise Refused("FRAME_JSON_INVALID")
    return bodies[0] if bodies else None


def check_fields(raw: dict[str, str], values: dict[str, Any], body_name: str | None) -> None:
    def text(name: str, pattern: re.Pattern[str]) -> bool:
        value = values.get(name)
        return isinstance(value, str) and not isinstance(value, Numeral) and bool(pattern.fullmatch(value))

    def number(name: str) -> bool:
        value = values.get(name)
        return isinstance(value, Numeral) and bool(DECIMAL.fullmatch(value)) and int(value) <= LARGEST

    named = ["message_type", "device_id", "client_id", "message_id", "request_id"]
    if "tenant_id" in raw:
        named.append("tenant_id")
    good = all(text(name, FIELD) for name in named)
    good = good and number("sequence_number") and number("timestamp")
    good = good and not raw.keys() & {"sequence", "protocol_version"}
    if body_name is not None:
        good = good and isinstance(values[body_name], dict)
        good = good and OLD_BODIES.get(body_name) in (None, values["message_type"])
    if not good:
        raise Refused("FRAME_SCHEMA_INVALID")
    if not text("nonce", LONG_FIELD) or nonce_bytes(values["nonce"]) < 16:
        raise Refused("NONCE_MISSING")
    if not text("payload_hash", DIGEST):
        raise Refused("HASH_MISMATCH")
    if not text("signature", DIGEST):
        raise Refused("SIGNATURE_MISSING")


def nonce_bytes(nonce: str) -> int:
    """How many bytes a nonce stands for; 0 where it is neither hex nor padded base64."""
    try:
        if re.fullmatch(r"[0-9A-Fa-f]*", nonce):
            return len(binascii.unhexlify(nonce))
        return len(base64.b64decode(nonce, validate=True))
    except ValueError:
        return 0
