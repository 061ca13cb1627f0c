"""Samsung32: the address twice, then the command and its complement, least significant bit first.

Must never touch hardware. While a button is held the whole frame is sent every 108 ms. An address above 255
has two bytes, the low one first, that differ; where they are the same it is the address of one byte.
"""

from capabilities.ir import distance

CARRIER = 38000
DUTY = 33
FIELDS = {"samsung32": {"address": (0, 65535), "command": (0, 255)}}
_FORM = (4500, 4500, 560, 560, 1690)
_FRAME_US = 108000


def encode(fields):
    address, command = fields["address"], fields["command"]
    if address < 256:
        address |= address << 8
    return distance.frame(_FORM, distance.bits((address, 16), (command, 8), (command ^ 255, 8)))


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return distance.spaced(encode(fields), _FRAME_US), 1 + repeats


def decode(timings):
    found = distance.read(_FORM, 32, timings)
    if found is None:
        return None
    address, command = distance.number(found, 0, 16), distance.number(found, 16, 8)
    if command ^ 255 != distance.number(found, 24, 8):
        return None
    if address & 255 == address >> 8:
        address &= 255
    elif address < 256:  # no number says this one
        return None
    return {"protocol": "samsung32", "address": address, "command": command}
