"""IRDB's CSV: functionname,protocol,device,subdevice,function. It holds numbers only, and never timings.

The names and what they send are DecodeIR's, in IRP notation (IrpTransmogrifier's IrpProtocols). It must
never take one for another: a name that is known there and not spoken here is refused as that.
"""

import csv
import io
from collections.abc import Iterator
from typing import Any

from host_sim.counted import counted
from host_sim.ir import bits
from host_sim.ir.formats import unspoken
from host_sim.ir.reading import Entry, attempt, shown
from host_sim.ir.signals import FormatError, Signal, as_numbers, from_fields, press

HEAD = ["functionname", "protocol", "device", "subdevice", "function"]
PIONEER_HZ = 40000
# Kaseikyo's vendors with the names that IRDB has for them, and only where the check is the same.
VENDORS = {"Panasonic": 0x2002, "JVC-48": 0x0103, "Denon-K": 0x3254}
NOT_SPOKEN = unspoken.names(unspoken.IRDB)


def each(text: str) -> Iterator[Entry]:
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise FormatError(f"no CSV: {error}") from None
    if not rows or [cell.strip().lstrip("\ufeff") for cell in rows[0]] != HEAD:
        raise FormatError("the first line must be " + ",".join(HEAD))
    for row in rows[1:]:
        if row:
            yield attempt(_signal, row)


def _lsb(*pairs: tuple[int, int]) -> str:
    """The bits of (value, count) pairs one after the other, each least significant bit first."""
    return "".join(f"{value:0{count}b}"[::-1] for value, count in pairs)


def _signal(row: list[str]) -> Signal:
    name = row[0]
    if len(row) != 5:
        raise FormatError(f"{name}: {counted(len(row), 'column')}, and there are 5")
    try:
        device, sub, function = map(int, row[2:])
    except ValueError:
        raise FormatError(f"{name}: device, subdevice and function must be whole numbers") from None
    most = 0xFFFF if row[1].endswith("-f16") else 0xFFF if row[1] == "Denon-K" else 255
    if not (0 <= device <= 255 and -1 <= sub <= 255 and 0 <= function <= most):
        told = shown(",".join(row[2:]))
        raise FormatError(
            f"{name}: device must be 0 to 255, subdevice -1 to 255, function 0 to {most}; not {told}"
        )
    protocol = row[1].strip()
    family, _, suffix = protocol.partition("-")
    if family in ("NEC", "NEC1", "NEC2", "Pioneer") and suffix in ("", "f16"):
        other = device ^ 255 if sub == -1 else sub
        second = function >> 8 if suffix else function ^ 255
        sent = _lsb((device, 8), (other, 8), (function & 255, 8), (second, 8))
        return bits.signal(name, "nec", sent, carrier=PIONEER_HZ if family == "Pioneer" else None)
    if protocol in ("NECx", "NECx1", "NECx2", "Samsung32"):
        other = device if sub == -1 and protocol == "Samsung32" else device ^ 255 if sub == -1 else sub
        return bits.signal(name, "samsung", _lsb((device, 8), (other, 8), (function, 8), (function ^ 255, 8)))
    if protocol in VENDORS:
        return _kaseikyo(name, protocol, device, max(0, sub), function)
    if protocol == "Sony20":
        if device > 31:
            raise FormatError(f"{name}: Sony20 has a device of 0 to 31, not {device}")
        return from_fields(name, "sony20", address=device | max(0, sub) << 5, command=function)
    plain = {"JVC": "jvc", "JVC{2}": "jvc", "Sony12": "sony12", "Sony15": "sony15"}
    toggling = {"RC5": "rc5x" if function > 63 else "rc5", "RC6": "rc6", "RC6-0-16": "rc6"}
    if protocol in plain or protocol in toggling:
        if sub != -1:
            raise FormatError(f"{name}: {protocol} has no subdevice, and here it is {sub}; write -1")
        if protocol in plain:
            return from_fields(name, plain[protocol], address=device, command=function)
        return from_fields(name, toggling[protocol], address=device, command=function)
    if protocol in NOT_SPOKEN:
        raise FormatError(f"{name}: protocol {protocol} is known, but not spoken here; learn the button")
    raise FormatError(f"{name}: protocol {shown(protocol)} is not known here")


def _kaseikyo(name: str, protocol: str, device: int, sub: int, function: int) -> Signal:
    vendor = VENDORS[protocol]
    if protocol == "Denon-K":
        if device > 15 or sub > 15:
            raise FormatError(f"{name}: Denon-K has a device and a subdevice of 0 to 15")
        middle = (device << 4, sub | (function & 15) << 4, function >> 4)
    else:
        middle = (device, sub, function)
    check = middle[0] ^ middle[1] ^ middle[2]
    return bits.signal(name, "kaseikyo", _lsb((vendor, 16), *((byte, 8) for byte in middle), (check, 8)))


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    lost = []
    for signal in signals:
        pressed = press(signal)
        if pressed is None:
            raise FormatError(f"{signal.name}: IRDB holds no raw timings, and no protocol was found in them")
        if any(letter in signal.name for letter in "\r\n\0"):
            raise FormatError(f"{shown(signal.name)}: this format has no place for such a name; rename it")
        if signal.carrier == PIONEER_HZ and pressed.exact and pressed.fields["protocol"] == "nec":
            address, command = pressed.fields["address"], pressed.fields["command"]
            writer.writerow([signal.name, "Pioneer", address, -1, command])
            lost += [line for line in as_numbers(signal, pressed, repeats=False) if "carrier" not in line]
            continue
        writer.writerow([signal.name, *_row(signal.name, pressed.fields)])
        lost += as_numbers(signal, pressed, repeats=False, toggle=False)
    return out.getvalue(), lost


def _row(name: str, fields: dict[str, Any]) -> tuple[str, int, int, int]:
    protocol, address, command = fields["protocol"], fields["address"], fields["command"]
    if protocol == "necext":
        if command & 255 == command >> 8 ^ 255:
            return "NEC1", address & 255, address >> 8, command & 255
        return "NEC1-f16", address & 255, address >> 8, command
    if protocol == "sony20":
        return "Sony20", address & 31, address >> 5, command
    if protocol == "samsung32" and address < 256:
        return "Samsung32", address, address, command
    if protocol == "samsung32":
        return "NECx2", address & 255, address >> 8, command
    if protocol == "kaseikyo":
        return _vendor_row(name, fields)
    names = {"nec": "NEC1", "jvc": "JVC", "rc5": "RC5", "rc5x": "RC5", "rc6": "RC6"}
    names |= {"sony12": "Sony12", "sony15": "Sony15"}
    if protocol not in names:
        raise FormatError(f"{name}: IRDB has no name for {protocol}")
    return names[protocol], address, -1, command


def _vendor_row(name: str, fields: dict[str, Any]) -> tuple[str, int, int, int]:
    sent = bits.of_fields(fields)
    middle = [int(sent[at : at + 8][::-1], 2) for at in (16, 24, 32)]
    for protocol, vendor in VENDORS.items():
        if vendor != fields["vendor"]:
            continue
        if protocol == "Denon-K":
            return protocol, middle[0] >> 4, middle[1] & 15, middle[1] >> 4 | middle[2] << 4
        return protocol, middle[0], middle[1], middle[2]
    raise FormatError(f"{name}: IRDB has no name for Kaseikyo of the vendor 0x{fields['vendor']:04X}")
