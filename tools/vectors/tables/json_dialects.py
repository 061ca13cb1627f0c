"""Canonical JSON in its two dialects: numbers, strings, names, and the hash of the params.

Each row says what the params mean in canonical JSON and, for json-full, how Python writes them to be hashed.
Values as measured on the SDKs of app programs.
"""

from dataclasses import replace

from tools.vectors.cases import OK, Case, Group
from tools.vectors.json_wire import EMPTY_ALONE
from tools.vectors.tables.json_profiles import INVALID, MISMATCH, SCHEMA, Table
from tools.vectors.wire import BODY, CANONICAL, CANONICAL_ALONE, Wire, sha256

TINY = "4.76837158203125e-7"  # 2 to the power of -21: a tie at the 20th place
LONG = "123456789012345678901234567890"
E30 = "1000000000000000019884624838656"

# id, what, the number as sent, as Python's json writes it, canonical in Python, canonical in JavaScript
# (None: refused, since the text no longer says the number).
NUMBERS: list[tuple[str, str, str, str, str, str | None]] = [
    ("one", "1", "1", "1", "1", "1"),
    ("fraction-zero", "1.0", "1.0", "1.0", "1", "1"),
    ("exponent", "1e3", "1e3", "1000.0", "1000", "1000"),
    ("exponent-plus", "1E+2", "1E+2", "100.0", "100", "100"),
    ("thousand", "1000: its zeros stay", "1000", "1000", "1000", "1000"),
    ("zero", "0", "0", "0", "0", "0"),
    ("minus-zero", "-0, an integer", "-0", "0", "0", "0"),
    ("minus-zero-fraction", "-0.0", "-0.0", "-0.0", "0", "0"),
    ("minus", "-17", "-17", "-17", "-17", "-17"),
    ("tenth", "0.1", "0.1", "0.1", "0.10000000000000000555", "0.10000000000000000555"),
    ("minus-tenth", "-0.1", "-0.1", "-0.1", "-0.10000000000000000555", "-0.10000000000000000555"),
    ("six-fifths", "1.2", "1.2", "1.2", "1.19999999999999995559", "1.19999999999999995559"),
    ("half", "22.50", "22.50", "22.5", "22.5", "22.5"),
    ("thousands", "123456.789", *["123456.789"] * 2, *["123456.78900000000430736691"] * 2),
    ("small", "1e-7", "1e-7", "1e-07", "0.0000001", "0.0000001"),
    ("last-place", "1e-20", "1e-20", "1e-20", *["0.00000000000000000001"] * 2),
    ("below-last-place", "6e-21, which rounds up", "6e-21", "6e-21", *["0.00000000000000000001"] * 2),
    ("minus-below", "-1e-21, which rounds to zero", "-1e-21", "-1e-21", "0", "-0"),
    ("smallest", "5e-324", "5e-324", "5e-324", "0", "0"),
    (
        "tie",
        "2 to the power of -21",
        TINY,
        "4.76837158203125e-07",
        "0.00000047683715820312",
        "0.00000047683715820313",
    ),
    ("e16", "1e16", "1e16", "1e+16", "10000000000000000", "10000000000000000"),
    ("e20", "1e20", "1e20", "1e+20", "100000000000000000000", "100000000000000000000"),
    ("e21", "1e21", "1e21", "1e+21", "1000000000000000000000", "1e+21"),
    ("e21-digits", "1e21 in digits", *["1000000000000000000000"] * 3, "1e+21"),
    ("e22", "1e22", "1e22", "1e+22", "10000000000000000000000", "1e+22"),
    ("e30", "1e30, which one dialect spoils", "1e30", "1e+30", E30, None),
    ("2-53", "2^53", *["9007199254740992"] * 4),
    (
        "2-53-1",
        "2^53 + 1 with a fraction, a double",
        "9007199254740993.0",
        "9007199254740992.0",
        *["9007199254740992"] * 2,
    ),
]
# The canonical text of these integers does not say them: only a hash of the raw kind can vouch for them.
ROUNDED: list[tuple[str, str, str, str, str]] = [
    ("2-53-1-integer", "2^53 + 1, an integer", "9007199254740993", "9007199254740992", "9007199254740992"),
    ("30-digits", "thirty digits", LONG, "123456789012345677877719597056", "1.2345678901234568e+29"),
    ("e21-and-1", "1e21 + 1 in digits", "1000000000000000000001", "1000000000000000000000", "1e+21"),
]
# The same for both dialects: id, what, JSON text as sent, as Python writes it in ASCII, canonical.
STRINGS: list[tuple[str, str, str, str, str]] = [
    (
        "controls",
        "control characters",
        r'"\b\f\n\r\t\u0000\u001F"',
        r'"\b\f\n\r\t\u0000\u001f"',
        r'"\b\f\n\r\t\u0000\u001f"',
    ),
    ("quotes", "quote and backslash", r'"\"\\\/"', r'"\"\\/"', r'"\"\\/"'),
    ("del", "U+007F", '"\x7f"', r'"\u007f"', '"\x7f"'),
    ("printable", "spaces and marks", '" !#$%()*+,-.:;=?@[]^_`{|}~"', *['" !#$%()*+,-.:;=?@[]^_`{|}~"'] * 2),
    ("html", "what some writers escape", '"<>&\'"', '"<>&\'"', '"<>&\'"'),
    ("escaped-ascii", "letters as escapes", r'"\u0061\u0062"', '"ab"', '"ab"'),
    ("latin", "a letter in NFC", '"caf\u00e9"', r'"caf\u00e9"', '"caf\u00e9"'),
    ("latin-escaped", "the same as an escape", r'"caf\u00E9"', r'"caf\u00e9"', '"caf\u00e9"'),
    ("astral", "a character beyond U+FFFF", '"\U0001f600"', r'"\ud83d\ude00"', '"\U0001f600"'),
    ("astral-escaped", "the same as a pair", r'"\uD83D\uDE00"', r'"\ud83d\ude00"', '"\U0001f600"'),
    ("line-separator", "U+2028", '"\u2028"', r'"\u2028"', '"\u2028"'),
    ("compatibility", "a ligature, which NFC keeps", '"\ufb01"', r'"\ufb01"', '"\ufb01"'),
    ("bom", "U+FEFF", '"\ufeff"', r'"\ufeff"', '"\ufeff"'),
]
VALUES: list[tuple[str, str, str, str, str]] = [
    ("literals", "null, true, false", "[null,true,false]", "[null,true,false]", "[null,true,false]"),
    (
        "nested",
        "nested values",
        '[1,{"z":1,"a":"x"},[]]',
        '[1,{"a":"x","z":1},[]]',
        '["1",{"a":"x","z":"1"},[]]',
    ),
    ("empty", "empty values", '[{},[],""]', '[{},[],""]', '[{},[],""]'),
    ("white-space", "white space", '{ "c" : [ 1 , 2 ] }', '{"c":[1,2]}', '{"c":["1","2"]}'),
    (
        "nested-protocol",
        "a member protocol below the top",
        '{"protocol":1}',
        '{"protocol":1}',
        '{"protocol":"1"}',
    ),
    ("empty-name", "an empty name", '{"b":1,"":2}', '{"":2,"b":1}', '{"":"2","b":"1"}'),
    (
        "names-number-like",
        "names that look like numbers",
        '{"9":1,"10":2}',
        '{"10":2,"9":1}',
        '{"10":"2","9":"1"}',
    ),
    ("names-case", "capitals before small letters", '{"a":1,"B":2}', '{"B":2,"a":1}', '{"B":"2","a":"1"}'),
    ("names-nfd", "a name in NFD stays", '{"e\u0301":1}', r'{"e\u0301":1}', '{"e\u0301":"1"}'),
    (
        "names-two-forms",
        "one name in NFC and NFD",
        '{"\u00e9":1,"e\u0301":2}',
        r'{"e\u0301":2,"\u00e9":1}',
        '{"e\u0301":"2","\u00e9":"1"}',
    ),
]
# Names whose order differs: U+FF61 and U+1F600, whose UTF-16 begins with D83D.
ORDERED = '{"\U0001f600":1,"\uff61":2}'
BY_POINT = '{"\uff61":"2","\U0001f600":"1"}'
BY_UNIT = '{"\U0001f600":"1","\uff61":"2"}'
ORDERED_ASCII = r'{"\uff61":2,"\ud83d\ude00":1}'

