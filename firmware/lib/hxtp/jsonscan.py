"""The strict scan: which bytes of a received message are its members, and whether it is JSON at all.

The platform's parser is never asked about a message that this scan has not passed,
because parsers disagree on duplicate names, truncation, numbers and escapes; it is
asked about the body alone, and only to make values of it. Nothing is re-serialised.
"""

import json

from hxtp.errors import FRAME_JSON_INVALID, FRAME_UTF8_INVALID, HxtpError

MAX_DEPTH = 16
MAX_NUMBER = 512  # bytes; beyond that runtimes differ in what they can hold

_SCALAR = b"0123456789-+.eEtrufalsn"  # what numbers, true, false and null are made of
# CPython finds out in one call whether there is anything but these.
_PLAIN = bytes(range(32, 92)) + bytes(range(93, 256))
_translate = getattr(bytes, "translate", None)
_isascii = getattr(bytes, "isascii", None)


def _refuse():
    raise HxtpError(FRAME_JSON_INVALID)


def _check_utf8(data):
    # ASCII, which nearly all is, is told without a copy, for which a small heap may have no room.
    if _isascii(data) if _isascii else data and max(data) < 128:
        return
    # MicroPython's own decoder lets overlong forms and surrogates through.
    try:
        str(data, "utf-8")
    except UnicodeError:
        raise HxtpError(FRAME_UTF8_INVALID) from None
    i = 0
    while i < len(data):
        i = _character(data, i)


def _character(data, i):
    # The index behind the character at data[i], by RFC 3629.
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
    are refused. Memory: one copy of each top-level value; on CPython, and for text beyond ASCII, one of all.
    """
    text = data[start:] if _translate else memoryview(data)[start:]
    _check_utf8(text)
    # Without control characters and escapes each string ends at the next quote, and is right.
    plain = text and (
        (not _translate(text, None, _PLAIN))
        if _translate
        else min(text) >= 32 and data.find(b"\\", start) < 0
    )
    del text
    try:
        return _members(data, _space(data, start), plain)
    except IndexError:  # the text ended inside a value
        raise HxtpError(FRAME_JSON_INVALID) from None


def _space(data, i):
    n = len(data)
    while i < n and data[i] in b" \t\r\n":
        i += 1
    return i


def _members(data, i, plain):
    # One loop for all depths: a hostile message finds no recursion to exhaust.
    find = data.find
    members = {}
    outer = []  # what is open around what is open: as `names`
    # The names of the object that is open below the outermost, None in an array: one run of bytes, between
    # 0xFF (never part of UTF-8), because a hostile object has thousands.
    names = bytearray()
    empty = True
    if data[i] != 123:
        _refuse()
    while True:
        # data[i] is a comma, or opened what is open. Where find finds nothing, the index is that of the first
        # byte or the last, and there stands no colon and no comma.
        i += 1
        if plain and not outer:
            # The usual members, "name":"text", in a row; where one is otherwise the rest decides.
            while data[i] == 34:
                end = find(b'"', i + 1)
                name = data[i + 1 : end]
                if data[end + 1] != 58 or data[end + 2] != 34 or name in members:
                    break
                stop = find(b'"', end + 3) + 1
                if data[stop] != 44:
                    break
                members[name] = data[end + 2 : stop]
                i = stop + 1
                empty = False
        if data[i] <= 32:
            i = _space(data, i)
        if empty and data[i] == (93 if names is None else 125):
            end = i
        else:
            if names is not None:
                if data[i] != 34:
                    _refuse()
                end = find(b'"', i + 1) + 1 if plain else _string(data, i)
                name = data[i + 1 : end - 1]
                if outer:
                    name = (name if plain else unescape(name)) + b"\xff"
                    if b"\xff" + name in names:
                        _refuse()
                    names.extend(name)
                elif name in members or b"\\" in name:
                    _refuse()
                else:
                    member = name
                if data[end] <= 32:
                    end = _space(data, end)
                if data[end] != 58:
                    _refuse()
                i = end + 1
                if data[i] <= 32:
                    i = _space(data, i)
                if not outer:
                    start = i
            first = data[i]
            if first == 123 or first == 91:
                outer.append(names)
                if len(outer) == MAX_DEPTH:
                    _refuse()
                names = bytearray(b"\xff") if first == 123 else None
                empty = True
                continue
            if first != 34:
                end = _scalar(data, i)
            else:
                end = find(b'"', i + 1) + 1 if plain else _string(data, i)
            if not outer:
                members[member] = data[start:end]
        # A value ends at data[end]; so may what is around it.
        empty = False
        while True:
            if data[end] <= 32:
                end = _space(data, end)
            if data[end] == 44:
                break
            if data[end] != (93 if names is None else 125):
                _refuse()
            end += 1
            if not outer:
                if _space(data, end) != len(data):
                    _refuse()
                return members
            names = outer.pop()
            if not outer:
                members[member] = data[start:end]
        i = end


def _string(data, i):
    # The index behind the string at data[i].
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
    if text and min(text) < 32:
        _refuse()
    unescape(text)
    return end + 1


def _scalar(data, i):
    # The index behind the number or word at data[i].
    for size in (24, MAX_NUMBER + 1):
        text = data[i : i + size]
        text = text[: len(text) - len(text.lstrip(_SCALAR))]
        if len(text) < size:
            break
    else:
        _refuse()
    if (not text.isdigit() or text[0] == 48) and text not in (b"0", b"true", b"false", b"null"):
        mantissa, e, exponent = text.replace(b"E", b"e").partition(b"e")
        whole, point, fraction = mantissa.partition(b".")
        if whole[:1] == b"-":
            whole = whole[1:]
        if exponent[:1] in (b"-", b"+"):
            exponent = exponent[1:]
        if (
            not whole.isdigit()
            or (whole[0] == 48 and len(whole) > 1)
            or (point and not fraction.isdigit())
            or (e and not exponent.isdigit())
        ):
            _refuse()
    return i + len(text)


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
