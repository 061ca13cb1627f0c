"""Tasmota's IRSend: {"Protocol", "Bits", "Data", "DataLSB", "Repeat"} where it knows the protocol, else raw.

It must never send another frame than was meant: Data is what goes over the air, the first bit the highest.
"""

import json

from capabilities.ir import codecs, distance, sony
from host_sim.ir import bits
from host_sim.ir.formats import check_name, lost_hold, named_lines
from host_sim.ir.signals import FormatError, Signal, from_fields, from_timings

# Tasmota's name: bits in a frame, what may be here.
KNOWN = {
    "NEC": ("nec", "necext"),
    "SAMSUNG": ("samsung32",),
    "LG": ("lg",),
    "JVC": ("jvc",),
    "SONY": ("sony12", "sony15", "sony20"),
    "PANASONIC": ("kaseikyo",),
}
NAMES = {ours: theirs for theirs, all_ours in KNOWN.items() for ours in all_ours}


def load(text: str) -> list[Signal]:
    return [_signal(name, code.removeprefix("IRSend").strip()) for name, code in named_lines(text)]


def _signal(name: str, code: str) -> Signal:
    if not code.startswith("{"):
        try:
            carrier, *timings = [int(number) for number in code.split(",")]
        except ValueError:
            raise FormatError(f"{name}: neither JSON nor a carrier and timings with commas") from None
        return from_timings(name, carrier * 1000 if 0 < carrier < 1000 else carrier or 38000, timings)
    try:
        data = json.loads(code)
        protocol, count = data["Protocol"], data["Bits"]
        value = data["Data"]
        value = int(value, 16) if isinstance(value, str) else value
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{name}: needs Protocol, Bits and Data ({error})") from None
    if (
        protocol not in KNOWN
        or type(count) is not int
        or type(value) is not int
        or not 0 <= value < 1 << count
    ):
        raise FormatError(f"{name}: {protocol} of {count} bits is not known here")
    order = [int(bit) for bit in f"{value:0{count}b}"]
    codec = codecs.module(KNOWN[protocol][0])
    if protocol == "SONY":
        timings = [2400]
        for bit in order:
            timings += [600, 1200 if bit else 600]
    else:
        timings = distance.frame(codec._FORM, order)
    fields = codec.decode(timings)
    if fields is None:
        raise FormatError(f"{name}: {protocol} 0x{value:X} has a wrong check or length")
    return from_fields(name, fields.pop("protocol"), **fields)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        fields = signal.fields
        if fields and fields["protocol"] in NAMES:
            protocol = fields["protocol"]
            frame = codecs.module(protocol).encode(fields)
            air = bits.sent(protocol, frame)
            size = (len(air) + 3) // 4
            whole = air.ljust((len(air) + 7) // 8 * 8, "0")
            lsb = "".join(f"{int(whole[at : at + 8][::-1], 2):02X}" for at in range(0, len(whole), 8))
            row = {"Protocol": NAMES[protocol], "Bits": len(air), "Data": f"0x{int(air, 2):0{size}X}"}
            row |= {"DataLSB": f"0x{lsb}", "Repeat": 2 if protocol in sony.FIELDS else 0}
            lines.append(f"{signal.name}: IRSend {json.dumps(row)}")
            if signal != from_fields(signal.name, **fields):
                lost.append(f"{signal.name}: its exact timings; the protocol's own are sent instead")
        else:
            if signal.carrier % 1000:
                lost.append(f"{signal.name}: {signal.carrier} Hz, of which Tasmota takes whole kHz")
            khz = round(signal.carrier / 1000)
            lines.append(f"{signal.name}: IRSend " + ",".join(map(str, [khz, *signal.once])))
            lost += lost_hold(signal)
    return "\n".join(lines) + "\n", lost
