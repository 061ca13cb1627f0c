"""What a dashboard is told of something that happened, as text: made once, however many are told it.

On the event loop only. Must never hold anything of one connection: the text goes to all of the tenant's.
"""

import json
from typing import Any

from host_sim.cloud.live.outbox import Out


def text_of(item: Out) -> str:
    """The message of an item that no signature covers. Raises ValueError or TypeError where it has none."""
    if not item.text:
        item.text = "pong" if item.kind == "pong" else json.dumps(_members(item), separators=(",", ":"))
    return item.text


def _members(item: Out) -> dict[str, Any]:
    if item.kind == "state":
        return {
            "type": "state_update",
            "device_id": item.device_id,
            "state": item.body,
            "timestamp": item.at,
        }
    if item.kind == "presence":
        return {
            "type": "presence_update",
            "device_id": item.device_id,
            **item.body,
            "timestamp": item.at,
        }
    if item.kind == "telemetry":
        return {
            "type": "telemetry_update",
            "device_id": item.device_id,
            "data": item.body,
            "timestamp": item.at,
        }
    if item.kind == "pong json":
        return {"type": "pong", **item.body}
    body = {
        "command_id": item.body["id"],
        "action": item.body["action"],
        "status": item.body["state"],
        "error": item.body["error"],
        "result": item.body["result"],
    }
    return {"type": "command_update", "device_id": item.device_id, **body, "timestamp": item.at}
