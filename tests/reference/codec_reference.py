"""A second codec (Annex C), over the reference implementations; it must never import hxtp or host_sim."""

import json
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from tests.reference import json_reference, pipe10_reference
from tests.reference.pipe10_reference import (
    KINDS,
    LARGEST,
    WHITE,
    Context,
    Numeral,
    Refused,
    Understood,
    judge,
    mac,
    members,
    only_body,
)

READERS: dict[str, Callable[[bytes], Understood]] = {
    "pipe10": pipe10_reference.understand,
    "json-full": json_reference.understand_full,
    "json-header": json_reference.understand_header,
}
DIRECTIONS = ("to_device", "to_cloud", "from_client", "any")
FIELDS = {
    *("version", "message_type", "device_id", "tenant_id", "client_id", "message_id", "request_id"),
    *("sequence_number", "timestamp", "nonce"),
}
ZEROS = "0" * 64


class Bad(Exception):
    """A line that is no request, or a profile that there is not: the code of the answer."""


def answer(line: str) -> dict[str, Any]:
    """The answer to one line."""
    try:
        request = parsed(line)
        operation = request.get("op")
        if operation == "reset":
            return {"ok": True}
        if operation == "verify":
            return verify(request)
        if operation == "sign":
            return sign(request)
        raise Bad("BAD_REQUEST")
    except (Bad, Refused) as refusal:
        return {"ok": False, "code": str(refusal)}


def parsed(line: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member twice")
        return found

    def none(name: str) -> None:
        raise ValueError(name)

    try:
        request = json.loads(
            line, object_pairs_hook=unique, parse_int=Numeral, parse_float=Numeral, parse_constant=none
        )
        json.dumps(request, ensure_ascii=False).encode()  # halves of surrogate pairs have no UTF-8
    except (ValueError, RecursionError):
        raise Bad("BAD_REQUEST") from None
    if not isinstance(request, dict):
        raise Bad("BAD_REQUEST")
    return request


def need(fine: bool) -> None:
    if not fine:
        raise Bad("BAD_REQUEST")


def text(request: dict[str, Any], name: str) -> str:
    value = request.get(name)
    need(isinstance(value, str) and not isinstance(value, Numeral))
    return value


def hexadecimal(request: dict[str, Any], name: str, size: int | None = None) -> bytes:
    value = text(request, name)
    need(re.fullmatch(r"([0-9A-Fa-f]{2})*", value) is not None)
    need(size in (None, len(value) // 2))
    return bytes.fromhex(value)


def number(request: dict[str, Any], name: str, whole: bool = True) -> Fraction:
    value = request.get(name)
    need(isinstance(value, Numeral) and not value.startswith("-"))
    need(not whole or value.isdigit())
    found = Fraction(value)
    need(found <= LARGEST)
    return found


def optional(request: dict[str, Any], name: str, read: Callable[..., Any], *more: Any) -> Any:
    """None for null; a member that is missing is no request."""
    need(name in request)
    return None if request[name] is None else read(request, name, *more)


def reader(name: str) -> Callable[[bytes], Understood]:
    if name not in READERS:
        raise Bad("UNSUPPORTED")
    return READERS[name]


def verify(request: dict[str, Any]) -> dict[str, Any]:
    profile, direction = text(request, "profile"), text(request, "direction")
    need(direction in DIRECTIONS)
    data = hexadecimal(request, "wire_hex")
    secrets = [
        hexadecimal(request, "secret_hex", 32),
        optional(request, "previous_secret_hex", hexadecimal, 32),
    ]
    last = optional(request, "last_sequence", number)
    seen = request.get("seen_nonces") or []
    need(request.get("seen_nonces") is None or isinstance(request["seen_nonces"], list))
    need(all(isinstance(nonce, str) and not isinstance(nonce, Numeral) for nonce in seen))
    context = Context(
        direction,
        [secret for secret in secrets if secret is not None],
        int(number(request, "now_ms")),
        optional(request, "device_id", text),
        optional(request, "tenant_id", text),
        number(request, "max_age_s", False) * 1000,
        number(request, "future_s", False) * 1000,
        -1 if last is None else int(last),
        tuple(seen),
    )
    readers = list(READERS.values()) if profile == "auto" else [reader(profile)]
    verdicts = [judge(each, data, context) for each in readers]
    for verdict in verdicts:
        if verdict.code is None:
            return {
                "ok": True,
                "rotated": verdict.rotated,
                "message_type": verdict.message_type,
                "body_json": (verdict.body or b"").decode(),
            }
    furthest = max(verdicts, key=lambda verdict: verdict.step or 0)
    return {"ok": False, "code": furthest.code}


def sign(request: dict[str, Any]) -> dict[str, Any]:
    profile = text(request, "profile")
    secret = hexadecimal(request, "secret_hex", 32)
    fields, framed, body = request.get("fields"), request.get("framed"), text(request, "body_json")
    need(isinstance(fields, dict) and isinstance(framed, bool) and fields.keys() <= FIELDS)
    need(profile != "auto")
    read = reader(profile)
    values = {name: value for name, value in fields.items() if (name, value) != ("tenant_id", None)}

    def bare(payload_hash: str, signature: str) -> bytes:
        texts = {name: written(value) for name, value in values.items()}
        texts |= {"params": body, "payload_hash": f'"{payload_hash}"', "signature": f'"{signature}"'}
        return ("{" + ",".join(f'"{name}":{texts[name]}' for name in sorted(texts)) + "}").encode()

    draft = read(bare(ZEROS, ZEROS))
    alone = members(f'{{"params":{body}}}')[0]
    if only_body(alone) != "params" or len(alone) > 1 or alone["params"] != body.strip(WHITE):
        raise Refused(8)
    kind = values["message_type"]
    if kind not in KINDS:
        raise Refused(14)
    payload_hash = str(draft.hashed)
    signed = read(bare(payload_hash, ZEROS)).signed
    signature = mac(secret, signed).finalize().hex()
    wire = bare(payload_hash, signature)
    return {
        "ok": True,
        "wire_hex": (pipe10_reference.frame(KINDS[kind][0], wire) if framed else wire).hex(),
        "signed_text": signed,
        "payload_hash": payload_hash,
        "signature": signature,
    }


def written(value: Any) -> str:
    """A field as it stands in the message; a number as it was asked for."""
    if isinstance(value, Numeral):
        return str(value)
    if isinstance(value, (list, dict)):
        return json.dumps(json_reference.plain(value))
    return json.dumps(value)
