"""`sign`: the whole message that a codec has to write, byte for byte, and what it has to refuse."""

import json
from collections.abc import Callable
from typing import Any

from tools.vectors.cases import Case, File, Group, refusal
from tools.vectors.json_wire import EMPTY_ALONE, json_full, json_header
from tools.vectors.tables.json_dialects import NOT_FINITE, NOT_NFC
from tools.vectors.wire import ACTIVE, BASE64_NONCE, BODY, CODES, FIELDS, NOW, PREVIOUS, Wire, pipe10

SCHEMA = "FRAME_SCHEMA_INVALID"
INVALID = "FRAME_JSON_INVALID"
LARGEST = 2**53 - 1


def request(profile: str = "pipe10", **changes: Any) -> dict[str, Any]:
    """A whole sign request for the message by default."""
    asked = {
        "op": "sign",
        "profile": profile,
        "secret_hex": ACTIVE.hex(),
        "fields": FIELDS,
        "body_json": BODY,
        "framed": False,
    }
    return asked | changes


def fields(**changes: Any) -> dict[str, Any]:
    return {**FIELDS, **changes}


def signed(id: str, comment: str, wire: Wire, profile: str = "pipe10", **changes: Any) -> Case:
    """What is asked by `changes` gives this message."""
    members = json.loads(wire.data[wire.data.index(b"{") :])
    answer = {
        "ok": True,
        "wire_hex": wire.data.hex(),
        "signed_text": wire.signed,
        "payload_hash": members["payload_hash"],
        "signature": members["signature"],
    }
    return Case(f"sign-{id}", comment, request(profile, **changes), answer)


def refused(id: str, comment: str, code: str, profile: str = "pipe10", **changes: Any) -> Case:
    return Case(f"sign-{id}", comment, request(profile, **changes), refusal(code))


def field(id: str, comment: str, **changes: Any) -> Case:
    """A message with these fields, which is signed."""
    return signed(id, comment, pipe10(**changes), fields=fields(**changes))


def body(id: str, comment: str, text: str) -> Case:
    """A message with this body, which is signed over what is between its braces."""
    inner = text.strip(" \t\r\n")
    return signed(id, comment, pipe10(inner).swap(f'"params":{inner}', f'"params":{text}'), body_json=text)


ROOM = 16384 - len(pipe10('{"x":""}').data)