NOT_NFC = (
    ("nfd", "a letter in NFD", '"e\u0301"'),
    ("nfd-escaped", "a letter in NFD, escaped", r'"e\u0301"'),
    ("nfd-deep", "a letter in NFD deep inside", '[{"b":["e\u0301"]}]'),
    ("angstrom", "U+212B, which NFC replaces", r'"\u212b"'),
    ("hangul", "Hangul in pieces", '"\u1100\u1161"'),
    ("mark-order", "marks in another order", '"q\u0307\u0323"'),
)
NOT_FINITE = (
    ("1e309", "1e309", "1e309"),
    ("1e400", "1E400", "1E400"),
    ("minus-1e999", "-1e999", "-1e999"),
    ("400-digits", "an integer of 400 digits", "9" * 400),
    ("largest-and-half", "what rounds to infinity", "1.7976931348623159e308"),
)


def _of(table: Table, id: str, what: str, text: str, plain: str, canon: str, verdict: str = OK) -> Case:
    """A message with one member `a` of this text in its params."""
    body = f'{{"a":{text}}}'
    if table.full:
        wire = table.make(body, f'{{"a":{canon}}}', f'{{"a":{plain}}}')
    else:
        wire = table.make(body, f'{{"a":{canon},"protocol":"hxtp/3.0"}}')
    return table.row(id, what, wire, verdict)


