"""Whether values have a JSON form that every device reads alike (HX3-CODEC)."""

from collections.abc import Mapping
from typing import Any

from hxtp import envelope, jsonscan

MAX_DEPTH = jsonscan.MAX_DEPTH - 1  # of a body: it lies one level below the envelope


def check_portable(value: Any, depth: int = 1) -> None:
    """Raise ValueError or TypeError where `value` has no JSON form that every device reads alike."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        value.encode()  # a lone surrogate has no UTF-8: UnicodeEncodeError is a ValueError
    elif isinstance(value, int):
        if abs(value) > envelope.MAX_INTEGER:
            raise ValueError(f"{value}: integers go to 2^53-1")
    elif isinstance(value, Mapping):
        for name, member in value.items():
            if not isinstance(name, str):
                raise TypeError(f"{name!r}: names are strings")
            name.encode()
            check_portable(member, depth + 1)
    elif isinstance(value, list | tuple):
        for member in value:
            check_portable(member, depth + 1)
    elif value is not None and not isinstance(value, float):
        raise TypeError(f"no JSON form: {type(value).__name__}")
