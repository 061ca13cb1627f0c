"""Home Assistant: {name: {"modulation": Hz, "timings": [µs, marks positive and spaces negative]}}.

It must never take a train whose signs do not alternate.
"""

import json

from host_sim.ir.formats import lost_hold
from host_sim.ir.signals import CARRIER, FormatError, Signal, from_timings


def unsigned(name: str, timings: object) -> list[int]:
    """Timings without their signs, which must alternate from a mark; raises FormatError."""
    if not isinstance(timings, list) or not all(type(us) is int for us in timings):
        raise FormatError(f"{name}: timings must be a list of whole numbers")
    for at, us in enumerate(timings):
        if us == 0 or (us > 0) == bool(at % 2):
            raise FormatError(
                f"{name}: timing {at + 1} is {us}; marks are positive, spaces negative, in turn"
            )
    return [abs(us) for us in timings]


def signed(timings: tuple[int, ...]) -> list[int]:
    return [-us if at % 2 else us for at, us in enumerate(timings)]


def load(text: str) -> list[Signal]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise FormatError(f"no JSON: {error}") from None
    if not isinstance(data, dict):
        raise FormatError("must be an object of commands by name")
    signals = []
    for name, row in data.items():
        if not isinstance(row, dict) or type(row.get("modulation", CARRIER)) is not int:
            raise FormatError(f'{name}: needs "timings" and "modulation" in Hz')
        signals.append(from_timings(name, row.get("modulation", CARRIER), unsigned(name, row.get("timings"))))
    return signals


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    rows, lost = {}, []
    for signal in signals:
        rows[signal.name] = {"modulation": signal.carrier, "timings": signed(signal.once)}
        lost += lost_hold(signal)
    return json.dumps(rows, indent=1) + "\n", lost
