"""Flipper's .ir: parsed (protocol, address and command as four bytes, lowest first) or raw.

It must never take a protocol for another: names that are not known here are refused by name. Where
Flipper's numbers are not ours: RC5X has six bits of command (its seventh is the protocol), and Kaseikyo's
address is two bits of id, the vendor and two digits of genre, its command ten bits (flipperzero-firmware,
lib/infrared).
"""

import math
from collections.abc import Iterator
from typing import Any

from host_sim.ir.formats import unspoken
from host_sim.ir.reading import Entry, attempt, check_name, shown, whole
from host_sim.ir.signals import (
    DUTY,
    FormatError,
    Signal,
    as_numbers,
    from_fields,
    from_timings,
    modulated,
    not_held,
    press,
)

PROTOCOLS = {
    "NEC": "nec",
    "NECext": "necext",
    "Samsung32": "samsung32",
    "SIRC": "sony12",
    "SIRC15": "sony15",
    "SIRC20": "sony20",
    "RC5": "rc5",
    "RC5X": "rc5x",
    "RC6": "rc6",
    "Kaseikyo": "kaseikyo",
}
NAMES = {ours: theirs for theirs, ours in PROTOCOLS.items()}
NOT_SPOKEN = unspoken.names(unspoken.FLIPPER)


def each(text: str) -> Iterator[Entry]:
    rows: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if line.startswith("#") or not colon:
            continue
        if key.strip() == "name":
            rows.append({})
        if rows:
            rows[-1][key.strip()] = value.strip()
        elif key.strip() == "Filetype" and value.strip() not in ("IR signals file", "IR library file"):
            raise FormatError(f"no infrared file but {shown(value.strip())}")
    if not rows:
        raise FormatError("no signal in it")
    for row in rows:
        yield attempt(_signal, row)


def _signal(row: dict[str, str]) -> Signal:
    name = row["name"]
    try:
        if row.get("type") == "raw":
            timings = [whole(name, "a timing", us) for us in row["data"].split()]
            carrier = whole(name, "frequency", row["frequency"])
            return from_timings(name, carrier or -1, timings, duty=_duty(name, row.get("duty_cycle")))
        if row.get("type") != "parsed":
            raise FormatError(f"{name}: type must be raw or parsed")
        protocol, address, command = row["protocol"], _bytes(row, "address"), _bytes(row, "command")
    except KeyError as missing:
        raise FormatError(f"{name}: {missing.args[0]!r} is missing") from None
    if protocol in NOT_SPOKEN:
        raise FormatError(f"{name}: protocol {protocol} is known, but not spoken here; learn it raw")
    if protocol not in PROTOCOLS:
        raise FormatError(f"{name}: protocol {shown(protocol)} is not known here")
    return from_fields(name, PROTOCOLS[protocol], **_ours(name, protocol, address, command))


def _bytes(row: dict[str, str], key: str) -> int:
    try:
        found = bytes.fromhex(row[key])
    except ValueError:
        found = b""
    if not 1 <= len(found) <= 4:
        raise FormatError(f"{row['name']}: {key} must be four bytes in hex, not {shown(row[key])}")
    return int.from_bytes(found, "little")


def _duty(name: str, text: str | None) -> int:
    try:
        part = float(text) if text is not None else DUTY / 100
    except ValueError:
        part = math.nan
    if not 0.005 <= part < 0.995:
        raise FormatError(f"{name}: duty_cycle is {shown(text)}; a part of 1, such as 0.33")
    return round(part * 100)


def _ours(name: str, protocol: str, address: int, command: int) -> dict[str, int]:
    if protocol == "RC5X":
        command = command & 63 | 64
    if protocol != "Kaseikyo":
        return {"address": address, "command": command}
    if address >> 26 or command >> 10:
        raise FormatError(f"{name}: Kaseikyo has 26 bits of address and 10 of command")
    low = command & 15  # the upper digit of the byte whose lower one is the second genre
    return {
        "vendor": address >> 8 & 0xFFFF,
        "address": address >> 4 & 15 | (address & 15) << 4 | low << 8,
        "command": command >> 4 | (address >> 24) << 6,
    }


def _theirs(fields: dict[str, Any]) -> tuple[int, int]:
    address, command = fields["address"], fields["command"]
    if fields["protocol"] == "rc5x":
        command &= 63
    if fields["protocol"] == "kaseikyo":
        vendor, low, genre1, genre2 = fields["vendor"], address >> 8, address & 15, address >> 4 & 15
        return command >> 6 << 24 | vendor << 8 | genre1 << 4 | genre2, (command & 63) << 4 | low
    return address, command


def _named(fields: dict[str, Any]) -> bool:
    """Whether Flipper has a name for these numbers: of Samsung's addresses it knows those of 8 bits."""
    protocol = fields["protocol"]
    return protocol in NAMES and not (protocol == "samsung32" and fields["address"] > 255)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = ["Filetype: IR signals file", "Version: 1"], []
    for signal in signals:
        check_name(signal.name)
        lines += ["#", f"name: {signal.name}"]
        pressed = press(signal)
        if pressed and _named(pressed.fields):
            lines += ["type: parsed", f"protocol: {NAMES[pressed.fields['protocol']]}"]
            for key, value in zip(("address", "command"), _theirs(pressed.fields), strict=True):
                lines.append(f"{key}: " + value.to_bytes(4, "little").hex(" ").upper())
            lost += as_numbers(signal, pressed, repeats=False, toggle=False)
        else:
            lines += ["type: raw", f"frequency: {modulated(signal, 'Flipper')}"]
            lines.append(f"duty_cycle: {signal.duty / 100:.6f}")
            lines.append("data: " + " ".join(map(str, signal.once)))
            lost += not_held(signal, duty=True)
    return "\n".join(lines) + "\n", lost