def _number(table: Table, id: str, what: str, sent: str, plain: str, python: str, script: str | None) -> Case:
    canon = python if table.full else script
    verdict = OK if canon is not None else SCHEMA
    return _of(table, f"number-{id}", what, sent, plain, f'"{canon}"', verdict)


def _numbers(table: Table) -> list[Case]:
    rows = [_number(table, *row) for row in NUMBERS]
    for id, what, sent, python, script in ROUNDED:
        if table.full:
            rows.append(
                _of(table, f"number-{id}", f"{what}, vouched for by the hash", sent, sent, f'"{python}"')
            )
        else:
            rows.append(_of(table, f"number-{id}", what, sent, sent, f'"{script}"', SCHEMA))
    return rows


def _unhashed(table: Table) -> list[Case]:
    # json-full without payload_hash: the canonical text alone vouches for the params.
    rows = [
        table.row(f"unhashed-{id}", what, table.make(f'{{"a":{sent}}}', f'{{"a":"{python}"}}', None), verdict)
        for id, what, sent, python, verdict in (
            *(
                (id, what, sent, python, OK)
                for id, what, sent, _, python, _ in NUMBERS
                if id in ("tenth", "e30", "tie")
            ),
            *((id, what, sent, python, SCHEMA) for id, what, sent, python, _ in ROUNDED),
        )
    ]
    plain = table.make(hashed=None)
    return [
        table.row("unhashed", "without payload_hash", plain),
        table.row("unhashed-empty", "without payload_hash and params", table.make(None, hashed=None)),
        table.row("unhashed-changed", "a value changed after signing", plain.swap(":80", ":81"), INVALID),
        table.row(
            "unhashed-spelled",
            "80.0 for 80 after signing: signs alike",
            _as(plain.swap(":80", ":80.0"), "80", "80.0"),
        ),
        table.row(
            "unhashed-quoted",
            '"80" for 80 after signing: signs alike',
            _as(plain.swap(":80", ':"80"'), "80", '"80"'),
        ),
        table.row(
            "unhashed-removed",
            "payload_hash taken out after signing",
            table.make(texts={"payload_hash": None}),
            INVALID,
        ),
        table.row(
            "unhashed-put-in",
            "payload_hash put in after signing",
            plain.first(f'"payload_hash":"{sha256(BODY)}"'),
            INVALID,
        ),
        table.row("unhashed-null", "payload_hash null", plain.first('"payload_hash":null'), MISMATCH),
        table.row("unhashed-empty-string", "payload_hash empty", plain.first('"payload_hash":""'), MISMATCH),
        table.row(
            "unhashed-null-device",
            "payload_hash null, for another device: the form comes first",
            plain.first('"payload_hash":null'),
            MISMATCH,
            device_id="other",
        ),
        table.row(
            "unhashed-null-signature",
            "payload_hash null, and no signature",
            table.make(hashed=None, texts={"signature": None}).first('"payload_hash":null'),
            MISMATCH,
        ),
        table.row("unhashed-false", "payload_hash false", plain.first('"payload_hash":false'), MISMATCH),
        *rows,
    ]


def _as(wire: Wire, before: str, after: str) -> Wire:
    # The body as it was changed after signing.
    return replace(wire, body=wire.body.replace(before, after))


def _hashes(table: Table) -> list[Case]:
    make, row = table.make, table.row
    unsorted = '{"b":1,"a":2}'
    if table.full:
        rows = [
            row(
                "hash-unsorted",
                "sorted before it is hashed",
                make(unsorted, '{"a":"2","b":"1"}', '{"a":2,"b":1}'),
            ),
            row(
                "hash-as-sent",
                "hashed as it was sent, unsorted",
                make(unsorted, '{"a":"2","b":"1"}', unsorted),
                MISMATCH,
            ),
            row("hash-canonical", "hashed as canonical JSON", make(hashed=CANONICAL), MISMATCH),
            row(
                "hash-quoted",
                '"80" for 80 after signing: the hash tells',
                make().swap(":80", ':"80"'),
                MISMATCH,
            ),
            row(
                "hash-spelled",
                "80.0 for 80 after signing: the hash tells",
                make().swap(":80", ":80.0"),
                MISMATCH,
            ),
            row("hash-null", "hashed as null, without params", make(None, hashed="null"), MISMATCH),
        ]
    else:
        alone = '{"a":"2","b":"1","protocol":"hxtp/3.0"}'
        rows = [
            row("hash-unsorted", "sorted before it is hashed", make(unsorted, alone)),
            row("hash-as-sent", "hashed as it was sent", make(hashed=BODY), MISMATCH),
            row("hash-no-protocol", "hashed without protocol", make(hashed=CANONICAL), MISMATCH),
            row(
                "hash-quoted",
                '"80" for 80 after signing: signs alike',
                _as(make().swap(":80", ':"80"'), "80", '"80"'),
            ),
            row("hash-empty", "empty params hashed as {}", make("{}", "{}"), MISMATCH),
            row("hash-none", "without payload_hash nothing binds the params", make(hashed=None), MISMATCH),
            row("hash-none-alone", "without params hashed as {}", make(None, "{}"), MISMATCH),
            row("hash-none-protocol", "without params hashed with protocol", make(None, EMPTY_ALONE)),
            row(
                "hash-wrong",
                "with the hash of other params",
                make(hashed=CANONICAL_ALONE.replace("80", "81")),
                MISMATCH,
            ),
        ]
    return rows


