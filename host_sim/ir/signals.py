"""A signal, as every format is read and written. It must never guess what a source did not say."""

from dataclasses import dataclass
from typing import Any

from capabilities.ir import codecs

CARRIER = 38000
LONGEST_US = 10_000_000
MOST = 2048


class FormatError(ValueError):
    """Text that is not of the format, with what is wrong; or a signal that the format cannot hold."""


@dataclass(frozen=True)
class Signal:
    """`once`: µs, mark first, as sent for one press; `again`: what follows while it is held, where known.
    `fields`: protocol and its numbers where the source named them or the timings tell.
    """

    name: str
    carrier: int
    once: tuple[int, ...]
    again: tuple[int, ...] = ()
    fields: dict[str, Any] | None = None


def checked(timings: list[int], name: str) -> tuple[int, ...]:
    """Timings as a device takes them; raises FormatError."""
    if not 1 <= len(timings) <= MOST:
        raise FormatError(f"{name}: {len(timings)} timings, and a signal has 1 to {MOST}")
    if any(isinstance(us, bool) or not isinstance(us, int) or us < 1 for us in timings):
        raise FormatError(f"{name}: timings must be whole µs from 1")
    if sum(timings) > LONGEST_US:
        raise FormatError(f"{name}: longer than {LONGEST_US // 1_000_000} s")
    return tuple(timings)


def from_timings(name: str, carrier: int, timings: list[int], again: list[int] | None = None) -> Signal:
    """A signal of raw timings; its first frame is decoded if it is one of a known protocol."""
    if not 10_000 <= carrier <= 60_000:
        raise FormatError(f"{name}: a carrier of {carrier} Hz; remotes use 10,000 to 60,000")
    once = checked(timings, name)
    start, end = codecs.frames(timings)[0]
    return Signal(
        name, carrier, once, checked(again, name) if again else (), codecs.decode(timings[start:end])
    )


def from_fields(name: str, protocol: str, **numbers: int) -> Signal:
    """A signal of a protocol's own numbers; raises FormatError where they do not fit it."""
    if protocol not in codecs.MODULES:
        raise FormatError(f"{name}: no protocol {protocol!r}; known: {', '.join(sorted(codecs.MODULES))}")
    codec = codecs.module(protocol)
    bounds = codec.FIELDS[protocol]
    for member in {"address", "command", *numbers}:
        low, high = bounds.get(member, (1, 0))
        value = numbers.get(member)
        if value is None or not low <= value <= high:
            raise FormatError(f"{name}: {protocol} has no {member} {value}; from {low} to {high}")
    fields = {"protocol": protocol, **numbers}
    timings, sends = codec.train(fields, 0)
    return Signal(name, codec.CARRIER, tuple(timings * sends), (), fields)
