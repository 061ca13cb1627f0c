"""The profile `auto`: any profile may accept, and else the code of the one that came furthest."""

from typing import Any

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.json_wire import json_full, json_header
from tools.vectors.wire import BODY, DEVICE, NONCE, NOW, PREVIOUS, STRANGER, TENANT, Wire, pipe10, sha256

INVALID = "SIGNATURE_INVALID"
MISMATCH = "HASH_MISMATCH"
SCHEMA = "FRAME_SCHEMA_INVALID"
TYPE = "FRAME_TYPE_INVALID"
MAKERS = {"pipe10": pipe10, "full": json_full, "header": json_header}


def row(id: str, comment: str, wire: Wire | bytes, verdict: str = OK, **more: Any) -> Case:
    return verify(f"auto-{id}", comment, wire, verdict, profile="auto", **more)


FILE = File(
    "auto",
    [
        Group(
            "accepted by one",
            "Messages of every profile.",
            [
                *(
                    case
                    for name, make in MAKERS.items()
                    for case in (
                        row(f"{name}", f"a command of {name}", make()),
                        row(f"{name}-framed", f"a framed command of {name}", make().framed()),
                        row(f"{name}-from-client", "from a client", make(), direction="from_client"),
                        row(f"{name}-ids", "with ids to compare", make(), device_id=DEVICE, tenant_id=TENANT),
                        row(
                            f"{name}-second",
                            "signed with the second secret",
                            make(key=PREVIOUS),
                            "ROTATED",
                            previous_secret_hex=PREVIOUS.hex(),
                        ),
                    )
                ),
                row("full-unhashed", "json-full without payload_hash", json_full(hashed=None)),
                row("full-alias", "json-full with sequence", json_full(sequence_number=None, sequence=7)),
                row(
                    "pipe10-state",
                    "a state message with its body as state",
                    pipe10("{}", name="state", message_type="state"),
                ),
                row(
                    "pipe10-nfd", "params in NFD, which pipe10 minds nothing about", pipe10('{"a":"e\u0301"}')
                ),
                row("pipe10-infinite", "1e999, likewise", pipe10('{"a":1e999}')),
                row("pipe10-to-device", "pipe10 to a device", pipe10(), direction="to_device"),
            ],
            ("Auto",),
            ("HX3-CODEC-09",),
            "auto",
        ),
        Group(
            "refused by all at one step",
            "The code is the same for all of them.",
            [
                *(
                    case
                    for name, make in MAKERS.items()
                    for case in (
                        row(f"{name}-stranger", "another secret", make(key=STRANGER), INVALID),
                        row(f"{name}-old", "too old", make(), "TIMESTAMP_EXPIRED", now_ms=NOW + 300_001),
                        row(f"{name}-device", "another device", make(), "DEVICE_NOT_FOUND", device_id="x"),
                        row(
                            f"{name}-seen",
                            "a nonce that was seen",
                            make(),
                            "NONCE_REUSED",
                            seen_nonces=[NONCE],
                        ),
                        row(f"{name}-changed", "a changed value", make().swap(":80", ":81"), MISMATCH),
                    )
                ),
                row("length", "a wrong length", pipe10().framed(off=1), "FRAME_LENGTH_INVALID"),
                row("size", "16,385 bytes", pipe10().padded(16385), "PAYLOAD_TOO_LARGE"),
                row("json", "no JSON", b"{", "FRAME_JSON_INVALID"),
                row("future", "too far ahead", json_full(), "TIMESTAMP_FUTURE", now_ms=NOW - 60_001),
                row("version", "version 3.1", pipe10(version="HxTP/3.1"), "VERSION_MISMATCH"),
                row("nonce", "no nonce", pipe10(nonce=None), "NONCE_MISSING"),
                row("code", "a code that there is not", pipe10().framed(12), TYPE),
                row("code-other", "the code of another type", pipe10().framed(4), TYPE),
                row("hash-form", "an ill-formed hash", pipe10(payload_hash=sha256(BODY).upper()), MISMATCH),
                row("no-signature", "no signature", pipe10(texts={"signature": None}), "SIGNATURE_MISSING"),
            ],
            ("Auto",),
            ("HX3-CODEC-09",),
            "auto",
        ),
        Group(
            "the furthest decides",
            "Each profile stops at another step.",
            [
                row(
                    "furthest-no-hash",
                    "without payload_hash, changed: pipe10 and json-header stop at step 12, json-full at 22",
                    json_full(hashed=None).swap(":80", ":81"),
                    INVALID,
                ),
                row(
                    "furthest-sequence",
                    "sequence, signed for nobody: pipe10 stops at 10, json-full at 22",
                    pipe10().swap('"sequence_number"', '"sequence"'),
                    INVALID,
                ),
                row(
                    "furthest-sequence-old",
                    "the same, too old: json-full and json-header stop at 18",
                    pipe10().swap('"sequence_number"', '"sequence"'),
                    "TIMESTAMP_EXPIRED",
                    now_ms=NOW + 300_001,
                ),
                row(
                    "furthest-version-device",
                    "protocol_version, for another device: pipe10 stops at 9, the others at 15",
                    pipe10().swap('"version"', '"protocol_version"'),
                    "DEVICE_NOT_FOUND",
                    device_id="other",
                ),
                row(
                    "furthest-version-nonce",
                    "protocol_version, without nonce: pipe10 stops at 9, the others at 11",
                    pipe10(texts={"nonce": None}).swap('"version"', '"protocol_version"'),
                    "NONCE_MISSING",
                ),
                row(
                    "furthest-full-to-device",
                    "json-full to a device: the JSON profiles stop at 14, pipe10 at 22",
                    json_full(),
                    INVALID,
                    direction="to_device",
                ),
                row(
                    "furthest-header-to-device",
                    "json-header to a device: the JSON profiles stop at 14, pipe10 at 20",
                    json_header(),
                    MISMATCH,
                    direction="to_device",
                ),
                row(
                    "furthest-unhashed-to-device",
                    "json-full without payload_hash to a device: pipe10 stops at 12, json-full at 14",
                    json_full(hashed=None),
                    TYPE,
                    direction="to_device",
                ),
                row(
                    "furthest-protocol",
                    "another protocol at the top: the JSON profiles stop at 9, pipe10 at 22",
                    pipe10(key=STRANGER).first('"protocol":"hxtp/3.1"'),
                    INVALID,
                ),
                row(
                    "furthest-nfd",
                    "params in NFD: the JSON profiles stop at 10, pipe10 at 22",
                    pipe10('{"a":"e\u0301"}', key=STRANGER),
                    INVALID,
                ),
                row(
                    "furthest-state",
                    "the body as state, changed: the JSON profiles stop at 10, pipe10 at 20",
                    pipe10('{"a":1}', name="state", message_type="state").swap('"a":1', '"a":2'),
                    MISMATCH,
                ),
                row(
                    "furthest-hash-number",
                    "json-header, its number used: pipe10 and json-full stop at 20, json-header at 21",
                    json_header(),
                    "SEQUENCE_VIOLATION",
                    last_sequence=7,
                ),
                row(
                    "furthest-tenant",
                    "sequence and another tenant: pipe10 stops at 10, the others at 16",
                    json_full(sequence_number=None, sequence=7),
                    "PERMISSION_DENIED",
                    tenant_id="other",
                ),
                row(
                    "furthest-schema",
                    "state beside an alias: all stop at 10",
                    pipe10("{}", name="state", message_type="state").first('"sequence":7'),
                    SCHEMA,
                ),
            ],
            ("Auto",),
            ("HX3-CODEC-09",),
            "auto",
        ),
    ],
)
