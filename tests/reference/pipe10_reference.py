"""A second implementation of pipe10, to be compared with `hxtp.envelope`; it must never import hxtp.

Written from the rules of the protocol alone, with other means: Python's own JSON decoder
for the grammar, regular expressions for the fields, `cryptography` for the hash and the
MAC. It is not meant to be fast, small or portable.

A refusal is the number of the step of the specification's table of the verdict that failed.
"""

import base64
import binascii
import json
import re
import struct
from collections.abc import Callable
from fractions import Fraction
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


# The code of each step of the verdict.
STEPS = {
    1: "PAYLOAD_TOO_LARGE",
    2: "FRAME_TOO_SHORT",
    3: "FRAME_MAGIC_INVALID",
    4: "FRAME_VERSION_INVALID",
    5: "FRAME_TYPE_INVALID",
    6: "FRAME_LENGTH_INVALID",
    7: "FRAME_UTF8_INVALID",
    8: "FRAME_JSON_INVALID",
    9: "VERSION_MISMATCH",
    10: "FRAME_SCHEMA_INVALID",
    11: "NONCE_MISSING",
    12: "HASH_MISMATCH",
    13: "SIGNATURE_MISSING",
    14: "FRAME_TYPE_INVALID",
    15: "DEVICE_NOT_FOUND",
    16: "PERMISSION_DENIED",
    17: "TIMESTAMP_FUTURE",
    18: "TIMESTAMP_EXPIRED",
    19: "NONCE_REUSED",
    20: "HASH_MISMATCH",
    21: "SEQUENCE_VIOLATION",
    22: "SIGNATURE_INVALID",
}


class Refused(Exception):
    """The first step that the message fails."""

    def __init__(self, step: int):
        super().__init__(STEPS[step])
        self.step = step


class Verdict(NamedTuple):
    """`code` is None for an accepted message, and the next three belong to an accepted one; `step` is the one
    that failed.
    """

    code: str | None
    rotated: bool = False
    message_type: str | None = None
    body: bytes | None = None
    step: int | None = None


class Context(NamedTuple):
    """What a receiver knows. `direction` is a name or "any"; `secrets` are tried in order; times in ms."""

    direction: str
    secrets: list[bytes]
    now_ms: int
    device_id: str | None = None
    tenant_id: str | None = None
    max_age_ms: float | Fraction = 300_000
    future_ms: float | Fraction = 60_000
    last_sequence: int = -1
    seen_nonces: tuple[str, ...] = ()


class Understood(NamedTuple):
    """A message whose fields are all well-formed. `code` is that of its frame, `hashed` its right hash (None:
    it has none to be compared), `directions` who may say it.
    """

    code: int | None
    values: dict[str, Any]
    sequence: int
    body: str
    hashed: str | None
    signed: str
    directions: set[str]


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


def verify(data: bytes, *known: Any, **more: Any) -> Verdict:
    """Judge one pipe10 message; the other arguments are those of a Context."""
    return judge(understand, data, Context(*known, **more))


def judge(reader: Callable[[bytes], Understood], data: bytes, context: Context) -> Verdict:
    """Judge one message of the profile that `reader` understands."""
    try:
        message = reader(data)
        rotated = settle(message, context)
    except Refused as refusal:
        return Verdict(str(refusal), step=refusal.step)
    return Verdict(None, rotated, message.values["message_type"], message.body.encode())


def understand(data: bytes) -> Understood:
    """Steps 1 to 13 for pipe10."""
    code, raw, values = opened(data)
    body_name = only_body(raw)
    if values.get("version") != "HxTP/3.0" or "version" not in raw:
        raise Refused(9)
    check_fields(raw, values, body_name)
    body = raw[body_name] if body_name else "{}"
    signed = "|".join(values[name] for name in TEN)
    kinds = KINDS.get(values["message_type"], (0, set()))[1]
    return Understood(
        code, values, int(values["sequence_number"]), body, sha256(body.encode()), signed, kinds
    )


