"""Pronto hex. Its clock is coarse: what rounding changes is told. It must never guess at an unknown form.

0000 and 0100 (no carrier) hold timings. Of the forms that name a protocol 5000 (RC5), 6000 (RC6 mode 0) and
900A (NEC) are read: «form, carrier or 0, 0000, 0001» and two words of numbers, as the JP1 wiki's "Pronto IR
Formats" lists them and remotecentral.com's Pronto forum spells them out for 900A. Others are refused by name.
"""

from collections.abc import Iterator

from capabilities.ir import pronto
from host_sim.ir import bits
from host_sim.ir.reading import Entry, attempt, check_name, named_lines, shown
from host_sim.ir.signals import (
    GAP_US,
    MOST,
    UNMODULATED,
    FormatError,
    Signal,
    from_fields,
    from_timings,
    not_held,
)

CLOCK_US = 0.241246
_MOST_WORD = 0xFFFF
# A code of the most timings that a signal has, its words with one space each.
_LONGEST = 5 * (4 + 2 * MOST)
_KNOWN = {
    "0101": "unmodulated raw timings of another clock",
    "5001": "RC5 extended, 20 bits",
    "6001": "RC6 mode 6A",
    "7000": "a template of the remote's own",
    "8000": "an entry of a universal remote's database",
    "9000": "a code of variable length",
    "9001": "a code of variable length",
    "900B": "NEC of another length",
    "900C": "NEC of another length",
    "900D": "NEC of another length",
    "900E": "NEC of another length",
}


def each(text: str) -> Iterator[Entry]:
    for name, code in named_lines(text):
        yield attempt(_signal, name, code)


def _signal(name: str, code: str) -> Signal:
    if len(code) > _LONGEST:
        raise FormatError(f"{name}: {len(code):,} characters; a code has at most {_LONGEST:,}")
    form = code[:4].upper()
    if form in ("5000", "6000", "900A"):
        return _numbers(name, form, code)
    if form in _KNOWN:
        raise FormatError(
            f"{name}: form {form} ({_KNOWN[form]}) is known, but not spoken here; learn the button"
        )
    carrier, code = (True, code) if form != "0100" else (False, "0000" + code[4:])
    try:
        told, once, again = pronto.parse(code)
    except ValueError as error:
        raise FormatError(f"{name}: {error}") from None
    return from_timings(name, told if carrier else UNMODULATED, once or again, again if once else None)


def _numbers(name: str, form: str, code: str) -> Signal:
    words = code.split()
    try:
        if len(words) != 6 or any(len(word) != 4 for word in words):
            raise ValueError
        values = [int(word, 16) for word in words]
        if values[2:4] != [0, 1]:
            raise ValueError
    except ValueError:
        raise FormatError(
            f"{name}: form {form} is six words, «{form} 0000 0000 0001» and two of numbers; not {shown(code)}"
        ) from None
    first, second = values[4:]
    if form == "5000":
        return from_fields(name, "rc5x" if second > 63 else "rc5", address=first, command=second)
    if form == "6000":
        return from_fields(name, "rc6", address=first, command=second)
    sent = "".join(f"{byte:08b}"[::-1] for word in (first, second) for byte in word.to_bytes(2, "big"))
    return bits.signal(name, "nec", sent)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        word = round(1_000_000 / ((signal.carrier or 38000) * CLOCK_US))
        period = word * CLOCK_US
        words = [0 if signal.carrier else 0x0100, word]
        parts, worst = [], 0
        for timings in (signal.once, signal.again):
            part = list(timings)
            if len(part) % 2:
                part.append(GAP_US)
                lost.append(f"{signal.name}: that it ends with a mark; a pause of {GAP_US} µs was added")
            periods = [max(1, round(us / period)) for us in part]
            worst = max([worst, *(abs(round(n * period) - us) for n, us in zip(periods, part, strict=True))])
            parts.append(periods)
        if max(max(part, default=0) for part in parts) > _MOST_WORD:
            raise FormatError(f"{signal.name}: a pause is too long for Pronto")
        words += [len(parts[0]) // 2, len(parts[1]) // 2, *parts[0], *parts[1]]
        told = round(1_000_000 / period)
        if signal.carrier and abs(told - signal.carrier) > 1:
            lost.append(f"{signal.name}: its carrier of {signal.carrier} Hz becomes {told} Hz")
        if worst:
            lost.append(f"{signal.name}: up to {worst} µs of a timing, by whole periods of the carrier")
        lost += [line for line in not_held(signal) if "duty" in line]
        lines.append(f"{signal.name}: " + " ".join(f"{n:04X}" for n in words))
    return "\n".join(lines) + "\n", lost
