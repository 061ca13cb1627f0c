"""The formats by name: modules with load(text) -> signals and dump(signals) -> (text, what was lost).

It must never drop anything silently: what a format cannot hold is told in a line, or is a FormatError.
"""

import importlib
from types import ModuleType

from host_sim.ir.signals import FormatError

NAMES = {
    "hos": "Haptique HOS irCommands (JSON)",
    "homeassistant": "Home Assistant: signed µs and modulation (JSON)",
    "pronto": "Pronto hex, a line a command",
    "flipper": "Flipper's .ir",
    "broadlink": "Broadlink base64, a line a command",
    "tasmota": "Tasmota's IRSend, a line a command",
    "esphome": "ESPHome's transmit actions (YAML)",
    "irdb": "IRDB CSV",
}


def module(name: str) -> ModuleType:
    if name not in NAMES:
        raise FormatError(f"no format named {name!r}; known: {', '.join(NAMES)}")
    return importlib.import_module(f"host_sim.ir.formats.{name}")


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
        or name.startswith("#")
        or ": " in name
        or len(name.splitlines()) != 1
    ):
        raise FormatError(f"{name!r}: this format has no place for such a name; rename it")


def lost_hold(signal) -> list[str]:
    return [f"{signal.name}: what it sends while held"] if signal.again else []
