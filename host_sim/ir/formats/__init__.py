"""The formats by name: modules with each(text) -> signals or refusals, and dump(signals) -> (text, lost).

It must never drop anything silently: what a format cannot hold is told in a line, or is a FormatError.
"""

import importlib
from types import ModuleType

from host_sim.ir.reading import MOST_CHARACTERS, MOST_COMMANDS, strict
from host_sim.ir.signals import FormatError, Signal

NAMES = {
    "hos": "Haptique HOS irCommands, or what its extender learned (JSON)",
    "homeassistant": "Home Assistant: signed µs, modulation, repeat_count (JSON)",
    "pronto": "Pronto hex, a line a command",
    "flipper": "Flipper's .ir",
    "broadlink": "Broadlink base64 or hex, a line a command; Home Assistant's stored codes",
    "tasmota": "Tasmota's IRSend and IrReceived, a line a command",
    "esphome": "ESPHome's remote_transmitter actions (YAML)",
    "irdb": "IRDB CSV",
    "device": "this device's own actions, a line a command",
}


def module(name: str) -> ModuleType:
    """A format's module; raises FormatError where there is none."""
    if name not in NAMES:
        raise FormatError(f"no format named {name!r}; known: {', '.join(NAMES)}")
    return importlib.import_module(f"host_sim.ir.formats.{name}")


def load_some(name: str, text: str) -> tuple[list[Signal], list[str]]:
    """(signals, a line for each command that cannot be had) of a text in the format `name`.

    Raises FormatError where the text as a whole is not of the format, or is too big.
    """
    if len(text) > MOST_CHARACTERS:
        raise FormatError(f"{len(text):,} characters, and {MOST_CHARACTERS:,} are the most")
    signals: list[Signal] = []
    refused: list[str] = []
    for entry in module(name).each(text):
        if len(signals) + len(refused) >= MOST_COMMANDS:
            raise FormatError(f"more than {MOST_COMMANDS:,} commands; take them in parts")
        if isinstance(entry, FormatError):
            refused.append(str(entry))
        else:
            signals.append(entry)
    return signals, refused


def load(name: str, text: str) -> list[Signal]:
    """The signals of a text in the format `name`; raises FormatError for the first that cannot be had."""
    if len(text) > MOST_CHARACTERS:
        raise FormatError(f"{len(text):,} characters, and {MOST_CHARACTERS:,} are the most")
    return strict(module(name).each(text), MOST_COMMANDS)


def dump(name: str, signals: list[Signal]) -> tuple[str, list[str]]:
    """(text, a line for each thing that it does not hold) of signals in the format `name`.

    Raises FormatError for a signal that the format cannot hold at all.
    """
    return module(name).dump(signals)


def dump_some(name: str, signals: list[Signal]) -> tuple[str, list[str], list[str]]:
    """(text, lost, a line for each signal that the format cannot hold) of those signals that it can.

    Of several with one name, where the format has room for one, the first is held. Raises FormatError where
    it can hold none.
    """
    write = module(name).dump
    held: list[Signal] = []
    refused: list[str] = []
    first: dict[str, Signal] = {}
    for signal in signals:
        before = [first[signal.name]] if signal.name in first else []
        try:
            write([*before, signal])
        except FormatError as error:
            refused.append(str(error))
        else:
            held.append(signal)
            first.setdefault(signal.name, signal)
    if refused and not held:
        raise FormatError(f"{name} can hold none of it; {refused[0]}")
    return *write(held), refused
