"""Codecs that read the bytes of a message wrongly: frame, UTF-8, JSON, and the grammar of the fields."""

from typing import Any

from host_sim.conformance.mutants import Edit, Swap
from host_sim.conformance.mutants.broken import broken, parsed
from hxtp import envelope, frame, jsonscan

_scan = jsonscan.scan


def scanned(*changes: tuple[str, str]) -> Edit:
    return Edit(jsonscan, "_members", *changes)


def opened(*changes: tuple[str, str]) -> Edit:
    return Edit(frame, "open_frame", *changes)


def _without_mark(data: bytes, start: int) -> Any:
    if data[start : start + 3] == b"\xef\xbb\xbf":
        data, start = data[start + 3 :], 0
    return _scan(data, start)


FRAME = [
    broken("size-less", "refuses 16,384 bytes", "size", Swap(frame, "MAX_JSON", 16383)),
    broken("size-more", "accepts 16,385 bytes", "size", Swap(frame, "MAX_JSON", 16385)),
    broken("size-unlimited", "knows no limit of size", "size", Swap(frame, "MAX_JSON", 1 << 20)),
    broken(
        "size-with-header",
        "counts the header into the size",
        "size",
        opened(("size if bare else size - HEADER", "size")),
    ),
    broken(
        "magic-ignored", "does not look at the magic", "header fields", opened(('magic != b"HX"', "False"))
    ),
    broken(
        "frame-version-ignored",
        "takes every header version",
        "header fields",
        opened(("version != 3", "False")),
    ),
    broken(
        "length-ignored",
        "does not look at the header's length",
        "header fields",
        opened(("length != size - HEADER", "False")),
    ),
    broken(
        "length-little-endian",
        "reads the header's length with the least significant byte first",
        "both forms",
        opened(('">2sBBI"', '"<2sBBI"')),
    ),
    broken(
        "bare-brace-only",
        "takes a message for bare only if it begins with a brace",
        "first byte",
        Swap(frame, "_BARE", b"{"),
    ),
    broken(
        "type-code-12",
        "takes the type code 12 for one there is",
        "type codes",
        opened(("1 <= code <= 11", "1 <= code <= 12")),
    ),
]

JSON = [
    broken(
        "utf8-unchecked",
        "does not check UTF-8",
        "ill-formed UTF-8",
        Swap(jsonscan, "_check_utf8", lambda data: None),
    ),
    broken(
        "mark-accepted",
        "drops a byte-order mark",
        "byte-order marks and other encodings",
        Swap(jsonscan, "scan", _without_mark),
    ),
    broken(
        "white-space-more",
        "takes vertical tab and form feed for white space",
        "white space",
        Edit(jsonscan, "_space", ('b" \\t\\r\\n"', 'b" \\t\\r\\n\\x0b\\x0c"')),
    ),
    broken(
        "rest-ignored",
        "does not look behind the object",
        "one complete object",
        scanned(("if _space(data, end) != len(data):", "if False:")),
    ),
    broken(
        "duplicates-accepted",
        "takes the last of two top-level members of one name",
        "duplicate members",
        scanned((" or name in members:\n", ":\n"), ("elif name in members or b", "elif b")),
    ),
    broken(
        "duplicates-inside",
        "does not look for duplicates inside the body",
        "duplicate members",
        scanned(('if b"\\xff" + name in names:', "if False:")),
    ),
    broken(
        "duplicates-spelled",
        "compares names without decoding their escapes",
        "duplicate members",
        scanned(("(name if plain else unescape(name))", "name")),
    ),
    broken(
        "escaped-names",
        "takes a backslash in a top-level name",
        "backslash in a top-level name",
        scanned((' or b"\\\\" in name:', ":")),
    ),
    broken("depth-unlimited", "knows no limit of depth", "depth", Swap(jsonscan, "MAX_DEPTH", 1000)),
    broken("depth-less", "refuses depth 16", "depth", Swap(jsonscan, "MAX_DEPTH", 15)),
    broken("depth-more", "accepts depth 17", "depth", Swap(jsonscan, "MAX_DEPTH", 17)),
    broken(
        "leading-zeros",
        "takes numbers with leading zeros",
        "grammar",
        Edit(
            jsonscan,
            "_scalar",
            ("or text[0] == 48) and", ") and"),
            ("or (whole[0] == 48 and len(whole) > 1)", ""),
        ),
    ),
    broken(
        "bare-points",
        "takes `1.` for a number",
        "grammar",
        Edit(
            jsonscan,
            "_scalar",
            ("(point and not fraction.isdigit())", "(fraction and not fraction.isdigit())"),
        ),
    ),
    broken(
        "number-length",
        "takes numbers of any length",
        "numbers in a body",
        Swap(jsonscan, "MAX_NUMBER", 16384),
    ),
    broken(
        "control-characters",
        "takes control characters inside strings",
        "strings",
        Edit(jsonscan, "_string", ("if text and min(text) < 32:", "if False:")),
    ),
    broken(
        "half-pairs",
        "takes half of a surrogate pair",
        "surrogate escapes",
        Edit(
            jsonscan,
            "_escape",
            (
                "low = _unit(text, i + 6)\n        if not 0xDC00 <= low < 0xE000:\n            _refuse()",
                "low = 0xDC00",
            ),
            (
                "if 0xDC00 <= code < 0xE000:\n        _refuse()",
                "if 0xDC00 <= code < 0xE000:\n        code = 0xFFFD",
            ),
        ),
    ),
    broken(
        "escapes-more",
        r"takes \' for an escape",
        "strings",
        Edit(
            jsonscan,
            "_escape",
            ("""b'"\\\\/bfnrt'""", """b'"\\\\/bfnrt\\''"""),
            ("""b'"\\\\/\\b\\f\\n\\r\\t'""", """b'"\\\\/\\b\\f\\n\\r\\t\\''"""),
        ),
    ),
]

