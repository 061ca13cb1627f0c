"""The codec's own requests: reset, what is no request, profiles that there are not, and no memory."""

from typing import Any

from tools.vectors.cases import Case, File, Group, context, refusal, verify
from tools.vectors.tables import sign
from tools.vectors.wire import BASE64_NONCE, NONCE, pipe10

BAD = refusal("BAD_REQUEST")
COMMAND = pipe10()
VERIFY = context(COMMAND)


def line(id: str, comment: str, text: str) -> Case:
    return Case(f"codec-line-{id}", comment, text, BAD)


def bad(id: str, comment: str, request: dict[str, Any]) -> Case:
    return Case(f"codec-{id}", comment, request, BAD)


def without(request: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in request.items() if other != name}


def slug(name: str) -> str:
    return name.replace("_", "-")


RESET = Group(
    "reset",
    "A codec keeps nothing, so that there is nothing to do but to say so.",
    [
        Case("codec-reset", "a reset", {"op": "reset"}, {"ok": True}),
        Case(
            "codec-reset-unknown",
            "a reset with members nobody knows",
            {"op": "reset", "x": [1, {}]},
            {"ok": True},
        ),
        Case("codec-reset-again", "and another", {"op": "reset"}, {"ok": True}),
    ],
    ("Codec",),
    ("HX3-CODEC-01", "HX3-CODEC-02"),
    None,
)

LINES = Group(
    "lines that are no requests",
    "Each is answered, and the codec goes on.",
    [
        line("empty", "an empty line", ""),
        line("space", "a space", " "),
        line("junk", "junk", "junk"),
        line("null", "null", "null"),
        line("number", "a number", "1"),
        line("string", "a string", '"reset"'),
        line("array", "an array", "[]"),
        line("array-of-request", "a request inside an array", '[{"op":"reset"}]'),
        line("open", "an open brace", "{"),
        line("truncated", "a request without its end", '{"op":"reset"'),
        line("trailing", "a request with something behind", '{"op":"reset"}x'),
        line("two", "two requests on a line", '{"op":"reset"}{"op":"reset"}'),
        line("single-quotes", "single quotes", "{'op':'reset'}"),
        line("duplicate", "a member twice", '{"op":"reset","op":"reset"}'),
        line("duplicate-unknown", "an unknown member twice", '{"op":"reset","x":1,"x":1}'),
        line("duplicate-deep", "a member twice below the top", '{"op":"reset","x":[{"a":1,"a":2}]}'),
        line("surrogate", "half of a surrogate pair", r'{"op":"reset","x":"\ud800"}'),
        line("surrogate-name", "half of a surrogate pair in a name", r'{"op":"reset","\udc00":1}'),
        line("control", "a raw tab in a string", '{"op":"reset","x":"\t"}'),
        line("nan", "NaN, which is no JSON", '{"op":"reset","x":NaN}'),
        line("brackets", "ten thousand brackets", "[" * 10000),
    ],
    ("Codec",),
    ("HX3-CODEC-01", "HX3-CODEC-02"),
    None,
)

OPERATIONS = Group(
    "operations that there are not",
    "JSON objects whose op nobody knows.",
    [
        bad("op-none", "no op", {}),
        bad("op-null", "op null", {"op": None}),
        bad("op-case", "op in capitals", {"op": "RESET"}),
        bad("op-unknown", "an unknown op", {"op": "encrypt"}),
        bad("op-unknown-verify", "an unknown op with all that verify needs", {**VERIFY, "op": "check"}),
        bad("op-unknown-sign", "an unknown op with all that sign needs", {**sign.request(), "op": "SIGN"}),
        bad("op-array", "op in an array", {"op": ["reset"]}),
    ],
    ("Codec",),
    ("HX3-CODEC-02",),
    None,
)

VERIFIES = Group(
    "verify requests",
    "Each member missing, of another type, or beyond its values.",
    [
        bad(f"verify-no-{slug(name)}", f"no {name}", without(VERIFY, name))
        for name in VERIFY
        if name not in ("op", "seen_nonces")
    ]
    + [
        bad(f"verify-{slug(name)}-{id}", f"{name}: {id}", {**VERIFY, name: value})
        for name, values in (
            ("profile", (("null", None), ("number", 10))),
            ("direction", (("null", None), ("to-client", "to_client"), ("case", "TO_DEVICE"), ("empty", ""))),
            (
                "wire_hex",
                (("null", None), ("odd", "7b7"), ("not-hex", "zz"), ("spaces", "7b 7d"), ("array", [])),
            ),
            (
                "secret_hex",
                (
                    ("null", None),
                    ("empty", ""),
                    ("short", "ab" * 31),
                    ("long", "ab" * 33),
                    ("not-hex", "zz" * 32),
                ),
            ),
            ("previous_secret_hex", (("empty", ""), ("short", "ab" * 31), ("false", False))),
            ("device_id", (("number", 7), ("array", ["x"]))),
            ("tenant_id", (("number", 7), ("false", False))),
            (
                "now_ms",
                (("null", None), ("string", "1777200000000"), ("minus", -1), ("half", 0.5), ("2-53", 2**53)),
            ),
            ("max_age_s", (("null", None), ("string", "300"), ("minus", -1), ("true", True))),
            ("future_s", (("null", None), ("string", "60"), ("minus", -0.5))),
            (
                "last_sequence",
                (("string", "6"), ("minus", -1), ("half", 6.5), ("2-53", 2**53), ("true", True)),
            ),
            ("seen_nonces", (("string", NONCE), ("number-in", [1]), ("null-in", [None]), ("object", {}))),
        )
        for id, value in values
    ],
    ("Codec",),
    ("HX3-CODEC-02",),
    None,
)

