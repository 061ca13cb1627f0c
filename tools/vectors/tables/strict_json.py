"""Strict JSON: white space, one complete object, its grammar, strings, numbers.

The bodies here are rightly hashed and signed, so that the grammar alone decides.
"""

from dataclasses import replace

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.wire import FIELDS, Wire, mac, pipe10, pipe10_text, sha256

COMMAND = pipe10()
INVALID = "FRAME_JSON_INVALID"


def body(id: str, comment: str, text: str, verdict: str = OK, **more: tuple[str, ...]) -> Case:
    """A command whose body holds `text` as a value."""
    return verify(f"json-{id}", comment, pipe10(f'{{"a":{text}}}'), verdict, **more)


def bodies(verdict: str, **texts: tuple[str, str]) -> list[Case]:
    return [body(id.replace("_", "-"), comment, text, verdict) for id, (comment, text) in texts.items()]


def spread(white: str) -> Wire:
    """A command with white space wherever JSON allows it, in the body too."""
    text = f"{{{white}}}"
    values = {**FIELDS, "payload_hash": sha256(text)}
    values["signature"] = mac(bytes(range(32)), pipe10_text(values))
    members = [*((name, value if isinstance(value, int) else f'"{value}"') for name, value in values.items())]
    inner = ",".join(f'{white}"{name}"{white}:{white}{value}{white}' for name, value in members)
    whole = f'{white}{{{inner},{white}"params"{white}:{white}{text}{white}}}{white}'
    return Wire(whole.encode(), body=text)


WHITE = Group(
    "white space",
    "Space, tab, line feed and carriage return may stand wherever RFC 8259 says; nothing else may.",
    [
        *(
            verify(f"json-white-{name}", f"{name} between all tokens, before and behind", spread(text))
            for name, text in (
                ("space", " "),
                ("tab", "\t"),
                ("line-feed", "\n"),
                ("carriage-return", "\r"),
                ("all", " \t\r\n"),
            )
        ),
        *(
            verify(f"json-behind-{name}", f"{what} behind the object", COMMAND.between(b"", data), INVALID)
            for name, what, data in (
                ("nul", "a byte 00", b"\0"),
                ("vertical-tab", "a vertical tab", b"\v"),
                ("form-feed", "a form feed", b"\f"),
                ("no-break-space", "U+00A0", "\u00a0".encode()),
                ("line-separator", "U+2028", "\u2028".encode()),
                ("next-line", "U+0085", "\u0085".encode()),
                ("byte-order-mark", "U+FEFF", "\ufeff".encode()),
            )
        ),
        verify(
            "json-inside-form-feed",
            "a form feed behind a comma",
            COMMAND.swap(',"nonce', ',\f"nonce'),
            INVALID,
        ),
        verify(
            "json-inside-no-break-space",
            "U+00A0 behind a comma",
            COMMAND.swap(',"nonce', ',\u00a0"nonce'),
            INVALID,
        ),
    ],
    ("WhiteSpace",),
    ("HX3-WIRE-12",),
)

WHOLE = Group(
    "one complete object",
    "A message is one object and nothing else.",
    [
        *(
            verify(f"json-whole-{name}", f"{what} instead of an object", text.encode(), INVALID)
            for name, what, text in (
                ("array", "an array", "[]"),
                ("array-of-object", "a message inside an array", f"[{COMMAND.data.decode()}]"),
                ("string", "a string", '"HxTP/3.0"'),
                ("number", "a number", "3"),
                ("negative-number", "a negative number", "-1"),
                ("null", "null", "null"),
                ("true", "true", "true"),
                ("false", "false", "false"),
                ("white-space", "white space", " \n"),
            )
        ),
        verify("json-whole-empty", "an object without members has no version", b"{}", "VERSION_MISMATCH"),
        *(
            verify(f"json-trailing-{name}", f"{what} behind the object", COMMAND.between(b"", data), INVALID)
            for name, what, data in (
                ("brace", "a closing brace", b"}"),
                ("comma", "a comma", b","),
                ("object", "a second object", b"{}"),
                ("message", "the message again", COMMAND.data),
                ("letter", "a letter", b"x"),
                ("comment", "a comment", b"//"),
            )
        ),
        *(
            verify(
                f"json-truncated-{name}",
                f"the message ends {where}",
                replace(COMMAND, data=COMMAND.data[: COMMAND.data.index(cut) + len(cut)]),
                INVALID,
            )
            for name, where, cut in (
                ("brace", "behind the first brace", b"{"),
                ("in-name", "inside a name", b'"clie'),
                ("behind-name", "behind a name", b'"client_id"'),
                ("behind-colon", "behind a colon", b'"client_id":'),
                ("in-string", "inside a string", b'"client_id":"99'),
                ("behind-comma", "behind a comma", b'",'),
                ("in-number", "inside a number", b'"timestamp":17'),
                ("in-body", "inside the body", b'"brightness":80'),
            )
        ),
        verify(
            "json-truncated-last",
            "only the last brace is missing",
            replace(COMMAND, data=COMMAND.data[:-1]),
            INVALID,
        ),
        verify("json-opened", "sixteen thousand opening braces", b"{" * 16384, INVALID),
    ],
    ("NotOneObject",),
    ("HX3-WIRE-12",),
)

