"""`python -m host_sim codec`: sign and verify messages, a JSON object a line on stdin, an answer a line.

The program that a vendor writes to join the conformance kit; this one is ours, over `hxtp`
itself. It must never keep anything from one line to the next, print a secret, or end
because of what a line holds.

    {"op":"sign","profile":P,"secret_hex":…,"fields":{…},"body_json":"…","framed":bool}
        -> {"ok":true,"wire_hex":…,"signed_text":…,"payload_hash":…,"signature":…}
    {"op":"verify","profile":P|"auto","direction":"to_device"|"to_cloud"|"from_client"|"any",
     "wire_hex":…,"secret_hex":…,"previous_secret_hex":null|…,"device_id":null|…,"tenant_id":null|…,
     "now_ms":…,"max_age_s":…,"future_s":…,"last_sequence":null|n[,"seen_nonces":[…]]}
        -> {"ok":true,"rotated":bool,"message_type":…,"body_json":…}
    {"op":"reset"} -> {"ok":true}

P is pipe10, json-full or json-header. A refusal is {"ok":false,"code":…} with a published
code, or with BAD_REQUEST for what is no such request and UNSUPPORTED for another profile.
"""

import json
import sys
from binascii import unhexlify
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, BinaryIO

from host_sim import commandline
from host_sim.profiles import PROFILES, Profile
from host_sim.profiles.auto import progress
from hxtp import envelope, errors, frame
from hxtp.replay import Floor
from hxtp.sign import Key

MAX_LINE = 1 << 20  # bytes of one request; a message of 16,384 bytes needs 33 kB
SECRET = 32

DIRECTIONS = {
    "to_device": frame.TO_DEVICE,
    "to_cloud": frame.TO_CLOUD,
    "from_client": frame.FROM_CLIENT,
    "any": frame.TO_DEVICE | frame.TO_CLOUD | frame.FROM_CLIENT | frame.TO_CLIENT,
}

FIELDS = frozenset(
    (
        "version",
        "message_type",
        "device_id",
        "tenant_id",
        "client_id",
        "message_id",
        "request_id",
        "sequence_number",
        "timestamp",
        "nonce",
    )
)

_WHITE = b" \t\r\n"
_PLACEHOLDER = "0" * 64
_DRAFT = {"payload_hash": _PLACEHOLDER, "signature": _PLACEHOLDER}


class BadRequest(ValueError):
    """The line is not a request that this program knows."""


def answer(line: bytes) -> dict[str, Any]:
    """The answer to one line. Raises nothing that the line could cause."""
    try:
        request = _parse(line)
        operation = request.get("op")
        if operation == "sign":
            return _sign(request)
        if operation == "verify":
            return _verify(request)
        if operation == "reset":
            return {"ok": True}
        raise BadRequest("unknown op")
    except errors.HxtpError as refusal:
        return {"ok": False, "code": refusal.code}
    except BadRequest:
        return {"ok": False, "code": "BAD_REQUEST"}


# --- reading a request


