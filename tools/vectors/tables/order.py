"""The order of the verdict: messages that are wrong in several ways, and the code of the first."""

from typing import Any

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.wire import BODY, DEVICE, NONCE, NOW, STRANGER, TENANT, Wire, pipe10

# The steps of the table of HX3-VAL-01, without the first, which cannot be combined in a small message.
# Each: its number, what is wrong, the code, and how: fields before signing, JSON texts after it, parts of the
# question, or an operation on the bytes.
STEPS: list[tuple[int, str, str, dict[str, Any]]] = [
    (3, "magic", "FRAME_MAGIC_INVALID", {"magic": b"XX"}),
    (4, "header version", "FRAME_VERSION_INVALID", {"header": 2}),
    (5, "type code that there is not", "FRAME_TYPE_INVALID", {"code": 12}),
    (6, "length", "FRAME_LENGTH_INVALID", {"off": 1}),
    (7, "UTF-8", "FRAME_UTF8_INVALID", {"bytes": b'"\xff"'}),
    (8, "JSON", "FRAME_JSON_INVALID", {"first": '"zz":01'}),
    (9, "version", "VERSION_MISMATCH", {"texts": {"version": '"HxTP/3.1"'}}),
    (10, "field", "FRAME_SCHEMA_INVALID", {"texts": {"client_id": '""'}}),
    (11, "nonce", "NONCE_MISSING", {"texts": {"nonce": '""'}}),
    (12, "form of the hash", "HASH_MISMATCH", {"texts": {"payload_hash": '""'}}),
    (13, "form of the signature", "SIGNATURE_MISSING", {"texts": {"signature": '""'}}),
    (14, "direction", "FRAME_TYPE_INVALID", {"context": {"direction": "to_cloud"}}),
    (15, "device", "DEVICE_NOT_FOUND", {"context": {"device_id": "other"}}),
    (16, "tenant", "PERMISSION_DENIED", {"context": {"tenant_id": "other"}}),
    (18, "age", "TIMESTAMP_EXPIRED", {"context": {"now_ms": NOW + 300_001}}),
    (19, "nonce seen", "NONCE_REUSED", {"context": {"seen_nonces": [NONCE]}}),
    (20, "hash", "HASH_MISMATCH", {"texts": {"params": BODY.replace("80", "81")}}),
    (21, "number", "SEQUENCE_VIOLATION", {"context": {"last_sequence": 7}}),
    (22, "signature", "SIGNATURE_INVALID", {"context": {"secret_hex": STRANGER.hex()}}),
]
RIGHT = {"direction": "to_device", "device_id": DEVICE, "tenant_id": TENANT}


def wrong(id: str, steps: list[tuple[int, str, str, dict[str, Any]]], verdict: str) -> Case:
    """A framed command that is wrong in these ways at once."""
    texts: dict[str, str | None] = {}
    context: dict[str, Any] = dict(RIGHT)
    how: dict[str, Any] = {}
    for _, _, _, change in steps:
        texts.update(change.get("texts", {}))
        context.update(change.get("context", {}))
        how.update(change)
    wire: Wire = pipe10(texts=texts)
    if "first" in how:
        wire = wire.first(how["first"])
    if "bytes" in how:
        wire = wire.first(b'"zy":' + how["bytes"])
    wire = wire.framed(how.get("code"), how.get("magic", b"HX"), how.get("header", 3), how.get("off", 0))
    comment = "wrong: " + ", ".join(f"{what} (step {number})" for number, what, _, _ in steps)
    return verify(f"order-{id}", comment if steps else "nothing wrong", wire, verdict, **context)


FLAGS = ("Order",)
CLAUSES = ("HX3-VAL-01",)

ALL = Group(
    "wrong from a step on",
    "A message that is wrong at a step and at every later one, and is put right step by step.",
    [wrong(f"from-{step[0]}", STEPS[index:], step[2]) for index, step in enumerate(STEPS)]
    + [wrong("from-none", [], OK)],
    FLAGS,
    CLAUSES,
)

ALONE = Group(
    "wrong at one step",
    "The same faults, each alone.",
    [wrong(f"at-{step[0]}", [step], step[2]) for step in STEPS],
    FLAGS,
    CLAUSES,
)

LAST = Group(
    "wrong at a step and not signed by us",
    "Nobody has to hold the secret to be told another code than SIGNATURE_INVALID.",
    [wrong(f"pair-{step[0]}-22", [step, STEPS[-1]], step[2]) for step in STEPS[8:-1]],
    FLAGS,
    CLAUSES,
)

PAIRS = Group(
    "wrong at two steps",
    "Pairs that implementations like to check the other way round.",
    [
        wrong(f"pair-{STEPS[one][0]}-{STEPS[other][0]}", [STEPS[one], STEPS[other]], STEPS[one][2])
        for one, other in (
            *((index, index + 1) for index in range(len(STEPS) - 2)),
            *((6, 10), (6, 11), (7, 10), (8, 15), (11, 14), (11, 16), (12, 14), (12, 16), (12, 17), (13, 16)),
            *((14, 16), (14, 17), (15, 17)),
        )
    ],
    FLAGS,
    CLAUSES,
)

