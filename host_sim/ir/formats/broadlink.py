"""Broadlink's base64: units of 8192/269 µs, no carrier. What that loses is told."""

import base64

from host_sim.ir.formats import check_name, lost_hold, named_lines
from host_sim.ir.signals import CARRIER, FormatError, Signal, from_timings

INFRARED = 0x26
END = 0x0D05  # the long space that ends a packet


def load(text: str) -> list[Signal]:
    return [from_timings(name, CARRIER, _timings(name, code)) for name, code in named_lines(text)]


def _timings(name: str, code: str) -> list[int]:
    try:
        packet = base64.b64decode(code, validate=True)
    except ValueError as error:
        raise FormatError(f"{name}: no base64: {error}") from None
    if len(packet) < 4 or packet[0] != INFRARED:
        raise FormatError(f"{name}: no infrared packet, which begins with 0x26")
    size = int.from_bytes(packet[2:4], "little")
    body = packet[4 : 4 + size]
    if len(body) < size:
        raise FormatError(f"{name}: {size} bytes announced, {len(body)} there")
    units, at = [], 0
    while at < size:
        if body[at]:
            units.append(body[at])
            at += 1
        elif at + 3 <= size:
            units.append(int.from_bytes(body[at + 1 : at + 3], "big"))
            at += 3
        else:
            raise FormatError(f"{name}: ends inside a timing")
    if units and units[-1] == END and len(units) % 2 == 0:
        units.pop()
    return [round(n * 8192 / 269) for n in units]


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        units = [max(1, round(us * 269 / 8192)) for us in signal.once]
        if max(units) > 0xFFFF:
            raise FormatError(f"{signal.name}: a pause is too long for Broadlink")
        lost.append(f"{signal.name}: up to 15 µs of each timing, and its carrier of {signal.carrier} Hz")
        lost += lost_hold(signal)
        if len(units) % 2:
            units.append(END)
        body = b"".join(bytes((n,)) if n < 256 else b"\0" + n.to_bytes(2, "big") for n in units)
        packet = bytes((INFRARED, 0)) + len(body).to_bytes(2, "little") + body
        lines.append(f"{signal.name}: {base64.b64encode(packet).decode()}")
    return "\n".join(lines) + "\n", lost
