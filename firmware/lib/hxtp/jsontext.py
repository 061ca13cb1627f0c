"""The JSON that we send: one text for one value, the same from every runtime.

Keys sorted, compact, ASCII with \\u escapes, whole numbers without a fraction, other
decimals without exponent. Nothing received is ever passed through here to be hashed.
"""

MAX_INTEGER = 9007199254740991  # what a double holds exactly, and so every peer
_SAFE = b"etaoinsrhldcumfpgwybvkxjqz_0123456789 ETAOINSRHLDCUMFPGWYBVKXJQZ.-:/,;!#$%&'()*+<=>?@[]^`{|}~"


def dumps(value):
    """Return the text (str) of None, bool, int, float, str, list, tuple or dict with string keys.

    Raises ValueError for a whole number beyond MAX_INTEGER either way and a float that is not finite
    (HX3-WIRE-35), TypeError for anything else.
    """
    parts = []
    _write(value, parts.append)
    return "".join(parts)


def _write(value, put):
    if isinstance(value, float):
        if value - value != 0:
            raise ValueError("not a finite number")
        if value == int(value):
            value = int(value)
    if value is None:
        put("null")
    elif value is True or value is False:
        put("true" if value else "false")
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError("a whole number is at most 9007199254740991 either way")
        put(str(value))
    elif isinstance(value, str):
        _string(value, put)
    elif isinstance(value, float):
        text = repr(value)
        put(("%.20f" % value).rstrip("0").rstrip(".") if "e" in text else text)
    elif isinstance(value, dict):
        mark = "{"
        for key in sorted(value):
            put(mark)
            _string(key, put)
            put(":")
            _write(value[key], put)
            mark = ","
        put("}" if value else "{}")
    elif isinstance(value, (list, tuple)):
        mark = "["
        for item in value:
            put(mark)
            _write(item, put)
            mark = ","
        put("]" if value else "[]")
    else:
        raise TypeError("no JSON form: " + str(type(value)))


def _string(text, put):
    if not isinstance(text, str):
        raise TypeError("a name is a string")
    put('"')
    if text.encode().strip(_SAFE):
        for char in text:
            code = ord(char)
            if char in '"\\':
                put("\\" + char)
            elif 32 <= code < 127:
                put(char)
            elif code < 0x10000:
                put("\\u%04x" % code)
            else:
                code -= 0x10000
                put("\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 0x3FF))
    else:
        put(text)
    put('"')
