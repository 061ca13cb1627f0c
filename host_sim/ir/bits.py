"""The bits of a frame as they go over the air, both ways. It must never name bits that no codec read.

A frame's bits are text, «0110…», in the order they are sent; `kind` is the name of the codec's module.
"""

from dataclasses import dataclass
from typing import Any

from capabilities.ir import biphase, codecs, distance, rc5, rc6, sony
from host_sim.ir.signals import GAP_US, Signal, from_fields, from_timings, numbers

# The bits that a frame of a kind may have.
COUNTS = {
    "nec": (32,),
    "samsung": (32,),
    "lg": (28,),
    "jvc": (16,),
    "kaseikyo": (48,),
    "sony": (12, 15, 20),
    "rc5": (14,),
    "rc6": (21,),
}
# A protocol of each kind, by which its codec is had.
_OF_KIND = {"samsung": "samsung32", "sony": "sony12"}

# (part, bits) in the order they are sent; the value of a part comes from the fields, not from here.
PARTS = {
    "nec": (("address", 8), ("~address", 8), ("command", 8), ("~command", 8)),
    "necext": (("address", 16), ("command", 16)),
    "samsung32": (("address", 8), ("address", 8), ("command", 8), ("~command", 8)),
    "lg": (("address", 8), ("command", 16), ("sum", 4)),
    "jvc": (("address", 8), ("command", 8)),
    "kaseikyo": (("vendor", 16), ("parity", 4), ("address", 12), ("command", 8), ("check", 8)),
    "sony12": (("command", 7), ("address", 5)),
    "sony15": (("command", 7), ("address", 8)),
    "sony20": (("command", 7), ("address", 13)),
    "rc5": (("start", 2), ("toggle", 1), ("address", 5), ("command", 6)),
    "rc5x": (("start", 1), ("~command 6", 1), ("toggle", 1), ("address", 5), ("command 5-0", 6)),
    "rc6": (("start", 1), ("mode", 3), ("toggle", 1), ("address", 8), ("command", 8)),
}


@dataclass(frozen=True)
class Bit:
    """A bit and where it lies in its frame, µs from the first mark; of a biphase frame's first bit only the
    half that is seen.
    """

    value: str
    start: float
    end: float


def kind(protocol: str) -> str:
    """The kind of a protocol's frames."""
    return codecs.MODULES[protocol]


def spans(protocol: str, timings: list[int]) -> list[Bit]:
    """The bits of one frame that `protocol` decodes, with their places."""
    at = [0]
    for us in timings:
        at.append(at[-1] + us)
    if protocol in ("rc5", "rc5x"):
        # A 1 is a space and then a mark.
        return _biphase([0, *_units(timings, 0, rc5._BOUNDS)], range(0, 28, 2), one=0)
    if protocol == "rc6":
        return _biphase(_units(timings, 2, rc6._BOUNDS), [*range(0, 8, 2), 8, *range(12, 44, 2)], wide=4)
    found = []
    if protocol in sony.FIELDS:  # a space, then the mark that tells; drawn with the space before the mark
        for mark in range(2, len(timings), 2):
            value = "1" if distance.near(timings[mark], 1200) else "0"
            found.append(Bit(value, at[mark - 1], at[mark + 1]))
        return found
    for space in range(3, len(timings), 2):
        value = "1" if timings[space] > 2 * timings[space - 1] else "0"
        found.append(Bit(value, at[space - 1], at[space + 1]))
    return found[: COUNTS[kind(protocol)][-1]]


def _units(timings: list[int], start: int, bounds: tuple[int, ...]) -> list[tuple[int, float, float] | int]:
    """(level, start, end) of each unit from timing `start`; the last space may be the pause, which is cut."""
    units: list[Any] = []
    clock = float(sum(timings[:start]))
    for index in range(start, len(timings)):
        us = timings[index]
        count = sum(us >= bound for bound in bounds[:-1])
        if us >= bounds[-1]:
            break
        for unit in range(count):
            units.append((1 - index % 2, clock + us * unit / count, clock + us * (unit + 1) / count))
        clock += us
    return units


def _biphase(units: list[Any], starts: Any, *, one: int = 1, wide: int | None = None) -> list[Bit]:
    """Bits by the level of their first unit, `one` being a 1's; `wide`: the bit of double length."""
    found = []
    for number, start in enumerate(starts):
        length = 4 if number == wide else 2
        own = [unit for unit in units[start : start + length] if unit]
        # The space before the first mark and the one after the last are not in the frame.
        first = units[start] if start < len(units) and units[start] else (0, 0.0, 0.0)
        found.append(Bit("1" if first[0] == one else "0", own[0][1], own[-1][2]))
    return found


def sent(protocol: str, timings: list[int]) -> str:
    """The bits of one frame that `protocol` decodes, in the order they are sent."""
    return "".join(bit.value for bit in spans(protocol, timings))


def of_fields(fields: dict[str, Any]) -> str:
    """The bits that a frame of these fields has."""
    return sent(fields["protocol"], codecs.module(fields["protocol"]).encode(fields))


def parts(protocol: str) -> tuple[tuple[str, int], ...]:
    """(part, its bits) in the order they are sent."""
    return PARTS.get(protocol, (("bits", COUNTS.get(kind(protocol), (0,))[-1]),))


def named(protocol: str, bits: str) -> list[tuple[str, str]]:
    """(part, its bits) in order."""
    found, at = [], 0
    for part, count in parts(protocol):
        found.append((part, bits[at : at + count]))
        at += count
    return found


def frame(kind: str, bits: str) -> list[int]:
    """The timings in µs of a frame of these bits."""
    order = [int(bit) for bit in bits]
    if kind == "sony":
        timings = [2400]
        for bit in order:
            timings += [600, 1200 if bit else 600]
        return timings
    if kind == "rc5":
        return biphase.merge(biphase.halves(int(bits, 2), len(bits), 0), rc5._LENGTHS)
    if kind == "rc6":
        levels = bytearray()
        for number, bit in enumerate(order):
            levels += bytes((bit,)) * (2 if number == 4 else 1) + bytes((1 - bit,)) * (
                2 if number == 4 else 1
            )
        return [2666, 889, *biphase.merge(levels, rc6._LENGTHS)]
    return distance.frame(_codec(kind)._FORM, order)


def signal(name: str, kind: str, bits: str, repeats: int = 0, carrier: int | None = None) -> Signal:
    """A button that sends a frame of these bits: its protocol's press where the codec reads them, and the
    frame's raw timings where they are right in form only (such as a check that does not fit).
    """
    codec = _codec(kind)
    timings = frame(kind, bits)
    fields = codec.decode(timings)
    if fields is None:
        return from_timings(name, carrier or codec.CARRIER, [*timings, GAP_US] * repeats + timings)
    pressed = from_fields(name, fields["protocol"], repeats=repeats, **numbers(fields))
    if carrier in (None, codec.CARRIER):
        return pressed
    return from_timings(name, carrier, list(pressed.once))


def _codec(kind: str) -> Any:
    return codecs.module(_OF_KIND.get(kind, kind))
