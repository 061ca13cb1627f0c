"""Draws a frame, bit by bit, for a terminal and as SVG. It must never draw what was not sent.

Colours only help: what they tell stands there as text too.
"""

from typing import Any
from xml.sax.saxutils import escape

from capabilities.ir import codecs
from host_sim.board import waveform
from host_sim.counted import counted
from host_sim.ir import bits
from host_sim.ir.signals import UNMODULATED, Signal

# Of the SVG, in its own units: rows of a frame, their margin, the pulse's lines and the texts beneath them.
WIDTH, LEFT, TOP, ROW = 960, 16, 44, 84
HIGH, LOW, BIT, PART = 8, 40, 54, 70
# A short pulse, so that it stands apart from its neighbours; the longest in short ones; the most rows.
NARROWEST, LONGEST, MOST_ROWS = 4.0, 24, 60
# (band, text) of a part, in turn: dark text of a ratio over 7 to its pale band and to white.
BANDS = (("#dbeafe", "#173b6d"), ("#fdecc8", "#6b3a06"), ("#dcf3e0", "#14532d"), ("#f3e0f7", "#5b216a"))
_CODES = ("36", "33", "32", "35")

Reading = tuple[int, int, dict[str, Any] | None]


def readings(signal: Signal) -> list[Reading]:
    """(start, end, fields) of each frame in a signal's timings."""
    timings = list(signal.once)
    return [(start, end, codecs.decode(timings[start:end])) for start, end in codecs.frames(timings)]


def summary(signal: Signal) -> str:
    """What a signal is, in one line."""
    fields = readings(signal)[0][2]
    return _says(fields) if fields else counted(len(signal.once), "raw timing")


def text(signal: Signal, width: int = 72, *, colour: bool = False) -> str:
    """The first frame as pulses in lines of `width` columns, and each frame's bits with their names.

    `colour`: with the escape sequences that a terminal colours by.
    """
    frames = readings(signal)
    start, end, _ = frames[0]
    pulses = [(1 - at % 2, us) for at, us in enumerate(signal.once[start:end])]
    lines = [signal.name, waveform.frame(pulses, width=max(16, width), carrier=signal.carrier or None)]
    if signal.carrier == UNMODULATED:
        lines.append("no carrier")
    before = None
    for number, (start, end, fields) in enumerate(frames, 1):
        frame = signal.once[start:end]
        if frame == before:
            lines.append(f"frame {number}: the same again")
            continue
        before = frame
        lines.append(f"frame {number}: {_says(fields)}")
        if fields:
            air = bits.sent(fields["protocol"], list(frame))
            for at, (part, some) in enumerate(bits.named(fields["protocol"], air)):
                line = f"{part:<12} {some}"
                lines.append(f"  \x1b[{_CODES[at % 4]}m{line}\x1b[0m" if colour else f"  {line}")
    return "\n".join(lines) + "\n"


def _says(fields: dict[str, Any] | None) -> str:
    if fields is None:
        return "no protocol known here"
    numbers = (f"{key} {value} (0x{value:X})" for key, value in fields.items() if key != "protocol")
    return f"{fields['protocol']}: {', '.join(numbers)}"


def svg(signal: Signal) -> str:
    """The first frame as SVG; see draw."""
    return draw(signal)[0]


def draw(signal: Signal) -> tuple[str, int]:
    """(SVG, its height; it is WIDTH wide) of the first frame, to scale, in as many rows as it needs, each bit
    and part named beneath its pulses. What is much longer than the rest is cut short, and says so: ≈.
    """
    frames = readings(signal)
    start, end, fields = frames[0]
    timings = list(signal.once[start:end])
    drawing = _Drawing(timings)
    body = [drawing.pulses()]
    if fields:
        body[:0] = drawing.bits(fields["protocol"], timings)
    again = f", the first of {len(frames)} frames" if len(frames) > 1 else ""
    carrier = f"{signal.carrier} Hz" if signal.carrier else "no carrier"
    title = f"{signal.name}: {_says(fields)}"
    height = TOP + drawing.rows * ROW
    lines = "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            'font-family="ui-monospace, Menlo, Consolas, monospace">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="{LEFT}" y="18" font-size="14" fill="#111111">{escape(_shorter(title, 108))}</text>',
            f'<text x="{LEFT}" y="34" font-size="11" fill="#444444">{carrier}, {sum(timings)} µs, '
            f"{counted(len(timings), 'mark', 'marks and spaces')}{again}</text>",
            *body,
            "</svg>\n",
        ]
    )
    return lines, height


