"""The strict scan: which bytes of a received message are its members, and whether it is JSON at all.

The platform's parser is never asked about a message that this scan has not passed,
because parsers disagree on duplicate names, truncation, numbers and escapes; it is
asked about the body alone, and only to make values of it. Nothing is re-serialised.
"""

import json

from hxtp.errors import FRAME_JSON_INVALID, FRAME_UTF8_INVALID, HxtpError

MAX_DEPTH = 16
MAX_NUMBER = 512  # bytes; beyond that runtimes differ in what they can hold

# CPython proves in one call that no control character is present; MicroPython looks at each string.
_isprintable = getattr(str, "isprintable", None)


def _refuse():
    raise HxtpError(FRAME_JSON_INVALID)


def check_utf8(data):
    """Refuse what RFC 3629 does not allow; return whether all of it is printable (False: unknown).

    MicroPython's own decoder lets overlong forms and surrogates through.
    """
    try:
        text = str(data, "utf-8")
    except UnicodeError:
        raise HxtpError(FRAME_UTF8_INVALID) from None
    if len(text) != len(data):
        i = 0
        while i < len(data):
            i = _character(data, i)
    return _isprintable is not None and _isprintable(text)


def _character(data, i):
    first = data[i]
    if first < 0x80:
        return i + 1
    more = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    tail = data[i + 1 : i + 1 + more]
    code = first & (0x3F >> more)
    for byte in tail:
        if byte & 0xC0 != 0x80:
            raise HxtpError(FRAME_UTF8_INVALID)
        code = code << 6 | byte & 0x3F
    least = (0x80, 0x800, 0x10000)[more - 1]
    if len(tail) != more or first < 0xC2 or code < least or code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise HxtpError(FRAME_UTF8_INVALID)
    return i + 1 + more


def scan(data, start):
    """Return {name: raw value} of the one JSON object in data[start:], all as bytes.

    Raises FRAME_UTF8_INVALID or FRAME_JSON_INVALID. Duplicate names at any depth,
    a backslash in a top-level name, nesting over 16 and anything behind the object
    are refused. Memory: a copy for the UTF-8 check and one of each top-level value.
    """
    clean = check_utf8(data[start:] if start else data)
    members = {}
    try:
        i = _space(data, start)
        if data[i] != 123:
            _refuse()
        end = _object(data, i, 1, clean, members)
        if _space(data, end) != len(data):
            _refuse()
    except IndexError:  # the text ended inside a value
        _refuse()
    return members


def _space(data, i):
    n = len(data)
    while i < n and data[i] in b" \t\r\n":
        i += 1
    return i


def _object(data, i, depth, clean, members):
    # `members` collects the top level; below it, names alone are remembered, in one run of
    # bytes separated by 0xFF (never part of UTF-8), because a hostile object has thousands.
    i = _space(data, i + 1)
    if data[i] == 125:
        return i + 1
    names = None if depth == 1 else bytearray(b"\xff")
    while True:
        if data[i] != 34:
            _refuse()
        end = _string(data, i, clean)
        name = data[i + 1 : end - 1]
        if names is None:
            if b"\\" in name or name in members:
                _refuse()
        else:
            plain = unescape(name) + b"\xff"
            if b"\xff" + plain in names:
                _refuse()
            names.extend(plain)
        i = end if data[end] == 58 else _space(data, end)
        if data[i] != 58:
            _refuse()
        i = _space(data, i + 1)
        end = _value(data, i, depth, clean)
        if names is None:
            members[name] = data[i:end]
        i = _space(data, end)
        if data[i] == 125:
            return i + 1
        if data[i] != 44:
            _refuse()
        i = _space(data, i + 1)


def _array(data, i, depth, clean):
    i = _space(data, i + 1)
    if data[i] == 93:
        return i + 1
    while True:
        i = _space(data, _value(data, i, depth, clean))
        if data[i] == 93:
            return i + 1
        if data[i] != 44:
            _refuse()
        i = _space(data, i + 1)


def _value(data, i, depth, clean):
    first = data[i]
    if first == 34:
        return _string(data, i, clean)
    if first == 123 or first == 91:
        if depth == MAX_DEPTH:
            _refuse()
        if first == 123:
            return _object(data, i, depth + 1, clean, None)
        return _array(data, i, depth + 1, clean)
    if first == 45 or 48 <= first <= 57:
        return _number(data, i)
    for word in (b"true", b"false", b"null"):
        end = i + len(word)
        if data[i:end] == word:
            return end
    _refuse()


def _string(data, i, clean):
    start = end = i + 1
    while True:
        end = data.find(b'"', end)
        if end < 0:
            _refuse()
        back = end - 1
        while data[back] == 92:
            back -= 1
        if (end - back) & 1:
            break
        end += 1
    text = data[start:end]
    if not clean and text and min(text) < 32:
        _refuse()
    if b"\\" in text:
        unescape(text)
    return end + 1


def _digits(data, i):
    start = i
    while 48 <= data[i] <= 57:
        i += 1
    if i == start:
        _refuse()
    return i


def _number(data, start):
    i = start + 1 if data[start] == 45 else start
    i = i + 1 if data[i] == 48 else _digits(data, i)
    if data[i] == 46:
        i = _digits(data, i + 1)
    if data[i] in b"eE":
        i += 2 if data[i + 1] in b"+-" else 1
        i = _digits(data, i)
    if i - start > MAX_NUMBER:
        _refuse()
    return i


def _escape(text, i):
    # The character of the escape at text[i], as UTF-8, and the index behind it.
    kind = text[i + 1 : i + 2]
    at = b'"\\/bfnrt'.find(kind)
    if kind and at >= 0:
        return b'"\\/\b\f\n\r\t'[at : at + 1], i + 2
    code = _unit(text, i)
    if 0xD800 <= code < 0xDC00:
        low = _unit(text, i + 6)
        if not 0xDC00 <= low < 0xE000:
            _refuse()
        return chr(0x10000 + ((code & 0x3FF) << 10 | low & 0x3FF)).encode(), i + 12
    if 0xDC00 <= code < 0xE000:
        _refuse()
    return chr(code).encode(), i + 6


def _unit(text, i):
    digits = text[i + 2 : i + 6]
    if text[i : i + 2] != b"\\u" or len(digits) != 4 or digits.strip(b"0123456789abcdefABCDEF"):
        _refuse()
    return int(digits, 16)


def unescape(text, only_pairs=False):
    """Decode the JSON escapes in the bytes of a string; lone surrogates are refused.

    With `only_pairs`, surrogate pairs alone are decoded and every other escape stays.
    """
    at = text.find(b"\\")
    if at < 0:
        return text
    out = bytearray()
    done = 0
    while at >= 0:
        plain, end = _escape(text, at)
        if not only_pairs or end - at == 12:
            out.extend(text[done:at])
            out.extend(plain)
            done = end
        at = text.find(b"\\", end)
    out.extend(text[done:])
    return bytes(out)


def loads(raw):
    """Make a value of a scanned slice. MicroPython's parser does not join surrogate pairs."""
    return json.loads(unescape(raw, True))
