"""Which action of a device shows whether it ran, and how its state tells: found in the manifest or named by
the user.

A forged command is one that would show. This module sends nothing.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from host_sim.conformance.case import KitError

UNKNOWN = "conformance_unknown"  # no device has it: a command that is answered and moves nothing


class Call(NamedTuple):
    """An action with its parameters."""

    action: str
    params: dict[str, Any]


class Effect(NamedTuple):
    """`do` changes the state and `undo` changes it back; a toggle is both."""

    do: Call
    undo: Call

    @property
    def toggles(self) -> bool:
        return self.do == self.undo


NOTHING = Effect(Call(UNKNOWN, {}), Call(UNKNOWN, {}))


def declared(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters that each action of a manifest declares, `target` included; what is ill-formed is left
    out.
    """
    found = {}
    entries = manifest.get("capabilities")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and isinstance(entry.get("action"), str):
            schema = entry.get("paramSchema")
            properties = schema.get("properties") if isinstance(schema, dict) else None
            found[entry["action"]] = properties if isinstance(properties, dict) else {}
    return found


def harmless(manifest: Mapping[str, Any]) -> list[str]:
    """The actions that may be run without a question: those of the safety class normal."""
    entries = manifest.get("capabilities")
    return [
        entry["action"]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and entry.get("safetyClass") == "normal" and entry.get("action")
    ]


def dry_runnable(manifest: Mapping[str, Any]) -> list[str]:
    """The actions of which the manifest says that the device takes dry runs (HX3-CMD-29), in its order."""
    entries = manifest.get("capabilities")
    return [
        entry["action"]
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, dict)
        and isinstance(entry.get("action"), str)
        and entry.get("supportsDryRun") is True
    ]


def choose(manifest: Mapping[str, Any], named: str | None = None) -> Effect:
    """A toggle, else an on/off pair, else two values of one parameter, else NOTHING.

    `named`: the user's `ACTION` or `ACTION {"name": value}`, two of them separated by `/` (do and undo);
    alone it is a toggle, or has its counterpart in the manifest. Raises KitError where that cannot be.
    """
    actions = declared(manifest)
    if named is not None:
        return _named(actions, named)
    possible = {action: actions[action] for action in harmless(manifest)}
    free = [action for action in possible if not _required(possible[action])]
    for action in free:
        if action.endswith("toggle"):
            return Effect(Call(action, {}), Call(action, {}))
    for action in free:
        if action.endswith("_on") and action[:-3] + "_off" in free:
            return Effect(Call(action, {}), Call(action[:-3] + "_off", {}))
    for action, properties in possible.items():
        found = _two_values(action, properties)
        if found:
            return found
    return NOTHING


def _named(actions: Mapping[str, dict], named: str) -> Effect:
    calls = [_call(actions, text) for text in named.split("/", 1)]
    if len(calls) == 2:
        return Effect(calls[0], calls[1])
    call = calls[0]
    if not call.params and not _required(actions[call.action]):
        for one, other in (("_on", "_off"), ("_off", "_on"), ("_open", "_close"), ("_close", "_open")):
            if call.action.endswith(one) and call.action[: -len(one)] + other in actions:
                return Effect(call, Call(call.action[: -len(one)] + other, {}))
        return Effect(call, call)
    found = _two_values(call.action, actions[call.action])
    if call.params or not found:
        raise KitError(
            f'--action {named!r}: say what undoes it, as in --action \'set {{"level":1}}/set {{"level":0}}\''
        )
    return found


def _call(actions: Mapping[str, dict], text: str) -> Call:
    action, _, rest = text.strip().partition(" ")
    try:
        params = json.loads(rest) if rest else {}
    except ValueError:
        params = None
    if not isinstance(params, dict):
        raise KitError(f"--action: {rest!r} is not a JSON object of parameters")
    if action not in actions:
        raise KitError(
            f"--action: the device has no {action!r}; its manifest has {', '.join(sorted(actions)) or 'none'}"
        )
    return Call(action, params)


def _required(properties: Mapping[str, Any]) -> list[str]:
    return [name for name, rule in properties.items() if isinstance(rule, dict) and rule.get("required")]


def _two_values(action: str, properties: Mapping[str, Any]) -> Effect | None:
    required = _required(properties)
    if len(required) != 1:
        return None
    name = required[0]
    rule = properties[name]
    values: list[Any] = []
    if rule.get("type") == "boolean":
        values = [True, False]
    elif isinstance(rule.get("enum"), list):
        values = rule["enum"][:2]
    elif (
        rule.get("type") == "integer"
        and isinstance(rule.get("minimum"), int)
        and isinstance(rule.get("maximum"), int)
    ):
        values = [rule["maximum"], rule["minimum"]]
    if len(values) < 2 or values[0] == values[1]:
        return None
    return Effect(Call(action, {name: values[0]}), Call(action, {name: values[1]}))