def _parse(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode()
        request = json.loads(
            text,
            parse_float=Decimal,
            parse_int=lambda text: Decimal(text) if text == "-0" else int(text),
            parse_constant=_no_constant,
            object_pairs_hook=_without_duplicates,
        )
        if "\\u" in text:
            # Half of a surrogate pair has no UTF-8.
            json.dumps(request, ensure_ascii=False, default=str).encode()
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise BadRequest("not JSON") from error
    if not isinstance(request, dict):
        raise BadRequest("not an object")
    return request


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def _string(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    if not isinstance(value, str):
        raise BadRequest(name)
    return value


def _bytes(request: dict[str, Any], name: str) -> bytes:
    try:
        return unhexlify(_string(request, name))
    except ValueError as error:
        raise BadRequest(name) from error


def _secret(request: dict[str, Any], name: str) -> Key:
    secret = _bytes(request, name)
    if len(secret) != SECRET:
        raise BadRequest(name)
    return Key(secret)


def _nullable(request: dict[str, Any], name: str) -> bool:
    # Whether the member is null; one that is missing altogether is no request.
    if name not in request:
        raise BadRequest(name)
    return request[name] is None


def _integer(request: dict[str, Any], name: str) -> int:
    value = request.get(name)
    if type(value) is not int or not 0 <= value <= envelope.MAX_INTEGER:
        raise BadRequest(name)
    return value


def _milliseconds(request: dict[str, Any], name: str) -> Decimal:
    value = request.get(name)
    if type(value) not in (int, Decimal) or not 0 <= value <= envelope.MAX_INTEGER:
        raise BadRequest(name)
    return Decimal(value) * 1000


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise errors.HxtpError("UNSUPPORTED")
    return PROFILES[name]


# --- verify


def _verify(request: dict[str, Any]) -> dict[str, Any]:
    name = _string(request, "profile")
    direction = _string(request, "direction")
    if direction not in DIRECTIONS:
        raise BadRequest("direction")
    wire = _bytes(request, "wire_hex")
    floor = Floor(-1 if _nullable(request, "last_sequence") else _integer(request, "last_sequence"))
    floor.nonces = _nonces(request)
    slots = [(_secret(request, "secret_hex"), floor)]
    if not _nullable(request, "previous_secret_hex"):
        slots.append((_secret(request, "previous_secret_hex"), floor))
    device_id = None if _nullable(request, "device_id") else _string(request, "device_id")
    tenant_id = None if _nullable(request, "tenant_id") else _string(request, "tenant_id")
    now = _integer(request, "now_ms")
    limits = _milliseconds(request, "max_age_s"), _milliseconds(request, "future_s")
    refused = None
    for profile in PROFILES.values() if name == "auto" else (_profile(name),):
        required = direction == "to_device" and tenant_id is not None
        judge = profile.verifier(DIRECTIONS[direction], slots, device_id, tenant_id, required)
        judge.max_age, judge.max_future = limits
        message = judge.judge(wire, now)
        if message.code is None:
            return {
                "ok": True,
                "rotated": message.rotated,
                "message_type": message.type,
                "body_json": message.body.decode(),
            }
        if refused is None or progress(message) > progress(refused):
            refused = message
    return {"ok": False, "code": refused.code}


def _nonces(request: dict[str, Any]) -> list[bytes]:
    nonces = request.get("seen_nonces")
    if nonces is None:
        return []
    if not isinstance(nonces, list) or not all(isinstance(nonce, str) for nonce in nonces):
        raise BadRequest("seen_nonces")
    # No nonce of a message is other than ASCII, so what is can be left aside.
    return [nonce.encode() for nonce in nonces if nonce.isascii()]


# --- sign


def _sign(request: dict[str, Any]) -> dict[str, Any]:
    """A member that is missing in `fields`, or ill-formed, is refused with the code that `verify` would give.

    tenant_id may be left out or null: the message then has none.
    """
    name = _string(request, "profile")
    key = _secret(request, "secret_hex")
    fields = request.get("fields")
    framed = request.get("framed")
    if not isinstance(fields, dict) or not isinstance(framed, bool) or not fields.keys() <= FIELDS:
        raise BadRequest("fields, framed")
    if name == "auto":
        raise BadRequest("profile")
    fields = {member: value for member, value in fields.items() if member != "tenant_id" or value is not None}
    try:
        body = _string(request, "body_json").encode()
        draft = _draft(fields, body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("text that is not Unicode, or too deep") from error
    profile = _profile(name)
    judge = profile.verifier(DIRECTIONS["any"], [])
    message = envelope.Message()
    judge.parse(draft, message)
    value = body.strip(_WHITE)
    if message.body != value:  # the text closed the body and went on with members of its own
        raise errors.HxtpError(errors.FRAME_JSON_INVALID)
    del fields["version"]
    wire = profile.build(key, fields, value, framed=False)
    if value != body:
        wire = wire.replace(b'"params":' + value, b'"params":' + body, 1)
    if framed:
        wire = frame.pack(message.type, wire)
    judge.parse(wire, message)
    return {
        "ok": True,
        "wire_hex": wire.hex(),
        "signed_text": message.signed.decode(),
        "payload_hash": message.payload_hash.decode(),
        "signature": message.signature.hex(),
    }


def _draft(fields: dict[str, Any], body: bytes) -> bytes:
    # The message as it will be, but for the two values still to be computed: for `parse` to refuse or pass.
    # Numbers stay as they were written, so that 7.0 is not taken for 7.
    texts = []
    for name, value in {**_DRAFT, **fields}.items():
        text = (
            str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
        )
        texts.append(f'"{name}":{text}')
    return b'{%s,"params":%s}' % (",".join(texts).encode(), body)


# --- the loop


def _lines(stream: BinaryIO) -> Iterable[bytes]:
    """The lines of a stream, each without its end; one over MAX_LINE as an empty line."""
    while line := stream.readline(MAX_LINE + 1):
        whole = line.endswith(b"\n") or len(line) <= MAX_LINE
        rest = line
        while not whole and rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE)
        yield line if whole else b""


def main(argv: list[str]) -> int:
    """Answer lines until stdin ends. Exit status 0, 2 for arguments, 130 after an interrupt."""
    if argv:
        wanted = argv[0] in ("-h", "--help")
        print(__doc__, end="", file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    try:
        for line in _lines(sys.stdin.buffer):
            sys.stdout.write(json.dumps(answer(line), separators=(",", ":")) + "\n")
            sys.stdout.flush()
    except BrokenPipeError:
        commandline.read_no_more()
    except KeyboardInterrupt:
        return 130
    return 0
