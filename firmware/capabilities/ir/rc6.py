"""RC6 mode 0: a leader, a start bit, three bits of mode, a toggle of double width, address and command.

Must never touch hardware. The direction of a change is the opposite of RC5's.
At the toggle, lengths of two and of three units meet: with 20 % of error each they are the same number.
"""

from capabilities.ir import biphase
from capabilities.ir.distance import near, spaced

CARRIER = 36000
DUTY = 33
FIELDS = {"rc6": {"address": (0, 255), "command": (0, 255), "toggle": (0, 1)}}
_LENGTHS = (444, 889, 1333)
_BOUNDS = (333, 667, 1067, 1667)
_FRAME_US = 106667


def encode(fields):
    toggle = fields.get("toggle", 0)
    levels = biphase.halves(8, 4, 1)
    levels.extend(bytes((toggle, toggle, 1 - toggle, 1 - toggle)))
    levels.extend(biphase.halves(fields["address"] << 8 | fields["command"], 16, 1))
    return [2666, 889] + biphase.merge(levels, _LENGTHS)


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return spaced(encode(fields), _FRAME_US), 1 + repeats


def decode(timings):
    if not 20 < len(timings) < 47 or not (near(timings[0], 2666) and near(timings[1], 889)):
        return None
    halves = biphase.expand(timings, 2, _BOUNDS, 44)
    if halves is None:
        return None
    halves = bytes(halves) + b"\0"
    if len(halves) < 44 or biphase.number(halves, 0, 4, 1) != 8:
        return None
    toggle = halves[8]
    if bytes(halves[8:12]) != bytes((toggle, toggle, 1 - toggle, 1 - toggle)):
        return None
    word = biphase.number(halves, 12, 16, 1)
    if word is None:
        return None
    return {"protocol": "rc6", "address": word >> 8, "command": word & 255, "toggle": toggle}