def _shorter(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


class _Drawing:
    """Where the time of a frame lies on the paper."""

    def __init__(self, timings: list[int]):
        # Of the short ones, but not a spike of noise, which would make all the rest wide.
        shortest = sorted(timings)[len(timings) // 10]
        room = WIDTH - 2 * LEFT
        self.cut = [us > LONGEST * shortest for us in timings]
        drawn = [min(us, LONGEST * shortest) for us in timings]
        # As wide as the paper, or in rows where that would make a pulse too narrow.
        scale = max(room / sum(drawn), NARROWEST / shortest)
        if sum(drawn) * scale > room * MOST_ROWS:
            scale = room * MOST_ROWS / sum(drawn)
        self.times, self.places = [0], [0.0]
        for us, length in zip(timings, drawn, strict=True):
            self.times.append(self.times[-1] + us)
            self.places.append(self.places[-1] + length * scale)
        self.timings, self.room = timings, room
        self.rows = max(1, -int(-(self.places[-1] - 0.01) // room))

    def place(self, time: float) -> float:
        """How far along the line a time of the frame lies."""
        at = 0
        while at + 2 < len(self.times) and self.times[at + 1] <= time:
            at += 1
        part = (time - self.times[at]) / (self.times[at + 1] - self.times[at])
        return self.places[at] + part * (self.places[at + 1] - self.places[at])

    def pieces(self, start: float, end: float) -> list[tuple[int, float, float]]:
        """(row, from x, to x) of a stretch of the line, broken where a row ends."""
        found = []
        while end - start > 0.01:
            row = min(int((start + 0.01) // self.room), self.rows - 1)
            stop = min(end, (row + 1) * self.room) if row < self.rows - 1 else end
            found.append((row, LEFT + start - row * self.room, LEFT + stop - row * self.room))
            start = stop
        return found

    def pulses(self) -> str:
        path, notes, last = [f"M{LEFT} {TOP + LOW}"], [], 0
        for at, us in enumerate(self.timings):
            level = LOW if at % 2 else HIGH
            for row, left, right in self.pieces(self.places[at], self.places[at + 1]):
                y = TOP + row * ROW + level
                path.append(f"V{y}H{right:.1f}" if row == last else f"M{left:.1f} {y}H{right:.1f}")
                last = row
            if us >= 2000 or self.cut[at]:
                row, left, right = self.pieces(self.places[at], self.places[at + 1])[0]
                y = TOP + row * ROW + (HIGH + 13 if level == HIGH else LOW - 6)
                told = f"{us} µs{', cut short' if self.cut[at] else ''}"
                if right - left <= 6.5 * len(told):
                    told = "≈" if self.cut[at] else ""
                if told:
                    notes.append(_text((left + right) / 2, y, 10, "#444444", told))
        path.append(f"V{TOP + (self.rows - 1) * ROW + LOW}")
        return f'<path d="{"".join(path)}" fill="none" stroke="#111111" stroke-width="1.4"/>' + "".join(notes)

    def bits(self, protocol: str, timings: list[int]) -> list[str]:
        spans = bits.spans(protocol, timings)
        lines, at = [], 0
        for number, (part, count) in enumerate(bits.parts(protocol)):
            own = spans[at : at + count]
            at += count
            if not own:
                continue
            band, ink = BANDS[number % 4]
            pieces = self.pieces(self.place(own[0].start), self.place(own[-1].end))
            for row, left, right in pieces:
                box = f'x="{left:.1f}" y="{TOP + row * ROW}" width="{right - left:.1f}" height="{ROW - 8}"'
                lines.append(f'<rect {box} fill="{band}"/>')
            row, left, right = max(pieces, key=lambda piece: piece[2] - piece[1])
            label = part if right - left > 6.2 * len(part) else part[: max(1, int((right - left) / 6.2))]
            lines.append(_text((left + right) / 2, TOP + row * ROW + PART, 10, ink, label))
            for bit in own:
                middle = (self.place(bit.start) + self.place(bit.end)) / 2
                row, left, _ = self.pieces(middle, middle + 1)[0]
                lines.append(_text(left, TOP + row * ROW + BIT, 12, ink, bit.value))
        return lines


def _text(x: float, y: float, size: int, colour: str, words: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.0f}" font-size="{size}" fill="{colour}" text-anchor="middle">'
        f"{escape(words)}</text>"
    )
