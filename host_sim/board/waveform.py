"""Draws what pins did as text for a terminal: levels over time, and one infrared frame pulse by pulse.

It must never round a pulse away: in a frame every pulse is at least one column wide.
"""

from collections.abc import Iterable, Sequence

from host_sim.board.trace import Event, pulses_us
from host_sim.counted import counted

HIGH, LOW = "▔", "▁"
SHADES = " ▁▂▃▄▅▆▇█"
BUSY = "▒"  # moved more than once within the column
LONGEST = 12  # columns of one pulse, so that a leader of 9 ms leaves room for the bits


def frame(pulses: Sequence[tuple[int, float]], *, width: int = 72, carrier: int | None = None) -> str:
    """An RMT frame, (level, µs) pairs, as lines of at most `width` columns.

    A column is as long as the frame's shortest pulse; long pulses are cut to 12 columns, and carry their µs
    beneath, as does whatever else has room for its label. The last lines tell which lengths there are, and
    how often.
    """
    if not pulses:
        return "(no pulses)"
    unit = min(us for _, us in pulses)
    total = sum(us for _, us in pulses)
    rows: list[tuple[str, str]] = []
    drawn = label = ""
    for level, us in pulses:
        columns = min(LONGEST, max(1, round(us / unit)), width)
        if len(drawn) + columns > width:
            rows.append((drawn, label))
            drawn = label = ""
        text = f"{us:.0f}"
        # A label never touches the one before it, nor reaches under the pulse that follows.
        if len(label) <= len(drawn) and len(text) < columns:
            label = label.ljust(len(drawn)) + text + " "
        drawn += (HIGH if level else LOW) * columns
    rows.append((drawn, label))
    of = f", carrier {carrier} Hz" if carrier else ""
    lines = [f"{counted(len(pulses), 'pulse')}, {total / 1000:.2f} ms{of}"]
    for drawn, label in rows:
        lines.append(drawn)
        if label.strip():
            lines.append(label.rstrip())
    for level, name in ((1, "marks "), (0, "spaces")):
        lengths = _lengths([us for one, us in pulses if one == level])
        if lengths:
            lines.append(f"{name} {lengths}")
    return "\n".join(lines)


def rmt(event: Event, *, width: int = 72) -> str:
    """The frame of an `rmt` event of a board's trace."""
    return frame(pulses_us(event), width=width, carrier=event["carrier"][0] if event["carrier"] else None)


def _lengths(values: list[float], apart: float = 1.25) -> str:
    """«560 µs ×33, 1690 µs ×17»: lengths within a quarter of each other count as one, told by their mean."""
    groups: list[list[float]] = []
    for value in sorted(values):
        if groups and value <= groups[-1][0] * apart:
            groups[-1].append(value)
        else:
            groups.append([value])
    return ", ".join(f"{sum(group) / len(group):.0f} µs ×{len(group)}" for group in groups)


def timeline(events: Iterable[Event], *, width: int = 72, pins: Iterable[int] | None = None) -> str:
    """The pins of a trace over time, one line each: ▔ high, ▁ low, shades for PWM and NeoPixel, ▒ for moved
    more than once within a column, a blank where the pin was not driven. Time is the host's, from first to
    last event.
    """
    wanted = None if pins is None else set(pins)
    moves: dict[int, list[tuple[float, str]]] = {}
    restarts: list[float] = []
    for event in events:
        if event.ev in ("boot", "off"):
            restarts.append(event.at)
        pin = event.get("pin")
        mark = _mark(event)
        if mark is not None and pin is not None and (wanted is None or pin in wanted):
            moves.setdefault(pin, []).append((event.at, mark))
    if not moves:
        return "(no pin moved)"
    first = min(line[0][0] for line in moves.values())
    last = max(line[-1][0] for line in moves.values())
    for line in moves.values():
        line.extend((at, " ") for at in restarts if at > first)
        line.sort(key=lambda move: move[0])
    name_width = max(len(f"GPIO{pin}") for pin in moves)
    columns = max(8, width - name_width - 1)
    step = (last - first) / columns or 1e-6
    lines = [
        f"GPIO{pin}".ljust(name_width + 1) + _draw(moves[pin], first, step, columns) for pin in sorted(moves)
    ]
    end = f"{last - first:.3f} s"
    lines.append(" " * (name_width + 1) + "0 s".ljust(columns - len(end)) + end)
    return "\n".join(lines)


def _mark(event: Event) -> str | None:
    """The character for the state that an event puts a pin into; None if it is no pin's event."""
    if event.ev == "pin":
        return {0: LOW, 1: HIGH, None: " "}[event["value"]]
    if event.ev == "pwm":
        return _shade(event["duty_u16"] / 65535) if event["freq"] else " "
    if event.ev == "neopixel":
        data = bytes.fromhex(event["data"])
        return _shade(max(data, default=0) / 255)
    if event.ev == "rmt":
        return BUSY
    return None


def _shade(part: float) -> str:
    """Dark is the lowest line and not a blank, which means that nothing drives the pin."""
    return SHADES[max(1, min(8, round(part * 8)))]


def _draw(moves: list[tuple[float, str]], first: float, step: float, columns: int) -> str:
    drawn, state, at = "", " ", 0
    for column in range(columns):
        end = first + (column + 1) * step if column + 1 < columns else float("inf")
        seen = 0
        while at < len(moves) and moves[at][0] < end:
            state = moves[at][1]
            seen += 1
            at += 1
        both_levels = seen > 1 and state in (HIGH, LOW)
        drawn += BUSY if both_levels else state
        if state == BUSY:  # a frame is over as soon as it is sent
            state = LOW
    return drawn
