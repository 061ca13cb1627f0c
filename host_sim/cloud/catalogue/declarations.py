"""Whether a manifest that somebody sends over the API can be one, by the protocol's schema and rules.

What a device tells by itself is not judged here: that is its business, and the gate trusts none of it. Must
never take what a device could not have declared.
"""

import json
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from host_sim import ROOT
from host_sim.portable import check_portable
from hxtp.frame import MAX_BODY
from hxtp.jsontext import dumps
from hxtp.registry import TARGET

SCHEMA = ROOT / "protocol_spec" / "schemas" / "capabilities.schema.json"
MOST = 256  # actions; more do not fit into a manifest's bytes
DEFAULTS = {"description": "", "safetyClass": "normal", "supportsDryRun": False}
_BOUNDS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))


class Unsuitable(Exception):
    """Where it is wrong, and what is."""


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def manifest(capabilities: Sequence[Any]) -> tuple[dict[str, Any], str]:
    """(body, hash) of a manifest with these capabilities, sorted by action. Raises Unsuitable.

    `description`, `safetyClass`, `supportsDryRun`, `paramSchema` and its `additionalProperties` may be left
    out: they have a default. Members that the protocol does not know are refused: none is lost unseen.
    """
    try:
        check_portable({"capabilities": list(capabilities)})
        body: dict[str, Any] = {"capabilities": [_whole(one) for one in capabilities]}
        text = dumps(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unsuitable(str(error)[:200]) from None
    if len(text) > MAX_BODY:
        raise Unsuitable(f"the manifest is {len(text)} bytes, {MAX_BODY} are possible")
    wrong = best_match(_validator().iter_errors(body))
    if wrong is not None:
        raise Unsuitable(f"{'.'.join(map(str, wrong.absolute_path))}: {wrong.message[:200]}")
    for at, entry in enumerate(body["capabilities"]):
        _check(f"capabilities.{at}", entry)
    body["capabilities"].sort(key=lambda entry: entry["action"])
    for member in ("action", "id"):
        values = [entry[member] for entry in body["capabilities"]]
        for value in values:
            if values.count(value) > 1:
                raise Unsuitable(f"the {member} {value!r} is there twice; each has its own")
    return body, sha256(dumps(body).encode()).hexdigest()


def _whole(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    declared = entry.get("paramSchema")
    if declared is None:
        declared = {}
    if isinstance(declared, dict):
        declared = {"additionalProperties": False, "properties": {}, **declared}
    return {**DEFAULTS, **entry, "paramSchema": declared}


def _check(where: str, entry: dict[str, Any]) -> None:
    known = {"id", "action", "paramSchema", *DEFAULTS}
    for name in entry:
        if name not in known:
            raise Unsuitable(f"{where}: there is no member {name!r}; there are {', '.join(sorted(known))}")
    if not entry["action"].isascii() or not entry["action"].isprintable():
        raise Unsuitable(f"{where}.action: a name is 1 to 32 printable ASCII characters")
    for name, rule in entry["paramSchema"]["properties"].items():
        place = f"{where}.paramSchema.properties.{name}"
        if name == TARGET and not _names_parts(rule):
            raise Unsuitable(f"{place}: {TARGET} names the parts: a string with an enum of their names")
        _check_rule(place, rule)


def _names_parts(rule: dict[str, Any]) -> bool:
    return rule["type"] == "string" and all(isinstance(one, str) for one in rule.get("enum", [None]))


def _check_rule(where: str, rule: dict[str, Any]) -> None:
    if "pattern" in rule:
        # The gate leaves patterns alone: to match somebody's could take for ever.
        raise Unsuitable(f"{where}.pattern: cannot be checked here; use enum, minLength, maxLength")
    for low, high in _BOUNDS:
        if low in rule and high in rule and rule[low] > rule[high]:
            raise Unsuitable(f"{where}: {low} is above {high}, so nothing fits")
    if "items" in rule:
        _check_rule(f"{where}.items", rule["items"])
