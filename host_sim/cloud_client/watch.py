"""`client watch`: what the devices of a tenant tell, a line each, from the cloud's WebSocket.

Must never show what a device said with control characters in it, nor put the token into an address.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from host_sim.cloud_client.api import CloudError, Session, Unreachable
from host_sim.cloud_client.client import Client
from host_sim.cloud_client.live import Ended, opened
from host_sim.cloud_client.words import body
from host_sim.commandline import complain
from host_sim.params import plain

SHORTEST_S, LONGEST_S = 1.0, 30.0  # before it connects again
EVENTS = ("state", "command", "telemetry")
LATE_MS = 5000  # after which it is told when a sample was measured: it had waited for the network
LAST_MS = 253402300799999  # the end of the year 9999
FIRST_STATES = 20  # devices of which the state is shown at the beginning


def watch(client: Client, only: dict[str, Any] | None = None) -> None:
    """Print until somebody presses Ctrl-C. Where the connection ends it is made anew, with longer and longer
    pauses. Raises CloudError where there never was one, or where the cloud says that it would be in vain.
    """
    asyncio.run(follow(client, only))


async def follow(
    client: Client, only: dict[str, Any] | None, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """`watch`; `pause` waits for so many seconds."""
    devices = {one["id"]: one for one in ([only] if only is not None else client.devices())}
    wait_s = 0.0  # before there was a connection
    while True:
        try:
            async with opened(client.session, events=EVENTS) as live:
                # After connecting, so that no change falls between.
                _first(client.session, [one for one in devices.values() if "name" in one])
                wait_s = SHORTEST_S
                while True:
                    _show(await live.hear(), devices, only, client.session)
        except (Ended, Unreachable) as end:
            if not wait_s:
                raise
            complain("client", f"{end}; connecting again in {wait_s:g} s")
        await pause(wait_s)
        wait_s = min(2 * wait_s, LONGEST_S)


def _first(session: Session, devices: list[dict[str, Any]]) -> None:
    for one in devices[:FIRST_STATES]:
        _line(one, body(session.get(f"/devices/{one['id']}/state").get("state")))


def _show(
    event: dict[str, Any], devices: dict[str, dict[str, Any]], only: dict[str, Any] | None, session: Session
) -> None:
    device_id = str(event.get("device_id"))
    if only is not None and device_id != only["id"]:
        return
    if device_id not in devices:
        devices[device_id] = _newcomer(session, device_id)
    one = devices[device_id]
    if event.get("type") == "state_update":
        _line(one, body(event.get("state")))
    elif event.get("type") == "telemetry_update":
        _line(one, _sample(event.get("data"), event.get("timestamp")))
    elif event.get("type") == "command_update":
        _line(one, " ".join(str(event[name]) for name in ("action", "status", "error") if event.get(name)))


def _newcomer(session: Session, device_id: str) -> dict[str, Any]:
    """A device that was registered since; without its name where the cloud does not tell it. Asked once."""
    with contextlib.suppress(CloudError):
        return {"name": session.get(f"/devices/{quote(device_id, safe='')}").get("name"), "id": device_id}
    return {"id": device_id}


def _sample(data: Any, told_at: Any) -> str:
    at = data.get("sampled_at") if isinstance(data, dict) else None
    if not isinstance(at, int) or not isinstance(told_at, int):
        return f"telemetry {body(data)}"
    values = body({name: value for name, value in data.items() if name != "sampled_at"})
    if not 0 < at < min(told_at, LAST_MS) - LATE_MS:
        return f"telemetry {values}"
    return f"telemetry {values}, measured {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at / 1000))}"


def _line(one: dict[str, Any], told: str) -> None:
    name = one.get("name") or one["id"][:12]
    print(plain(f"{time.strftime('%H:%M:%S')}  {name}  {told}"), flush=True)
