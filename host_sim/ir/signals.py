"""A signal, as every format is read and written. It must never guess what a source did not say."""

from dataclasses import dataclass, replace
from typing import Any

from capabilities.ir import codecs, jvc, nec
from host_sim.counted import counted

CARRIER = 38000
DUTY = 33
# Without a carrier: an LED simply on. Only a few formats hold that, and no device here sends it.
UNMODULATED = 0
# The pause after a frame that ends with a mark and is sent again, as the device makes it.
GAP_US = 40000
LONGEST_US = 10_000_000
MOST = 2048
MOST_REPEATS = 20


class FormatError(ValueError):
    """Text that is not of the format, with what is wrong; or a signal that the format cannot hold."""


@dataclass(frozen=True)
class Signal:
    """One button.

    `carrier`: Hz, or UNMODULATED; `duty`: percent of a carrier's period that the LED is lit.
    `once`: µs, mark first, as sent for one press; `again`: what follows while it is held, where known.
    `fields`: protocol and its numbers where the source named them or the timings tell.
    """

    name: str
    carrier: int
    once: tuple[int, ...]
    again: tuple[int, ...] = ()
    fields: dict[str, Any] | None = None
    duty: int = DUTY


@dataclass(frozen=True)
class Press:
    """A signal as a press of a protocol's button: its numbers, how often it is repeated beyond what one press
    sends, and whether that gives the very timings.
    """

    fields: dict[str, Any]
    repeats: int
    exact: bool


def checked(timings: list[int], name: str) -> tuple[int, ...]:
    """Timings as a device takes them; raises FormatError."""
    if not 1 <= len(timings) <= MOST:
        raise FormatError(f"{name}: {len(timings)} timings, and a signal has 1 to {MOST}")
    if any(type(us) is not int or us < 1 for us in timings):
        raise FormatError(f"{name}: timings must be whole µs from 1")
    if sum(timings) > LONGEST_US:
        raise FormatError(f"{name}: longer than {LONGEST_US // 1_000_000} s")
    return tuple(timings)


def from_timings(
    name: str, carrier: int, timings: list[int], again: list[int] | None = None, *, duty: int = DUTY
) -> Signal:
    """A signal of raw timings; its first frame is decoded if it is one of a known protocol.

    Raises FormatError for a carrier, duty or timings that no device takes.
    """
    if carrier != UNMODULATED and not 10_000 <= carrier <= 60_000:
        raise FormatError(f"{name}: a carrier of {carrier} Hz; remotes use 10,000 to 60,000")
    if not 1 <= duty <= 99:
        raise FormatError(f"{name}: a duty of {duty} %; it must be 1 to 99")
    once = checked(timings, name)
    held = checked(again, name) if again else ()
    start, end = codecs.frames(timings)[0]
    fields = codecs.decode(timings[start:end]) if carrier else None
    return Signal(name, carrier, once, held, fields, duty)


def from_fields(name: str, protocol: str, *, repeats: int = 0, **numbers: int) -> Signal:
    """A press of a protocol's button, held for `repeats` repeats; raises FormatError where the numbers do not
    fit the protocol.
    """
    if protocol not in codecs.MODULES:
        raise FormatError(f"{name}: no protocol {protocol!r}; known: {', '.join(sorted(codecs.MODULES))}")
    if not 0 <= repeats <= MOST_REPEATS:
        raise FormatError(f"{name}: {repeats} repeats; from 0 to {MOST_REPEATS}")
    codec = codecs.module(protocol)
    bounds = codec.FIELDS[protocol]
    for member in {"address", "command", *numbers}:
        low, high = bounds.get(member, (1, 0))
        value = numbers.get(member)
        if value is None or not low <= value <= high:
            raise FormatError(f"{name}: {protocol} has no {member} {str(value)[:20]}; from {low} to {high}")
    fields = {"protocol": protocol, **numbers}
    timings, sends = codec.train(fields, repeats)
    return Signal(name, codec.CARRIER, checked(timings * sends, name), (), fields)


def numbers(fields: dict[str, Any]) -> dict[str, int]:
    """The numbers of some fields, for from_fields."""
    return {key: value for key, value in fields.items() if key != "protocol"}


def renamed(signal: Signal, name: str) -> Signal:
    return replace(signal, name=name)


def press(signal: Signal) -> Press | None:
    """The signal as a press of its protocol's button; None where its frames are not all of one button, so
    that its numbers alone would lose a frame.
    """
    fields = signal.fields
    if fields is None or signal.carrier == UNMODULATED:
        return None
    timings = list(signal.once)
    frames = codecs.frames(timings)
    if not all(
        _same_button(timings[start:end], fields, first=at == 0) for at, (start, end) in enumerate(frames)
    ):
        return None
    codec = codecs.module(fields["protocol"])
    # Of several numbers that mean the same frame, those that it is read as.
    fields = codec.decode(codec.encode(fields)) or fields
    least = len(codecs.frames(_sent(codec, fields, 0)))
    repeats = max(0, len(frames) - least)
    if repeats > MOST_REPEATS:
        return None
    return Press(fields, repeats, tuple(_sent(codec, fields, repeats)) == signal.once)


def _sent(codec: Any, fields: dict[str, Any], repeats: int) -> list[int]:
    timings, sends = codec.train(fields, repeats)
    return timings * sends


def _same_button(frame: list[int], fields: dict[str, Any], *, first: bool) -> bool:
    """Whether a frame is one that the button sends, first or while it is held."""
    if any(_alike(read, fields) for read in codecs.readings(frame)):
        return True
    if first:
        return False
    if fields["protocol"] in ("nec", "necext", "lg"):
        return nec.is_repeat(frame)
    if fields["protocol"] == "jvc":  # held, it leaves the header out
        return jvc.decode([8400, 4200, *frame]) == fields
    return False


def _alike(read: dict[str, Any], fields: dict[str, Any]) -> bool:
    # A necext frame whose bytes are complements is a nec frame: compare what is sent.
    codec = codecs.module(fields["protocol"])
    return codecs.module(read["protocol"]) is codec and codec.encode(read) == codec.encode(fields)


def not_held(signal: Signal, *, duty: bool = False) -> list[str]:
    """What a format loses that has no place for what is sent while held, nor (unless `duty`) for a duty."""
    lost = [f"{signal.name}: what it sends while held"] if signal.again else []
    if signal.duty != DUTY and not duty:
        lost.append(f"{signal.name}: its duty of {signal.duty} %")
    return lost


def as_numbers(signal: Signal, pressed: Press, *, repeats: bool = True, toggle: bool = True) -> list[str]:
    """What is lost when only a protocol's numbers are written; `repeats`, `toggle`: whether they are too."""
    lost = not_held(signal)
    codec = codecs.module(pressed.fields["protocol"])
    if signal.carrier != codec.CARRIER:
        lost.append(
            f"{signal.name}: its carrier of {signal.carrier} Hz; the protocol's own is {codec.CARRIER} Hz"
        )
    if not pressed.exact:
        lost.append(f"{signal.name}: its exact timings; the protocol's own are sent instead")
    if pressed.repeats and not repeats:
        lost.append(f"{signal.name}: that it is held for {counted(pressed.repeats, 'repeat')}")
    if pressed.fields.get("toggle") and not toggle:
        lost.append(f"{signal.name}: its toggle bit")
    return lost


def modulated(signal: Signal, what: str) -> int:
    """The carrier in Hz; raises FormatError where there is none and `what` has no place for that."""
    if signal.carrier == UNMODULATED:
        raise FormatError(f"{signal.name}: has no carrier, and {what} always has one")
    return signal.carrier