SIGNS = Group(
    "sign requests",
    "The same.",
    [
        bad(f"sign-no-{slug(name)}", f"no {name}", without(sign.request(), name))
        for name in sign.request()
        if name != "op"
    ]
    + [
        bad(f"sign-{slug(name)}-{id}", f"{name}: {id}", sign.request(**{name: value}))
        for name, values in (
            (
                "secret_hex",
                (("null", None), ("short", "ab" * 31), ("long", "ab" * 33), ("not-hex", "zz" * 32)),
            ),
            ("fields", (("null", None), ("array", []), ("string", "x"))),
            ("body_json", (("null", None), ("object", {}), ("number", 1))),
            ("framed", (("null", None), ("number", 1), ("string", "true"))),
        )
        for id, value in values
    ]
    + [
        bad(
            f"sign-field-{slug(name)}",
            f"{name} among the fields",
            sign.request(fields={**sign.FIELDS, name: value}),
        )
        for name, value in (
            ("sequence", 7),
            ("protocol_version", "HxTP/3.0"),
            ("payload_hash", "0" * 64),
            ("signature", "0" * 64),
            ("params", {}),
            ("action", "light_on"),
            ("unknown", None),
        )
    ]
    + [bad("sign-profile-null", "profile null", {**sign.request(), "profile": None})]
    + [bad("sign-profile-auto", "auto is no profile to sign with", sign.request("auto"))],
    ("Codec",),
    ("HX3-CODEC-02", "HX3-CODEC-11", "HX3-CODEC-12"),
    None,
)

PROFILES = Group(
    "profiles that nobody has",
    "Answered as a profile that the codec lacks.",
    [
        Case(
            f"codec-{op}-profile-{id}",
            f"{op} with profile {name!r}",
            {**request, "profile": name},
            refusal("UNSUPPORTED"),
        )
        for op, request in (("verify", VERIFY), ("sign", sign.request()))
        for id, name in (("ed25519", "ed25519"), ("pipe11", "pipe11"), ("capitals", "PIPE10"), ("empty", ""))
    ],
    ("Codec",),
    ("HX3-CODEC-03",),
    None,
)

BEFORE = Group(
    "profiles that nobody has, in lines that are no requests",
    "BAD_REQUEST comes first.",
    [
        bad(
            "verify-profile-and-secret",
            "and a short secret",
            {**VERIFY, "profile": "ed25519", "secret_hex": "ab"},
        ),
        bad("verify-profile-and-time", "and no now_ms", without({**VERIFY, "profile": "ed25519"}, "now_ms")),
        bad("sign-profile-and-framed", "and framed 1", {**sign.request("ed25519"), "framed": 1}),
        bad("sign-profile-and-body", "and no body_json", without(sign.request("ed25519"), "body_json")),
    ],
    ("Codec",),
    ("HX3-CODEC-03",),
    None,
)

ANYWAY = Group(
    "requests of other spellings",
    "What a request may be like.",
    [
        Case(
            "codec-no-nonces",
            "without the member seen_nonces",
            without(VERIFY, "seen_nonces"),
            {"ok": True, "rotated": False, "message_type": "command", "body_json": COMMAND.body},
            clauses=("HX3-CODEC-08",),
        ),
        Case(
            "codec-capital-digits",
            "hexadecimal digits of a request may be capital",
            {**VERIFY, "wire_hex": VERIFY["wire_hex"].upper(), "secret_hex": VERIFY["secret_hex"].upper()},
            {"ok": True, "rotated": False, "message_type": "command", "body_json": COMMAND.body},
            clauses=("HX3-CODEC-02",),
        ),
        verify(
            "codec-limits-largest",
            "the largest limits",
            COMMAND,
            now_ms=2**53 - 1,
            max_age_s=2**53 - 1,
            future_s=2**53 - 1,
            clauses=("HX3-CODEC-08",),
        ),
        Case(
            "codec-unknown-member",
            "with a member nobody knows",
            {**VERIFY, "later": {"x": 1}},
            {"ok": True, "rotated": False, "message_type": "command", "body_json": COMMAND.body},
            clauses=("HX3-CODEC-02",),
        ),
    ],
    ("Codec",),
    ("HX3-CODEC-02",),
)

MEMORY = Group(
    "no memory",
    "One message asked about again and again: what was accepted, refused or reset before does not matter.",
    [
        verify("codec-memory-first", "accepted", COMMAND, last_sequence=6),
        verify("codec-memory-again", "accepted again, byte for byte", COMMAND, last_sequence=6),
        verify(
            "codec-memory-refused",
            "refused by a list of nonces",
            COMMAND,
            "NONCE_REUSED",
            seen_nonces=[NONCE],
        ),
        verify("codec-memory-after", "accepted without the list", COMMAND, seen_nonces=[BASE64_NONCE]),
        verify("codec-memory-higher", "a higher number", pipe10(sequence_number=8), last_sequence=7),
        verify("codec-memory-lower", "and the lower one behind it", COMMAND, last_sequence=6),
    ],
    ("NoMemory",),
    ("HX3-CODEC-04", "HX3-CODEC-05"),
)

FILE = File("codec", [RESET, LINES, OPERATIONS, VERIFIES, SIGNS, PROFILES, BEFORE, ANYWAY, MEMORY])
