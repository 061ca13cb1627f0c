"""What readers of formats share: limits, JSON, names, numbers. It must never let text escape as a traceback.

Everything that is wrong with a text is a FormatError of one line.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

from host_sim.ir.signals import FormatError, Signal

MOST_CHARACTERS = 4_000_000
MOST_COMMANDS = 10_000
LONGEST_NAME = 200
_SHOWN = 60

# What a reader yields for each command: the signal, or why it is none.
Entry = Signal | FormatError


def attempt(make: Callable[..., Signal], *arguments: Any) -> Entry:
    """What `make` gives, or the FormatError that it raises."""
    try:
        return make(*arguments)
    except FormatError as error:
        return error


def strict(entries: Iterator[Entry], most: int = MOST_COMMANDS) -> list[Signal]:
    """All signals, at most `most`; raises the first FormatError."""
    signals = []
    for entry in entries:
        if isinstance(entry, FormatError):
            raise entry
        if len(signals) >= most:
            raise FormatError(f"more than {most:,} commands; take them in parts")
        signals.append(entry)
    return signals


def shown(value: object) -> str:
    """A value for a message: short, of one line, whatever it is."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def json_value(text: str) -> Any:
    """The value of a JSON text without NaN, without a member twice, and of bearable depth."""

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise FormatError(f"{shown(name)} is there twice")
            found[name] = value
        return found

    def constant(name: str) -> None:
        raise FormatError(f"{name} is no number of JSON")

    try:
        return json.loads(text, object_pairs_hook=members, parse_constant=constant)
    except FormatError:
        raise
    except RecursionError:
        raise FormatError("JSON that is nested too deep") from None
    except ValueError as error:
        raise FormatError(f"no JSON: {error}") from None


def hertz(name: str, value: object, *, khz_below: int = 0) -> int:
    """A carrier in Hz from a number; below `khz_below` it is in kHz."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FormatError(f"{name}: a carrier of {shown(value)} is no number")
    if not 0 <= value <= 1_000_000:
        raise FormatError(f"{name}: a carrier of {shown(value)}")
    return round(value * 1000 if value < khz_below else value)


def percent(name: str, value: object) -> int:
    """A duty in whole percent."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 99:
        raise FormatError(f"{name}: a duty of {shown(value)} %; it must be 1 to 99")
    return round(value)


def count(name: str, what: str, value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if type(value) is not int or not low <= value <= high:
        raise FormatError(f"{name}: {what} is {shown(value)}; a whole number from {low} to {high}")
    return value


def whole(name: str, what: str, text: object) -> int:
    """A whole number of up to 64 bits, as such or as text: decimal, or hexadecimal after 0x."""
    value = text
    if isinstance(text, str) and len(text) <= _SHOWN:
        try:
            value = int(text.strip(), 16 if text.strip().lower().startswith("0x") else 10)
        except ValueError:
            value = None
    if type(value) is not int or not -(1 << 63) <= value < 1 << 64:
        raise FormatError(f"{name}: {what} is {shown(text)}, which is no whole number that fits")
    return value


def repeated(timings: list[int], sends: int, pause: int) -> list[int]:
    """Timings `sends` times; `pause` µs after each but the last where they end with a mark."""
    if sends <= 1:
        return timings
    block = [*timings, pause] if len(timings) % 2 else timings
    return block * (sends - 1) + timings


def named_lines(text: str) -> list[tuple[str, str]]:
    """(name, rest) of lines «name: rest»; a line without a name gets a number. # begins a comment."""
    found = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, colon, rest = line.partition(": ")
        found.append((name.strip(), rest.strip()) if colon else (f"command{len(found) + 1}", line))
    if not found:
        raise FormatError("there is nothing in it")
    return found


def check_name(name: str) -> None:
    """Raises FormatError for a name that a line «name: rest» cannot hold."""
    if (
        not name
        or name != name.strip()
        or name.startswith(("#", "{"))
        or ": " in name
        or name.endswith(":")
        or len(name.splitlines()) != 1
    ):
        raise FormatError(f"{shown(name)}: this format has no place for such a name; rename it")


def check_unique(signals: list[Signal]) -> None:
    """Raises FormatError where two signals have one name, and the format keeps them by name."""
    seen: set[str] = set()
    for signal in signals:
        if signal.name in seen:
            raise FormatError(f"{shown(signal.name)}: two commands have this name; rename one")
        seen.add(signal.name)
