"""A learned command as it lies in flash: bytes in, a Code out, and back.

Must never send, nor trust what it reads. Loads when such a command is kept or read.

A file holds: version, id, carrier in Hz, us of pause, the length of the fields as JSON, those fields (what
ir_send takes; none where only timings are known), the number of timings of one press, and the timings, of
that press and then of what comes while held, each in groups of seven bits, lowest first.
"""

import json
import struct

from hxtp.errors import COMMAND_INVALID, HxtpError
from hxtp.jsontext import dumps

LARGEST = 4096  # bytes
FIRST_ID, LAST_ID = 400, 999
_HEAD = ">BHHIHH"
_VERSION = 1
_TIMINGS = 1024
_LONGEST_US = 2000000


class Code:
    """What a learned command sends. `fields` as ir_send takes them, or None; `once` and `again` in us."""

    def __init__(self, fields, carrier, gap, once, again=()):
        self.fields = fields
        self.carrier = carrier
        self.gap = gap
        self.once = once
        self.again = again


def pack(number, code):
    """The bytes of a file. Raises HxtpError where it would be too large."""
    fields = dumps(code.fields).encode() if code.fields else b""
    text = bytearray(
        struct.pack(_HEAD, _VERSION, number, code.carrier, code.gap, len(fields), len(code.once))
    )
    text.extend(fields)
    for timings in (code.once, code.again):
        for timing in timings:
            while timing > 127:
                text.append(timing & 127 | 128)
                timing >>= 7
            text.append(timing)
    if len(text) > LARGEST:
        raise HxtpError(COMMAND_INVALID, "too long to keep")
    return bytes(text)


def unpack(text):
    """(id, Code) of a file's bytes, or None where they are none or nothing to send."""
    start = struct.calcsize(_HEAD)
    if text is None or len(text) < start:
        return None
    version, number, carrier, gap, size, count = struct.unpack(_HEAD, text[:start])
    if version != _VERSION or not FIRST_ID <= number <= LAST_ID or not 10000 <= carrier <= 60000:
        return None
    total = 0
    for at in range(start + size, len(text)):
        total += text[at] < 128
    if gap > _LONGEST_US or not 0 < count <= total <= 2 * _TIMINGS:
        return None
    # In lists of their very size: one that grows is copied, and ends up with twice the room that it needs.
    once = [0] * count
    again = [0] * (total - count)
    timings = once
    place = value = shift = 0
    for at in range(start + size, len(text)):
        value |= (text[at] & 127) << shift
        shift += 7
        if text[at] > 127:
            if shift > 21:
                return None
            continue
        if not 0 < value <= _LONGEST_US:
            return None
        timings[place] = value
        place += 1
        if place == count and timings is once:
            timings = again
            place = 0
        value = shift = 0
    if shift:
        return None
    try:
        fields = json.loads(text[start : start + size]) if size else None
    except ValueError:
        return None
    if fields is not None and not isinstance(fields, dict):
        return None
    return number, Code(fields, carrier, gap, once, again)
