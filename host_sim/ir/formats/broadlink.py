"""Broadlink's base64 or hex: units of 8192/269 µs, no carrier. What that loses is told.

It must never take a radio packet for infrared. Read too: the codes that Home Assistant stores for a Broadlink
remote, {"data": {device: {command: code}}}, where a list is two codes that take turns.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

from host_sim.counted import counted
from host_sim.ir.reading import Entry, attempt, check_name, json_value, named_lines, repeated, shown
from host_sim.ir.signals import (
    CARRIER,
    GAP_US,
    MOST,
    FormatError,
    Signal,
    from_timings,
    modulated,
    not_held,
)

INFRARED = 0x26
RADIO = {0xB2: "433 MHz", 0xD7: "315 MHz"}
END = 0x0D05  # the long space that ends a packet
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){4,}")
# Three bytes a timing, in base64, with what surrounds them.
_LONGEST = 4 * MOST + 400


def each(text: str) -> Iterator[Entry]:
    rows = _stored(json_value(text)) if text.lstrip().startswith("{") else named_lines(text)
    for name, code in rows:
        yield attempt(_signal, name, code)


def _stored(data: Any) -> list[tuple[str, str]]:
    """(name, code) of what Home Assistant keeps in .storage, or of a plain object of codes by name."""
    rows = []
    data = data.get("data", data)
    for device, commands in data.items() if isinstance(data, dict) else ():
        if not isinstance(commands, dict):
            commands = {"": commands}
        for command, codes in commands.items():
            name = f"{device} {command}".strip()
            several = codes if isinstance(codes, list) else [codes]
            for number, code in enumerate(several, 1):
                if not isinstance(code, str):
                    raise FormatError(f"{name}: {shown(code)} is no code")
                rows.append((name if len(several) == 1 else f"{name} {number}", code))
    if not rows:
        raise FormatError("no code in it")
    return rows


def _packet(name: str, code: str) -> bytes:
    if len(code) > 2 * _LONGEST:
        raise FormatError(f"{name}: {len(code):,} characters; a code has at most {2 * _LONGEST:,}")
    code = code.removeprefix("b64:")
    if _HEX.fullmatch(code) and int(code[:2], 16) in (INFRARED, *RADIO):
        return bytes.fromhex(code)
    try:
        return base64.b64decode(code, validate=True)
    except ValueError as error:
        raise FormatError(f"{name}: no base64: {error}") from None


def _signal(name: str, code: str) -> Signal:
    packet = _packet(name, code)
    if packet and packet[0] in RADIO:
        raise FormatError(f"{name}: a radio packet ({RADIO[packet[0]]}), and this is about infrared")
    if len(packet) < 4 or packet[0] != INFRARED:
        raise FormatError(f"{name}: no infrared packet, which begins with 0x26")
    size = int.from_bytes(packet[2:4], "little")
    body = packet[4 : 4 + size]
    if len(body) < size:
        raise FormatError(f"{name}: {counted(size, 'byte')} announced, {len(body)} there")
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
    block = [round(n * 8192 / 269) for n in units]
    ended = bool(units) and units[-1] == END and len(units) % 2 == 0
    # The second byte tells how often the packet is sent beyond once.
    timings = repeated(block, 1 + packet[1], GAP_US)
    return from_timings(name, CARRIER, timings[:-1] if ended else timings)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        carrier = modulated(signal, "Broadlink")
        units = [max(1, round(us * 269 / 8192)) for us in signal.once]
        if max(units) > 0xFFFF:
            raise FormatError(f"{signal.name}: a pause is too long for Broadlink")
        worst = max(abs(round(n * 8192 / 269) - us) for n, us in zip(units, signal.once, strict=True))
        if worst:
            lost.append(f"{signal.name}: up to {worst} µs of a timing, by Broadlink's units")
        if carrier != CARRIER:
            lost.append(
                f"{signal.name}: its carrier of {carrier} Hz; Broadlink tells none, and sends {CARRIER} Hz"
            )
        lost += not_held(signal)
        if len(units) % 2:
            units.append(END)
        body = b"".join(bytes((n,)) if n < 256 else b"\0" + n.to_bytes(2, "big") for n in units)
        packet = bytes((INFRARED, 0)) + len(body).to_bytes(2, "little") + body
        lines.append(f"{signal.name}: {base64.b64encode(packet).decode()}")
    return "\n".join(lines) + "\n", lost
