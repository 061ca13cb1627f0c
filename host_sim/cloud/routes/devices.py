"""Devices: registering, listing, revoking. Both spellings of each path are served (`/device`, `/devices`)."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AliasChoices, BaseModel, Field

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices
from host_sim.cloud.errors import not_found
from host_sim.cloud.times import iso

router = APIRouter(tags=["devices"])

Id = Annotated[str, Field(min_length=1, max_length=36)]


class Registration(BaseModel):
    """`type` is what one client sends for `device_type`."""

    device_type: str = Field(
        min_length=1, max_length=64, validation_alias=AliasChoices("device_type", "type"), examples=["esp32"]
    )
    home_id: Id | None = None
    room_id: Id | None = None


@router.post("/device/register", status_code=201)
@router.post("/devices/register", status_code=201, include_in_schema=False)
def register(request: Request, body: Registration, caller: Caller = scoped("admin", "write:devices")) -> dict:
    """Make a device. Its secret is in this answer and nowhere else."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            issued = devices.register(
                connection,
                services.vault,
                caller.tenant_id,
                body.device_type,
                services.now(),
                body.home_id,
                body.room_id,
            )
            row = devices.find(connection, caller.tenant_id, issued.device_id)
    except LookupError as missing:
        raise not_found(str(missing.args[0]).removesuffix("_id")) from None
    return {
        "status": "registered",
        "device_id": issued.device_id,
        "tenant_id": issued.tenant_id,
        "api_base_url": services.settings.base_url(),
        "device_secret": issued.secret.hex(),
        "initial_sequence": 0,
        "home_id": row.home_id,
        "room_id": row.room_id,
    }


@router.get("/devices")
def list_devices(request: Request, caller: Caller = scoped("viewer", "read:devices")) -> dict:
    """All devices of the tenant."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        rows = devices.every(connection, caller.tenant_id)
    return {"devices": [_shown(row) for row in rows], "count": len(rows)}


@router.get("/devices/{device_id}")
def get_device(device_id: Id, request: Request, caller: Caller = scoped("viewer", "read:devices")) -> dict:
    """One device."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        row = devices.find(connection, caller.tenant_id, device_id)
    if row is None:
        raise not_found("device")
    return _shown(row)


@router.post("/device/{device_id}/revoke")
@router.post("/devices/{device_id}/revoke", include_in_schema=False)
def revoke(device_id: Id, request: Request, caller: Caller = scoped("admin", "write:devices")) -> dict:
    """End a device: nothing of it counts from now on. Its history stays."""
    services = services_of(request)
    with services.database.writing(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, device_id) is None:
            raise not_found("device")
        devices.revoke(connection, caller.tenant_id, device_id, services.now())
    return {"status": "revoked", "device_id": device_id}


def _shown(row: Any) -> dict:
    record = row.record or {}
    return {
        "id": row.id,
        "device_type": row.device_type,
        "home_id": row.home_id,
        "room_id": row.room_id,
        "firmware": row.firmware_version,
        "last_seen": iso(row.last_seen),
        "revoked": row.revoked_at is not None,
        "session": bool(record.get("session")) and row.revoked_at is None,
    }