GRAMMAR = Group(
    "grammar",
    "What lenient parsers let pass.",
    [
        *bodies(
            INVALID,
            trailing_comma_array=("a comma before a bracket", "[1,]"),
            leading_comma_array=("a comma behind a bracket", "[,1]"),
            double_comma=("two commas", "[1,,2]"),
            no_comma=("two values without a comma", "[1 2]"),
            trailing_comma_object=("a comma before a brace", '{"b":1,}'),
            lone_comma_object=("an object that holds a comma", "{,}"),
            no_colon=("a name without a value", '{"b"}'),
            no_value=("a colon without a value", '{"b":}'),
            colon_twice=("two colons", '{"b"::1}'),
            name_number=("a name that is a number", "{1:2}"),
            name_bare=("a name without quotes", "{b:1}"),
            name_opening=("a name without its first quote", '{xb":1}'),
            name_closing=("a name without its last quote", '{"b:1}'),
            name_later=("a second name without its first quote", '{"b":1,xc":2}'),
            equals=("an equals sign for a colon", '{"b"=1}'),
            semicolon=("a semicolon for a comma", '{"b":1;"c":2}'),
            semicolon_array=("a semicolon for a comma", "[1;2]"),
            name_single_quotes=("a name in single quotes", "{'b':1}"),
            single_quotes=("a string in single quotes", "'b'"),
            comment=("a comment", "1/**/"),
            bracket_mismatch=("a brace closes a bracket", "[1}"),
            unclosed_array=("a bracket that is not closed", "[1"),
            true_short=("tru", "tru"),
            true_long=("truex", "truex"),
            true_capital=("True", "True"),
            null_capital=("None", "None"),
            undefined=("undefined", "undefined"),
            nan=("NaN", "NaN"),
            infinity=("Infinity", "Infinity"),
            minus_infinity=("-Infinity", "-Infinity"),
            nothing=("no value at all", ""),
        ),
        body("literals", "null, true and false", "[null,true,false]", flags=("Valid",)),
        body("empty-values", "empty object, array and string", '[{},[],""]', flags=("Valid",)),
        verify(
            "json-top-trailing-comma",
            "a comma before the last brace",
            COMMAND.swap('HxTP/3.0"}', 'HxTP/3.0",}'),
            INVALID,
        ),
        verify(
            "json-top-leading-comma", "a comma behind the first brace", COMMAND.swap('{"cl', '{,"cl'), INVALID
        ),
        *(
            verify(f"json-top-{id}", what, COMMAND.swap(before, after), INVALID)
            for id, what, before, after in (
                ("bracket", "a bracket for the first brace", '{"client_id"', '["client_id"'),
                ("closing-bracket", "a bracket for the last brace", 'HxTP/3.0"}', 'HxTP/3.0"]'),
                ("parentheses", "a parenthesis for the last brace", 'HxTP/3.0"}', 'HxTP/3.0")'),
                ("equals", "an equals sign for a colon", '"nonce":', '"nonce"='),
                ("colon-space", "a space for a colon", '"nonce":', '"nonce" '),
                ("semicolon", "a semicolon for a comma", ',"nonce":', ';"nonce":'),
                ("comma-space", "a space for a comma", ',"nonce":', ' "nonce":'),
                ("name-opening", "a name without its first quote", ',"nonce":', ',xnonce":'),
                ("name-closing", "a name without its last quote", '"nonce":', '"nonce:'),
                ("name-single-quotes", "a name in single quotes", '"nonce":', "'nonce':"),
                ("value-opening", "a string without its first quote", '"HxTP/3.0"', 'HxTP/3.0"'),
            )
        ),
        verify(
            "json-unknown-member-bad",
            "an unknown member is ignored only if the whole message is strict JSON",
            COMMAND.first('"zz":[1,]'),
            INVALID,
        ),
    ],
    ("LenientParser",),
    ("HX3-WIRE-12",),
)

