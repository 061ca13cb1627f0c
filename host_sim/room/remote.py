"""A remote control in a room, of any make whose codes the device's own codecs can make.

It must never know when its light is seen, nor by whom: it hands pulses to whoever lets them out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from capabilities.ir import press
from host_sim.ir import signals
from host_sim.ir.signals import Signal
from host_sim.room.light import DUTY, INTENSITY, Emission, Position, alternating, marks_of

HELD_MOST = 100


@dataclass
class Remote:
    """`clock` is how many true µs its microsecond lasts: 1.03 sends everything 3 % too long.

    `out(emission, after_s)` lets its light into the room. A toggle bit changes with every press.
    """

    at: Position
    out: Callable[[Emission, float], None]
    clock: float = 1.0
    intensity: float = INTENSITY
    _toggles: list[list[Any]] = field(default_factory=list)

    def press(self, encoding: str, *, held: int = 0, after: float = 0.0, **numbers: int) -> None:
        """Press a button (`address`, `command`, as its protocol has them) and hold it for `held` repeats.

        FormatError, which is a ValueError, where the protocol is not known or has no such numbers.
        """
        signals.from_fields("press", encoding, **numbers)
        if not 0 <= held <= HELD_MOST:
            raise ValueError(f"a button is held for 0 to {HELD_MOST} repeats")
        plan = {"encoding": encoding, "repeats": held, **numbers}
        codec, fields, repeats = press.plan(plan, self._toggles)
        timings, sends = codec.train(fields, repeats)
        press.keep_toggle(fields, self._toggles)
        self._send(timings * sends, codec.CARRIER, codec.DUTY, after)

    def send(self, signal: Signal, *, held: int = 0, after: float = 0.0) -> None:
        """Send what any format of host_sim.ir was read into, and what it repeats for `held` repeats."""
        self._send(signal.once + (signal.again or signal.once) * held, signal.carrier, DUTY, after)

    def raw(
        self, timings: Sequence[int], *, carrier: int = 38000, duty: float = DUTY, after: float = 0.0
    ) -> None:
        """Send timings as they are: µs, mark first."""
        self._send(signals.checked(list(timings), "raw"), carrier, duty, after)

    def _send(self, timings: Sequence[int], carrier: int, duty: float, after: float) -> None:
        if not 0 <= after <= 60:
            raise ValueError("after is from 0 to 60 s")
        marks = marks_of(alternating(timings), clock=self.clock)
        self.out(Emission(self.at, marks, carrier, duty, self.intensity), after)
