"""The fields of the envelope: each missing, each of another type, each at the edges of its grammar."""

import json

from tools.vectors.cases import OK, Case, File, Group, verify
from tools.vectors.wire import BASE64_NONCE, FIELDS, MESSAGE, Raw, pipe10, sha256

COMMAND = pipe10()
SCHEMA = "FRAME_SCHEMA_INVALID"
IDS = ("message_type", "device_id", "tenant_id", "client_id", "message_id", "request_id")
NUMBERS = ("sequence_number", "timestamp")
# What a missing or ill-formed field of this name ends as.
CODES = {
    "version": "VERSION_MISMATCH",
    **dict.fromkeys((*IDS, *NUMBERS), SCHEMA),
    "nonce": "NONCE_MISSING",
    "payload_hash": "HASH_MISMATCH",
    "signature": "SIGNATURE_MISSING",
}


def slug(name: str) -> str:
    return name.replace("_", "-")


def field(id: str, comment: str, name: str, value: str | int, verdict: str = OK) -> Case:
    """A command with this value in a field, rightly signed over it."""
    return verify(f"field-{id}", comment, pipe10(**{name: value}), verdict)


def text(id: str, comment: str, name: str, value: str, verdict: str) -> Case:
    """A command, rightly signed, with this JSON text put in for a member afterwards."""
    return verify(f"field-{id}", comment, pipe10(texts={name: value}), verdict)


MISSING = Group(
    "missing fields",
    "Each member that a message has to have, left out; the signature is over an empty field in its place.",
    [
        verify(f"field-missing-{slug(name)}", f"no {name}", pipe10(**{name: None}), code)
        for name, code in CODES.items()
        if name not in ("tenant_id", "payload_hash", "signature")
    ]
    + [
        verify(f"field-missing-{slug(name)}", f"no {name}", pipe10(texts={name: None}), CODES[name])
        for name in ("payload_hash", "signature")
    ]
    + [
        verify(
            "field-missing-tenant-id",
            "no tenant_id, which pipe10 does not sign and only a device needs",
            pipe10(tenant_id=None),
            clauses=("HX3-WIRE-20", "HX3-CODEC-06"),
        ),
        verify("field-missing-most", "nothing but the version", b'{"version":"HxTP/3.0"}', SCHEMA),
    ],
    ("MissingField",),
    ("HX3-WIRE-20", "HX3-VAL-01"),
)

TYPES = Group(
    "fields of another type",
    "Each field as null, true, an array, an object, and a number or string where it has to be the other.",
    [
        text(f"{slug(name)}-{id}", f"{name} is {what}", name, value, code)
        for name, code in CODES.items()
        for id, what, value in (
            ("null", "null", "null"),
            ("true", "true", "true"),
            ("array", "an array", "[1]"),
            ("object", "an object", "{}"),
            *((("string", "its digits as a string", f'"{FIELDS[name]}"'),) if name in NUMBERS else ()),
            *((("number", "a number", "3"),) if name not in NUMBERS else ()),
        )
    ],
    ("WrongType",),
    ("HX3-WIRE-20", "HX3-VAL-01"),
)

