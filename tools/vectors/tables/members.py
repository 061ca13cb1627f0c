"""Members of JSON objects: duplicates, escapes in their names, and how deep they may lie."""

from tools.vectors.cases import OK, File, Group, verify
from tools.vectors.tables.strict_json import INVALID, bodies, body
from tools.vectors.wire import BODY, FIELDS, pipe10

COMMAND = pipe10()


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


def objects(depth: int, inner: str) -> str:
    """A body whose innermost object, at this depth of the message, holds `inner`."""
    return '{"o":' * (depth - 2) + "{" + inner + "}" + "}" * (depth - 2)


DUPLICATES = Group(
    "duplicate members",
    "Parsers take the first or the last; whoever checks one and executes the other can be deceived.",
    [
        *(
            verify(
                f"json-duplicate-top-{name.replace('_', '-')}",
                f"{name} twice at the top, with the same value",
                COMMAND.first(text),
                INVALID,
            )
            for name, text in (
                *(
                    (name, f'"{name}":"{FIELDS[name]}"')
                    for name in ("version", "device_id", "message_type", "nonce")
                ),
                ("sequence_number", '"sequence_number":7'),
                ("params", f'"params":{BODY}'),
            )
        ),
        verify(
            "json-duplicate-top-unknown", "an unknown member twice", COMMAND.first('"zz":1,"zz":1'), INVALID
        ),
        verify(
            "json-duplicate-top-last",
            "a second body behind the first, with another action",
            COMMAND.swap(',"payload_hash"', ',"params":{"action":"light_off"},"payload_hash"'),
            INVALID,
        ),
        *(
            verify(
                f"json-duplicate-depth-{depth}",
                f"two members of one name at depth {depth}",
                pipe10(objects(depth, '"x":1,"x":2')),
                INVALID,
            )
            for depth in (2, 3, 4, 8, 15, 16)
        ),
        *bodies(
            INVALID,
            duplicate_in_array=("in an object inside an array", '[{"x":1,"x":1}]'),
            duplicate_apart=("with others between them", '{"x":1,"y":2,"z":3,"x":4}'),
            duplicate_empty=("the empty name twice", '{"":1,"":2}'),
            duplicate_escaped=(r"x and \u0078", r'{"x":1,"\u0078":2}'),
            duplicate_escaped_slash=(r"/ and \/", r'{"/":1,"\/":2}'),
            duplicate_escaped_case=(r"\u00e9 and \u00E9", r'{"\u00e9":1,"\u00E9":2}'),
            duplicate_escaped_raw=(r"a raw letter and its \u00e9", '{"\u00e9":1,"\\u00e9":2}'),
            duplicate_astral=("a raw astral character and its pair", '{"\U0001f600":1,"\\ud83d\\ude00":2}'),
            duplicate_nul=("a name with U+0000, twice", r'{"a\u0000":1,"a\u0000":2}'),
            duplicate_proto=("__proto__ twice", '{"__proto__":1,"__proto__":2}'),
            duplicate_null=("null values", '{"x":null,"x":null}'),
        ),
        *bodies(
            OK,
            same_name_siblings=("one name in two objects beside each other", '[{"x":1},{"x":2}]'),
            same_name_nested=("one name in an object and in the one inside", '{"x":{"x":1}}'),
            names_case=("names that differ in case", '{"x":1,"X":2}'),
            names_normal_forms=("a name in NFC and in NFD are two", '{"\u00e9":1,"e\u0301":2}'),
            names_nul=("names that differ behind U+0000", r'{"a\u0000b":1,"a\u0000c":2,"a":3}'),
            names_pairs_low=(
                "pairs that differ in their second half",
                r'{"\ud83d\ude00":1,"\ud83d\ude01":2}',
            ),
            names_pairs_high=(
                "pairs that differ in their first half",
                r'{"\ud83d\ude00":1,"\ud83c\ude00":2}',
            ),
            names_pair_or_raw=("a pair and another character raw", '{"\\ud83d\\ude00":1,"\U0001f601":2}'),
            names_prefix=("a name that another begins with", '{"ab":1,"a":2,"b":3,"abc":4,"":5}'),
            name_proto=("__proto__ once", '{"__proto__":{"x":1}}'),
            name_number_like=("names that look like numbers", '{"10":1,"9":2,"1e1":3}'),
        ),
        verify(
            "json-name-of-envelope-in-body",
            "members of the envelope's names in the body are no duplicates",
            pipe10('{"nonce":1,"params":{"params":2},"sequence":3,"version":4}'),
        ),
    ],
    ("DuplicateMember",),
    ("HX3-WIRE-13",),
)

