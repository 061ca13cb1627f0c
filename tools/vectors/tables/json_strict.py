"""The JSON profiles: what must be as strict as in pipe10, and what their bodies may be."""

from tools.vectors.cases import OK, Group
from tools.vectors.tables.json_profiles import JSON, MISMATCH, SCHEMA, VERSION, Table
from tools.vectors.wire import BODY, NONCE, NOW, Raw, sha256


def strict(table: Table) -> Group:
    make, row = table.make, table.row
    at = table.make()
    return table.group(
        "as strict as pipe10",
        "The frame, the scan, the fields, time and numbers are those of pipe10.",
        [
            row("strict-length", "a length that is wrong", at.framed(off=1), "FRAME_LENGTH_INVALID"),
            row("strict-size", "16,385 bytes", at.padded(16385), "PAYLOAD_TOO_LARGE"),
            row("strict-utf8", "no UTF-8", at.swap("light_on", b"\xff"), "FRAME_UTF8_INVALID"),
            row("strict-bom", "a byte-order mark", at.between(b"\xef\xbb\xbf", b""), JSON),
            row("strict-duplicate", "a member twice", at.first(f'"nonce":"{NONCE}"'), JSON),
            row(
                "strict-duplicate-deep",
                "a member twice in the params",
                at.swap('"action"', '"brightness"'),
                JSON,
            ),
            row(
                "strict-name",
                "a backslash in a top-level name",
                at.swap('"nonce"', r'"nonc\u0065"'),
                JSON,
            ),
            row("strict-surrogate", "half of a pair", at.swap("light_on", r"\ud800"), JSON),
            row("strict-trailing", "a brace behind", at.between(b"", b"}"), JSON),
            row("strict-depth", "depth 17", at.swap(":80", ":" + "[" * 15 + "]" * 15), JSON),
            row("strict-number", "a number of 513 bytes", at.swap(":80", ":" + "8" * 513), JSON),
            row("strict-two-bodies", "state beside params", at.first('"state":{}'), JSON),
            row("strict-version", "version 3.1", make(version="HxTP/3.1"), VERSION),
            row("strict-id-bar", "a | in an id", make(client_id="a|b"), SCHEMA),
            row("strict-id-long", "an id of 37 characters", make(client_id="a" * 37), SCHEMA),
            row("strict-id-empty", "an empty id", make(client_id=""), SCHEMA),
            row("strict-id-missing", "no client_id", make(client_id=None), SCHEMA),
            row("strict-id-number", "an id that is a number", make(client_id=Raw("7")), SCHEMA),
            row("strict-tenant-null", "tenant_id null", make(tenant_id=Raw("null")), SCHEMA),
            row("strict-sequence-string", "the number as a string", make(sequence_number="7"), SCHEMA),
            row("strict-sequence-fraction", "the number as 7.0", make(sequence_number=Raw("7.0")), SCHEMA),
            row("strict-sequence-2-53", "the number 2^53", make(sequence_number=2**53), SCHEMA),
            row("strict-timestamp-string", "the time as a string", make(timestamp=str(NOW)), SCHEMA),
            row(
                "strict-timestamp-fraction",
                "the time with a fraction",
                make(timestamp=Raw(f"{NOW}.5")),
                SCHEMA,
            ),
            row(
                "strict-timestamp-exponent", "the time as 1.7772e12", make(timestamp=Raw("1.7772e12")), SCHEMA
            ),
            row("strict-timestamp-missing", "no time", make(timestamp=None), SCHEMA),
            row(
                "strict-timestamp-seconds",
                "1,000,000,000,000 is seconds",
                make(timestamp=10**12),
                now_ms=10**15,
            ),
            row(
                "strict-timestamp-ms",
                "1,000,000,000,001 is ms",
                make(timestamp=10**12 + 1),
                now_ms=10**12 + 1,
            ),
            row("strict-nonce-short", "a nonce of 15 bytes", make(nonce="ab" * 15), "NONCE_MISSING"),
            row("strict-nonce-missing", "no nonce", make(nonce=None), "NONCE_MISSING"),
            row(
                "strict-hash-capital",
                "the hash in capital digits",
                make(payload_hash=sha256(BODY).upper()),
                MISMATCH,
            ),
            row(
                "strict-signature-missing",
                "no signature",
                make(texts={"signature": None}),
                "SIGNATURE_MISSING",
            ),
            row(
                "strict-signature-short",
                "a signature of 63 digits",
                make(signature="0" * 63),
                "SIGNATURE_MISSING",
            ),
            row("strict-device", "another device", at, "DEVICE_NOT_FOUND", device_id="other"),
            row("strict-tenant", "another tenant", at, "PERMISSION_DENIED", tenant_id="other"),
            row("strict-age", "300 s old", at, OK, now_ms=NOW + 300_000),
            row("strict-old", "300.001 s old", at, "TIMESTAMP_EXPIRED", now_ms=NOW + 300_001),
            row("strict-future", "60.001 s ahead", at, "TIMESTAMP_FUTURE", now_ms=NOW - 60_001),
            row("strict-nonce-seen", "a nonce that was seen", at, "NONCE_REUSED", seen_nonces=[NONCE]),
            row("strict-used", "a number that was used", at, "SEQUENCE_VIOLATION", last_sequence=7),
        ],
        "AsStrict",
        "HX3-CANON-24",
    )


def bodies(table: Table) -> Group:
    make, row = table.make, table.row
    return table.group(
        "the body",
        "params alone, and an object.",
        [
            *(
                row(
                    f"body-{name}",
                    f"the body as {name}",
                    table.empty(message_type=kind).swap('"params"', f'"{name}"'),
                    SCHEMA,
                )
                for name, kind in (("state", "state"), ("data", "telemetry"), ("result", "ack"))
            ),
            *(
                row(f"body-is-{id}", f"params is {id}", make(texts={"params": text}), SCHEMA)
                for id, text in (("array", "[]"), ("null", "null"), ("string", '"{}"'), ("number", "1"))
            ),
            row(
                "body-protocol",
                "a member protocol in the params",
                make(texts={"params": '{"protocol":"hxtp/3.0"}'}),
                SCHEMA,
            ),
            row(
                "body-protocol-null",
                "the same, null",
                make(texts={"params": '{"protocol":null}'}),
                SCHEMA,
            ),
        ],
        "JsonBody",
        "HX3-CANON-22",
        "HX3-CANON-20",
    )
