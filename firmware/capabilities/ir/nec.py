"""NEC: 32 bits by the distance between marks, least significant bit first, and short frames while held.

Must never touch hardware: numbers in, microseconds out, and back.

"nec" sends the address and the command each with its complement; "necext" sends 16 bits of each as they are.
Where a necext frame's bytes are complements it is the very frame that nec sends, and is read as that.
"""

from capabilities.ir import distance

CARRIER = 38000
DUTY = 33
FIELDS = {
    "nec": {"address": (0, 255), "command": (0, 255)},
    "necext": {"address": (0, 65535), "command": (0, 65535)},
}
_FORM = (9000, 4500, 562, 562, 1687)
_FRAME_US = 108000
REPEAT = (9000, 2250, 562)


def frame(address, command):
    """The 67 timings of one frame. An address to 255 is followed by its complement, a larger one has 16 bits;
    the command is always followed by its complement.
    """
    if address <= 255:
        address |= (address ^ 255) << 8
    return _words(address, command | (command ^ 255) << 8)


def _words(address, command):
    return distance.frame(_FORM, distance.bits((address, 16), (command, 16)))


def press(address, command, repeats):
    """A frame and `repeats` short repeat frames, each 108 ms after the one before, in one train."""
    return held(frame(address, command), repeats)


def held(timings, repeats):
    """Adds the short frames that a remote sends while a button is held."""
    length = sum(timings)
    for _ in range(repeats):
        timings.append(_FRAME_US - length)
        timings.extend(REPEAT)
        length = 9000 + 2250 + 562
    return timings


def encode(fields):
    address, command = fields["address"], fields["command"]
    if fields["protocol"] == "nec":
        return frame(address, command)
    return _words(address, command)


def train(fields, repeats):
    """(timings, how often to send them) of a press that is held for `repeats` repeats."""
    return held(encode(fields), repeats), 1


def decode(timings):
    found = distance.read(_FORM, 32, timings)
    if found is None:
        return None
    address, command = distance.number(found, 0, 16), distance.number(found, 16, 16)
    if address & 255 == address >> 8 ^ 255 and command & 255 == command >> 8 ^ 255:
        return {"protocol": "nec", "address": address & 255, "command": command & 255}
    return {"protocol": "necext", "address": address, "command": command}


def is_repeat(timings):
    """Whether this is the short frame of a held button; NEC and LG share it."""
    if not 3 <= len(timings) <= 4:
        return False
    for i in range(3):
        if not distance.near(timings[i], REPEAT[i]):
            return False
    return True
