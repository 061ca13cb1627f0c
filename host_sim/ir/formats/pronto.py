"""Pronto hex, read by the device's own parser. Its clock is coarse: what rounding changes is told."""

from capabilities.ir import pronto
from host_sim.ir.formats import check_name, named_lines
from host_sim.ir.signals import FormatError, Signal, from_timings

CLOCK_US = 0.241246
PAUSE_US = 40000


def load(text: str) -> list[Signal]:
    signals = []
    for name, code in named_lines(text):
        try:
            carrier, once, again = pronto.parse(code)
        except ValueError as error:
            raise FormatError(f"{name}: {error}") from None
        signals.append(from_timings(name, carrier, once or again, again if once else None))
    return signals


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        word = round(1_000_000 / (signal.carrier * CLOCK_US))
        period = word * CLOCK_US
        words = [0, word]
        parts = []
        for timings in (signal.once, signal.again):
            part = list(timings)
            if len(part) % 2:
                part.append(PAUSE_US)
                lost.append(f"{signal.name}: that it ends with a mark; a pause of {PAUSE_US} µs was added")
            parts.append([max(1, round(us / period)) for us in part])
        if max(max(part, default=0) for part in parts) > 0xFFFF:
            raise FormatError(f"{signal.name}: a pause is too long for Pronto")
        words += [len(parts[0]) // 2, len(parts[1]) // 2, *parts[0], *parts[1]]
        worst = max(
            abs(round(n * period) - us)
            for n, us in zip([*parts[0], *parts[1]], [*_even(signal.once), *_even(signal.again)], strict=True)
        )
        told = round(1_000_000 / period)
        if abs(told - signal.carrier) > 1:
            lost.append(f"{signal.name}: its carrier of {signal.carrier} Hz becomes {told} Hz")
        if worst:
            lost.append(f"{signal.name}: up to {worst} µs of a timing, by whole periods of the carrier")
        lines.append(f"{signal.name}: " + " ".join(f"{n:04X}" for n in words))
    return "\n".join(lines) + "\n", lost


def _even(timings: tuple[int, ...]) -> tuple[int, ...]:
    return timings + (PAUSE_US,) * (len(timings) % 2)
