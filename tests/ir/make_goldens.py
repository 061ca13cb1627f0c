"""Writes goldens.json, trains.json and texts.json: what two independent libraries send and write, so that the
tests need neither of them.

    python make_goldens.py        in an environment with infrared-protocols 5.8.1 and irgen 0.2.0
                                  (pip install --no-deps --ignore-requires-python …, and typing_extensions)

It must never import anything of this project: these timings are a second opinion.
"""

import json
import typing
from pathlib import Path

import typing_extensions

if not hasattr(typing, "override"):  # infrared-protocols is written for Python 3.13
    typing.override = typing_extensions.override

PROTOCOLS, IRGEN = "infrared-protocols 5.8.1", "irgen 0.2.0"


def joined(signed):
    """Signed pieces put together: timings without signs, from the first mark to the last."""
    runs = []
    for piece in signed:
        if runs and (runs[-1] > 0) == (piece > 0):
            runs[-1] += piece
        elif runs or piece > 0:
            runs.append(piece)
    if runs[-1] < 0:
        runs.pop()
    return [round(abs(run)) for run in runs]


def rows():
    import irgen
    from infrared_protocols.commands.kaseikyo import KaseikyoCommand
    from infrared_protocols.commands.nec import NECCommand
    from infrared_protocols.commands.rc5 import RC5Command
    from infrared_protocols.commands.samsung import Samsung32Command
    from infrared_protocols.commands.sony import SonyCommand

    for address, command in ((0, 0), (4, 8), (0x59, 0x16), (255, 255), (170, 85)):
        known = {"address": address, "command": command}
        yield PROTOCOLS, {"protocol": "nec", **known}, NECCommand(**known).get_raw_timings()
        yield PROTOCOLS, {"protocol": "samsung32", **known}, Samsung32Command(**known).get_raw_timings()
        yield IRGEN, {"protocol": "nec", **known}, irgen.gen_raw_nec("nec1", address, -1, command)
        for toggle in (0, 1):
            yield (
                IRGEN,
                {"protocol": "rc6", "toggle": toggle, **known},
                irgen.gen_raw_rc6(address, command, toggle),
            )
    for address, command in ((0x100, 1), (0xBF00, 13), (0xFFFF, 0)):
        raw = NECCommand(address=address, command=command).get_raw_timings()
        yield (
            PROTOCOLS,
            {"protocol": "necext", "address": address, "command": command | (command ^ 255) << 8},
            raw,
        )
    for low, high, command in ((0, 1, 1), (131, 85, 144), (255, 255, 0)):
        raw = irgen.gen_raw_nec("nec1", low, high, command)
        both = command | (command ^ 255) << 8
        yield IRGEN, {"protocol": "necext", "address": low | high << 8, "command": both}, raw
        raw = irgen.gen_raw_nec("nec1-f16", low, high, 0xA501 | command)
        yield IRGEN, {"protocol": "necext", "address": low | high << 8, "command": 0xA501 | command}, raw
    for address, command in ((0, 0), (5, 12), (31, 63), (20, 64), (31, 127), (1, 100)):
        for toggle in (0, 1):
            fields = {"address": address, "command": command, "toggle": toggle}
            name = {"protocol": "rc5x" if command > 63 else "rc5"}
            yield PROTOCOLS, {**name, **fields}, RC5Command(**fields).get_raw_timings()
            yield IRGEN, {**name, **fields}, irgen.gen_raw_rc5(address, command, toggle)
    for bits in (5, 8, 13):
        for address, command in ((1, 21), (0, 0), (2**bits - 1, 127), (26, 73)):
            raw = SonyCommand(address=address, address_bits=bits, command=command).get_raw_timings()
            yield PROTOCOLS, {"protocol": f"sony{bits + 7}", "address": address, "command": command}, raw
    for vendor, address, command in (
        (0x2002, 0x008, 0x3D),
        (0x2002, 0xFFF, 255),
        (0x1234, 0xA5, 1),
        (0, 0, 0),
    ):
        # Bytes 2 to 4, the first with its low four bits left for the parity; then the check of these three.
        data = bytes((address << 4 & 0xF0, address >> 4, command))
        raw = KaseikyoCommand(
            address=vendor,
            data=data,
            modulation=37000,
            error_correction=lambda sent: bytes((sent[2] ^ sent[3] ^ sent[4],)),
        ).get_raw_timings()
        fields = {"vendor": vendor, "address": address, "command": command}
        yield PROTOCOLS, {"protocol": "kaseikyo", **fields}, raw


def trains():
    """Held buttons. Left out is Kaseikyo's, for which the library has a short frame: in IRP notation
    Panasonic's whole frame comes again, and that is what is sent here.
    """
    from infrared_protocols.commands.nec import NECCommand
    from infrared_protocols.commands.rc5 import RC5Command
    from infrared_protocols.commands.samsung import Samsung32Command

    for repeats in (1, 3):
        known = {"address": 4, "command": 8}
        for protocol, command in (
            ("nec", NECCommand(**known, repeat_count=repeats)),
            ("samsung32", Samsung32Command(**known, repeat_count=repeats)),
            ("rc5", RC5Command(**known, toggle=0, repeat_count=repeats)),
        ):
            yield {"protocol": protocol, **known}, repeats, joined(command.get_raw_timings())


def texts():
    """(format, what irgen writes for raw timings, the timings, what irgen reads from the text)."""
    import irgen

    raws = {
        "nec": irgen.gen_raw_nec("nec1", 4, -1, 8),
        "nec address and subdevice": irgen.gen_raw_nec("nec1", 131, 85, 144),
        "rc5": irgen.gen_raw_rc5(5, 12, 1),
        "rc6": irgen.gen_raw_rc6(5, 12, 0),
    }
    for about, raw in raws.items():
        signed = joined(raw)
        plain = [-us if at % 2 else us for at, us in enumerate(signed)]
        code = irgen.gen_broadlink_base64_from_raw(plain).decode()
        read = [round(abs(us)) for us in irgen.gen_raw_from_broadlink_base64(code)]
        yield "broadlink", about, code, signed, read
        code = " ".join(irgen.gen_pronto_from_raw([*plain, -40000.0], [], freq=0.038))
        words = [int(word, 16) for word in code.split()]
        read = [abs(us) for us in irgen.gen_raw_from_pronto(words)]
        yield "pronto", about, code, [*signed, 40000], read


def write(name, found):
    lines = ",\n".join(json.dumps(row, sort_keys=True) for row in found)
    Path(__file__).with_name(name).write_text(f"[\n{lines}\n]\n")


def main():
    found = [{"source": source, "fields": fields, "timings": joined(raw)} for source, fields, raw in rows()]
    write("goldens.json", found)
    held = [
        {"source": PROTOCOLS, "fields": fields, "repeats": repeats, "timings": timings}
        for fields, repeats, timings in trains()
    ]
    write("trains.json", held)
    names = ("format", "about", "text", "timings", "read")
    write("texts.json", [{"source": IRGEN, **dict(zip(names, row, strict=True))} for row in texts()])


if __name__ == "__main__":
    main()
