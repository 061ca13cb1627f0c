"""Home Assistant: {name: {"modulation": Hz, "timings": [µs, marks positive and spaces negative]}}.

It must never take a train whose signs do not alternate. "repeat_count" counts what is sent beyond
once. Read too: one message of an MQTT emitter or receiver alone, and a list of them.
"""

import json
from collections.abc import Iterator
from typing import Any

from host_sim.ir.reading import Entry, attempt, check_unique, count, hertz, json_value, repeated, shown
from host_sim.ir.signals import CARRIER, GAP_US, FormatError, Signal, from_timings, modulated, not_held


def unsigned(name: str, timings: object) -> list[int]:
    """Timings without their signs, which must alternate from a mark; raises FormatError."""
    if not isinstance(timings, list) or not all(type(us) is int for us in timings):
        raise FormatError(f"{name}: timings must be a list of whole numbers")
    for at, us in enumerate(timings):
        if us == 0 or (us > 0) == bool(at % 2):
            raise FormatError(
                f"{name}: timing {at + 1} is {shown(us)}; marks are positive, spaces negative, in turn"
            )
    return [abs(us) for us in timings]


def signed(timings: tuple[int, ...]) -> list[int]:
    """Timings with the marks positive and the spaces negative."""
    return [-us if at % 2 else us for at, us in enumerate(timings)]


def each(text: str) -> Iterator[Entry]:
    data = json_value(text)
    if isinstance(data, dict) and isinstance(data.get("timings"), list):
        data = [data]
    if isinstance(data, list):
        data = {f"command{number}": row for number, row in enumerate(data, 1)}
    if not isinstance(data, dict):
        raise FormatError("must be an object of commands by name")
    for name, row in data.items():
        yield attempt(_signal, name, row)


def _signal(name: str, row: Any) -> Signal:
    if not isinstance(row, dict):
        raise FormatError(f'{name}: needs "timings" and "modulation" in Hz')
    timings = unsigned(name, row.get("timings"))
    carrier = hertz(name, row.get("modulation", CARRIER))
    if not carrier:
        raise FormatError(f"{name}: a modulation of 0 Hz")
    sends = 1 + count(name, "repeat_count", row.get("repeat_count", 0), 0, 20)
    return from_timings(name, carrier, repeated(timings, sends, GAP_US))


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    check_unique(signals)
    rows, lost = {}, []
    for signal in signals:
        carrier = modulated(signal, "Home Assistant")
        rows[signal.name] = {"modulation": carrier, "timings": signed(signal.once), "repeat_count": 0}
        lost += not_held(signal)
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n", lost
