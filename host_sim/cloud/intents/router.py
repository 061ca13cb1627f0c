"""Turns an intent into commands and sends them through the gate, which refuses here what it always does.

    device.control   {device_id, action, params}
    room.control     {room_id, action, params, capability}     the devices that have the action
    group.control    {group, action, params, capability}
    scene.run        {scene}                                    its steps
    query.state      {device_id} or {device_ids}                sends nothing

Deterministic: the same intent over the same devices is the same commands. Must never reach a device but
through the gate, nor do with a rule's rights what its maker may not do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices, groups, places, scenes
from host_sim.cloud.errors import not_found
from host_sim.cloud.gate.judge import Asked
from host_sim.cloud.services import Services
from host_sim.cloud.times import iso

MODE = "CLOUD_ENHANCED"  # the published API's word for an intent that the cloud routed
SUCCESS, PARTIAL, FAILED = "SUCCESS", "PARTIAL", "FAILED"

Wanted = list[tuple[str, Asked]]  # by device


def run(
    services: Services, caller: Caller, intent: Mapping[str, Any], key: str | None = None
) -> dict[str, Any]:
    """What became of an intent of a known type. `key`: an Idempotency-Key. Raises ApiError for what it names
    and is not there; what the gate refuses stands in the results."""
    kind, payload = intent["type"], intent["payload"]
    if kind == "query.state":
        return _query(services, caller, payload)
    wanted = _COMMANDS[kind](services, caller, payload, key)
    told = services.gate.each(caller, wanted) if wanted else []
    results = [_result(asked.action, one) for (_, asked), one in zip(wanted, told, strict=True)]
    executed = sum(one["status"] == "dispatched" for one in results)
    return _answer(executed, len(results) - executed, results, executed)


def _answer(good: int, bad: int, results: list[dict[str, Any]], executed: int) -> dict[str, Any]:
    status = PARTIAL if good and bad else SUCCESS if good else FAILED
    return {
        "status": status,
        "mode": MODE,
        "commands_executed": executed,
        "commands_rejected": bad,
        "results": results,
    }


def _result(action: str, one: Mapping[str, Any]) -> dict[str, Any]:
    told = {"device_id": one["device_id"], "action": action}
    if one["success"]:
        return {**told, "status": "dispatched", "command_id": one["command_id"]}
    rest = {name: value for name, value in one.items() if name not in ("device_id", "success")}
    return {**told, "status": "rejected", **rest}


def _query(services: Services, caller: Caller, payload: Mapping[str, Any]) -> dict[str, Any]:
    results = []
    with services.database.reading(caller.tenant_id) as connection:
        for device_id in payload["device_ids"]:
            told: dict[str, Any] = {"device_id": device_id, "action": "query.state"}
            row = devices.find(connection, caller.tenant_id, device_id)
            if row is None:
                none = not_found("device")
                words = {"error": none.message, "message": none.message, "hint": none.hint}
                results.append({**told, "status": "rejected", "code": none.code, **words})
                continue
            state = devices.state_of(connection, caller.tenant_id, device_id)
            results.append(
                {
                    **told,
                    "status": "answered",
                    "online": devices.online(row, services.now(), services.settings.heartbeat_s),
                    "away": devices.away(row),
                    "state": None if state is None else state.body,
                    "updated_at": None if state is None else iso(state.updated_at),
                }
            )
    good = sum(one["status"] == "answered" for one in results)
    return _answer(good, len(results) - good, results, 0)


def _asked(payload: Mapping[str, Any], key: str | None) -> Asked:
    return Asked(payload["action"], payload["params"], ttl_s=payload.get("ttl_s"), key=key)


def _device(services: Services, caller: Caller, payload: Mapping[str, Any], key: str | None) -> Wanted:
    return [(payload["device_id"], _asked(payload, key))]


def _room(services: Services, caller: Caller, payload: Mapping[str, Any], key: str | None) -> Wanted:
    with services.database.reading(caller.tenant_id) as connection:
        try:
            rows = places.devices_in(connection, caller.tenant_id, payload["room_id"])
        except LookupError:
            raise not_found("room") from None
    return _able(services, caller, rows, payload, key)


def _group(services: Services, caller: Caller, payload: Mapping[str, Any], key: str | None) -> Wanted:
    with services.database.reading(caller.tenant_id) as connection:
        group = groups.find(connection, caller.tenant_id, payload["group"])
        if group is None:
            raise not_found("group")
        rows = groups.devices_in(connection, caller.tenant_id, group.id)
    return _able(services, caller, rows, payload, key)


def _able(
    services: Services, caller: Caller, rows: Sequence[Any], payload: Mapping[str, Any], key: str | None
) -> Wanted:
    """The devices that have the action; where none has, all of them, so that each says why not."""
    ids = [row.id for row in rows]
    able = services.gate.able(caller, ids, payload["action"])
    return [(name, _asked(payload, key)) for name in able or ids]


def _scene(services: Services, caller: Caller, payload: Mapping[str, Any], key: str | None) -> Wanted:
    with services.database.reading(caller.tenant_id) as connection:
        row = scenes.find(connection, caller.tenant_id, payload["scene"])
    if row is None:
        raise not_found("scene")
    return [
        # A device may come in two steps: to each its own key.
        (step["device_id"], _asked(step, None if key is None else f"{key}/{number}"))
        for number, step in enumerate(row.steps)
    ]


_COMMANDS: Mapping[str, Callable[[Services, Caller, Mapping[str, Any], str | None], Wanted]] = {
    "device.control": _device,
    "room.control": _room,
    "group.control": _group,
    "scene.run": _scene,
}
