"""Kaseikyo, as Panasonic and others use it: 48 bits, least significant first.

Must never touch hardware. A vendor's number (Panasonic's is 0x2002) with 4 bits of parity, 12 of address,
8 of command, and the exclusive or of the three bytes before. The whole frame comes again every 130 ms.
"""

from capabilities.ir import distance

CARRIER = 37000
DUTY = 33
FIELDS = {"kaseikyo": {"address": (0, 4095), "command": (0, 255), "vendor": (0, 65535)}}
PANASONIC = 0x2002
_FORM = (3456, 1728, 432, 432, 1296)
_FRAME_US = 130000


def _parity(vendor):
    vendor ^= vendor >> 8
    return (vendor ^ vendor >> 4) & 15


def encode(fields):
    vendor, command = fields.get("vendor", PANASONIC), fields["command"]
    word = fields["address"] << 4 | _parity(vendor)
    check = (word ^ word >> 8 ^ command) & 255
    return distance.frame(_FORM, distance.bits((vendor, 16), (word, 16), (command, 8), (check, 8)))


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return distance.spaced(encode(fields), _FRAME_US), 1 + repeats


def decode(timings):
    found = distance.read(_FORM, 48, timings)
    if found is None:
        return None
    vendor, word = distance.number(found, 0, 16), distance.number(found, 16, 16)
    command = distance.number(found, 32, 8)
    if word & 15 != _parity(vendor) or (word ^ word >> 8 ^ command) & 255 != distance.number(found, 40, 8):
        return None
    return {"protocol": "kaseikyo", "address": word >> 4, "command": command, "vendor": vendor}
