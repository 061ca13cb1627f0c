"""JVC: 16 bits, least significant first: address, command, and nothing that would tell a wrong one.

Must never touch hardware. While a button is held the bits come again without the header, every 55 ms: the
maker's "Infrared remote control code for JVC models" (2006) says 46, sbprojects.net/knowledge/ir/jvc.php 50
to 60. Both have a header of 8.4 + 4.2 ms, marks of 527 us, and bits of 1.05 and 2.1 ms.
"""

from capabilities.ir import distance

CARRIER = 38000
DUTY = 33
FIELDS = {"jvc": {"address": (0, 255), "command": (0, 255)}}
_FORM = (8400, 4200, 526, 526, 1578)
_FRAME_US = 55000


def encode(fields):
    return distance.frame(_FORM, distance.bits((fields["address"], 8), (fields["command"], 8)))


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    timings = encode(fields)
    again = timings[2:]
    whole = distance.spaced(timings, _FRAME_US + 12600)
    for _ in range(repeats):
        whole.extend(distance.spaced(again, _FRAME_US))
    return whole, 1


def decode(timings):
    found = distance.read(_FORM, 16, timings)
    if found is None:
        return None
    return {
        "protocol": "jvc",
        "address": distance.number(found, 0, 8),
        "command": distance.number(found, 8, 8),
    }
