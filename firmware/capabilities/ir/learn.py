"""What a capture says: one press of a button, held or not, or why it is none.

Must never touch hardware, nor look at a timing more often than a fixed number of times: a capture of any
length is judged in steps that grow with it and no faster. Loads when something was captured.

A capture is cut into frames at its pauses. What is no frame is noise; frames that follow each other as in a
held button are one press; a longer pause begins a second press.
"""

from capabilities.ir import codecs
from capabilities.ir.capture import (
    CAPTURED,
    COLLIDED,
    DIFFERENT,
    NOISE,
    OVERFLOW,
    TWICE,
    Capture,
    part,
)

# The pause before a held button's next frame is shorter (RC5's is 89 ms), and nobody presses twice as fast.
_PRESS_US = 130000
# Fewer marks are no frame, but for NEC's short one; marks shorter than the second are what lamps make a
# receiver say, and what is shorter than the third is left where two remotes overlap.
_FEWEST = 6
_FLICKER_US = 200
_SHORTEST_US = 150
_LONGEST_US = 1 << 30
# How a frame compares with the first.
_SAME, _HELD, _PRESSED, _BUTTON, _REMOTE, _UNKNOWN = range(6)
# The longest frame of a protocol that is known here has 50 marks.
_DECODABLE = 101
# Of what is no frame so many timings are kept, to look at.
_SHOWN = 128
# So many lengths of marks and of spaces a protocol has at most, together (RC6 has four and three).
_KINDS = 7
# Protocols whose frames tell when they were misread.
_CHECKED = ("kaseikyo", "lg", "nec", "samsung32")


def _frames(timings, idle, full):
    """([(start, end, us of space before)] of all frames, whether there was noise between them)."""
    found = []
    noisy = False
    start = space = 0
    size = len(timings) - 1 + len(timings) % 2  # it ends with a mark
    for at in range(1, size + 1, 2):
        if at < size and timings[at] < idle:
            continue
        if at >= size and full:
            break  # it may be cut off
        if at - start > 2 * _FEWEST - 2 or (found and _held(timings, start, at)):
            found.append((start, at, space))
            space = 0
        else:
            noisy = True
            for i in range(start, at):
                space += timings[i]
        if at < size:
            space += timings[at]
        start = at + 1
    return found, noisy


def _held(timings, start, end):
    """Whether this is NEC's short frame. Only what has its length loads what knows."""
    if end - start != 3:
        return False
    from capabilities.ir import nec

    return nec.is_repeat(_cut(timings, start, end))


def _equal(timings, first, second, tolerance):
    """Whether two frames (start, end, ...) of a capture are the same."""
    size = first[1] - first[0]
    if second[1] - second[0] != size:
        return False
    for i in range(size):
        if not _alike(timings[first[0] + i], timings[second[0] + i], tolerance):
            return False
    return True


def _alike(one, other, tolerance):
    return abs(one - other) * 100 <= tolerance * max(one, other)


def _kinds(values, tolerance):
    """How many kinds of lengths these us are, sorted thereby; too many where one kind runs into the next."""
    values.sort()
    low = last = values[0]
    kinds = 1
    for value in values:
        if value * 100 > last * 115 + 3000:
            kinds += 1
            low = value
        elif value * (100 - tolerance) > low * (100 + tolerance) + 5000:
            return 2 * _KINDS
        last = value
    return kinds


