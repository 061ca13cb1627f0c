"""Bits told by the direction of the change in their middle: what RC5 and RC6 share.

Must never touch hardware, nor make more of a capture than one frame.
"""


def merge(halves, lengths):
    """Timings in us of levels (0 or 1) that each last one unit, without the spaces at both ends.

    `lengths`: us of one unit, of two …
    """
    timings = []
    level = 0
    run = 0
    for half in list(halves) + [None]:
        if half == level:
            run += 1
            continue
        if run and (level or timings):
            timings.append(lengths[run - 1])
        level = half
        run = 1
    if not len(timings) % 2:
        timings.pop()
    return timings


def expand(timings, start, bounds, most):
    """The levels of the units from timing `start` (marks have even places), or None if they do not fit.

    `bounds`: the shortest us of one unit, of two …, and the first that is too long; `most` units at most.
    """
    halves = bytearray()
    for i in range(start, len(timings)):
        timing = timings[i]
        if timing < bounds[0] or timing >= bounds[-1]:
            # A long space at the end is the pause after the frame.
            if i == len(timings) - 1 and i % 2 and timing > bounds[0]:
                break
            return None
        units = 1
        while timing >= bounds[units]:
            units += 1
        if len(halves) + units > most:
            return None
        for _ in range(units):
            halves.append(1 - i % 2)
    return halves


def number(halves, at, count, one):
    """The number in `count` bits from half `at`, most significant bit first, or None where a bit does not
    change its level in its middle. `one`: the first level of a 1.
    """
    value = 0
    for i in range(at, at + 2 * count, 2):
        if halves[i] == halves[i + 1]:
            return None
        value = value << 1 | (halves[i] == one)
    return value


def halves(value, count, one):
    """The levels of a number's bits, most significant first."""
    levels = bytearray()
    for bit in range(count - 1, -1, -1):
        first = one if value >> bit & 1 else 1 - one
        levels.append(first)
        levels.append(1 - first)
    return levels
