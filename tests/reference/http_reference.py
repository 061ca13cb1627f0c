"""A second implementation of what is signed over HTTP (chapter 13); it must never import hxtp or host_sim.

Written from the text alone, on `cryptography` and the standard library's parsers.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

OLDEST, NEWEST = 300_000, 60_000  # ms
STAMP, SIGNATURE = "X-HXTP-Timestamp", "X-HXTP-Signature"


class Judged(NamedTuple):
    """`text`: that was signed, where the signature holds. `asked`: the members of what is answered."""

    verdict: str
    text: str | None = None
    asked: Mapping[str, Any] | None = None


def _hash(data: bytes) -> str:
    digest = Hash(SHA256())
    digest.update(data)
    return digest.finalize().hex()


def _holds(secret: bytes, text: str, signature: str) -> bool:
    if not re.fullmatch("[0-9a-f]{64}", signature):
        return False
    tag = HMAC(secret, SHA256())
    tag.update(text.encode())
    try:
        tag.verify(bytes.fromhex(signature))
    except InvalidSignature:
        return False
    return True


def _asked(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """By the body where there is one, else by the query."""
    if request["body"] is None:
        return dict(parse_qsl(request["query"]))
    try:
        found = json.loads(request["body"])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def judge(
    request: Mapping[str, Any], tenant: str, secrets: Mapping[str, bytes], now: int, seen: list[str]
) -> Judged:
    """What a cloud with these devices and their secrets makes of a firmware check."""
    headers, asked = request["headers"], _asked(request)
    version, stamp, nonce, message = (
        headers.get(name, "") for name in ("X-HXTP-Version", STAMP, "X-HXTP-Nonce", "X-HXTP-Message-ID")
    )
    secret = secrets.get(asked.get("device_id", ""))
    content = request["query"] if request["body"] is None else request["body"]
    if (
        secret is None
        or version != "HxTP/3.0"
        or not nonce
        or not message
        or not re.fullmatch("[0-9]+", stamp)
    ):
        return Judged("refused")
    parts = (
        version,
        "firmware-check",
        asked["device_id"],
        tenant,
        stamp,
        message,
        nonce,
        _hash(content.encode()),
    )
    text = "|".join(parts)
    if not _holds(secret, text, headers.get(SIGNATURE, "")):
        return Judged("refused")
    if not now - OLDEST <= int(stamp) <= now + NEWEST:
        return Judged("stale", text)
    if nonce in seen:
        return Judged("reused", text)
    return Judged("answered", text, asked)


def answered_text(request: Mapping[str, Any], answer: Mapping[str, Any], device: str, tenant: str) -> str:
    """What a right signature of this answer is over."""
    sent, told = request["headers"], answer["headers"]
    parts = (
        "HxTP/3.0",
        "firmware-check-answer",
        device,
        tenant,
        told.get(STAMP, ""),
        sent["X-HXTP-Message-ID"],
    )
    return "|".join((*parts, sent["X-HXTP-Nonce"], str(answer["status"]), _hash(answer["body"].encode())))


def trusts(
    request: Mapping[str, Any], answer: Mapping[str, Any], device: str, tenant: str, secret: bytes
) -> bool:
    """Whether this is the cloud's answer to that request."""
    key = HKDF(SHA256(), 32, None, b"hxtp/3.0 http-answer").derive(secret)
    return _holds(key, answered_text(request, answer, device, tenant), answer["headers"].get(SIGNATURE, ""))