PIPE10 = Group(
    "pipe10",
    "One message for one request: members sorted and compact, the body as it was given.",
    [
        signed("pipe10", "a command, bare", pipe10()),
        signed("pipe10-framed", "a command behind its header", pipe10().framed(), framed=True),
        *(
            signed(
                f"type-{kind.replace('_', '-')}",
                f"{kind}, framed with code {code}",
                pipe10("{}", message_type=kind).framed(),
                fields=fields(message_type=kind),
                body_json="{}",
                framed=True,
            )
            for kind, code in CODES.items()
        ),
        signed("other-secret", "another secret", pipe10(key=PREVIOUS), secret_hex=PREVIOUS.hex()),
        signed(
            "no-tenant",
            "without tenant_id",
            pipe10(tenant_id=None),
            fields={name: value for name, value in FIELDS.items() if name != "tenant_id"},
        ),
        signed(
            "tenant-null", "tenant_id null: left out", pipe10(tenant_id=None), fields=fields(tenant_id=None)
        ),
        field("sequence-0", "number 0", sequence_number=0),
        field("sequence-largest", "number 2^53 - 1", sequence_number=LARGEST),
        field("timestamp-0", "time 0", timestamp=0),
        field("timestamp-seconds", "a time in seconds stays as it is", timestamp=NOW // 1000),
        field("timestamp-largest", "time 2^53 - 1", timestamp=LARGEST),
        field("nonce-base64", "a nonce in base64", nonce=BASE64_NONCE),
        field("nonce-capital", "a nonce in capital digits", nonce="AB" * 16),
        field("id-quotes", 'an id that needs \\" and \\\\ and no other escape', client_id="\"\\/<>&'"),
        field("id-36", "an id of 36 characters", message_id="m" * 36),
        field("request-differs", "a request_id of its own", request_id="r-1"),
        body("body-empty", "an empty body", "{}"),
        body(
            "body-white-space-around", "white space around the body: embedded and not hashed", " \n{}\t\r\n "
        ),
        body("body-white-space-inside", "white space inside: hashed", '{ "a" : [ 1 ] }'),
        body("body-unsorted", "members stay unsorted", '{"b":1,"a":2}'),
        body("body-numbers", "numbers stay as they are", '{"a":1.0,"b":1E400,"c":-0,"d":9007199254740993}'),
        body("body-raw", "characters stay as they are", '{"a":"caf\u00e9\U0001f600\u2028\x7f"}'),
        body("body-escapes", "escapes stay as they are", r'{"a":"\u0061\/\u00E9\ud83d\ude00\u0000"}'),
        body("body-nfd", "NFD stays NFD", '{"a":"e\u0301"}'),
        body(
            "body-names",
            "names of the envelope in the body",
            '{"payload_hash":"x","signature":"y","params":{}}',
        ),
        body("body-quoted-params", "the text of a member inside the body", r'{"a":"\"params\":{}"}'),
        body("body-depth-16", "depth 16", '{"a":' + "[" * 14 + "]" * 14 + "}"),
        body("size-16384", "16,384 bytes", '{"x":"' + "x" * ROOM + '"}'),
    ],
    ("Sign",),
    ("HX3-CODEC-11", "HX3-WIRE-34", "HX3-CANON-01"),
)

# field, its values, the code
ILL: list[tuple[str, list[tuple[str, Any]], str]] = [
    ("version", [("3-1", "HxTP/3.1"), ("empty", ""), ("null", None), ("number", 3)], "VERSION_MISMATCH"),
    ("message_type", [("unknown", "order"), ("case", "Command")], "FRAME_TYPE_INVALID"),
    ("message_type", [("empty", ""), ("null", None), ("long", "a" * 37), ("bar", "a|b")], SCHEMA),
    ("device_id", [("empty", ""), ("null", None), ("long", "a" * 37), ("bar", "a|b"), ("number", 7)], SCHEMA),
    ("tenant_id", [("empty", ""), ("long", "a" * 37), ("bar", "a|b"), ("number", 7)], SCHEMA),
    ("client_id", [("not-ascii", "\u00e9"), ("nul", "a\0"), ("line-feed", "a\nb"), ("array", ["a"])], SCHEMA),
    ("message_id", [("long", "a" * 37), ("object", {})], SCHEMA),
    ("request_id", [("null", None), ("true", True)], SCHEMA),
    (
        "sequence_number",
        [("string", "7"), ("null", None), ("minus", -1), ("half", 7.5), ("2-53", 2**53), ("true", True)],
        SCHEMA,
    ),
    (
        "timestamp",
        [("string", str(NOW)), ("null", None), ("minus", -1), ("half", 0.5), ("2-53", 2**53)],
        SCHEMA,
    ),
    (
        "nonce",
        [("short", "ab" * 15), ("empty", ""), ("null", None), ("long", "ab" * 33), ("bar", "ab" * 16 + "|")],
        "NONCE_MISSING",
    ),
]

FIELDS_REFUSED = Group(
    "fields that are refused",
    "With the code that verify would give.",
    [
        refused(f"{name.replace('_', '-')}-{id}", f"{name}: {id}", code, fields=fields(**{name: value}))
        for name, values, code in ILL
        for id, value in values
    ]
    + [
        refused(
            f"{name.replace('_', '-')}-missing",
            f"no {name}",
            {"version": "VERSION_MISMATCH", "nonce": "NONCE_MISSING"}.get(name, SCHEMA),
            fields={other: value for other, value in FIELDS.items() if other != name},
        )
        for name in FIELDS
        if name != "tenant_id"
    ]
    + [
        refused("fields-empty", "no fields at all", "VERSION_MISMATCH", fields={}),
        refused(
            "two-fields",
            "two wrong fields: the first in the order",
            SCHEMA,
            fields=fields(nonce="", device_id=""),
        ),
        refused(
            "field-and-body",
            "a wrong field, and a body that is no JSON",
            INVALID,
            fields=fields(nonce=""),
            body_json="{",
        ),
        refused(
            "nonce-and-body",
            "a wrong nonce, and a body that is no object",
            SCHEMA,
            fields=fields(nonce=""),
            body_json="[]",
        ),
    ],
    ("SignRefused",),
    ("HX3-CODEC-11",),
)

BODIES: list[tuple[str, str, str, str]] = [
    ("nothing", "no text", "", INVALID),
    ("white", "white space", " ", INVALID),
    ("open", "an open brace", "{", INVALID),
    ("behind", "a letter behind", "{}x", INVALID),
    ("two", "two objects", "{} {}", INVALID),
    ("member-behind", "a member behind it", '{},"extra":{}', INVALID),
    ("state-behind", "a second body behind it", '{"a":1},"state":{}', INVALID),
    ("params-behind", "the same body behind it", '{"a":1},"params":{"a":2}', INVALID),
    ("closing", "what closes the message and begins another", '{}}{"a":{}', INVALID),
    ("duplicate", "a member twice", '{"a":1,"a":1}', INVALID),
    ("depth-17", "depth 17", '{"a":' + "[" * 15 + "]" * 15 + "}", INVALID),
    ("surrogate", "half of a pair", r'{"a":"\ud800"}', INVALID),
    ("number", "01", '{"a":01}', INVALID),
    ("nan", "NaN", '{"a":NaN}', INVALID),
    ("control", "a raw line feed", '{"a":"\n"}', INVALID),
    ("bom", "a byte-order mark", "\ufeff{}", INVALID),
    ("null", "null", "null", SCHEMA),
    ("array", "an array", "[]", SCHEMA),
    ("string", "a string", '"x"', SCHEMA),
    ("large", "16,385 bytes in all", '{"x":"' + "x" * (ROOM + 1) + '"}', "PAYLOAD_TOO_LARGE"),
    (
        "large-white",
        "16,385 bytes by white space around the body",
        '{"x":"' + "x" * ROOM + '"} ',
        "PAYLOAD_TOO_LARGE",
    ),
]

BODIES_REFUSED = Group(
    "bodies that are refused",
    "What would be no message, or another than was asked for.",
    [refused(f"body-{id}", what, code, body_json=text) for id, what, text, code in BODIES],
    ("SignRefused",),
    ("HX3-CODEC-11",),
)


def _json(profile: str, make: Callable[..., Wire], full: bool) -> Group:
    short = profile.removeprefix("json-")

    def of(id: str, comment: str, text: str, plain: str, canon: str) -> Case:
        params = f'{{"a":{text}}}'
        if full:
            wire = make(params, f'{{"a":{canon}}}', f'{{"a":{plain}}}')
        else:
            wire = make(params, f'{{"a":{canon},"protocol":"hxtp/3.0"}}')
        return signed(f"{short}-{id}", comment, wire, profile, body_json=params)

    def field(id: str, comment: str, **changes: Any) -> Case:
        return signed(f"{short}-{id}", comment, make(**changes), profile, fields=fields(**changes))

    empty = make("{}", "{}", "{}") if full else make("{}", EMPTY_ALONE)
    return Group(
        profile,
        "Signed over canonical JSON, sent as pipe10 sends it, with payload_hash.",
        [
            signed(f"{short}-command", "a command, bare", make(), profile),
            signed(f"{short}-framed", "a command behind its header", make().framed(), profile, framed=True),
            signed(f"{short}-empty", "an empty body", empty, profile, body_json="{}"),
            field("no-tenant", "without tenant_id", tenant_id=None),
            field("quotes", "an id with quotes and backslashes", client_id='"\\/'),
            field("largest", "the largest number", sequence_number=LARGEST),
            of("number", "a number", "1.50", "1.5", '"1.5"'),
            of("tenth", "0.1", "0.1", "0.1", '"0.10000000000000000555"'),
            of("letter", "a letter beyond ASCII", '"\u00e9"', r'"\u00e9"', '"\u00e9"'),
            of(
                "nested",
                "nested values",
                '[{"c":null,"b":[true]}]',
                '[{"b":[true],"c":null}]',
                '[{"b":[true],"c":null}]',
            ),
            refused(
                f"{short}-version",
                "another version",
                "VERSION_MISMATCH",
                profile,
                fields=fields(version="HxTP/3.1"),
            ),
            refused(f"{short}-id-bar", "a | in an id", SCHEMA, profile, fields=fields(client_id="a|b")),
            refused(f"{short}-nonce", "a short nonce", "NONCE_MISSING", profile, fields=fields(nonce="ab")),
            refused(
                f"{short}-type",
                "an unknown type",
                "FRAME_TYPE_INVALID",
                profile,
                fields=fields(message_type="x"),
            ),
            refused(f"{short}-duplicate", "a member twice", INVALID, profile, body_json='{"a":1,"a":1}'),
            refused(f"{short}-array", "a body that is no object", SCHEMA, profile, body_json="[]"),
            refused(
                f"{short}-protocol", "a member protocol", SCHEMA, profile, body_json='{"protocol":"hxtp/3.0"}'
            ),
            *(
                refused(f"{short}-{id}", what, SCHEMA, profile, body_json=f'{{"a":{text}}}')
                for id, what, text in (*NOT_NFC[:3], *NOT_FINITE[:1])
            ),
            *(
                [
                    of(
                        "2-53-1",
                        "2^53 + 1, vouched for by the hash",
                        *["9007199254740993"] * 2,
                        '"9007199254740992"',
                    )
                ]
                if full
                else [
                    refused("header-2-53-1", "2^53 + 1", SCHEMA, profile, body_json='{"a":9007199254740993}')
                ]
            ),
        ],
        ("Sign",),
        ("HX3-CODEC-11", "HX3-CANON-14" if full else "HX3-CANON-16"),
        profile,
    )


FILE = File(
    "sign",
    [
        PIPE10,
        FIELDS_REFUSED,
        BODIES_REFUSED,
        _json("json-full", json_full, True),
        _json("json-header", json_header, False),
    ],
)
