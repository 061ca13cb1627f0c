"""IRDB's CSV: functionname,protocol,device,subdevice,function. It holds numbers only, and never timings."""

import csv
import io

from host_sim.ir.signals import FormatError, Signal, from_fields

HEAD = ["functionname", "protocol", "device", "subdevice", "function"]


def load(text: str) -> list[Signal]:
    try:
        rows = list(csv.reader(io.StringIO(text)))
    except csv.Error as error:
        raise FormatError(f"no CSV: {error}") from None
    if not rows or rows[0] != HEAD:
        raise FormatError("the first line must be " + ",".join(HEAD))
    return [_signal(row) for row in rows[1:] if row]


def _signal(row: list[str]) -> Signal:
    name = row[0]
    if len(row) != 5:
        raise FormatError(f"{name}: {len(row)} columns, and there are 5")
    try:
        device, sub, function = map(int, row[2:])
    except ValueError:
        raise FormatError(f"{name}: device, subdevice and function must be whole numbers") from None
    protocol = row[1]
    plain = {"JVC": "jvc", "RC6": "rc6", "RC6-0-16": "rc6", "Sony12": "sony12", "Sony15": "sony15"}
    if protocol in ("NEC", "NEC1", "NEC2"):
        if sub in (-1, device ^ 255):
            return from_fields(name, "nec", address=device, command=function)
        return from_fields(
            name, "necext", address=device | sub << 8, command=function | (function ^ 255) << 8
        )
    if protocol == "RC5":
        return from_fields(name, "rc5x" if function > 63 else "rc5", address=device, command=function)
    if protocol == "Sony20":
        return from_fields(name, "sony20", address=device | max(0, sub) << 5, command=function)
    if protocol in ("Samsung32", "NECx2") and sub in (-1, device):
        return from_fields(name, "samsung32", address=device, command=function)
    if protocol in plain and sub == -1:
        return from_fields(name, plain[protocol], address=device, command=function)
    raise FormatError(f"{name}: protocol {protocol} with subdevice {sub} is not known here")


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    lost = []
    for signal in signals:
        fields = signal.fields
        if fields is None:
            raise FormatError(f"{signal.name}: IRDB holds no raw timings, and no protocol was found in them")
        writer.writerow([signal.name, *_row(signal.name, fields)])
        if fields.get("toggle"):
            lost.append(f"{signal.name}: its toggle bit")
        same = {key: fields[key] for key in ("address", "command", "vendor") if key in fields}
        if signal.once != from_fields(signal.name, fields["protocol"], **same).once and not fields.get(
            "toggle"
        ):
            lost.append(f"{signal.name}: its exact timings; the protocol's own are sent instead")
    return out.getvalue(), lost


def _row(name: str, fields: dict) -> tuple[str, int, int, int]:
    protocol, address, command = fields["protocol"], fields["address"], fields["command"]
    if protocol == "necext" and command & 255 == command >> 8 ^ 255:
        return "NEC1", address & 255, address >> 8, command & 255
    if protocol == "sony20":
        return "Sony20", address & 31, address >> 5, command
    if protocol == "samsung32":
        return "Samsung32", address, address, command
    names = {"nec": "NEC1", "jvc": "JVC", "rc5": "RC5", "rc5x": "RC5", "rc6": "RC6"}
    names |= {"sony12": "Sony12", "sony15": "Sony15"}
    if protocol not in names:
        raise FormatError(f"{name}: IRDB has no name here for {protocol} with these numbers")
    return names[protocol], address, -1, command
