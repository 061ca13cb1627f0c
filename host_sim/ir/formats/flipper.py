"""Flipper's .ir: parsed (protocol, address and command as four bytes, lowest first) or raw.

It must never take a protocol for another: names that are not known here are refused by name.
"""

from host_sim.ir.formats import check_name, lost_hold
from host_sim.ir.signals import FormatError, Signal, from_fields, from_timings

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
}
NAMES = {ours: theirs for theirs, ours in PROTOCOLS.items()}


def load(text: str) -> list[Signal]:
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
            raise FormatError(f"no infrared file but {value.strip()!r}")
    if not rows:
        raise FormatError("no signal in it")
    return [_signal(row) for row in rows]


def _signal(row: dict[str, str]) -> Signal:
    name = row["name"]
    try:
        if row.get("type") == "raw":
            return from_timings(name, int(row["frequency"]), [int(us) for us in row["data"].split()])
        if row.get("type") != "parsed":
            raise FormatError(f"{name}: type must be raw or parsed")
        if row["protocol"] not in PROTOCOLS:
            raise FormatError(f"{name}: protocol {row['protocol']} is not known here")
        address, command = (
            int.from_bytes(bytes.fromhex(row[key]), "little") for key in ("address", "command")
        )
    except KeyError as missing:
        raise FormatError(f"{name}: {missing.args[0]!r} is missing") from None
    except FormatError:
        raise
    except ValueError as error:
        raise FormatError(f"{name}: {error}") from None
    return from_fields(name, PROTOCOLS[row["protocol"]], address=address, command=command)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = ["Filetype: IR signals file", "Version: 1"], []
    for signal in signals:
        check_name(signal.name)
        lines += ["#", f"name: {signal.name}"]
        fields = signal.fields or {}
        if fields.get("protocol") in NAMES:
            lines += ["type: parsed", f"protocol: {NAMES[fields['protocol']]}"]
            for key in ("address", "command"):
                lines.append(f"{key}: " + fields[key].to_bytes(4, "little").hex(" ").upper())
            if fields.get("toggle"):
                lost.append(f"{signal.name}: its toggle bit")
            if signal != from_fields(
                signal.name, fields["protocol"], address=fields["address"], command=fields["command"]
            ) and not fields.get("toggle"):
                lost.append(f"{signal.name}: its exact timings; the protocol's own are sent instead")
        else:
            lines += ["type: raw", f"frequency: {signal.carrier}", "duty_cycle: 0.330000"]
            lines.append("data: " + " ".join(map(str, signal.once)))
            lost += lost_hold(signal)
    return "\n".join(lines) + "\n", lost
