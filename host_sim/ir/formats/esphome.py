"""ESPHome: remote_transmitter.transmit_raw with signed µs. Reads what it writes, not YAML at large."""

import re

from host_sim.ir.formats import check_name, lost_hold
from host_sim.ir.formats.homeassistant import signed, unsigned
from host_sim.ir.signals import CARRIER, FormatError, Signal, from_timings

ACTION = re.compile(r"-\s*remote_transmitter\.transmit_raw:\s*(?:#\s*(?P<name>\S.*))?")
FREQUENCY = re.compile(r"carrier_frequency:\s*([0-9.]+)\s*(k?)Hz", re.IGNORECASE)
CODE = re.compile(r"code:\s*\[([^\]]*)\]", re.DOTALL)


def load(text: str) -> list[Signal]:
    starts = list(ACTION.finditer(text))
    if not starts:
        raise FormatError("no remote_transmitter.transmit_raw in it")
    signals = []
    for at, start in enumerate(starts):
        end = starts[at + 1].start() if at + 1 < len(starts) else len(text)
        body, name = text[start.end() : end], (start["name"] or f"command{at + 1}").strip()
        code, frequency = CODE.search(body), FREQUENCY.search(body)
        if not code:
            raise FormatError(f"{name}: needs code: [µs, -µs, …]")
        try:
            timings = [int(us) for us in code[1].split(",")]
            carrier = round(float(frequency[1]) * (1000 if frequency[2] else 1)) if frequency else CARRIER
        except ValueError as error:
            raise FormatError(f"{name}: {error}") from None
        signals.append(from_timings(name, carrier, unsigned(name, timings)))
    return signals


def dump(signals: list[Signal]) -> tuple[str, list[str]]:
    lines, lost = [], []
    for signal in signals:
        check_name(signal.name)
        lines.append(f"- remote_transmitter.transmit_raw:  # {signal.name}")
        lines.append(f"    carrier_frequency: {signal.carrier}Hz")
        lines.append(f"    code: [{', '.join(map(str, signed(signal.once)))}]")
        lost += lost_hold(signal)
    return "\n".join(lines) + "\n", lost
