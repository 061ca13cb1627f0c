"""Parameters as people type them: `key=value` made into what the device's manifest declares.

A manifest comes from a device, so nothing in it is trusted to have a shape. This module only helps whoever
types; the device checks every parameter itself.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from hxtp import schema
from hxtp.errors import INVALID_PARAMS, UNKNOWN_ACTION, HxtpError

_TYPES = ("string", "number", "integer", "boolean", "array")
_LIMITS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
_KEYWORDS = frozenset(("type", "items", "enum", "pattern", "required", "description", *_LIMITS))
_BOOLEANS = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False}


class Problem(HxtpError):
    """A command that cannot be sent, told so that whoever typed it can put it right.

    `choices`: what would have been possible.
    """

    def __init__(self, code: str, detail: str, choices: Iterable[str] = ()) -> None:
        super().__init__(code, detail)
        self.choices = sorted(choices)


def declared(manifest: Mapping[str, Any] | None) -> dict[str, dict[str, dict]]:
    """The properties of each action in a manifest's body; entries without the right shape are left out, and
    so are properties that only the device can check (`left`).
    """
    return {
        action: {name: rule for name, rule in map(_rule, properties.items()) if rule is not None}
        for action, properties in _properties(manifest)
    }


def left(manifest: Mapping[str, Any] | None, action: str) -> frozenset[str]:
    """The parameters of an action whose check is the device's: their declaration has a type or a keyword that
    is not known here (HX3-MAN-16).
    """
    return frozenset(
        name
        for declaring, properties in _properties(manifest)
        if declaring == action
        for name, rule in properties.items()
        if isinstance(rule, dict) and _rule((name, rule))[1] is None
    )


def checked(manifest: Mapping[str, Any] | None, action: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a command, strings made into the declared types, checked against the manifest.

    Values that are no strings are taken as they are, and so is what only the device can check. Raises
    Problem: UNKNOWN_ACTION with the device's actions as choices, INVALID_PARAMS with the member in the text.
    Without a manifest nothing is checked.
    """
    actions = declared(manifest)
    if not actions:
        return dict(params)
    if action not in actions:
        near = get_close_matches(action, actions, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Problem(UNKNOWN_ACTION, f"the device has no action {action!r}{hint}", actions)
    properties, unknown = actions[action], left(manifest, action)
    values = {}
    for name, value in params.items():
        if name in unknown:
            values[name] = value
            continue
        if name not in properties:
            raise Problem(INVALID_PARAMS, f"{action} has no parameter {name!r}", {*properties, *unknown})
        values[name] = _typed(name, properties[name], value) if isinstance(value, str) else value
    try:
        schema.check(properties, {name: value for name, value in values.items() if name not in unknown})
    except HxtpError as refusal:
        name = refusal.detail
        what = "is missing" if name not in values else f"cannot be {json.dumps(values[name])}"
        raise Problem(INVALID_PARAMS, f"{name} {what}; it is {describe(properties[name])}") from None
    return values


def describe(rule: Mapping[str, Any]) -> str:
    """A declaration in words: "an integer 0 to 100, required"."""
    kind = rule["type"]
    words = [f"{'an' if kind[0] in 'aio' else 'a'} {kind}"]
    size = {"string": "Length", "array": "Items"}.get(kind)
    low, high = (rule.get(end + (size or "imum")) for end in ("min", "max"))
    unit = {"string": " character", "array": " item"}.get(kind, "")
    if unit and (low if high is None else high) != 1:
        unit += "s"
    if low is not None and low == high:
        words.append(f"of {low}{unit}" if unit else f"{low} alone")
    elif low is not None and high is not None:
        words.append(f"{low} to {high}{unit}")
    elif low is not None:
        words.append(f"from {low}{unit}")
    elif high is not None:
        words.append(f"up to {high}{unit}")
    if "enum" in rule:
        words.append("one of " + ", ".join(map(str, rule["enum"])))
    return " ".join(words) + (", required" if rule.get("required") else "")


def plain(text: object) -> str:
    """What a device said, for a terminal: without control characters, which could steer it."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def _properties(manifest: Mapping[str, Any] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each action of a manifest's body with what it declares of its parameters."""
    entries = manifest.get("capabilities") if isinstance(manifest, Mapping) else None
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("action"), str):
            continue
        param_schema = entry.get("paramSchema")
        properties = param_schema.get("properties") if isinstance(param_schema, dict) else None
        yield entry["action"], properties if isinstance(properties, dict) else {}


def _rule(named: tuple[str, Any]) -> tuple[str, dict | None]:
    # The parts of a property that can be used here. A pattern is not: matching it could take for ever.
    name, rule = named
    if not isinstance(rule, dict) or rule.get("type") not in _TYPES or not _KEYWORDS.issuperset(rule):
        return name, None
    kept: dict[str, Any] = {"type": rule["type"], "required": rule.get("required") is True}
    for limit in _LIMITS:
        value = rule.get(limit)
        if isinstance(value, int | float) and not isinstance(value, bool):
            kept[limit] = value
    if isinstance(rule.get("enum"), list):
        kept["enum"] = rule["enum"]
    if rule["type"] == "array":
        kept["items"] = _rule(("", rule.get("items")))[1]
        if kept["items"] is None:
            return name, None
    return name, kept


def _typed(name: str, rule: dict, text: str) -> Any:
    kind = rule["type"]
    if kind == "string":
        return text
    try:
        if kind == "boolean" and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        if kind == "array" and not text.lstrip().startswith("["):
            return [_typed(name, rule["items"], item.strip()) for item in text.split(",") if item.strip()]
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    good = {"boolean": bool, "integer": int, "number": (int, float), "array": list}[kind]
    if not isinstance(value, good) or (isinstance(value, bool) and kind != "boolean"):
        raise Problem(INVALID_PARAMS, f"{name} cannot be {text!r}; it is {describe(rule)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise Problem(INVALID_PARAMS, f"{name} cannot be {text!r}; it is {describe(rule)}")
    return value
