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


class Capture:
    """`verdict`: one of the above. Where it is CAPTURED or TWICE: `quality` good or fair and `reason` why not
    better; `fields` as from codecs.decode, or None; `once`: us of one press, mark first and last; `gap`: us
    after it; `again`: us of what comes while held where that is something else, or None; `repeats`: how often
    it came. Otherwise `reason` says what to do, and `once` is what there is to look at.
    """

    def __init__(self, verdict):
        self.verdict = verdict
        self.quality = ""
        self.reason = _ADVICE.get(verdict, "")
        self.fields = None
        self.once = array("I")
        self.again = None
        self.carrier = 38000
        self.gap = 40000
        self.repeats = 0

    def usable(self):
        return self.verdict in (CAPTURED, TWICE)
