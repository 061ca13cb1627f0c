"""Bits told by the length of the space after each mark: what NEC, Samsung, LG, JVC and Kaseikyo share.

Must never touch hardware, nor read more of a capture than one frame: numbers in, microseconds out, and back.
"""


def near(timing, wanted):
    """Whether a timing is the one wanted, within 25 %."""
    return abs(timing - wanted) * 4 <= wanted


def bits(*pairs):
    """The bits of (value, count) pairs one after the other, each least significant bit first."""
    found = bytearray()
    for value, count in pairs:
        for bit in range(count):
            found.append(value >> bit & 1)
    return found


def number(found, at, count):
    """The number in `count` bits from `at`, least significant bit first."""
    value = 0
    for bit in range(count):
        value |= found[at + bit] << bit
    return value


def frame(form, sent):
    """Timings in us, mark first and last. `form`: (header mark, header space, mark, zero, one)."""
    lead, pause, mark, zero, one = form
    timings = [mark] * (3 + 2 * len(sent))  # of its very size
    timings[0] = lead
    timings[1] = pause
    for at in range(len(sent)):
        timings[3 + 2 * at] = one if sent[at] else zero
    return timings


def read(form, count, timings):
    """The `count` bits of one frame, or None if it is no such frame. A space at its end is allowed."""
    lead, pause, mark, zero, one = form
    last = 2 + 2 * count
    if not last < len(timings) <= last + 2:
        return None
    if not (near(timings[0], lead) and near(timings[1], pause) and near(timings[last], mark)):
        return None
    found = bytearray(count)
    for bit in range(count):
        if not near(timings[2 + 2 * bit], mark):
            return None
        space = timings[3 + 2 * bit]
        if near(space, one):
            found[bit] = 1
        elif not near(space, zero):
            return None
    return found


def spaced(timings, period, least=8000):
    """A frame with the space after it that makes it begin every `period` us; at least `least`."""
    return timings + [max(least, period - sum(timings))]