FUTURE = Group(
    "future first",
    "A time is too far ahead before it can be too old, whatever the limits.",
    [
        verify(
            "order-future-seen",
            "too far ahead, and its nonce was seen",
            pipe10(),
            "TIMESTAMP_FUTURE",
            now_ms=NOW - 60_001,
            seen_nonces=[NONCE],
        ),
        verify(
            "order-future-hash",
            "too far ahead, and its body was changed",
            pipe10(texts={"params": "{}"}),
            "TIMESTAMP_FUTURE",
            now_ms=NOW - 60_001,
        ),
        verify(
            "order-future-tenant",
            "too far ahead, and for another tenant",
            pipe10(),
            "PERMISSION_DENIED",
            now_ms=NOW - 60_001,
            tenant_id="other",
        ),
    ],
    FLAGS,
    CLAUSES,
)

SIZE = Group(
    "size first",
    "Whatever else is wrong with a message that is too large.",
    [
        verify(
            "order-size-magic",
            "and its magic is wrong",
            pipe10().padded(16385).framed(magic=b"XX"),
            "PAYLOAD_TOO_LARGE",
        ),
        verify(
            "order-size-length",
            "and its length is wrong",
            pipe10().padded(16385).framed(off=9),
            "PAYLOAD_TOO_LARGE",
        ),
        verify("order-size-utf8", "and it is no UTF-8", b"{" + b"\xff" * 16384, "PAYLOAD_TOO_LARGE"),
        verify(
            "order-size-version",
            "and it is of another version",
            pipe10(version="HxTP/3.1").padded(16385),
            "PAYLOAD_TOO_LARGE",
        ),
    ],
    FLAGS,
    ("HX3-VAL-01", "HX3-VAL-02"),
)

FIELDS_FIRST = Group(
    "several fields",
    "FRAME_SCHEMA_INVALID, NONCE_MISSING, HASH_MISMATCH, SIGNATURE_MISSING, in this order.",
    [
        verify(
            f"order-fields-{id}",
            f"missing: {', '.join(names)}",
            pipe10(texts=dict.fromkeys(names)),
            code,
        )
        for id, names, code in (
            ("all", ("request_id", "nonce", "payload_hash", "signature"), "FRAME_SCHEMA_INVALID"),
            ("three", ("nonce", "payload_hash", "signature"), "NONCE_MISSING"),
            ("two", ("payload_hash", "signature"), "HASH_MISMATCH"),
            ("type-nonce", ("message_type", "nonce"), "FRAME_SCHEMA_INVALID"),
            ("time-signature", ("timestamp", "signature"), "FRAME_SCHEMA_INVALID"),
            ("nonce-signature", ("nonce", "signature"), "NONCE_MISSING"),
        )
    ]
    + [
        verify(
            "order-body-nonce",
            "the body is no object, and the nonce is missing",
            pipe10("[]", texts={"nonce": None}),
            "FRAME_SCHEMA_INVALID",
        ),
        verify(
            "order-alias-nonce",
            "an alias, and the nonce is missing",
            pipe10(texts={"nonce": None}).first('"sequence":7'),
            "FRAME_SCHEMA_INVALID",
        ),
        verify(
            "order-version-alias",
            "another version, and an alias",
            pipe10(version="HxTP/3.1").first('"sequence":7'),
            "VERSION_MISMATCH",
        ),
        verify(
            "order-several-bodies-version",
            "several bodies, and another version",
            pipe10(version="HxTP/3.1").first('"state":{}'),
            "FRAME_JSON_INVALID",
        ),
        verify(
            "order-unknown-type-nonce",
            "an unknown type, and the nonce is missing",
            pipe10(message_type="order", texts={"nonce": None}),
            "NONCE_MISSING",
        ),
        verify(
            "order-unknown-type-device",
            "an unknown type, for another device",
            pipe10(message_type="order"),
            "FRAME_TYPE_INVALID",
            device_id="other",
        ),
        *(
            verify(
                f"order-code-{code}-length",
                f"code {code}, which no type has, and a wrong length",
                pipe10().framed(code, off=1),
                "FRAME_TYPE_INVALID",
            )
            for code in (0, 12, 255)
        ),
        verify(
            "order-code-4-length",
            "a code that is not the type's, and a wrong length",
            pipe10().framed(4, off=1),
            "FRAME_LENGTH_INVALID",
        ),
        verify(
            "order-code-device",
            "a code that is not the type's, for another device",
            pipe10().framed(4),
            "FRAME_TYPE_INVALID",
            device_id="other",
        ),
    ],
    FLAGS,
    ("HX3-VAL-01", "HX3-VAL-04"),
)

FILE = File("order", [ALL, ALONE, PAIRS, LAST, FUTURE, SIZE, FIELDS_FIRST])