def settle(message: Understood, context: Context) -> bool:
    """Steps 14 to 22; returns whether a secret other than the first verified the message."""
    values = message.values
    kind = values["message_type"]
    if kind not in KINDS or message.code not in (None, KINDS[kind][0]):
        raise Refused(14)
    if context.direction != "any" and context.direction not in message.directions:
        raise Refused(14)
    if context.device_id is not None and values["device_id"] != context.device_id:
        raise Refused(15)
    wanted, unnamed = context.tenant_id, "tenant_id" not in values
    if wanted is not None:
        if unnamed and context.direction == DEVICE_BOUND:
            raise Refused(16)
        if not unnamed and values["tenant_id"] != wanted:
            raise Refused(16)
    sent = int(values["timestamp"])
    age = context.now_ms - (sent if sent > 10**12 else 1000 * sent)
    if age < -context.future_ms:
        raise Refused(17)
    if age > context.max_age_ms:
        raise Refused(18)
    if values["nonce"] in context.seen_nonces:
        raise Refused(19)
    if message.hashed not in (None, values.get("payload_hash")):
        raise Refused(20)
    if message.sequence <= context.last_sequence:
        raise Refused(21)
    for index, secret in enumerate(context.secrets):
        try:
            mac(secret, message.signed).verify(bytes.fromhex(values["signature"]))
        except InvalidSignature:
            continue
        return index > 0
    raise Refused(22)


def opened(data: bytes) -> tuple[int | None, dict[str, str], dict[str, Any]]:
    """Steps 1 to 8 but for the number of bodies: the frame's code, and the members as text and as values."""
    code, text = unframe(data)
    return code, *members(text)


def unframe(data: bytes) -> tuple[int | None, str]:
    """The frame's type code (None for a bare message) and the text of the JSON."""
    bare = re.match(rb'[{\[" \t\r\n0-9tfn\xef-]', data) is not None
    if len(data) > LIMIT + (0 if bare else 8):
        raise Refused(1)
    code = None
    if not bare:
        if len(data) < 8:
            raise Refused(2)
        if not data.startswith(b"HX"):
            raise Refused(3)
        if data[2] != 3:
            raise Refused(4)
        code = data[3]
        if code not in range(1, 12):
            raise Refused(5)
        if int.from_bytes(data[4:8], "big") + 8 != len(data):
            raise Refused(6)
        data = data[8:]
    try:
        return code, data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(7) from None


def members(text: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The top-level members of a strict JSON object: name to text, and name to value."""
    try:
        return _members(text)
    except (ValueError, IndexError, RecursionError):
        raise Refused(8) from None


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
        raise Refused(8)
    return bodies[0] if bodies else None


def check_fields(raw: dict[str, str], values: dict[str, Any], body_name: str | None) -> None:
    good = check_ids(raw, values)
    good = good and well_formed(values, "sequence_number") and well_formed(values, "timestamp")
    good = good and not raw.keys() & {"sequence", "protocol_version"}
    if body_name is not None:
        good = good and isinstance(values[body_name], dict)
        good = good and OLD_BODIES.get(body_name) in (None, values["message_type"])
    if not good:
        raise Refused(10)
    check_digests(values)


def check_ids(raw: dict[str, str], values: dict[str, Any]) -> bool:
    """Whether all ids are there and well-formed."""
    named = ["message_type", "device_id", "client_id", "message_id", "request_id"]
    if "tenant_id" in raw:
        named.append("tenant_id")
    return all(matches(values.get(name), FIELD) for name in named)


def check_digests(values: dict[str, Any], hash_required: bool = True) -> None:
    """Steps 11 to 13."""
    if not matches(values.get("nonce"), LONG_FIELD) or nonce_bytes(values["nonce"]) < 16:
        raise Refused(11)
    if (hash_required or "payload_hash" in values) and not matches(values.get("payload_hash"), DIGEST):
        raise Refused(12)
    if not matches(values.get("signature"), DIGEST):
        raise Refused(13)


def matches(value: Any, pattern: re.Pattern[str]) -> bool:
    """Whether a value is a string of this form."""
    return isinstance(value, str) and not isinstance(value, Numeral) and bool(pattern.fullmatch(value))


def well_formed(values: dict[str, Any], name: str) -> bool:
    """Whether a member is a number as the envelope has them."""
    value = values.get(name)
    return isinstance(value, Numeral) and bool(DECIMAL.fullmatch(value)) and int(value) <= LARGEST


def nonce_bytes(nonce: str) -> int:
    """How many bytes a nonce stands for; 0 where it is neither hex nor padded base64."""
    try:
        if re.fullmatch(r"[0-9A-Fa-f]*", nonce):
            return len(binascii.unhexlify(nonce))
        # The library takes more padding than there may be.
        if len(nonce) % 4 or nonce.endswith("==="):
            return 0
        return len(base64.b64decode(nonce, validate=True))
    except ValueError:
        return 0