FIELDS = [
    broken(
        "version-prefix",
        "takes every version that begins with HxTP/3",
        "versions",
        parsed(('!= b"HxTP/3.0":', '[:6] != b"HxTP/3":')),
    ),
    broken(
        "version-late",
        "judges the fields before the version",
        "several fields",
        parsed(
            (
                'if get(b"version") != b\'"HxTP/3.0"\'',
                "for name in _IDS:\n        _text(get(name), FRAME_SCHEMA_INVALID)\n"
                '    if get(b"version") != b\'"HxTP/3.0"\'',
            ),
        ),
    ),
    broken(
        "alias-taken", "ignores the member `sequence`", "aliases", parsed(('b"sequence" in members or ', ""))
    ),
    broken("id-37", "takes ids of 37 characters", "ids", Edit(envelope, "_text", ("most=MAX_ID", "most=37"))),
    broken(
        "id-35", "refuses ids of 36 characters", "ids", Edit(envelope, "_text", ("most=MAX_ID", "most=35"))
    ),
    broken("id-empty", "takes empty ids", "ids", Edit(envelope, "_text", ("least=1", "least=0"))),
    broken(
        "id-counted-raw",
        "counts the characters of an id before its escapes are decoded",
        "ids",
        Edit(
            envelope,
            "_text",
            (
                'if b"\\\\" in text:',
                'if len(text) > most:\n        raise HxtpError(code)\n    if b"\\\\" in text:',
            ),
        ),
    ),
    broken(
        "separator-accepted",
        "takes the separator `|` inside ids",
        "separators in fields",
        Edit(envelope, "_text", ("text.strip(alphabet)", 'text.replace(b"|", b"").strip(alphabet)')),
    ),
    broken(
        "number-too-large",
        "takes numbers above 2^53 - 1",
        "numbers of the envelope",
        Edit(envelope, "_number", ("value > MAX_INTEGER", "False")),
    ),
    broken(
        "number-zeros",
        "takes numbers with leading zeros in the envelope, as its parser gives them",
        "numbers of the envelope",
        Edit(envelope, "_number", (" or (raw[0] == 48 and len(raw) > 1)", "")),
        Edit(
            jsonscan,
            "_scalar",
            ("or text[0] == 48) and", ") and"),
            ("or (whole[0] == 48 and len(whole) > 1)", ""),
        ),
    ),
    broken(
        "nonce-15",
        "takes nonces of 15 bytes",
        "nonces",
        parsed(("nonce_size(nonce) < 16", "nonce_size(nonce) < 15")),
    ),
    broken(
        "nonce-17",
        "refuses nonces of 16 bytes",
        "nonces",
        parsed(("nonce_size(nonce) < 16", "nonce_size(nonce) <= 16")),
    ),
    broken("nonce-65", "takes nonces of 66 characters", "nonces", Swap(envelope, "MAX_NONCE", 66)),
    broken(
        "nonce-url-safe",
        "takes base64 of the alphabet for addresses",
        "nonces",
        Swap(envelope, "_BASE64", envelope._BASE64 + b"-_"),
    ),
    broken(
        "nonce-unpadded",
        "takes base64 without padding",
        "nonces",
        Edit(
            envelope,
            "nonce_size",
            ("len(nonce) & 3 or ", ""),
            ("len(a2b_base64(nonce))", "len(core) * 3 // 4"),
        ),
    ),
    broken(
        "bodies-two",
        "takes the first of two bodies",
        "several bodies",
        parsed(
            (
                "if body is not None:\n                raise HxtpError(FRAME_JSON_INVALID)\n"
                "            body = raw\n            body_type = only",
                "if body is None:\n                body = raw\n                body_type = only",
            )
        ),
    ),
    broken(
        "body-name-any",
        "takes every name of a body in every type",
        "the body's name",
        parsed((" or body_type not in (None, kind)", "")),
    ),
    broken(
        "body-any",
        "takes a body that is no object",
        "bodies that are no objects",
        parsed(("body[0] != 123 or ", "")),
    ),
    broken(
        "no-body-empty",
        "takes no body for no bytes",
        "no body",
        Swap(envelope.Message, "body", b""),
    ),
]

ALL = FRAME + JSON + FIELDS
