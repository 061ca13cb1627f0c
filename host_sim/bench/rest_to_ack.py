"""How many commands a second go the whole way: REST, gate, database, MQTT, device, ack, database, WebSocket.

Cloud, devices, load and database are processes of their own on this machine, over TLS: what they cost each
other is in the figures. A command counts when the WebSocket has told that its device executed it.
"""

import contextlib
import statistics
import time
from datetime import datetime
from pathlib import Path

from host_sim.bench.cloud_stage import Stage, postgres, stage
from host_sim.bench.rows import Missing, Row

DEVICES = 64
SINGLE = 2500  # commands in a run
TOGETHER = 96  # requests in a run, of a command for each device
CONNECTIONS = 48
FEW = 6  # connections that command many devices with each request
RUNS = 3
API = "/api/v1"
Requests = list[tuple[str, dict]]
# A command's way, by what ends each part of it; the database's work lies in the second and the last.
PARTS = (
    "REST",  # the turn begins that stores it
    "MQTT",  # the device has it
    "device",  # its ack leaves
    "ack",  # the turn begins that stores that
    "WebSocket",  # the dashboard knows
)


def _command(number: int) -> dict:
    return {"action": "light_brightness", "params": {"brightness": number % 100}}


def _run(one: Stage, requests: Requests, connections: int) -> dict[str, float]:
    """A second's commands, ms of the way's parts, and ms of processor time for a command by program."""
    one.ask_fleet({})
    before = one.spent()
    told = one.load(requests, connections)
    after = one.spent()
    seen = one.ask_fleet({})["commands"]
    turns = _turns(one, set(told["commands"]))
    # Of each command: asked, its turn, received, answered, the ack's turn, told.
    ways = []
    for name, (asked, _, shown) in told["commands"].items():
        ways.append((asked, turns[name][0], *seen[name], turns[name][1], shown))
    count = len(ways)
    found = {"rate": count / told["seconds"], "load cpu": 1000 * told["cpu"] / count}
    for name, spent in after.items():
        found[f"{name} cpu"] = 1000 * (spent - before[name]) / count
    whole = sorted(1000 * (way[-1] - way[0]) for way in ways)
    for percent in (50, 95, 99):
        found[f"p{percent}"] = whole[min(count - 1, count * percent // 100)]
    accepted = (times[1] - times[0] for times in told["commands"].values())
    found["accepted"] = 1000 * statistics.fmean(accepted)
    # Means, because they add up.
    for part, name in enumerate(PARTS):
        found[name] = 1000 * statistics.fmean(way[part + 1] - way[part] for way in ways)
    return found


def _turns(one: Stage, wanted: set[str]) -> dict[str, tuple[float, float]]:
    """When the turns began that stored each command and its ack, in seconds of the monotonic clock."""
    found = {}
    offset = time.time() - time.monotonic() - 0.0005  # the history tells whole milliseconds that have passed
    for device_id, *_ in one.devices:
        for shown in one.get(f"/device/{device_id}/commands?limit=500")["commands"]:
            if shown["id"] in wanted:
                times = (datetime.fromisoformat(shown[name]) for name in ("timestamp", "settled_at"))
                found[shown["id"]] = tuple(moment.timestamp() - offset for moment in times)
    return found


def _row(name: str, one: Stage, requests: Requests, connections: int) -> Row:
    runs = [_run(one, requests, connections) for _ in range(RUNS + 1)][1:]  # the first one warms up
    of = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    whole = sum(of[name] for name in PARTS)
    parts = ", ".join(f"{name} {of[name] / whole:.0%}" for name in PARTS)
    spent = ", ".join(f"{key[:-4]} {of[key]:.2f}" for key in of if key.endswith(" cpu"))
    note = (
        f"{connections} requests at a time, {DEVICES} devices; p50/p95/p99 {of['p50']:.0f}/{of['p95']:.0f}/"
        f"{of['p99']:.0f} ms, accepted after {of['accepted']:.0f} ms on average; shares: {parts}; "
        f"ms of processor time for a command: {spent}"
    )
    return Row(name, of["rate"], "1/s", None, None, RUNS, note)


def _place(one: Stage) -> dict[str, str]:
    home = one.post("/homes", {"home_name": "Bench"})["id"]
    return {"home_id": home, "room_id": one.post(f"/homes/{home}/rooms", {"name": "Bench"})["id"]}


def _measure(suffix: str, settings: dict[str, str], folder: Path | None) -> list[Row]:
    with stage(DEVICES, settings, folder, _place) as one:
        ids = [device[0] for device in one.devices]
        room = f"{API}/rooms/{one.place['room_id']}/command"
        single = [
            (f"{API}/device/{ids[number % DEVICES]}/command", _command(number)) for number in range(SINGLE)
        ]
        many = [_command(number) for number in range(TOGETHER)]
        return [
            _row(f"rest_to_ack{suffix}", one, single, CONNECTIONS),
            _row(
                f"rest_to_ack_batch{suffix}",
                one,
                [(f"{API}/devices/command", {**body, "device_ids": ids}) for body in many],
                FEW,
            ),
            _row(
                f"rest_to_ack_room{suffix}",
                one,
                [(room, {**body, "capability": "light"}) for body in many],
                FEW,
            ),
        ]


def measure() -> list[Row]:
    """Raises Missing where nothing tells what a process spends. Without PostgreSQL its rows lack."""
    rows = _measure("", {}, None)
    with contextlib.suppress(Missing), postgres() as (settings, folder):
        rows += _measure("_postgresql", settings, folder)
    return rows
