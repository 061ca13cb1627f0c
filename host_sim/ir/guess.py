"""Tells which format a text is in, by its form. It must never read further than it needs."""

import re

_HEAD = 20000
_SIGNS = (
    ("flipper", re.compile(r"Filetype:\s*IR |^type:\s*(parsed|raw)\s*$", re.MULTILINE)),
    ("irdb", re.compile(r"^\ufeff?functionname,protocol,", re.IGNORECASE)),
    ("esphome", re.compile(r"remote_transmitter\.transmit_")),
    (
        "tasmota",
        re.compile(r"irsend\d*\s|\"IrReceived\"|^\{\"?protocol|\"DataLSB\"", re.IGNORECASE | re.MULTILINE),
    ),
    ("device", re.compile(r"^[^\n]*\bir_send(_nec|_raw|_pronto)? \{", re.MULTILINE)),
    ("device", re.compile(r"\"total\": ?[0-9]+|^ir_learned: ", re.MULTILINE)),
    ("hos", re.compile(r"\"(irCommands|freq_khz|combined)\"")),
    ("homeassistant", re.compile(r"\"(timings|modulation)\"")),
    ("pronto", re.compile(r"^([^\n#]*: )?[0-9A-Fa-f]{4}( [0-9A-Fa-f]{4}){5,}", re.MULTILINE)),
    ("broadlink", re.compile(r"(^|[: \"])(JgA|JgB|JgE|JgC|26[0-9a-fA-F]{8,})", re.MULTILINE)),
)
ENDINGS = {".ir": "flipper", ".yaml": "esphome", ".yml": "esphome"}


def guess(text: str, file: str = "") -> str | None:
    """A format's name, or None."""
    head = text[:_HEAD]
    for name, sign in _SIGNS:
        if sign.search(head):
            return name
    return next((name for ending, name in ENDINGS.items() if file.lower().endswith(ending)), None)
