"""NEC: 32 bits by the distance between marks, least significant bit first, and short frames while held.

Must never touch hardware: numbers in, microseconds out.
"""

CARRIER = 38000
DUTY = 33
_UNIT = 562
_ONE = 1687
_FRAME_US = 108000


def frame(address, command):
    """The 67 timings of one frame. An address to 255 is followed by its complement, a larger one has 16 bits;
    the command is always followed by its complement.
    """
    if address <= 255:
        address |= (address ^ 255) << 8
    timings = [9000, 4500]
    for byte in (address & 255, address >> 8, command, command ^ 255):
        for bit in range(8):
            timings.append(_UNIT)
            timings.append(_ONE if byte >> bit & 1 else _UNIT)
    timings.append(_UNIT)
    return timings


def press(address, command, repeats):
    """A frame and `repeats` short repeat frames, each 108 ms after the one before, in one train."""
    timings = frame(address, command)
    length = sum(timings)
    for _ in range(repeats):
        timings.append(_FRAME_US - length)
        timings.extend((9000, 2250, _UNIT))
        length = 9000 + 2250 + _UNIT
    return timings