def _unknown(table: Table) -> list[Case]:
    make, row = table.make, table.row
    if not table.full:
        return [
            row("unknown", "an unknown member, which json-header does not sign", make().first('"zz":1')),
            row(
                "unknown-infinite",
                "1e999 in an unknown member, of which nothing is made",
                make().first('"zz":1e999'),
            ),
        ]
    return [
        row(
            "unknown", "an unknown member, signed", make(more={"zz": ('[1,{"b":null}]', '["1",{"b":null}]')})
        ),
        row("unknown-added", "an unknown member put in after signing", make().first('"zz":1'), INVALID),
        row(
            "unknown-nfd",
            "an unknown member in NFD signs in NFC",
            make(more={"zz": ('"e\u0301"', '"\u00e9"')}),
        ),
        row(
            "unknown-nfd-as-is",
            "an unknown member in NFD, signed in NFD",
            make(more={"zz": ('"e\u0301"', '"e\u0301"')}),
            INVALID,
        ),
        row("unknown-action", "a top-level action", make(more={"action": ('"light_on"', '"light_on"')})),
        row(
            "unknown-infinite",
            "1e999 in an unknown member has no canonical text",
            make().first('"zz":1e999'),
            SCHEMA,
        ),
    ]


def _ordered(table: Table) -> list[Case]:
    make, row = table.make, table.row
    right, wrong = (BY_POINT, BY_UNIT) if table.full else (BY_UNIT, BY_POINT)

    def of(canon: str) -> Wire:
        if table.full:
            return make(ORDERED, canon, ORDERED_ASCII)
        return make(ORDERED, _with(canon))

    return [
        row("names-astral", "names beyond U+FFFF, in the order of this dialect", of(right)),
        row(
            "names-astral-other", "in the order of the other", of(wrong), INVALID if table.full else MISMATCH
        ),
    ]


def _with(canon: str) -> str:
    # `protocol` sorts before both names, by code point and by code unit.
    return '{"protocol":"hxtp/3.0",' + canon[1:]


def groups(table: Table) -> list[Group]:
    """The groups of both dialects, as the profile of `table` has them."""
    dialect = "HX3-CANON-13"
    hashed = "HX3-CANON-15" if table.full else "HX3-CANON-17"
    refused = [
        _of(table, f"params-{id}", what, text, text, text, SCHEMA)
        for id, what, text in (*NOT_NFC, *NOT_FINITE)
    ]
    found = [
        table.group(
            "numbers",
            "Quoted decimals of the nearest double, to 20 places.",
            _numbers(table),
            "CanonicalNumber",
            *("HX3-CANON-11", dialect, "HX3-CANON-21"),
        ),
        table.group(
            "strings and values",
            "Few escapes, NFC, names as they are, sorted.",
            [
                *(_of(table, f"string-{id}", *rest) for id, *rest in STRINGS),
                *(_of(table, f"value-{id}", *rest) for id, *rest in VALUES),
                *_ordered(table),
            ],
            "CanonicalText",
            *("HX3-CANON-10", dialect, hashed),
        ),
        table.group(
            "params that are refused",
            "What two canonical texts, or none, could stand for.",
            refused,
            "Ambiguous",
            "HX3-CANON-20",
        ),
        table.group(
            "the hash of the params", "Over which text it is made.", _hashes(table), "ParamsHash", hashed
        ),
        table.group(
            "unknown members",
            "Signed in json-full, ignored in json-header.",
            _unknown(table),
            "UnknownMember",
            "HX3-CANON-14" if table.full else "HX3-CANON-16",
            "HX3-WIRE-28",
        ),
    ]
    if table.full:
        found.append(
            table.group(
                "without payload_hash",
                "The form of a cloud's answers, which both SDKs verify.",
                _unhashed(table),
                "Unhashed",
                *("HX3-CANON-15", "HX3-CANON-21"),
            )
        )
    return found
