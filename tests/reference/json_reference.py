"""A second implementation of json-full and json-header; it must never import hxtp or host_sim.

Written from chapter 03 with other means, beside `pipe10_reference`: the literals of numbers are kept as text
and worked on with `decimal`, strings are written character by character, names compared as code units.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from functools import partial
from typing import Any, NamedTuple

from tests.reference.pipe10_reference import (
    FROM_APP,
    KINDS,
    Numeral,
    Refused,
    Understood,
    check_digests,
    check_ids,
    only_body,
    opened,
    sha256,
    well_formed,
)

PROTOCOL = "hxtp/3.0"
LAST_PLACE = Decimal(1).scaleb(-20)
EXACT = Context(prec=2000, Emin=-2000, Emax=2000)
HEADER = {
    *("version", "protocol_version", "message_type", "device_id", "tenant_id", "client_id", "message_id"),
    *("request_id", "sequence_number", "sequence", "timestamp", "nonce", "payload_hash"),
}
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Dialect(NamedTuple):
    number: Callable[[Numeral], str]
    order: Callable[[str], Any]
    keeps: Callable[[Any], bool]


def fixed(literal: Numeral, rounding: str) -> str:
    """The double nearest to a literal, rounded to 20 places, without zeros at the end."""
    rounded = Decimal(float(literal)).quantize(LAST_PLACE, rounding=rounding, context=EXACT)
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".")


def python_number(literal: Numeral) -> str:
    text = fixed(literal, ROUND_HALF_EVEN)
    return "0" if text == "-0" else text


def javascript_number(literal: Numeral) -> str:
    value = float(literal)
    if abs(value) < 1e21:
        return "0" if value == 0 else fixed(literal, ROUND_HALF_UP)
    text = repr(value)
    while text.endswith("0"):  # as that SDK does to any text, an exponent included
        text = text[:-1]
    return text


def code_units(name: str) -> list[int]:
    raw = name.encode("utf-16-le")
    return [raw[at] | raw[at + 1] << 8 for at in range(0, len(raw), 2)]


def truthy(value: Any) -> bool:
    if isinstance(value, Numeral):
        return float(value) != 0
    return isinstance(value, (list, dict)) or bool(value)


PYTHON = Dialect(python_number, lambda name: [ord(character) for character in name], lambda value: True)
JAVASCRIPT = Dialect(javascript_number, code_units, truthy)


def canonical(value: dict[str, Any], dialect: Dialect) -> str:
    """The canonical text of an object; raises Refused for a number that has none."""
    if "protocol" not in value or not dialect.keeps(value["protocol"]):
        value = {**value, "protocol": PROTOCOL}
    return write(value, dialect)


def write(value: Any, dialect: Dialect) -> str:
    if isinstance(value, Numeral):
        if not finite(value):
            raise Refused(10)
        return f'"{dialect.number(value)}"'
    if isinstance(value, str):
        return quoted(unicodedata.normalize("NFC", value))
    if isinstance(value, list):
        return "[" + ",".join(write(item, dialect) for item in value) + "]"
    if isinstance(value, dict):
        names = sorted(value, key=dialect.order)
        return "{" + ",".join(f"{quoted(name)}:{write(value[name], dialect)}" for name in names) + "}"
    return {None: "null", True: "true", False: "false"}[value]


def quoted(text: str) -> str:
    return '"' + "".join(ESCAPES.get(one, one if one >= " " else f"\\u{ord(one):04x}") for one in text) + '"'


def finite(literal: Numeral) -> bool:
    return abs(float(literal)) != float("inf")


def whole(literal: Numeral) -> bool:
    """Whether a number is written without fraction and exponent."""
    return literal.lstrip("-").isdigit()


def plain(value: Any) -> Any:
    """The values as Python's own decoder makes them."""
    if isinstance(value, Numeral):
        return int(value) if whole(value) else float(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def leaves(value: Any) -> Iterator[Any]:
    """All values that are neither objects nor arrays."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def check_params(params: dict[str, Any], dialect: Dialect, vouched: bool) -> None:
    """What the canonical text of the params could not tell. `vouched`: by a hash of the raw kind."""
    if "protocol" in params:
        raise Refused(10)
    for leaf in leaves(params):
        if isinstance(leaf, Numeral):
            if not finite(leaf):
                raise Refused(10)
            value = Decimal(leaf) if whole(leaf) else Decimal(float(leaf))
            off = EXACT.abs(EXACT.subtract(Decimal(dialect.number(leaf)), value))
            if not vouched and off > LAST_PLACE:
                raise Refused(10)
        elif isinstance(leaf, str) and unicodedata.normalize("NFC", leaf) != leaf:
            raise Refused(10)


def understand(full: bool, data: bytes) -> Understood:
    """Steps 1 to 13 for json-full (`full`) or json-header."""
    dialect = PYTHON if full else JAVASCRIPT
    code, raw, values = opened(data)
    body_name = only_body(raw)
    version = values.get("version") if "version" in raw else values.get("protocol_version")
    if version != "HxTP/3.0" or values.get("protocol", PROTOCOL) != PROTOCOL:
        raise Refused(9)
    number = "sequence" if "sequence" in raw else "sequence_number"
    both = ({"version", "protocol_version"}, {"sequence", "sequence_number"})
    good = not any(names <= raw.keys() for names in both)
    good = (
        good and check_ids(raw, values) and well_formed(values, number) and well_formed(values, "timestamp")
    )
    if body_name is not None:
        good = good and body_name == "params" and isinstance(values["params"], dict)
    if not good:
        raise Refused(10)
    params = values.get("params", {})
    check_params(params, dialect, full and "payload_hash" in raw)
    if full:
        signed = canonical({name: value for name, value in values.items() if name != "signature"}, PYTHON)
        hashed = python_hash(params) if "payload_hash" in raw else None
    else:
        signed = canonical({name: value for name, value in values.items() if name in HEADER}, JAVASCRIPT)
        hashed = sha256(canonical(params, JAVASCRIPT).encode())
    check_digests(values, hash_required=not full)
    kinds = KINDS.get(values["message_type"], (0, set()))[1]
    return Understood(
        code, values, int(values[number]), raw.get("params", "{}"), hashed, signed, kinds & {FROM_APP}
    )


def python_hash(params: dict[str, Any]) -> str:
    return sha256(json.dumps(plain(params), sort_keys=True, separators=(",", ":")).encode())


understand_full = partial(understand, True)
understand_header = partial(understand, False)