ID_GRAMMAR = Group(
    "ids",
    "One to 36 characters from U+0020 to U+007E other than |, counted after escapes are decoded.",
    [
        case
        for name in IDS[1:]
        for case in (
            field(f"{slug(name)}-1", f"{name} of one character", name, "~"),
            field(f"{slug(name)}-36", f"{name} of 36 characters", name, "a" * 36),
            field(f"{slug(name)}-37", f"{name} of 37 characters", name, "a" * 37, SCHEMA),
            field(f"{slug(name)}-empty", f"an empty {name}", name, "", SCHEMA),
            field(f"{slug(name)}-not-ascii", f"{name} with a letter beyond ASCII", name, "caf\u00e9", SCHEMA),
        )
    ]
    + [
        field(
            "type-36",
            "message_type of 36 characters, which no type has",
            "message_type",
            "a" * 36,
            "FRAME_TYPE_INVALID",
        ),
        field("type-37", "message_type of 37 characters", "message_type", "a" * 37, SCHEMA),
        field("type-empty", "an empty message_type", "message_type", "", SCHEMA),
        field(
            "id-all-characters", "quotes, backslashes, spaces and braces", "client_id", " \"\\/{}[]:,;'<>&~"
        ),
        field("id-spaces", "nothing but spaces", "client_id", "   "),
        field("id-del", "U+007F", "client_id", "a\x7f", SCHEMA),
        field("id-nul", "U+0000, which ends strings in C", "client_id", "a\0b", SCHEMA),
        field("id-line-feed", "a line feed", "client_id", "a\nb", SCHEMA),
        field("id-1f", "U+001F, the last control character", "client_id", "a\x1f", SCHEMA),
        field("id-edges", "the first and the last character allowed", "client_id", " ~"),
        field("id-tab", "a tab", "client_id", "\t", SCHEMA),
        field("id-astral", "a character beyond U+FFFF", "client_id", "\U0001f600", SCHEMA),
        field("id-no-break-space", "U+00A0", "client_id", "a\u00a0b", SCHEMA),
        verify(
            "field-id-escaped",
            "written as escapes, signed as the characters they mean",
            pipe10(client_id="xyz", texts={"client_id": r'"\u0078y\u007a"'}),
            clauses=("HX3-CANON-02",),
        ),
        verify(
            "field-id-escaped-36",
            "36 characters of six bytes each",
            pipe10(client_id="x" * 36, texts={"client_id": '"' + r"\u0078" * 36 + '"'}),
        ),
        verify(
            "field-id-escaped-37",
            "37 characters of six bytes each",
            pipe10(client_id="x" * 37, texts={"client_id": '"' + r"\u0078" * 37 + '"'}),
            SCHEMA,
        ),
        verify(
            "field-id-signed-as-written",
            "written as escapes and signed as they are written",
            pipe10(client_id=r"\u0078yz", texts={"client_id": r'"\u0078yz"'}),
            "SIGNATURE_INVALID",
            clauses=("HX3-CANON-02",),
        ),
        verify(
            "field-type-escaped",
            "message_type written as escapes",
            pipe10(texts={"message_type": r'"comm\u0061nd"'}),
        ),
        verify(
            "field-request-differs",
            "request_id need not be message_id to be accepted",
            pipe10(request_id="r-1"),
        ),
    ],
    ("IdGrammar",),
    ("HX3-WIRE-22",),
)

INJECTION = Group(
    "separators in fields",
    "A | inside a field, so that the signed text is that of another message.",
    [
        *(field(f"pipe-in-{slug(name)}", f"{name} with a |", name, "a|b", SCHEMA) for name in IDS),
        verify(
            "field-pipe-escaped",
            r"a | as \u007c",
            pipe10(client_id="a|b", texts={"client_id": r'"a\u007cb"'}),
            SCHEMA,
        ),
        verify(
            "field-pipe-border-right",
            "client_id a and message_id b|c, which sign as a|b and c do",
            pipe10(client_id="a", message_id="b|c"),
            SCHEMA,
        ),
        verify(
            "field-pipe-border-left",
            "client_id a|b and message_id c, which sign as a and b|c do",
            pipe10(client_id="a|b", message_id="c"),
            SCHEMA,
        ),
        verify("field-pipe-nonce", "a | in the nonce", pipe10(nonce=FIELDS["nonce"] + "|"), "NONCE_MISSING"),
    ],
    ("Injection",),
    ("HX3-WIRE-22", "HX3-CANON-01"),
)


def _number(name: str) -> list[Case]:
    # A timestamp has to be near the receiver's clock besides: time.py has the values that pass.
    short = "seq" if name == "sequence_number" else "time"
    passing = [
        field("seq-0", "sequence_number 0", name, 0),
        field("seq-1", "sequence_number 1", name, 1),
        field("seq-10-digits", "sequence_number 4294967296, more than 32 bits hold", name, 4294967296),
        field("seq-2-53-1", "sequence_number 2^53 - 1", name, 2**53 - 1),
    ]
    refused = [
        field(f"{short}-{id}", f"{name} {what}", name, Raw(value), code)
        for id, what, value, code in (
            ("2-53", "2^53", "9007199254740992", SCHEMA),
            ("16-digits", "of 16 digits above 2^53 - 1", "9999999999999999", SCHEMA),
            ("17-digits", "of 17 digits", "10000000000000000", SCHEMA),
            ("2-64", "2^64 + 7, which is 7 in 64 bits", "18446744073709551623", SCHEMA),
            ("512-digits", "of 512 digits", "1" * 512, SCHEMA),
            ("513-digits", "of 513 digits", "1" * 513, "FRAME_JSON_INVALID"),
            ("minus-0", "-0", "-0", SCHEMA),
            ("minus-1", "-1", "-1", SCHEMA),
            ("fraction-0", "with a fraction of zero", "7.0", SCHEMA),
            ("fraction", "with a fraction", "7.5", SCHEMA),
            ("exponent", "1e3", "1e3", SCHEMA),
            ("exponent-0", "7e0", "7e0", SCHEMA),
            ("exponent-large", "1E400", "1E400", SCHEMA),
            ("leading-zero", "07", "07", "FRAME_JSON_INVALID"),
            ("plus", "+7", "+7", "FRAME_JSON_INVALID"),
            ("nan", "NaN", "NaN", "FRAME_JSON_INVALID"),
        )
    ]
    return (passing if short == "seq" else []) + refused


