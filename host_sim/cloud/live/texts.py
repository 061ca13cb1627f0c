"""What a dashboard is told of something that happened, as text: made once, however many are told it.

On the event loop only. Must never hold anything of one connection: the text goes to all of the tenant's.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from host_sim.cloud.live.outbox import Out


def text_of(item: Out) -> str:
    """The message of an item that no signature covers. Raises ValueError or TypeError where it has none."""
    if not item.text:
        item.text = "pong" if item.kind == "pong" else json.dumps(_members(item), separators=(",", ":"))
    return item.text


def _members(item: Out) -> dict[str, Any]:
    if item.kind == "pong json":
        return {"type": "pong", **item.body}
    told = _TOLD[item.kind](item.body)
    return {"type": f"{item.kind}_update", "device_id": item.device_id, **told, "timestamp": item.at}


def _command(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "command_id": body["id"],
        "action": body["action"],
        "status": body["state"],
        "error": body["error"],
        "result": body["result"],
    }


# What an update tells besides which device, and when, by the kind of what happened.
_TOLD: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "state": lambda body: {"state": body},
    "telemetry": lambda body: {"data": body},
    "presence": lambda body: body,
    "command": _command,
}
