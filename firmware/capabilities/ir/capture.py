"""What learning came to, with what was heard.

Must never import a module that judges: a capture is kept until the next one, and keeps in memory whatever its
class can reach.
"""

from array import array

CAPTURED = "captured"
TWICE = "twice"  # the same button was pressed again
DIFFERENT = "different"  # two buttons of one remote
COLLIDED = "collided"  # two remotes at once, or so much noise
NOISE = "noise"
OVERFLOW = "overflow"  # no end within what fits
TIMEOUT = "timeout"

_ADVICE = {
    TIMEOUT: "nothing came: press the button within the time",
    OVERFLOW: "it never pauses: is there a lamp, or sunlight?",
    DIFFERENT: "two different codes came: press one button",
    COLLIDED: "two remotes at once, or a weak signal: learn it again",
    NOISE: "no button was in it: hold the remote closer",
}


class Timings:
    """us, in pieces of 64: a heap that has been in use for long has room for those, and keeps its larger
    holes for messages. What is over 32,767 is held to 16 us, up to half a second.
    """

    def __init__(self):
        self._pieces = []
        self._size = 0

    def __len__(self):
        return self._size

    def __getitem__(self, at):
        if not 0 <= at < self._size:
            raise IndexError(at)
        us = self._pieces[at >> 6][at & 63]
        return us if us < 32768 else (us & 32767) << 4

    def append(self, us):
        if not self._size & 63:
            self._pieces.append(array("H", bytes(128)))
        self._size += 1
        self.last(us)

    def last(self, us):
        """Put `us` in the place of the last one."""
        if us > 32767:
            us = 32768 | min(us >> 4, 32767)
        at = self._size - 1
        self._pieces[at >> 6][at & 63] = us

    def pop(self):
        self._size -= 1


def part(timings, start, end):
    """Those from `start` to `end` (or to the last), as Timings: the same where it is all of them."""
    end = min(end, len(timings))
    if isinstance(timings, Timings) and not start and end == len(timings):
        return timings
    found = Timings()
    for at in range(start, end):
        found.append(timings[at])
    return found


class Capture:
    """`verdict`: one of the above. Where it is CAPTURED or TWICE: `quality` good or fair and `reason` why not
    better; `fields` as from codecs.decode, or None; `once`: us of one press, mark first and last; `gap`: us
    after it; `again`: us of what comes while held where that is something else; `repeats`: how often
    it came. Otherwise `reason` says what to do, and `once` is what there is to look at.
    """

    def __init__(self, verdict):
        self.verdict = verdict
        self.quality = ""
        self.reason = _ADVICE.get(verdict, "")
        self.fields = None
        self.once = Timings()
        self.again = Timings()
        self.carrier = 38000
        self.gap = 40000
        self.repeats = 0

    def usable(self):
        return self.verdict in (CAPTURED, TWICE)
