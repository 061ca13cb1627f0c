"""Infrared light in a room: who sends what from where, and which of it a receiver sees.

It must never know a board or a clock of the host: numbers in, numbers out, the same ones every time.
Not modelled: walls and directions, and a receiver's gain, which real ones turn down in bright light.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

Position = tuple[float, ...]  # metres
Mark = tuple[float, float]  # true µs: (lit from, dark from)

INTENSITY = 20.0  # mW/sr: an infrared LED of 60 mW/sr at 100 mA, driven with the 30 mA of a GPIO
# From the data sheet of Vishay's TSOP4838: 0.2 mW/m² are enough (typical, 30-40 kHz). With the LED above
# that makes a range of 10 m.
THRESHOLD = 0.2
CENTRE_HZ = 38000
# TSOP4338, by its data sheet: −3 dB over a seventh of its frequency, which is the quality of its filter.
QUALITY = 7
DUTY = 33
NEAREST_M = 0.1  # closer than this nothing gets brighter: lenses are no points


def checked_clock(clock: float) -> float:
    """How many true µs somebody's microsecond lasts; ValueError where it is out of bounds."""
    if not 0.5 <= clock <= 2:
        raise ValueError(f"a clock of {clock}: 1.02 runs 2 % slow; from 0.5 to 2")
    return clock


@dataclass(frozen=True)
class Emission:
    """What one emitter sends: marks in order, in true µs. `carrier` Hz, None for light without one; `duty`
    percent of its period; `intensity` mW/sr."""

    at: Position
    marks: tuple[Mark, ...]
    carrier: int | None = CENTRE_HZ
    duty: float = DUTY
    intensity: float = INTENSITY

    @property
    def end(self) -> float:
        return self.marks[-1][1] if self.marks else 0.0


@dataclass(frozen=True)
class Receiver:
    """A receiver module. `clock` is how many true µs its microsecond lasts: 1.02 runs 2 % slow. `threshold`
    is the irradiance in mW/m² that it needs; `stretch_us` is by how much it lengthens marks."""

    at: Position = (0.0, 0.0)
    clock: float = 1.0
    threshold: float = THRESHOLD
    centre_hz: int = CENTRE_HZ
    stretch_us: float = 0.0

    def __post_init__(self) -> None:
        checked_clock(self.clock)
        if self.threshold <= 0 or self.centre_hz <= 0 or self.stretch_us < 0:
            raise ValueError("threshold and centre_hz are above 0, stretch_us is at least 0")


def marks_of(pulses: Iterable[tuple[int, float]], begin: float = 0.0, clock: float = 1.0) -> tuple[Mark, ...]:
    """Marks in true µs of (lit, µs) pulses of an emitter whose microsecond lasts `clock` true ones."""
    marks: list[Mark] = []
    passed = 0.0
    for lit, us in pulses:
        if lit:
            marks.append((begin + passed * clock, begin + (passed + us) * clock))
        passed += us
    return tuple(marks)


def alternating(timings: Iterable[float]) -> list[tuple[int, float]]:
    """(lit, µs) of timings that begin with a mark."""
    return [(1 - at % 2, us) for at, us in enumerate(timings)]


def response(receiver: Receiver, carrier: int | None, duty: float) -> float:
    """How well a receiver sees a carrier, from 0 to a little over 1: 1 at its own frequency and 33 % duty.

    Off it as a resonant circuit; a duty counts by the fundamental wave of such a rectangle.
    """
    if not carrier:
        return 0.0
    off = 2 * QUALITY * (carrier / receiver.centre_hz - 1)
    wave = math.sin(math.pi * duty / 100) / math.sin(math.pi * DUTY / 100)
    return wave / math.sqrt(1 + off * off)


def irradiance(receiver: Receiver, emission: Emission) -> float:
    """mW/m² that count at the receiver: less with the square of the distance, and off its frequency."""
    metres = max(math.dist(receiver.at, emission.at), NEAREST_M)
    return emission.intensity / metres**2 * response(receiver, emission.carrier, emission.duty)


def seen(receiver: Receiver, emission: Emission) -> bool:
    return irradiance(receiver, emission) >= receiver.threshold


def moved(emission: Emission, us: float) -> Emission:
    """The same, so much later."""
    return replace(emission, marks=tuple((start + us, end + us) for start, end in emission.marks))


def reflected(emission: Emission, receiver: Receiver, metres: float) -> Emission:
    """One's own light, as bright as if it came from so many metres away."""
    x, *rest = receiver.at
    return replace(emission, at=(x + metres, *rest))


def union(marks: Iterable[Mark]) -> list[Mark]:
    """Marks in order, those that overlap or touch put together: what a receiver makes of several lights."""
    merged: list[Mark] = []
    for start, end in sorted(marks):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def received(receiver: Receiver, emissions: Iterable[Emission], noise: Iterable[Mark] = ()) -> list[Mark]:
    """The marks in true µs at a receiver's output: the light that it sees, and the noise that it takes for
    light."""
    lights = [mark for emission in emissions if seen(receiver, emission) for mark in emission.marks]
    return union((start, end + receiver.stretch_us) for start, end in union([*lights, *noise]))
