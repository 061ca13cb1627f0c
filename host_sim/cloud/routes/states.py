"""The state that a device told last, and those before it. Both spellings of each path are served."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices
from host_sim.cloud.errors import not_found
from host_sim.cloud.routes.forms import AWAY, DeviceId
from host_sim.cloud.routes.paging import LINKED, Paged, linked
from host_sim.cloud.settings import MAX_STATES
from host_sim.cloud.times import iso

router = APIRouter(tags=["devices"])


class State(BaseModel):
    """The state that the device told last. `version` rises by one with each state that the device
    told; 0: it told none yet.
    """

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    state: dict[str, Any] = Field(examples=[{"light": True, "brightness": 100}])
    version: int = Field(examples=[7])
    updated_at: str | None = Field(examples=["2026-01-01T00:00:00.000Z"])
    online: bool = Field(description="it gave a sign of life within four heartbeats")
    away: bool = Field(description=AWAY)
    last_seen: str | None = Field(examples=["2026-01-01T00:00:00.000Z"])


class StateThen(BaseModel):
    """A state that the device told."""

    version: int = Field(examples=[7])
    state: dict[str, Any] = Field(examples=[{"light": True, "brightness": 100}])
    updated_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class StateHistory(Paged):
    """A page of the states that the device told, the newest first."""

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    states: list[StateThen]
    next_cursor: str | None = Field(
        None, description="gives the next page as `cursor`; not there on the last", examples=["7"]
    )


@router.get("/devices/{device_id}/state")
@router.get("/device/{device_id}/state", include_in_schema=False)
def get_state(
    device_id: DeviceId, request: Request, caller: Caller = scoped("viewer", "read:devices")
) -> State:
    """The state that the device told last, and whether it is there."""
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        row = devices.find(connection, caller.tenant_id, device_id)
        told = devices.state_of(connection, caller.tenant_id, device_id)
    if row is None:
        raise not_found("device")
    return State(
        device_id=device_id,
        state=told.body if told is not None else {},
        version=told.version if told is not None else 0,
        updated_at=iso(told.updated_at) if told is not None else None,
        online=devices.online(row, services.now(), services.settings.heartbeat_s),
        away=devices.away(row),
        last_seen=iso(row.last_seen),
    )


@router.get("/devices/{device_id}/state/history", responses=LINKED, response_model_exclude_unset=True)
@router.get("/device/{device_id}/state/history", response_model_exclude_unset=True, include_in_schema=False)
def get_state_history(
    device_id: DeviceId,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=MAX_STATES, description="of a page")] = 50,
    cursor: Annotated[
        str | None,
        Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before", examples=["7"]),
    ] = None,
    caller: Caller = scoped("viewer", "read:devices"),
) -> StateHistory:
    """The states that the device told last, the present one first, as many as this cloud keeps.

    A version may be missing: of states that came within the same moment only the last one stays.
    """
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, device_id) is None:
            raise not_found("device")
        before = int(cursor) if cursor is not None else None
        shown, rest = devices.states_of(connection, caller.tenant_id, device_id, limit, before)
    more = {}
    if rest:
        more["next_cursor"] = str(shown[-1].version)
        linked(response, limit, more["next_cursor"])
    states = [
        StateThen(version=row.version, state=row.body, updated_at=iso(row.updated_at) or "") for row in shown
    ]
    return StateHistory(device_id=device_id, states=states, count=len(states), **more)
