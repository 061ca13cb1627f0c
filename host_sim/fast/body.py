"""The values of a body, where it can be proved without the strict scan that the scan would pass it.

This module must never return the values of a body that `hxtp.jsonscan` refuses. None is no refusal: it only
says that the scan has to decide.
"""

import json
import re
from typing import Any

from hxtp import jsonscan

# The body is the second level of a message, so that each further bracket is at most one level more.
_BRACKETS = jsonscan.MAX_DEPTH - 1
_long_number = re.compile(rb"[-+.0-9eE]{%d}" % (jsonscan.MAX_NUMBER + 1)).search
_surrogate = re.compile(rb"\\u[dD][89a-fA-F]").search


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


# The scanners themselves: `raw_decode` around them costs a third more.
_plain = json.JSONDecoder(parse_constant=_refuse_constant).scan_once
_strict = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_distinct).scan_once


def flat_values(raw: bytes) -> dict[str, Any] | None:
    """As `values`, for a body that has brackets only at its two ends, and no backslash."""
    try:
        found, _ = _plain(raw.decode(), 0)
    except (ValueError, StopIteration):
        return None
    # As many colons as members: then no name was there twice.
    if len(found) == raw.count(58) and len(raw) <= jsonscan.MAX_NUMBER:
        return found
    return values(raw)


def values(raw: bytes) -> dict[str, Any] | None:
    """What `hxtp.jsonscan.loads` makes of a body, or None where the strict scan has to decide."""
    if (
        raw.count(b"{") + raw.count(b"[") > _BRACKETS
        or (len(raw) > jsonscan.MAX_NUMBER and _long_number(raw))
        or (b"\\" in raw and _surrogate(raw))
    ):
        return None
    try:
        text = raw.decode()
        found, end = _strict(text, 0)
    except (ValueError, StopIteration):
        return None
    return found if end == len(text) and type(found) is dict else None
