"""Haptique HOS: {"irCommands": {name: {"freq_khz", "raw", "duty", "repeat"}}}, unsigned µs.

It must never take Hz for kHz. Read too: a device with its properties, the commands alone, one command, a list
of them with names, and an extender's {"type": "ir_rx"} of what it learned.
"""

import json
from collections.abc import Iterator
from typing import Any

from host_sim.ir.reading import (
    Entry,
    attempt,
    check_unique,
    count,
    hertz,
    json_value,
    percent,
    repeated,
)
from host_sim.ir.signals import DUTY, GAP_US, FormatError, Signal, from_timings, modulated, not_held


def each(text: str) -> Iterator[Entry]:
    data = json_value(text)
    for _ in range(2):
        if isinstance(data, dict):
            data = data.get("properties", data)
            data = data.get("irCommands", data) if isinstance(data, dict) else data
    if isinstance(data, dict) and any(type(data.get(key)) is list for key in ("raw", "combined", "a")):
        data = [data]
    if isinstance(data, list):
        rows = [(_label(row, number), row) for number, row in enumerate(data, 1)]
    elif isinstance(data, dict):
        rows = list(data.items())
    else:
        raise FormatError('"irCommands" must be an object')
    for name, row in rows:
        yield attempt(_signal, name, row)


def _label(row: Any, number: int) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) and name else f"command{number}"


def _signal(name: str, row: Any) -> Signal:
    timings = row.get("raw", row.get("combined", row.get("a"))) if isinstance(row, dict) else None
    if not isinstance(timings, list):
        raise FormatError(f'{name}: needs "raw", a list of µs')
    # The vendor's Home Assistant integration sends Hz.
    carrier = hertz(name, row.get("freq_khz", row.get("freq", 38)), khz_below=1000)
    sends = count(name, "repeat", row.get("repeat", 1), 1, 20)
    duty = percent(name, row.get("duty", DUTY))
    if not carrier:
        raise FormatError(f"{name}: a carrier of 0 Hz")
    return from_timings(name, carrier, repeated(timings, sends, GAP_US), duty=duty)


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    check_unique(signals)
    commands, lost = {}, []
    for signal in signals:
        khz = modulated(signal, "HOS") / 1000
        row: dict[str, Any] = {"freq_khz": int(khz) if khz == int(khz) else khz}
        if signal.duty != DUTY:
            row["duty"] = signal.duty
        commands[signal.name] = {**row, "raw": list(signal.once)}
        lost += not_held(signal, duty=True)
    return json.dumps({"irCommands": commands}, indent=1, ensure_ascii=False) + "\n", lost