NUMBER_GRAMMAR = Group(
    "numbers of the envelope",
    "A zero, or a digit 1-9 and at most 15 more, up to 2^53 - 1; signed with the digits as they stand.",
    [*_number("sequence_number"), *_number("timestamp")],
    ("NumberGrammar",),
    ("HX3-WIRE-23",),
)

NONCES = Group(
    "nonces",
    "At most 64 characters that stand for at least 16 bytes: hexadecimal if there is nothing else, otherwise "
    "base64.",
    [
        field(f"nonce-{id}", what, "nonce", value, verdict)
        for id, what, value, verdict in (
            ("hex-15-bytes", "30 hexadecimal digits", "ab" * 15, "NONCE_MISSING"),
            ("hex-31", "31 hexadecimal digits", "ab" * 15 + "a", "NONCE_MISSING"),
            ("hex-16-bytes", "32 hexadecimal digits", "ab" * 16, OK),
            ("hex-33", "33 hexadecimal digits", "ab" * 16 + "a", "NONCE_MISSING"),
            ("hex-capital", "32 capital digits", "AB" * 16, OK),
            ("hex-mixed", "digits of both cases", "aB" * 16, OK),
            ("hex-32-bytes", "64 hexadecimal digits", "ab" * 32, OK),
            ("hex-33-bytes", "66 hexadecimal digits", "ab" * 33, "NONCE_MISSING"),
            ("65", "65 characters", "ab" * 32 + "=", "NONCE_MISSING"),
            ("base64-14-bytes", "base64 of 14 bytes", "MDEyMzQ1Njc4OTo7PD0=", "NONCE_MISSING"),
            ("base64-15-bytes", "base64 of 15 bytes", "MDEyMzQ1Njc4OTo7PD0+", "NONCE_MISSING"),
            ("base64-16-bytes", "base64 of 16 bytes", BASE64_NONCE, OK),
            ("base64-17-bytes", "base64 of 17 bytes", "MDEyMzQ1Njc4OTo7PD0+P0A=", OK),
            ("base64-18-bytes", "base64 of 18 bytes", "MDEyMzQ1Njc4OTo7PD0+P0BB", OK),
            ("base64-48-bytes", "base64 of 48 bytes, 64 characters", "MDEy" * 16, OK),
            ("base64-51-bytes", "base64 of 51 bytes, 68 characters", "MDEy" * 17, "NONCE_MISSING"),
            ("base64-no-padding", "base64 without its padding", BASE64_NONCE[:-2], "NONCE_MISSING"),
            ("base64-half-padding", "base64 with half of its padding", BASE64_NONCE[:-1], "NONCE_MISSING"),
            ("base64-more-padding", "base64 with too much padding", BASE64_NONCE + "=", "NONCE_MISSING"),
            (
                "base64-three-padding",
                "three signs of padding",
                "MDEyMzQ1Njc4OTo7PD0+P0BB" + "C===",
                "NONCE_MISSING",
            ),
            ("base64-four-padding", "four signs of padding more", BASE64_NONCE + "====", "NONCE_MISSING"),
            ("base64-padding-inside", "padding in the middle", "MDEyMw==NTY3ODk6Ozw9Pj9A", "NONCE_MISSING"),
            ("base64-left-over", "left-over bits that are not zero", "MDEyMzQ1Njc4OTo7PD0+Px==", OK),
            ("base64-url", "the alphabet of section 5", "MDEyMzQ1Njc4OTo7PD0-Pw==", "NONCE_MISSING"),
            ("base64-space", "base64 with a space", "MDEy MzQ1Njc4OTo7PD0+Pw==", "NONCE_MISSING"),
            (
                "base64-looks-hex",
                "24 characters of base64 that are hexadecimal digits: 12 bytes",
                "a" * 24,
                "NONCE_MISSING",
            ),
            (
                "base64-nearly-hex",
                "32 characters, one of them no hexadecimal digit: 24 bytes",
                "a" * 31 + "g",
                OK,
            ),
            ("empty", "empty", "", "NONCE_MISSING"),
            ("padding-alone", "nothing but padding", "====", "NONCE_MISSING"),
            ("uuid", "a UUID with its hyphens", MESSAGE, "NONCE_MISSING"),
            ("not-ascii", "a letter beyond ASCII", "ab" * 15 + "\u00e9\u00e9", "NONCE_MISSING"),
            ("arabic-digits", "digits of another script", "\u0661" * 32, "NONCE_MISSING"),
            ("nul", "digits behind U+0000", "ab" * 15 + "\0\0", "NONCE_MISSING"),
        )
    ]
    + [
        verify(
            "field-nonce-escaped",
            "written with escapes",
            pipe10(nonce="ab" * 16, texts={"nonce": '"' + r"\u0061b" * 16 + '"'}),
            clauses=("HX3-CANON-02", "HX3-WIRE-26"),
        ),
        verify(
            "field-nonce-slash-escaped",
            r"base64 with a slash, written \/",
            pipe10(nonce="////////////////////ABCD", texts={"nonce": '"' + r"\/" * 20 + 'ABCD"'}),
            clauses=("HX3-CANON-02", "HX3-WIRE-26"),
        ),
    ],
    ("NonceGrammar",),
    ("HX3-WIRE-26",),
)

