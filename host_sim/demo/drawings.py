"""Draws what a virtual board's pins did, and measures it: fades, pulses, infrared frames.

Times are the board's own. It must never show what the trace does not hold, nor round away a pulse.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from host_sim.board.trace import Event, pulses_us
from host_sim.board.waveform import HIGH, LOW, frame
from host_sim.counted import counted

WIDTH = 80
BARS = "▁▂▃▄▅▆▇█"
FULL = 65535  # of a duty
MOVES = ("pin", "pwm", "neopixel", "rmt")


@dataclass(frozen=True, slots=True)
class Fade:
    """A PWM pin's way from one duty to another. `first`, `last`: percent of time on."""

    pin: int
    first: float
    last: float
    seconds: float
    steps: int
    rising: bool  # never fell on the way
    drawing: list[str]


@dataclass(frozen=True, slots=True)
class Pulse:
    """A pin that was high once. `ms`: for how long."""

    pin: int
    ms: float
    drawing: list[str]


@dataclass(frozen=True, slots=True)
class Nec:
    """An infrared frame of NEC's format: the four bytes as sent, least significant bit first."""

    pin: int
    data: tuple[int, int, int, int]
    carrier: int
    drawing: list[str]

    @property
    def address(self) -> int:
        """8 bits where the second byte is the first one's complement, else 16 (NEC's extended format)."""
        low, high = self.data[:2]
        return low if low ^ high == 0xFF else low | high << 8

    @property
    def command(self) -> int:
        return self.data[2]

    @property
    def sound(self) -> bool:
        """Whether the command's complement is right."""
        return self.data[2] ^ self.data[3] == 0xFF


def fade(events: Sequence[Event], pin: int, before: float = 0.0) -> Fade | None:
    """The duty of `pin` over time; None if it did not move. `before`: its percentage before that."""
    points = [(event.t_us, _percent(event)) for event in events if event.ev == "pwm" and event["pin"] == pin]
    if not points:
        return None
    start, end = points[0][0], points[-1][0]
    values = [before] + [value for _, value in points]
    falls = any(after < one for one, after in pairwise(values))
    columns = _columns(points, before, start, end)
    seconds = (end - start) / 1e6
    peak = max(max(values), 1.0)
    bars = "".join(BARS[min(7, int(value / peak * 7.999))] for value in columns)
    drawing = [f"GPIO{pin}  {bars}", " " * len(f"GPIO{pin}  ") + _axis(seconds, len(bars))]
    return Fade(pin, before, values[-1], seconds, len(points), not falls, drawing)


def pulse(events: Sequence[Event], pin: int) -> Pulse | None:
    """The one time that `pin` was high and went low again; None if there is none, or more."""
    moves = [(event.t_us, event["value"]) for event in events if event.ev == "pin" and event["pin"] == pin]
    if [value for _, value in moves] != [1, 0]:
        return None
    ms = (moves[1][0] - moves[0][0]) / 1000
    side, high = WIDTH // 6, WIDTH // 2
    name = f"GPIO{pin}  "
    drawing = [
        name + LOW * side + HIGH * high + LOW * side,
        " " * (len(name) + side) + f"│{f' {ms:.1f} ms '.center(high - 2, '─')}│",
    ]
    return Pulse(pin, ms, drawing)


def still(pin: int, begin: float, end: float, marks: Sequence[float]) -> list[str]:
    """A pin that stayed low from `begin` to `end`, with the `marks` in between numbered. All in seconds."""
    name = f"GPIO{pin}  "
    line = " " * len(name)
    for number, at in enumerate(marks, 1):
        line = line.ljust(len(name) + int((at - begin) / (end - begin) * WIDTH)) + str(number)
    return [name + LOW * WIDTH, line]


def nec(events: Sequence[Event]) -> Nec | None:
    """The first infrared frame that reads as NEC; None if there is none."""
    for event in events:
        if event.ev == "rmt" and (data := read_nec(pulses_us(event))) is not None:
            carrier = event["carrier"][0] if event["carrier"] else 0
            return Nec(event["pin"], data, carrier, frame_lines(event))
    return None


def frame_lines(event: Event) -> list[str]:
    carrier = event["carrier"][0] if event["carrier"] else None
    return frame(pulses_us(event), width=WIDTH, carrier=carrier).splitlines()


def read_nec(pulses: Sequence[tuple[int, float]]) -> tuple[int, int, int, int] | None:
    """The four bytes of an NEC frame: a mark of 9 ms, a space of 4.5 ms, 32 bits, a stop mark."""
    lengths = [us for _, us in pulses]
    if len(pulses) < 67 or pulses[0][0] != 1 or not (_near(lengths[0], 9000) and _near(lengths[1], 4500)):
        return None
    value = 0
    for bit in range(32):
        mark, space = lengths[2 + 2 * bit], lengths[3 + 2 * bit]
        one = _near(space, 1690)
        if not _near(mark, 560) or not (one or _near(space, 560)):
            return None
        value |= one << bit
    if not _near(lengths[66], 560):
        return None
    return value & 0xFF, value >> 8 & 0xFF, value >> 16 & 0xFF, value >> 24


def bits(data: Sequence[int]) -> str:
    """Bytes as they are sent: "00100000 11011111", least significant bit first."""
    return " ".join(f"{byte:08b}"[::-1] for byte in data)


def activity(events: Sequence[Event]) -> list[str]:
    """Whatever pins did, in a few lines: for who sends commands by hand."""
    lines: list[str] = []
    for pin in sorted({event["pin"] for event in events if event.ev in MOVES}):
        mine = [event for event in events if event.ev in MOVES and event["pin"] == pin]
        kind = mine[-1].ev
        if kind == "rmt":
            lines += [line for event in mine for line in frame_lines(event)]
        elif kind == "pwm":
            moved = fade(mine, pin)
            lines += [] if moved is None else [*moved.drawing, f"duty {moved.last:.1f} %"]
        elif kind == "neopixel":
            lines.append(
                f"GPIO{pin}  {counted(len(mine), 'frame')} of colours, the last {mine[-1]['data'][:48]}"
            )
        else:
            start = mine[0].t_us
            said = (
                f"{'high' if event['value'] else 'low'} at {(event.t_us - start) / 1000:.0f} ms"
                for event in mine
            )
            lines.append(f"GPIO{pin}  " + ", ".join(said))
    return lines


def _percent(event: Event) -> float:
    return event["duty_u16"] * 100 / FULL if event["freq"] else 0.0


def _columns(points: Sequence[tuple[int, float]], before: float, start: int, end: int) -> list[float]:
    # The value at the end of each column; a change is never earlier than it was.
    width = min(WIDTH, max(1, len(points)))
    columns, at, value = [], 0, before
    for column in range(width):
        until = start + (end - start) * (column + 1) / width
        while at < len(points) and (points[at][0] <= until or column == width - 1):
            value = points[at][1]
            at += 1
        columns.append(value)
    return columns


def _axis(seconds: float, width: int) -> str:
    if width < 24:
        return f"{seconds:.2f} s"
    parts = 4 if width >= 60 else 2
    line = ""
    for part in range(parts + 1):
        label = f"{seconds * part / parts:.2f} s"
        line = line.ljust(min(width * part // parts, width - len(label))) + label
    return line


def _near(us: float, wanted: float) -> bool:
    return abs(us - wanted) <= wanted / 4
