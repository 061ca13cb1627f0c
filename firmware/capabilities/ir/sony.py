"""Sony SIRC: bits by the length of the mark, 7 of command, then 5, 8 or 13 of address, lowest first.

Must never touch hardware. Receivers want each frame three times, 45 ms apart.
"""

from capabilities.ir.distance import bits, near, number, spaced

CARRIER = 40000
DUTY = 33
FIELDS = {
    "sony12": {"address": (0, 31), "command": (0, 127)},
    "sony15": {"address": (0, 255), "command": (0, 127)},
    "sony20": {"address": (0, 8191), "command": (0, 127)},
}
_FRAME_US = 45000


def encode(fields):
    timings = [2400]
    for bit in bits((fields["command"], 7), (fields["address"], int(fields["protocol"][4:]) - 7)):
        timings.append(600)
        timings.append(1200 if bit else 600)
    return timings


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return spaced(encode(fields), _FRAME_US), 3 + repeats


def decode(timings):
    count = (len(timings) - 1) // 2
    if count not in (12, 15, 20) or not near(timings[0], 2400):
        return None
    found = bytearray(count)
    for bit in range(count):
        if not near(timings[1 + 2 * bit], 600):
            return None
        mark = timings[2 + 2 * bit]
        if near(mark, 1200):
            found[bit] = 1
        elif not near(mark, 600):
            return None
    return {
        "protocol": "sony%d" % count,
        "address": number(found, 7, count - 7),
        "command": number(found, 0, 7),
    }
