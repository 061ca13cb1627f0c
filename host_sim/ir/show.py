"""Draws a frame, bit by bit, for a terminal and as SVG. It must never draw what was not sent."""

from xml.sax.saxutils import escape

from capabilities.ir import codecs
from host_sim.board import waveform
from host_sim.ir import bits
from host_sim.ir.signals import Signal

WIDTH, HEIGHT, LEFT = 960, 150, 20


def readings(signal: Signal) -> list[tuple[int, int, dict | None]]:
    """(start, end, fields) of each frame in a signal's timings."""
    timings = list(signal.once)
    return [(start, end, codecs.decode(timings[start:end])) for start, end in codecs.frames(timings)]


def text(signal: Signal, width: int = 72) -> str:
    """The first frame as pulses, and each frame's bits with their names."""
    frames = readings(signal)
    start, end, _ = frames[0]
    pulses = [(1 - at % 2, us) for at, us in enumerate(signal.once[start:end])]
    lines = [signal.name, waveform.frame(pulses, width=width, carrier=signal.carrier)]
    for number, (start, end, fields) in enumerate(frames, 1):
        lines.append(f"frame {number}: {_says(fields)}")
        if fields:
            air = bits.sent(fields["protocol"], list(signal.once[start:end]))
            lines += [f"  {part:<12} {some}" for part, some in bits.named(fields["protocol"], air)]
    return "\n".join(lines) + "\n"


def _says(fields: dict | None) -> str:
    if fields is None:
        return "no protocol known here"
    numbers = (f"{key} {value} (0x{value:X})" for key, value in fields.items() if key != "protocol")
    return f"{fields['protocol']}: {', '.join(numbers)}"


def svg(signal: Signal) -> str:
    """The first frame to scale, with its parts beneath it."""
    start, end, fields = readings(signal)[0]
    timings = signal.once[start:end]
    scale = (WIDTH - 2 * LEFT) / sum(timings)
    path, x, edges = [f"M{LEFT} 80"], float(LEFT), []
    for at, us in enumerate(timings):
        edges.append(x)
        x += us * scale
        path.append(f"V{30 if at % 2 == 0 else 80}H{x:.2f}")
    path.append("V80")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="monospace">',
        f'<text x="{LEFT}" y="18" font-size="13">{escape(signal.name)}: {escape(_says(fields))}, '
        f"{signal.carrier} Hz</text>",
        f'<path d="{"".join(path)}" fill="none" stroke="#205080"/>',
    ]
    if fields:
        air = bits.sent(fields["protocol"], list(timings))
        for at, (part, some) in enumerate(bits.named(fields["protocol"], air)):
            y = 100 + 14 * (at % 3)
            lines.append(f'<text x="{LEFT + 300 * (at // 3)}" y="{y}" font-size="11">{part} {some}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
