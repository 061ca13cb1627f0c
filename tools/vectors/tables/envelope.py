"""The envelope as a whole: versions, aliases, unknown members, and their order."""

from tools.vectors.cases import File, Group, verify
from tools.vectors.wire import BODY, NOW, Raw, Wire, pipe10

COMMAND = pipe10()
SCHEMA = "FRAME_SCHEMA_INVALID"
MISMATCH = "VERSION_MISMATCH"

VERSIONS = Group(
    "versions",
    "HxTP/3.0 and nothing else, judged before every other field.",
    [
        *(
            verify(f"version-{id}", f"version {value}", pipe10(version=value), MISMATCH)
            for id, value in (
                ("3-1", "HxTP/3.1"),
                ("2-0", "HxTP/2.0"),
                ("2-2", "HxTP/2.2"),
                ("4-0", "HxTP/4.0"),
                ("3", "HxTP/3"),
                ("3-00", "HxTP/3.00"),
                ("3-0-0", "HxTP/3.0.0"),
                ("lower-case", "hxtp/3.0"),
                ("capitals", "HXTP/3.0"),
                ("space", "HxTP/3.0 "),
                ("nul", "HxTP/3.0\0"),
                ("bare", "3.0"),
                ("empty", ""),
                ("long", "HxTP/3.0" * 9),
            )
        ),
        verify("version-number", "version as a number", pipe10(version=Raw("3.0")), MISMATCH),
        verify(
            "version-escaped",
            r"HxTP\/3.0, which means the same",
            pipe10(texts={"version": r'"HxTP\/3.0"'}),
            flags=("Valid",),
        ),
        verify(
            "version-escaped-letters",
            "written with escapes alone",
            pipe10(texts={"version": r'"\u0048\u0078\u0054\u0050\u002f\u0033\u002e\u0030"'}),
            flags=("Valid",),
        ),
        verify(
            "version-3-1-otherwise-empty",
            "a message of 3.1 without any field of 3.0",
            b'{"version":"HxTP/3.1","signature_ed25519":"","payload":null}',
            MISMATCH,
        ),
        verify(
            "version-3-1-ill-typed",
            "a message of 3.1 whose fields are of other types",
            b'{"version":"HxTP/3.1","device_id":1,"sequence_number":"a","params":[]}',
            MISMATCH,
        ),
        verify(
            "version-3-1-framed", "a framed message of 3.1", pipe10(version="HxTP/3.1").framed(), MISMATCH
        ),
        verify(
            "version-changed",
            "3.0 became 3.1 after signing",
            COMMAND.swap("HxTP/3.0", "HxTP/3.1"),
            MISMATCH,
        ),
        verify(
            "version-signed-3-1",
            "3.0 in the message, signed with 3.1",
            pipe10(version="HxTP/3.1", texts={"version": '"HxTP/3.0"'}),
            "SIGNATURE_INVALID",
            clauses=("HX3-CANON-01",),
        ),
    ],
    ("OtherVersion",),
    ("HX3-WIRE-21", "HX3-VAL-03", "HX3-VERS-01"),
)

ALIASES = Group(
    "aliases",
    "The older names of two fields are refused in pipe10, alone and beside the right ones.",
    [
        verify(
            "alias-sequence-instead",
            "sequence instead of sequence_number",
            COMMAND.swap('"sequence_number"', '"sequence"'),
            SCHEMA,
        ),
        verify("alias-sequence-beside", "sequence beside it", COMMAND.first('"sequence":7'), SCHEMA),
        verify("alias-sequence-null", "sequence beside it, null", COMMAND.first('"sequence":null'), SCHEMA),
        verify(
            "alias-version-instead",
            "protocol_version instead of version, which then is missing",
            COMMAND.swap('"version"', '"protocol_version"'),
            MISMATCH,
        ),
        verify(
            "alias-version-beside",
            "protocol_version beside version",
            COMMAND.first('"protocol_version":"HxTP/3.0"'),
            SCHEMA,
        ),
        verify(
            "alias-version-other-beside",
            "another protocol_version beside the right version",
            COMMAND.first('"protocol_version":"HxTP/3.1"'),
            SCHEMA,
        ),
        verify(
            "alias-in-body",
            "in the body they are members as any other",
            pipe10('{"protocol_version":"x","sequence":1}'),
        ),
    ],
    ("Alias",),
    ("HX3-WIRE-24",),
)

UNKNOWN = Group(
    "unknown members",
    "Ignored, and unsigned in pipe10, so that later texts can add some.",
    [
        verify(f"unknown-{id}", what, COMMAND.first(text))
        for id, what, text in (
            ("string", "a string", '"zz":"x"'),
            ("null", "null", '"zz":null'),
            ("nested", "a deep value", '"zz":[{"a":[{"b":{}}]}]'),
            ("many", "many members", ",".join(f'"x{number}":{number}' for number in range(50))),
            ("empty-name", "an empty name", '"":1'),
            ("proto", "__proto__", '"__proto__":{"version":"HxTP/3.1","nonce":"x"}'),
            ("constructor", "constructor and toString", '"constructor":{},"toString":1'),
            ("case", "names of fields in other cases", '"Nonce":"x","VERSION":"x","Params":{}'),
            ("space", "names of fields with spaces", '" params":{},"params ":{},"nonce ":1'),
            (
                "protocol",
                "protocol, which means something in the JSON profiles alone",
                '"protocol":"hxtp/3.1"',
            ),
            ("hash", "hash, sig and mac", '"hash":"","sig":"","mac":""'),
            ("long-name", "a name of a thousand characters", f'"{"n" * 1000}":1'),
        )
    ]
    + [
        verify(
            "unknown-action-differs",
            "a top-level action that is not the signed one: the message is authentic, no command is judged",
            COMMAND.first('"action":"light_off"'),
            clauses=("HX3-CODEC-05",),
        ),
        verify("unknown-action-number", "a top-level action of another type", COMMAND.first('"action":7')),
        verify("unknown-behind", "behind the others", COMMAND.swap('HxTP/3.0"}', 'HxTP/3.0","zz":[]}')),
    ],
    ("UnknownMember",),
    ("HX3-WIRE-28", "HX3-VERS-02"),
)

_WITHOUT = pipe10(texts={"params": None}).data[1:-1]
REVERSED = Wire(
    b"{%s,%s}" % (b",".join(reversed(_WITHOUT.split(b","))), b'"params":' + BODY.encode()), body=BODY
)
BODY_FIRST = Wire(b"{%s,%s}" % (b'"params":' + BODY.encode(), _WITHOUT), body=BODY)

ORDER_OF_MEMBERS = Group(
    "order of members",
    "Members may come in any order.",
    [
        verify("members-reversed", "sorted the wrong way round", REVERSED),
        verify("members-body-first", "the body first", BODY_FIRST),
        verify(
            "members-of-old-time",
            "seconds instead of ms",
            pipe10(timestamp=NOW // 1000),
            clauses=("HX3-WIRE-42",),
        ),
    ],
    ("Valid",),
    ("HX3-WIRE-20",),
)

FILE = File("envelope", [VERSIONS, ALIASES, UNKNOWN, ORDER_OF_MEMBERS])
