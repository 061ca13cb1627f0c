"""A fault plan as a JSON document, and its trace as JSON lines.

It must never take what it does not know in silence: a misspelt member would be a fault that never happens.
"""

import json
from collections.abc import Callable
from typing import Any

from host_sim.broker.faults import ACTIONS, FaultPlan, Injected, Outage

HELP = """\
A fault plan is a JSON object; every member may be left out:
  {"seed": 7,                      the same seed, script and traffic give the same faults
   "rates": {"drop": 0.01},        probability for each message that no script entry meets
   "directions": ["up"],           what the rates apply to: up, down (default both),
   "topic": "hxtp/#",              and which topics (default all)
   "max_delay_ms": 2000,           the longest delay drawn
   "script": [{"action": "drop", "direction": "up", "topic": "hxtp/+/device/+/cmd_ack",
               "client": "…", "skip": 2, "count": 1, "amount": 0}],
   "outages": [{"at_ms": 5000, "for_ms": 2000, "silent": false}]}
The script goes first; its first entry that matches and has nothing left to skip wins. Outages are counted
from the start. Actions:
""" + "\n".join(f"  {action:<17} {about}" for action, about in ACTIONS.items())

_PLAN = {
    "seed": int,
    "rates": dict,
    "directions": list,
    "topic": str,
    "max_delay_ms": int,
    "script": list,
    "outages": list,
}
_ORDER = {
    "action": str,
    "direction": str,
    "topic": str,
    "client": str,
    "skip": int,
    "count": int,
    "amount": int,
}
_OUTAGE = {"at_ms": int, "for_ms": int, "silent": bool}


def plan_from(document: Any, on_fault: Callable[[Injected], None] | None = None) -> FaultPlan:
    """The plan that a parsed document describes. ValueError, with a sentence, for one that is none."""
    options = _checked(document, _PLAN, "a fault plan", ())
    script = [
        _checked(order, _ORDER, f"entry {number} of the script", ("action",))
        for number, order in enumerate(options.pop("script", []), 1)
    ]
    outages = [
        Outage(**_checked(outage, _OUTAGE, f"outage {number}", ("at_ms", "for_ms")))
        for number, outage in enumerate(options.pop("outages", []), 1)
    ]
    rates = options.get("rates", {})
    if not all(isinstance(rate, int | float) and not isinstance(rate, bool) for rate in rates.values()):
        raise ValueError("a rate is a number")
    if not all(isinstance(direction, str) for direction in options.get("directions", [])):
        raise ValueError("a direction is a string")
    if "directions" in options:
        options["directions"] = tuple(options["directions"])
    plan = FaultPlan(**options, outages=outages, on_fault=on_fault)
    for order in script:
        plan.inject(order.pop("action"), **order)
    return plan


def line_of(injected: Injected) -> str:
    """One line of the trace as a JSON object, without the line's end."""
    return json.dumps(injected._asdict(), ensure_ascii=False)


def _checked(document: Any, members: dict[str, type], what: str, needed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError(f"{what} is a JSON object")
    for name, value in document.items():
        if name not in members:
            raise ValueError(f"{what} has no member {name!r}: {', '.join(members)}")
        # true is an int in Python, and 1 is no bool in JSON
        if not isinstance(value, members[name]) or isinstance(value, bool) is not (members[name] is bool):
            raise ValueError(f"{name!r} of {what} has to be of another type: {members[name].__name__}")
    for name in needed:
        if name not in document:
            raise ValueError(f"{what} needs {name!r}")
    return dict(document)
