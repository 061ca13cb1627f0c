"""LG: 28 bits, most significant first: an address, a command of 16 bits and the sum of its four digits.

Must never touch hardware. While a button is held it sends NEC's short frame. Bits, sum and units of 560 us
are those of Arduino-IRremote's ir_LG.hpp; IRremoteESP8266's ir_LG.cpp has 8.5 + 4.25 ms, 550 and 1600 us.
"""

from capabilities.ir import distance, nec

CARRIER = 38000
DUTY = 33
FIELDS = {"lg": {"address": (0, 255), "command": (0, 65535)}}
_FORM = (9000, 4500, 560, 560, 1690)


def _sum(command):
    return (command + (command >> 4) + (command >> 8) + (command >> 12)) & 15


def _mirrored(value, count):
    turned = 0
    for _ in range(count):
        turned = turned << 1 | value & 1
        value >>= 1
    return turned


def encode(fields):
    address, command = fields["address"], fields["command"]
    return distance.frame(
        _FORM,
        distance.bits(
            (_mirrored(address, 8), 8), (_mirrored(command, 16), 16), (_mirrored(_sum(command), 4), 4)
        ),
    )


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return nec.held(encode(fields), repeats), 1


def decode(timings):
    found = distance.read(_FORM, 28, timings)
    if found is None:
        return None
    command = _mirrored(distance.number(found, 8, 16), 16)
    if _mirrored(distance.number(found, 24, 4), 4) != _sum(command):
        return None
    return {"protocol": "lg", "address": _mirrored(distance.number(found, 0, 8), 8), "command": command}
