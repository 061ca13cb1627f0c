"""The JSON that we send: one text for one value, the same from every runtime.

Keys sorted, compact, ASCII with \\u escapes, whole numbers without a fraction, other
decimals without exponent. Nothing received is ever passed through here to be hashed.
"""

MAX_INTEGER = 9007199254740991  # what a double holds exactly, and so every peer
_AT_ONCE = 32  # items of a list
_SAFE = b"etaoinsrhldcumfpgwybvkxjqz_0123456789 ETAOINSRHLDCUMFPGWYBVKXJQZ.-:/,;!#$%&'()*+<=>?@[]^`{|}~"


def dumps(value):
    """Return the text (str) of None, bool, int, float, str, list, tuple or dict with string keys.

    Raises ValueError for a whole number beyond MAX_INTEGER either way and a float that is not finite
    (HX3-WIRE-35), TypeError for anything else.
    """
    if isinstance(value, float):
        if value - value != 0:
            raise ValueError("not a finite number")
        if value == int(value):
            value = int(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError("a whole number is at most 9007199254740991 either way")
        return str(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        text = repr(value)
        return ("%.20f" % value).rstrip("0").rstrip(".") if "e" in text else text
    if isinstance(value, dict):
        return _joined("{", [_string(key) + ":" + dumps(value[key]) for key in sorted(value)], "}")
    if isinstance(value, (list, tuple)):
        # A few at a time: the texts of a long list would take several times the memory of all its text.
        texts = []
        for at in range(0, len(value), _AT_ONCE):
            texts.append(",".join([dumps(item) for item in value[at : at + _AT_ONCE]]))
        return _joined("[", texts, "]")
    raise TypeError("no JSON form: " + str(type(value)))


def _joined(first, texts, last):
    # In one step: a small heap has room for the whole once, and seldom for a second that is a sign longer.
    if not texts:
        return first + last
    texts[0] = first + texts[0]
    texts[-1] += last
    return ",".join(texts)


def _string(text):
    if not isinstance(text, str):
        raise TypeError("a name is a string")
    if not text.encode().strip(_SAFE):
        return '"' + text + '"'
    parts = []
    for char in text:
        code = ord(char)
        if char in '"\\':
            char = "\\" + char
        elif code >= 0x10000:
            code -= 0x10000
            char = "\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 0x3FF)
        elif not 32 <= code < 127:
            char = "\\u%04x" % code
        parts.append(char)
    return '"' + "".join(parts) + '"'
