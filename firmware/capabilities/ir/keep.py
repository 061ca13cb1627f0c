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
    at = struct.calcsize(_HEAD)
    size = at + len(fields)
    for timings in (code.once, code.again):
        for timing in timings:
            size += 1
            while timing > 127:
                size += 1
                timing >>= 7
    if size > LARGEST:
        raise HxtpError(COMMAND_INVALID, "too long to keep")
    text = bytearray(size)  # of its very size: one that grows wants room for two
    struct.pack_into(_HEAD, text, 0, _VERSION, number, code.carrier, code.gap, len(fields), len(code.once))
    text[at : at + len(fields)] = fields
    at += len(fields)
    for timings in (code.once, code.again):
        for timing in timings:
            while timing > 127:
                text[at] = timing & 127 | 128
                at += 1
                timing >>= 7
            text[at] = timing
            at += 1
    return text


def unpack(text, more=0):
    """(id, Code) of a file's bytes, or None where they are none or nothing to send. `more`: so many zeros
    behind `once`, for who has something to add.
    """
    head = _head(text)
    if head is None:
        return None
    number, code, count, total = head
    code.once = [0] * (count + more)
    code.again = [0] * (total - count)
    place = 0
    for timing in _timings(text):
        if place < count:
            code.once[place] = timing
        else:
            code.again[place - count] = timing
        place += 1
    return number, code


def page(text, offset, most):
    """(Code without its timings, how many of `once`, of both together, those from `offset` on) or None."""
    head = _head(text)
    if head is None:
        return None
    _, code, count, total = head
    found = [0] * max(0, min(most, total - offset))  # of its very size
    place = -offset
    for timing in _timings(text):
        if place == len(found):
            break
        if place >= 0:
            found[place] = timing
        place += 1
    return code, count, total, found


def _head(text):
    # What all of the bytes say must be sound, or it is None.
    start = struct.calcsize(_HEAD)
    if text is None or len(text) < start:
        return None
    version, number, carrier, gap, size, count = struct.unpack(_HEAD, text[:start])
    if version != _VERSION or not FIRST_ID <= number <= LAST_ID or not 10000 <= carrier <= 60000:
        return None
    total = 0
    for timing in _timings(text):
        if not 0 < timing <= _LONGEST_US:
            return None
        total += 1
    if gap > _LONGEST_US or not 0 < count <= total <= 2 * _TIMINGS or text[-1] > 127:
        return None
    try:
        fields = json.loads(text[start : start + size]) if size else None
    except ValueError:
        return None
    if fields is not None and not isinstance(fields, dict):
        return None
    return number, Code(fields, carrier, gap, []), count, total


def _timings(text):
    # A timing of too many groups is one that is too long.
    start = struct.calcsize(_HEAD)
    value = shift = 0
    for at in range(start + struct.unpack(_HEAD, text[:start])[4], len(text)):
        value |= (text[at] & 127) << shift
        shift += 7
        if text[at] < 128 or shift > 21:
            yield value if text[at] < 128 else 0
            value = shift = 0
