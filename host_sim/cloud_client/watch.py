"""`client watch`: what the devices of a tenant tell, a line each, from the cloud's WebSocket.

Must never show what a device said with control characters in it, nor put the token into an address.
"""

import asyncio
import json
import time
from typing import Any

from host_sim.cloud_client.api import CloudError, Session, Unreachable
from host_sim.cloud_client.client import Client
from host_sim.cloud_client.words import body
from host_sim.params import plain

MAX_MESSAGE = 65536  # bytes
OPEN_S = 15
QUIET_S = 600  # then a ping, or the cloud ends the connection after an hour
FIRST_STATES = 20  # devices of which the state is shown at the beginning


def watch(client: Client, only: dict[str, Any] | None = None) -> None:
    """Print until the connection ends, which raises CloudError, or somebody presses Ctrl-C."""
    try:
        from websockets.exceptions import ConnectionClosed, InvalidHandshake
    except ImportError:
        raise CloudError("this needs the package websockets: make setup") from None
    try:
        asyncio.run(_watch(client, only))
    except ConnectionClosed as closed:
        reason = closed.rcvd.reason if closed.rcvd is not None else "the connection broke"
        raise CloudError(f"the cloud ended it: {reason or closed}") from None
    except InvalidHandshake:
        raise CloudError("the cloud does not open its WebSocket: check --cloud and the token") from None
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"the cloud's WebSocket cannot be reached: {error}") from None


async def _watch(client: Client, only: dict[str, Any] | None) -> None:
    # In one thread: Python's TLS does not stand one that reads beside one that writes.
    from websockets.asyncio.client import connect

    devices = {one["id"]: one for one in ([only] if only is not None else client.devices())}
    session = client.session
    async with connect(
        f"ws{session.api.base.removeprefix('http')}/ws/state?events=state,command",
        ssl=session.api.context if session.api.base.startswith("https://") else None,
        additional_headers={"Authorization": session.authorization},
        open_timeout=OPEN_S,
        max_size=MAX_MESSAGE,
        proxy=None,
    ) as socket:
        # After connecting, so that no change falls between.
        _first(session, list(devices.values()))
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    text = await socket.recv()
            except TimeoutError:
                await socket.send("ping")
                continue
            _show(text, devices, only)


def _first(session: Session, devices: list[dict[str, Any]]) -> None:
    for one in devices[:FIRST_STATES]:
        _line(one, body(session.get(f"/devices/{one['id']}/state").get("state")))


def _show(text: str | bytes, devices: dict[str, dict[str, Any]], only: dict[str, Any] | None) -> None:
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return  # pong
    if not isinstance(event, dict):
        return
    device_id = str(event.get("device_id"))
    one = devices.get(device_id, {"id": device_id})
    if only is not None and device_id != only["id"]:
        return
    if event.get("type") == "state_update":
        _line(one, body(event.get("state")))
    elif event.get("type") == "command_update":
        _line(one, " ".join(str(event[name]) for name in ("action", "status", "error") if event.get(name)))


def _line(one: dict[str, Any], told: str) -> None:
    name = one.get("name") or one["id"][:12]
    print(plain(f"{time.strftime('%H:%M:%S')}  {name}  {told}"), flush=True)