HASH = sha256(COMMAND.body)
SIGNATURE = json.loads(COMMAND.data)["signature"]

DIGESTS = Group(
    "hash and signature as text",
    "Exactly 64 lower-case hexadecimal digits; a payload_hash in another form is signed as it stands.",
    [
        verify(f"field-hash-{id}", f"payload_hash {what}", pipe10(payload_hash=value), "HASH_MISMATCH")
        for id, what, value in (
            ("empty", "empty", ""),
            ("capital", "in capital digits", HASH.upper()),
            ("one-capital", "with one capital digit", HASH.replace("f", "F", 1)),
            ("63", "without its last digit", HASH[:-1]),
            ("65", "with one digit more", HASH + "0"),
            ("16", "cut to 16 digits", HASH[:16]),
            ("prefix", "behind sha256:", "sha256:" + HASH),
            ("base64", "as base64", "nwdtFsOfutqNdqARNist0hOUieyPRElUssPf5BOLD8I="),
            ("space", "with a space behind", HASH + " "),
            ("not-hex", "with a letter g", "g" + HASH[1:]),
        )
    ]
    + [
        text(f"signature-{id}", f"signature {what}", "signature", f'"{value}"', "SIGNATURE_MISSING")
        for id, what, value in (
            ("empty", "empty", ""),
            ("63", "of 63 digits", "0" * 63),
            ("65", "of 65 digits", "0" * 65),
            ("32", "cut to 32 digits", "0" * 32),
            ("base64", "as base64", "A" * 43 + "="),
            ("space", "with a space before", " " + "0" * 63),
            ("not-hex", "with a letter g", "g" * 64),
            ("not-ascii", "with digits of another script", "\u0661" * 64),
            ("nul", "that ends in U+0000", "0" * 63 + r"\u0000"),
        )
    ]
    + [
        verify(
            "field-signature-capital",
            "the right signature in capital digits",
            COMMAND.swap(SIGNATURE, SIGNATURE.upper()),
            "SIGNATURE_MISSING",
        ),
        verify(
            "field-digests-escaped",
            "hash and signature written with escapes, which mean the same characters",
            pipe10(texts={"payload_hash": '"' + "".join(f"\\u{ord(digit):04x}" for digit in HASH) + '"'}),
            clauses=("HX3-WIRE-27", "HX3-CANON-02"),
        ),
    ],
    ("DigestGrammar",),
    ("HX3-WIRE-27",),
)

FILE = File("fields", [MISSING, TYPES, ID_GRAMMAR, INJECTION, NUMBER_GRAMMAR, NONCES, DIGESTS])
