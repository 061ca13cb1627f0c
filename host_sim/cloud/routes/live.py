"""The WebSocket's address, at the root as the seed has it and below /api/v1: who may connect."""

import contextlib
import logging

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from host_sim.cloud.access import address_of, admitted, count, limit, presented, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.errors import ApiError
from host_sim.cloud.live import connection, orders
from host_sim.cloud.live.connection import EVENTS, Closing, Connection
from host_sim.cloud.live.hub import Full
from host_sim.cloud.services import Services
from host_sim.cloud.storage.database import FAILURES

log = logging.getLogger(__name__)

router = APIRouter()

OPENED = 300  # a minute and address, before anybody looks whose they are
_CODES = {401: connection.UNAUTHENTICATED, 403: connection.FORBIDDEN, 429: connection.TOO_MANY}


@router.websocket("/ws/state")
async def state(websocket: WebSocket) -> None:
    """What devices tell, as it happens.

    `?token=` or the Authorization header: a token, or an API key with read:devices.
    `?events=state,command,telemetry,presence`: what a dashboard is told, states alone by default.
    """
    # A close code reaches a browser only over a connection that was accepted.
    await websocket.accept()
    try:
        await _serve(websocket, services_of(websocket))
    except Closing as closing:
        # The peer may be gone by now.
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(closing.code, closing.reason[:120])


@router.get("/ws/state", include_in_schema=False)
async def no_socket() -> None:
    """Somebody asked for it as for a page."""
    raise ApiError(
        426,
        "UPGRADE_REQUIRED",
        "this address speaks WebSocket",
        "connect to it as a WebSocket; GET /devices/ID/state tells a device's state without one",
        {"Upgrade": "websocket", "Connection": "Upgrade"},
    )


async def _serve(websocket: WebSocket, services: Services) -> None:
    try:
        if services.limits.waits:
            await run_in_threadpool(_opened, websocket)
        else:
            _opened(websocket)
        caller, credential = await run_in_threadpool(_admitted, websocket)
        served = Connection(websocket, services, caller, credential, _events(websocket))
        with services.live.seat(caller.tenant_id, served):
            await served.run()
    except ApiError as error:
        raise Closing(_CODES.get(error.status, connection.FAILED), error.message) from None
    except Full as full:
        raise Closing(connection.TOO_MANY, str(full)) from None
    except FAILURES as error:
        log.error("a connection could not be served: %s", type(error).__name__)
        raise Closing(connection.FAILED, "the cloud failed; connect again") from None


def _opened(websocket: WebSocket) -> None:
    limit(websocket, f"ws:{address_of(websocket)}", OPENED)


def _admitted(websocket: WebSocket) -> tuple[Caller, str]:
    credential = websocket.query_params.get("token") or presented(websocket)
    caller = admitted(websocket, credential)
    orders.allowed(caller)
    _, refusal = count(services_of(websocket), caller)
    if refusal is not None:
        raise refusal
    return caller, credential


def _events(websocket: WebSocket) -> frozenset[str]:
    wanted = frozenset(websocket.query_params.get("events", "state").split(","))
    if not wanted <= frozenset(EVENTS):
        raise Closing(connection.JUNK, f"events are of {', '.join(EVENTS)}")
    return wanted
