"""Haptique HOS: {"irCommands": {name: {"freq_khz", "raw"}}}, unsigned µs. It must never take Hz for kHz."""

import json

from host_sim.ir.formats import lost_hold
from host_sim.ir.signals import FormatError, Signal, from_timings


def load(text: str) -> list[Signal]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise FormatError(f"no JSON: {error}") from None
    commands = data.get("irCommands", data) if isinstance(data, dict) else data
    if isinstance(commands, list):
        commands = {str(row.get("name", i)): row for i, row in enumerate(commands) if isinstance(row, dict)}
    if not isinstance(commands, dict):
        raise FormatError('"irCommands" must be an object')
    signals = []
    for name, row in commands.items():
        if not isinstance(row, dict) or not isinstance(row.get("raw"), list):
            raise FormatError(f'{name}: needs "raw", a list of µs')
        frequency = row.get("freq_khz", row.get("freq", 38))
        if isinstance(frequency, bool) or not isinstance(frequency, int | float):
            raise FormatError(f"{name}: freq_khz must be a number")
        # The vendor's Home Assistant integration sends Hz.
        carrier = round(frequency * 1000 if frequency < 1000 else frequency)
        signals.append(from_timings(name, carrier, row["raw"]))
    return signals


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    commands, lost = {}, []
    for signal in signals:
        khz = signal.carrier / 1000
        commands[signal.name] = {"freq_khz": int(khz) if khz == int(khz) else khz, "raw": list(signal.once)}
        lost += lost_hold(signal)
    return json.dumps({"irCommands": commands}, indent=1) + "\n", lost
