"""Which module speaks which protocol, and what a frame says. A module loads when it is asked for.

Must never touch hardware. A module has CARRIER (Hz), DUTY (percent), FIELDS {protocol: {field: (low, high)}},
encode(fields) -> timings of one frame in us, mark first and last; train(fields, repeats) -> (timings, how
often to send them) of a held button; decode(timings) -> fields, or None where it is no frame of it.
"""

MODULES = {
    "nec": "nec",
    "necext": "nec",
    "samsung32": "samsung",
    "lg": "lg",
    "jvc": "jvc",
    "sony12": "sony",
    "sony15": "sony",
    "sony20": "sony",
    "rc5": "rc5",
    "rc5x": "rc5",
    "rc6": "rc6",
    "kaseikyo": "kaseikyo",
}
# By the number of marks of a frame, fewest and most, and the us of the first, 25 % to each side.
_SHAPES = (
    (34, 34, 6750, 11250, "nec"),
    (34, 34, 3375, 5625, "samsung"),
    (30, 30, 6750, 11250, "lg"),
    (18, 18, 6300, 10500, "jvc"),
    (50, 50, 2592, 4320, "kaseikyo"),
    (13, 13, 1800, 3000, "sony"),
    (16, 16, 1800, 3000, "sony"),
    (21, 21, 1800, 3000, "sony"),
    (7, 14, 667, 2222, "rc5"),
    (11, 23, 2000, 3332, "rc6"),
)


def module(protocol):
    """The module for a protocol's name; KeyError where there is none."""
    return _load(MODULES[protocol])


def _load(name):
    # With a name to take from it, __import__ gives the module itself and not the package.
    return __import__("capabilities.ir." + name, None, None, ("FIELDS",))


def readings(timings):
    """All that one frame can mean, the likeliest first, one after the other. Loads only what could fit."""
    if not timings:
        return
    marks = (len(timings) + 1) // 2
    for fewest, most, low, high, name in _SHAPES:
        if fewest <= marks <= most and low <= timings[0] <= high:
            fields = _load(name).decode(timings)
            if fields is not None:
                yield fields


def decode(timings):
    """What one frame says, or None."""
    for fields in readings(timings):
        return fields
    return None


def frames(timings, gap=8000):
    """Cut a capture (us, mark first) at its spaces of `gap` us or more: [(start, end)], each end at a mark.

    8 ms is longer than any space within a frame and shorter than any between two.
    """
    cuts = []
    start = 0
    for i in range(1, len(timings), 2):
        if timings[i] >= gap:
            cuts.append((start, i))
            start = i + 1
    if start < len(timings):
        cuts.append((start, len(timings)))
    return cuts
