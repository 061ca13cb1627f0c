"""Tasmota's IRSend: {"Protocol", "Bits", "Data", "DataLSB", "Repeat"} where it knows the protocol, else raw.

It must never send another frame than was meant: Data is what goes over the air, the first bit the highest.
Read too: {"IrReceived": …} as Tasmota logs it, raw timings with commas, its compact letters, and its bit
streams (Tasmota's "IRSend RAW Encoding"; the numbers' layout is IRremoteESP8266's).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from host_sim.ir import bits
from host_sim.ir.formats import unspoken
from host_sim.ir.reading import Entry, attempt, check_name, count, hertz, json_value, shown, whole
from host_sim.ir.signals import (
    CARRIER,
    GAP_US,
    MOST,
    MOST_REPEATS,
    FormatError,
    Signal,
    as_numbers,
    from_timings,
    modulated,
    not_held,
    press,
)

# Tasmota's name: (kind, the bits that it may have).
KNOWN = {
    "NEC": ("nec", (32,)),
    "SAMSUNG": ("samsung", (32,)),
    "LG": ("lg", (28,)),
    "JVC": ("jvc", (16,)),
    "SONY": ("sony", (12, 15, 20)),
    "PANASONIC": ("kaseikyo", (48,)),
    "RC5": ("rc5", (12,)),
    "RC5X": ("rc5", (13,)),
    "RC6": ("rc6", (20,)),
}
NAMES = {kind: theirs for theirs, (kind, _) in KNOWN.items() if theirs != "RC5X"}
NOT_SPOKEN = unspoken.names(unspoken.TASMOTA)
# What a press sends of its own accord, which Tasmota counts as repeats.
_OWN = {"sony": 2}
_MOST_US = 0xFFFF
_IRSEND = re.compile(r"irsend(\d*)\s+(.*)", re.IGNORECASE | re.DOTALL)
_RAW_ITEM = re.compile(r"[,+-]*(?:(\d{1,9})|([A-Za-z]))")


def each(text: str) -> Iterator[Entry]:
    for name, code in _lines(text):
        yield attempt(_signal, name, code)


def _lines(text: str) -> list[tuple[str, str]]:
    """(name, code) of each line; JSON and IRSend have ": " of their own, and then the line has no name."""
    found = []
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("{") or _IRSEND.match(line) or ": " not in line:
            found.append((f"command{len(found) + 1}", line))
        else:
            name, _, code = line.partition(": ")
            found.append((name.strip(), code.strip()))
    if not found:
        raise FormatError("there is nothing in it")
    return found


def _signal(name: str, code: str) -> Signal:
    sends = 1
    if call := _IRSEND.fullmatch(code):
        sends = count(name, "the number of sends", int(call[1][:4] or 1), 0, 1 + MOST_REPEATS) or 1
        code = call[2].strip()
    if code.startswith("{"):
        return _from_json(name, json_value(code), sends - 1)
    first, _, rest = code.partition(",")
    if first.strip().lower() == "raw":
        return _bit_stream(name, rest, sends)
    carrier = hertz(name, whole(name, "the carrier", first), khz_below=1000) or CARRIER
    return from_timings(name, carrier, _raw(name, rest) * sends)


def _from_json(name: str, data: Any, repeats: int) -> Signal:
    if not isinstance(data, dict):
        raise FormatError(f"{name}: needs an object")
    row = {key.lower(): value for key, value in data.items()}
    if isinstance(row.get("irreceived"), dict):
        row = {key.lower(): value for key, value in row["irreceived"].items()}
    protocol = row.get("protocol", row.get("vendor"))
    if "rawdata" in row and str(protocol).upper() not in KNOWN:
        raw = row["rawdata"]
        if not isinstance(raw, str | list):
            raise FormatError(f"{name}: RawData is {shown(raw)}")
        return from_timings(name, CARRIER, _raw(name, raw) if isinstance(raw, str) else raw)
    if not isinstance(protocol, str) or "bits" not in row or not ("data" in row or "datalsb" in row):
        raise FormatError(f"{name}: needs Protocol, Bits and Data")
    if protocol.upper() in NOT_SPOKEN:
        raise FormatError(f"{name}: protocol {protocol} is known, but not spoken here; take its raw timings")
    kind, sizes = KNOWN.get(protocol.upper(), (None, ()))
    if kind is None:
        raise FormatError(f"{name}: protocol {shown(protocol)} is not known here")
    size = row["bits"]
    if size not in sizes or type(size) is not int:
        raise FormatError(
            f"{name}: {protocol} of {shown(size)} bits; here it has {', '.join(map(str, sizes))}"
        )
    value = (
        whole(name, "Data", row["data"])
        if "data" in row
        else _mirrored(whole(name, "DataLSB", row["datalsb"]), size)
    )
    if not 0 <= value < 1 << size:
        raise FormatError(f"{name}: Data has more than {size} bits")
    told = count(name, "Repeat", row.get("repeat", 0), 0, MOST_REPEATS)
    air = f"{value:0{size}b}"
    if protocol.upper() == "RC5":
        air = "11" + air
    elif protocol.upper() == "RC5X":  # its first bit is the command's seventh, which is sent inverted
        air = "1" + "10"[int(air[0])] + air[1:]
    elif kind == "rc6":
        air = "1" + air
    return bits.signal(name, kind, air, max(0, max(told, repeats) - _OWN.get(kind, 0)))


def _mirrored(value: int, size: int) -> int:
    """The bits of each byte in the opposite order; -1 where the value does not fit `size` bits."""
    length = (size + 7) // 8
    if not 0 <= value < 1 << 8 * length:
        return -1
    return int.from_bytes(bytes(int(f"{byte:08b}"[::-1], 2) for byte in value.to_bytes(length, "big")), "big")


def _raw(name: str, text: Any) -> list[int]:
    """Raw timings: numbers with commas, or Tasmota's compact form, where the n-th new number has the n-th
    letter and signs and case tell marks from spaces.
    """
    text = str(text).strip().removeprefix("[").removesuffix("]").replace(" ", "")
    timings: list[int] = []
    table: list[int] = []
    at = 0
    while at < len(text):
        item = _RAW_ITEM.match(text, at)
        if not item:
            raise FormatError(f"{name}: {shown(text[at : at + 8])} is no timing of Tasmota's")
        if item[1]:
            table.append(int(item[1]))
            timings.append(table[-1])
        else:
            index = ord(item[2].upper()) - ord("A")
            if index >= len(table):
                raise FormatError(f"{name}: the letter {item[2]} stands for no timing yet")
            timings.append(table[index])
        at = item.end()
        if len(timings) > MOST:
            raise FormatError(f"{name}: more than {MOST} timings")
    return timings


def _bit_stream(name: str, text: str, sends: int) -> Signal:
    """«frequency, header mark, header space, bit mark, zero, one, bits», or «frequency, zero[, one], bits»
    where each bit is a timing and `one` to 10 is a multiple.
    """
    *told, stream = text.split(",")
    values = [whole(name, "a parameter", value) for value in told]
    if len(values) not in (2, 3, 6) or not stream.strip() or set(stream.strip()) - {"0", "1"}:
        raise FormatError(f"{name}: raw takes a carrier, 1, 2 or 5 timings, and a stream of 0 and 1")
    if len(stream) > MOST:
        raise FormatError(f"{name}: more than {MOST} bits")
    carrier = hertz(name, values[0], khz_below=1000) or CARRIER
    if len(values) == 6:
        lead, pause, mark, zero, one = values[1:]
        timings = [lead, pause]
        for bit in stream.strip():
            timings += [mark, one if bit == "1" else zero]
        timings.append(mark)
        gap = min(65000, max(1, (lead + pause) * 3))
    else:
        zero, one = values[1], (values[2] if len(values) == 3 else 2)
        one = one * zero if one <= 10 else one
        timings, gap = [one if bit == "1" else zero for bit in stream.strip()], GAP_US
    block = [*timings, gap] if len(timings) % 2 else timings
    return from_timings(name, carrier, block * (sends - 1) + timings)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        if _IRSEND.match(signal.name + ": "):
            raise FormatError(f"{shown(signal.name)}: reads as a command of Tasmota's; rename it")
        pressed = press(signal)
        if pressed:
            lines.append(f"{signal.name}: IRSend {json.dumps(_row(pressed.fields, pressed.repeats))}")
            lost += as_numbers(signal, pressed)
            continue
        timings = list(signal.once)
        if len(timings) % 2 == 0 and timings[-1] > _MOST_US:
            lost.append(f"{signal.name}: of the pause at its end what exceeds {_MOST_US} µs")
            timings[-1] = _MOST_US
        if max(timings) > _MOST_US:
            raise FormatError(
                f"{signal.name}: a timing is too long for Tasmota, which takes up to {_MOST_US} µs"
            )
        carrier = modulated(signal, "Tasmota")
        told = carrier // 1000 if carrier % 1000 == 0 else carrier
        lines.append(f"{signal.name}: IRSend " + ",".join(map(str, [told, *timings])))
        lost += not_held(signal)
    return "\n".join(lines) + "\n", lost


def _row(fields: dict[str, Any], repeats: int) -> dict[str, Any]:
    kind, air = bits.kind(fields["protocol"]), bits.of_fields(fields)
    theirs = NAMES[kind]
    if fields["protocol"] == "rc5x":
        theirs, air = "RC5X", "10"[int(air[1])] + air[2:]
    elif kind == "rc5":
        air = air[2:]
    elif kind == "rc6":
        air = air[1:]
    value = int(air, 2)
    return {
        "Protocol": theirs,
        "Bits": len(air),
        "Data": f"0x{value:0{(len(air) + 3) // 4}X}",
        "DataLSB": f"0x{_mirrored(value, len(air)):0{(len(air) + 7) // 8 * 2}X}",
        "Repeat": repeats + _OWN.get(kind, 0),
    }
