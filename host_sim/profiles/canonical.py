"""Canonical JSON, the text that the profiles json-full and json-header sign.

Members sorted, compact, string values in NFC (names are left as they are), every number a
quoted fixed decimal of up to 20 places, and a `protocol` member put into the top object.
This module must never decide whether a message is acceptable; it only writes text.

The two public SDKs that sign such text do not quite agree, so each is a `Dialect`:

    input                       PYTHON (json-full)         JAVASCRIPT (json-header)
    -1e-21                      "0"                        "-0"
    1e21, 1e30, 1.5e300         all digits                 "1e+21", "1e+3", "1.5e+3"
    2 to the power of -21       ...312 (half to even)      ...313 (half away from zero)
    names outside the BMP       sorted by code point       sorted by UTF-16 code unit
    "protocol": "", null, 0     kept                       replaced by "hxtp/3.0"

Lone surrogates, on which they differ too, never come here: the strict scan refuses them.
Nor does a number that no double can hold, which one SDK crashes on and the other calls Infinity.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

PROTOCOL = "hxtp/3.0"

_PLACES = 10**20
_RESOLUTION = Fraction(1, _PLACES)


@dataclass(frozen=True)
class Dialect:
    """What the SDKs write differently.

    `number` gives the decimal text of a finite int or float, `order` the sort key of a
    member's name, `keeps` whether a `protocol` member that is already there stays.
    """

    number: Callable[[Any], str]
    order: Callable[[str], Any]
    keeps: Callable[[Any], bool]


def _python_number(value: float) -> str:
    text = f"{float(value):.20f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _javascript_number(value: float) -> str:
    value = float(value)
    if abs(value) >= 1e21:
        text = repr(value)
    else:
        scaled = Fraction(abs(value)) * _PLACES
        digits = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
        text = f"{'-' if value < 0 else ''}{digits // _PLACES}.{digits % _PLACES:020d}"
    # The SDK trims zeros off whatever text it has, an exponent included.
    return re.sub(r"\.?0+\Z", "", text)


PYTHON = Dialect(_python_number, lambda name: name, lambda value: True)
JAVASCRIPT = Dialect(
    _javascript_number,
    lambda name: name.encode("utf-16-be"),
    lambda value: isinstance(value, (list, dict)) or bool(value),
)


def canonical(value: Any, dialect: Dialect) -> bytes:
    """The canonical text of a parsed JSON value, as UTF-8.

    Raises ValueError for a number beyond the range of a double.
    """
    if isinstance(value, dict) and not ("protocol" in value and dialect.keeps(value["protocol"])):
        value = {**value, "protocol": PROTOCOL}
    parts: list[str] = []
    _write(value, dialect, parts.append)
    return "".join(parts).encode()


def _write(value: Any, dialect: Dialect, put: Callable[[str], None]) -> None:
    if value is None or isinstance(value, bool):
        put(json.dumps(value))
    elif isinstance(value, (int, float)):
        put(f'"{dialect.number(finite(value))}"')
    elif isinstance(value, str):
        put(json.dumps(unicodedata.normalize("NFC", value), ensure_ascii=False))
    elif isinstance(value, list):
        put("[")
        for index, item in enumerate(value):
            if index:
                put(",")
            _write(item, dialect, put)
        put("]")
    else:
        put("{")
        for index, name in enumerate(sorted(value, key=dialect.order)):
            put(f"{',' if index else ''}{json.dumps(name, ensure_ascii=False)}:")
            _write(value[name], dialect, put)
        put("}")


def finite(value: float) -> float:
    """The number itself; raises ValueError where no finite double holds it."""
    try:
        if math.isfinite(value):
            return value
    except OverflowError:
        pass
    raise ValueError("a number beyond the range of a double")


def faithful(value: float, dialect: Dialect) -> bool:
    """Whether the canonical text still says this number, to within its own 20 decimal places.

    False for integers that a double rounds, and for what the trimming of an exponent spoils.
    """
    return abs(Fraction(dialect.number(value)) - Fraction(value)) <= _RESOLUTION