NAMES = Group(
    "backslash in a top-level name",
    "So that a scan may compare top-level names byte by byte.",
    [
        verify(
            "json-name-escaped-params",
            r"p\u0061rams instead of params",
            COMMAND.swap('"params"', r'"p\u0061rams"'),
            INVALID,
        ),
        verify("json-name-escaped-nonce", r"nonc\u0065", COMMAND.swap('"nonce"', r'"nonc\u0065"'), INVALID),
        verify(
            "json-name-escaped-second-body",
            r"a second body as p\u0061rams",
            COMMAND.first(r'"p\u0061rams":{}'),
            INVALID,
        ),
        verify("json-name-escaped-unknown", "in an unknown name", COMMAND.first(r'"a\\b":1'), INVALID),
        verify("json-name-escaped-quote", "a quote in an unknown name", COMMAND.first(r'"a\"b":1'), INVALID),
        verify("json-name-escaped-slash", "an escaped slash", COMMAND.first(r'"a\/b":1'), INVALID),
        body("name-escaped-in-body", "below the top a name may be escaped", r'{"\u0061\\\"":1}'),
    ],
    ("EscapedName",),
    ("HX3-WIRE-14",),
)

DEPTH = Group(
    "depth",
    "The top object is depth 1, the body 2, a value in the body 3.",
    [
        body("depth-16-arrays", "arrays down to depth 16", nested(14)),
        body("depth-17-arrays", "arrays down to depth 17", nested(15), INVALID),
        verify("json-depth-16-objects", "objects down to depth 16", pipe10(objects(16, ""))),
        verify("json-depth-17-objects", "objects down to depth 17", pipe10(objects(17, "")), INVALID),
        body(
            "depth-16-mixed",
            "objects and arrays down to depth 16",
            nested(7, '[{"x":', "}]").replace(":}", ":1}"),
        ),
        body(
            "depth-17-mixed",
            "objects and arrays down to depth 17",
            nested(7, '[{"x":', "}]").replace(":}", ":[]}"),
            INVALID,
        ),
        verify("json-depth-16-unknown", "depth 16 in an unknown member", COMMAND.first(f'"zz":{nested(15)}')),
        verify(
            "json-depth-17-unknown",
            "depth 17 in an unknown member",
            COMMAND.first(f'"zz":{nested(16)}'),
            INVALID,
        ),
        *(
            body(
                f"depth-{depth}-{id}",
                f"depth {depth} with {what} innermost",
                nested(depth - 2).replace("[]", f"[{text}]"),
                verdict,
            )
            for depth, verdict in ((16, OK), (17, INVALID))
            for id, what, text in (
                ("string", "a string", '"x"'),
                ("number", "a number", "1"),
                ("null", "null", "null"),
            )
        ),
        body("depth-2000", "two thousand brackets", nested(2000), INVALID),
        body("depth-in-string", "brackets in a string are no depth", f'"{nested(100)}"'),
        body("depth-siblings", "many values beside each other are no depth", f"[{'[],' * 200}[]]"),
    ],
    ("Depth",),
    ("HX3-WIRE-15",),
)

FILE = File("members", [DUPLICATES, NAMES, DEPTH])
