"""How many commands a second go the whole way: REST, gate, database, MQTT, device, ack, database, WebSocket.

Cloud, devices, load and database are processes of their own on this machine, over TLS: what they cost each
other is in the figures. A command counts when the WebSocket has told that its device executed it.
"""

import contextlib
import statistics
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


def _command(number: int) -> dict:
    return {"action": "light_brightness", "params": {"brightness": number % 100}}


def _run(one: Stage, requests: Requests, connections: int) -> dict[str, float]:
    """A second's commands, ms of the way's parts, and ms of processor time for a command by program."""
    one.ask_fleet({})
    before = one.spent()
    told = one.load(requests, connections)
    after = one.spent()
    seen = one.ask_fleet({})["commands"]
    ways = [(*times, *seen[name]) for name, times in told["commands"].items()]
    count = len(ways)
    found = {"rate": count / told["seconds"], "load cpu": 1000 * told["cpu"] / count}
    for name, spent in after.items():
        found[f"{name} cpu"] = 1000 * (spent - before[name]) / count
    whole = sorted(1000 * (told_at - asked) for asked, _, told_at, _, _ in ways)
    for percent in (50, 95, 99):
        found[f"p{percent}"] = whole[min(count - 1, count * percent // 100)]
    # Means, because they add up.
    found["accepted"] = 1000 * statistics.fmean(accepted - asked for asked, accepted, *_ in ways)
    found["to device"] = 1000 * statistics.fmean(received - asked for asked, _, _, received, _ in ways)
    found["in device"] = 1000 * statistics.fmean(answered - received for *_, received, answered in ways)
    found["to dashboard"] = 1000 * statistics.fmean(told_at - answered for _, _, told_at, _, answered in ways)
    return found


def _row(name: str, one: Stage, requests: Requests, connections: int) -> Row:
    runs = [_run(one, requests, connections) for _ in range(RUNS + 1)][1:]  # the first one warms up
    of = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    whole = of["to device"] + of["in device"] + of["to dashboard"]
    parts = ", ".join(
        f"{text} {of[key] / whole:.0%}"
        for key, text in (
            ("to device", "REST to device"),
            ("in device", "device"),
            ("to dashboard", "ack to WebSocket"),
        )
    )
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
