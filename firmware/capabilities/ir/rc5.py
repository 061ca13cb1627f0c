"""RC5: 14 bits by the direction of a change, most significant first; "rc5x" are the commands from 64 to 127.

Must never touch hardware. `toggle` changes with every press and stays while a button is held.
"""

from capabilities.ir import biphase
from capabilities.ir.distance import spaced

CARRIER = 36000
DUTY = 33
FIELDS = {
    "rc5": {"address": (0, 31), "command": (0, 63), "toggle": (0, 1)},
    "rc5x": {"address": (0, 31), "command": (64, 127), "toggle": (0, 1)},
}
_LENGTHS = (889, 1778)
_BOUNDS = (667, 1334, 2223)
_FRAME_US = 113778


def encode(fields):
    command = fields["command"]
    # The second start bit is the complement of the command's seventh bit.
    word = 1 << 13 | (command >> 6 ^ 1) << 12 | fields.get("toggle", 0) << 11
    word |= fields["address"] << 6 | command & 63
    return biphase.merge(biphase.halves(word, 14, 0), _LENGTHS)


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return spaced(encode(fields), _FRAME_US), 1 + repeats


def decode(timings):
    if not 12 < len(timings) < 29:
        return None
    halves = biphase.expand(timings, 0, _BOUNDS, 27)
    if halves is None:
        return None
    # The space before the first mark is not seen, nor the one after the last.
    halves = b"\0" + bytes(halves) + b"\0"
    word = biphase.number(halves, 0, 14, 0) if 28 <= len(halves) else None
    if word is None:
        return None
    command = word & 63 | (word >> 12 & 1 ^ 1) << 6
    return {
        "protocol": "rc5x" if command > 63 else "rc5",
        "address": word >> 6 & 31,
        "command": command,
        "toggle": word >> 11 & 1,
    }