def _flaw(timings, start, end, idle, tolerance):
    """Why frames that nobody knows cannot come from one remote, or None."""
    lengths = _lengths(timings, start, end, _LONGEST_US)
    kinds = _kinds(lengths, tolerance)
    shortest = lengths[0]
    if lengths[len(lengths) // 2] < _FLICKER_US:
        return NOISE
    lengths = None  # the marks leave before the spaces come
    lengths = _lengths(timings, start + 1, end, idle)
    kinds += _kinds(lengths, tolerance)
    return COLLIDED if kinds > _KINDS or min(shortest, lengths[0]) < _SHORTEST_US else None


def _lengths(timings, start, end, most):
    """Every second timing from `start` on, if it is shorter than `most` us: a list of its very size."""
    size = 0
    for i in range(start, end, 2):
        size += timings[i] < most
    lengths = [0] * size
    for i in range(start, end, 2):
        if timings[i] < most:
            size -= 1
            lengths[size] = timings[i]
    return lengths


def _decode(timings, frame):
    start, end = frame[:2]
    return codecs.decode(_cut(timings, start, end)) if end - start <= _DECODABLE else None


def _cut(timings, start, end):
    size = max(0, min(end, len(timings)) - start)
    found = [0] * size  # of its very size
    for at in range(size):
        found[at] = timings[start + at]
    return found


def _compare(timings, first, frame, fields, tolerance):
    """What `frame` is beside the first of the capture, which says `fields` or what nobody knows."""
    protocol = fields["protocol"] if fields else ""
    if protocol in ("", "nec", "necext", "lg") and _held(timings, frame[0], frame[1]):
        return _HELD
    if _equal(timings, first, frame, tolerance):
        return _SAME
    if protocol == "jvc" and _equal(timings, (first[0] + 2, first[1]), frame, tolerance):
        return _SAME
    told = _decode(timings, frame)
    if told is None:
        return _UNKNOWN
    if told == fields:
        return _SAME
    if not fields or told["protocol"] != protocol or told["address"] != fields["address"]:
        return _REMOTE
    return _PRESSED if told["command"] == fields["command"] else _BUTTON


def judge(timings, idle, tolerance, full=False, before=None):
    """A Capture. `timings`: us, mark first; `idle`: us of a pause that ends a frame; `tolerance`:
    percent by which equal timings differ; `full`: the end is missing; `before`: the capture before this one,
    which can confirm it.
    """
    frames, noisy = _frames(timings, idle, full)
    if not frames:
        capture = Capture(OVERFLOW if full else NOISE)
        capture.once = part(timings, 0, _SHOWN)
        return capture
    first = frames[0]
    fields = _decode(timings, first)
    end = train = first[1]  # of what is one code, and of the first press
    gap = repeats = 0
    strange = []
    later = pressed = confirmed = stray = False
    other = None
    for frame in frames[1:]:
        kind = _compare(timings, first, frame, fields, tolerance)
        if kind == _HELD:
            repeats += 1
            gap = gap or frame[2]
            continue
        later = later or kind == _PRESSED or frame[2] >= _PRESS_US
        if not later:
            train = frame[1]
            gap = gap or frame[2]
        if kind == _SAME:
            confirmed = True
            pressed = pressed or later
            repeats += not later
        elif kind == _PRESSED:
            confirmed = pressed = True
        elif kind != _UNKNOWN:
            other = other or kind
        elif later:
            stray = True
        else:
            strange.append(frame)
    verdict = TWICE if pressed else CAPTURED
    if other == _BUTTON or (stray and not fields):
        verdict = DIFFERENT
    elif other or (fields and (strange or stray)) or (strange and repeats):
        verdict = COLLIDED
    again = None
    if strange and verdict == CAPTURED:
        if len(strange) > 1 and _all_equal(timings, strange, tolerance):
            again = strange[0]
            repeats = len(strange)
            confirmed = True
        else:  # air conditioners send one code in several frames
            end = train
            gap = 0
    once = part(timings, first[0], end)
    confirmed = confirmed or (before is not None and _matches(before.once, once, tolerance))
    if verdict in (CAPTURED, TWICE, DIFFERENT) and not fields and not confirmed:
        if not len(timings) % 2 and not full:
            verdict = COLLIDED  # it did not end with a mark: an edge was missed
        verdict = _flaw(timings, first[0], end, idle, tolerance) or verdict
    capture = Capture(verdict)
    capture.once = once
    if not capture.usable():
        return capture
    if fields and fields["protocol"].startswith("sony"):
        repeats = max(0, repeats - 2)  # each press is sent three times
    capture.fields = fields
    if fields:
        capture.carrier = codecs.module(fields["protocol"]).CARRIER
    capture.repeats = repeats
    capture.gap = gap or capture.gap
    if again:
        capture.again = part(timings, again[0], again[1])
    if not confirmed and not (fields and fields["protocol"] in _CHECKED):
        capture.reason = "seen once and without a check: learn it again to compare"
    elif noisy:
        capture.reason = "there was noise beside it"
    capture.quality = "fair" if capture.reason else "good"
    return capture


def _all_equal(timings, frames, tolerance):
    for frame in frames[1:]:
        if not _equal(timings, frames[0], frame, tolerance):
            return False
    return True


def _matches(one, other, tolerance):
    if len(one) != len(other):
        return False
    for i in range(len(one)):
        if not _alike(one[i], other[i], tolerance):
            return False
    return True
