"""Whether an observation fits a rule: its conditions on members of the data, all of which must hold.

Plain comparisons of plain data. Must never take a yes for a 1, nor a text for a number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_NOTHING = object()


def fits(when: Mapping[str, Any], device_id: str, context: str | None, data: Mapping[str, Any]) -> bool:
    """Whether a rule's `when` {device_id, context, all: conditions} holds for an observation."""
    if when.get("device_id") not in (None, device_id) or when.get("context") not in (None, context):
        return False
    return all(holds(condition, data) for condition in when["all"])


def holds(condition: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether `data` has the condition's `member` (a path with dots) and it compares by `op` as wanted."""
    found = _member(data, condition["member"].split("."))
    op, value = condition["op"], condition["value"]
    if op == "==":
        return _kind(found) == _kind(value) and found == value
    if _kind(found) != "number":
        return False
    if op == "between":
        return value[0] <= found <= value[1]
    return found < value if op == "<" else found > value


def _member(data: Any, path: Sequence[str]) -> Any:
    for name in path:
        if not isinstance(data, Mapping) or name not in data:
            return _NOTHING
        data = data[name]
    return data


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "null" if value is None else "other"