STRINGS = Group(
    "strings",
    "Escapes, and what has to be escaped.",
    [
        *bodies(
            INVALID,
            escape_x=(r"\x41", r'"\x41"'),
            escape_zero=(r"\0", r'"\0"'),
            escape_single_quote=(r"\'", r'"' + r"\'" + '"'),
            escape_a=(r"\a", r'"\a"'),
            escape_capital_u=(r"\U0041", r'"\U0041"'),
            escape_capital_n=(r"\N", r'"\N"'),
            escape_line_end=("a backslash before a line feed", '"\\\n"'),
            escape_u_short=(r"\u12 with two digits", r'"\u12"'),
            escape_u_three=(r"\u123 with three digits", r'"\u123"'),
            escape_u_not_hex=(r"\u12g4", r'"\u12g4"'),
            escape_u_sign=(r"\u+123", r'"\u+123"'),
            escape_u_space=(r"\u 123", r'"\u 123"'),
            escape_u_underscore=(r"\u1_23", r'"\u1_23"'),
            escape_u_braces=(r"\u{41}", r'"\u{41}"'),
            escape_open=("a string that ends in a backslash", '"\\"'),
            control_00=("a byte 00 in a string", '"\x00"'),
            control_09=("a tab in a string", '"\t"'),
            control_0a=("a line feed in a string", '"\n"'),
            control_0d=("a carriage return in a string", '"\r"'),
            control_1f=("a byte 1f in a string", '"\x1f"'),
            control_in_name=("a tab in a name", '{"\t":1}'),
        ),
        body(
            "escapes-all",
            "every escape of RFC 8259",
            r'"\"\\\/\b\f\n\r\t\u0041\u00e9\u00E9"',
            flags=("Valid",),
        ),
        body("escape-backslashes", "backslashes before the closing quote", '"\\\\\\\\"', flags=("Valid",)),
        body("byte-7f", "a byte 7f needs no escape", '"\x7f"', flags=("Valid",)),
        verify(
            "json-control-top",
            "a line feed in a top-level string",
            COMMAND.first('"zz":"\n"'),
            INVALID,
        ),
    ],
    ("LenientParser",),
    ("HX3-WIRE-17", "HX3-WIRE-18"),
)

NUMBERS = Group(
    "numbers in a body",
    "Numbers are judged by their grammar and their length, never by their value, and hashed as written.",
    [
        *bodies(
            OK,
            number_minus_zero=("-0", "-0"),
            number_fraction=("1.0", "1.0"),
            number_exponent=("1e3", "1e3"),
            number_exponent_capital=("1E+03", "1E+03"),
            number_2_53=("2^53", "9007199254740992"),
            number_2_53_1=("2^53 + 1, which no double holds", "9007199254740993"),
            number_2_64=("2^64", "18446744073709551616"),
            number_long_fraction=(
                "more digits than a double has",
                "0.1000000000000000055511151231257827021181583404541015625",
            ),
            number_1e400=("1E400, beyond a double", "1E400"),
            number_1e_400=("1e-400, below a double", "1e-400"),
            number_512=("a number of 512 bytes", "1" * 512),
            number_512_minus=("a negative number of 512 bytes", "-" + "1" * 511),
            number_512_fraction=("a fraction of 512 bytes", "0." + "0" * 510),
        ),
        *bodies(
            INVALID,
            number_513=("a number of 513 bytes", "1" * 513),
            number_513_minus=("a negative number of 513 bytes", "-" + "1" * 512),
            number_513_fraction=("a fraction of 513 bytes", "0." + "0" * 511),
            number_513_exponent=("an exponent that makes 513 bytes", "1e" + "0" * 511),
            number_leading_zero=("01", "01"),
            number_zeros=("00", "00"),
            number_minus_leading_zero=("-01", "-01"),
            number_plus=("+1", "+1"),
            number_point_first=(".5", ".5"),
            number_minus_point=("-.5", "-.5"),
            number_point_last=("1.", "1."),
            number_two_points=("1.2.3", "1.2.3"),
            number_empty_exponent=("1e", "1e"),
            number_exponent_sign=("1e+", "1e+"),
            number_exponent_point=("1e1.5", "1e1.5"),
            number_minus=("-", "-"),
            number_two_minus=("--1", "--1"),
            number_hex=("0x10", "0x10"),
            number_octal=("0o7", "0o7"),
            number_underscore=("1_000", "1_000"),
            number_comma=("1,5 where a value is due", "1,5"),
            number_suffix=("1n", "1n"),
            number_arabic=("an Arabic digit", "\u0661"),
            number_fullwidth=("a fullwidth digit", "\uff11"),
        ),
        verify(
            "json-number-513-unknown",
            "a number of 513 bytes in an unknown member",
            COMMAND.first('"zz":' + "1" * 513),
            INVALID,
        ),
    ],
    ("NumberText",),
    ("HX3-WIRE-16",),
)

FILE = File("strict-json", [WHITE, WHOLE, GRAMMAR, STRINGS, NUMBERS])
