"""Devices: registering, listing, moving, their keys, revoking. Both spellings of each path are
served (`/device`, `/devices`).
"""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AliasChoices, BaseModel, Field

from host_sim.cloud import logs
from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices, keys
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.errors import conflict, errors, not_found
from host_sim.cloud.routes.forms import AWAY, DeviceId, Id, Name
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, page_of, parted
from host_sim.cloud.services import Services
from host_sim.cloud.times import iso

router = APIRouter(tags=["devices"])

HINT = (
    "give the device this secret by hand: in its configuration, or by its portal with the button held. Until "
    "its first message under the new one both hold; from then on the new one signs, and the old one verifies "
    "for 24 h."
)


class DeviceRegistration(Body):
    """A device to be made. `type` is what one client sends for `device_type`."""

    device_type: str = Field(
        min_length=1,
        max_length=64,
        pattern=r"^[\x20-\x7e]+$",
        validation_alias=AliasChoices("device_type", "type"),
        examples=["esp32"],
    )
    home_id: Id | None = None
    room_id: Id | None = None


class DeviceRegistered(BaseModel):
    """A new device. `device_secret`: 64 hex digits, in this answer and nowhere else."""

    status: Literal["registered"]
    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    tenant_id: str = Field(examples=["0474c27c-dc19-4960-b63c-7bebbfe115ad"])
    api_base_url: str = Field(examples=["https://127.0.0.1:8443/api/v1"])
    device_secret: str = Field(examples=["ab" * 32])
    initial_sequence: int = Field(examples=[0])
    home_id: str | None
    room_id: str | None


class Notice(BaseModel):
    """Something about a device that somebody should know. `code` is for programs."""

    code: Literal["NEVER_SAID_HELLO"]
    message: str = Field(examples=["it sends messages, and has never said hello: nothing is sent to it"])


class Device(BaseModel):
    """A device. `online`: it gave a sign of life within four heartbeats. `session`: its hello was accepted.
    `notices`: what an admin should look after.
    """

    id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    device_type: str = Field(examples=["esp32"])
    name: str | None = Field(examples=["Reading lamp"])
    home_id: str | None
    room_id: str | None
    firmware: str = Field(examples=["0.0.0"])
    last_seen: str | None = Field(examples=["2026-01-01T00:00:00.000Z"])
    revoked: bool = Field(examples=[False])
    online: bool
    away: bool = Field(examples=[False], description=AWAY)
    session: bool
    notices: list[Notice] = Field(examples=[[]])


class Devices(Paged):
    """A page of devices, the oldest first."""

    devices: list[Device]
    next_cursor: str | None = cursor_of("devices")


class Revoked(BaseModel):
    """The device was ended."""

    status: Literal["revoked"]
    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])


class DeviceChanges(Body):
    """What is left out stays; null takes it away. A room says which home it is in."""

    name: Name | None = Field(None, examples=["Reading lamp"])
    home_id: Id | None = None
    room_id: Id | None = None


class Rotation(Body):
    """How a new secret is made. `again`: show the secret once more that waits to be used."""

    again: bool = False


class Rotated(BaseModel):
    """The device's next secret. `new_secret`: 64 hex digits. It signs from the device's first message
    with it.
    """

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    new_secret: str = Field(examples=["ab" * 32])
    key_version: int = Field(examples=[2])
    slot: Literal["next"]
    hint: str = Field(examples=[HINT])


class DeviceKey(BaseModel):
    """A key of a device, without the secret. `slot`: active signs, next waits for the device, previous still
    verifies, retired is erased.
    """

    key_version: int = Field(examples=[2])
    slot: Literal["active", "next", "previous", "retired"]
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    promoted_at: str | None = Field(examples=["2026-01-01T00:05:00.000Z"])
    expires_at: str | None = Field(examples=[None])


class KeyHistory(BaseModel):
    """The device's keys, the newest first, without their secrets."""

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    keys: list[DeviceKey]
    count: int = Field(examples=[1])


@router.post("/device/register", status_code=201, responses=errors(thing="home"))
@router.post("/devices/register", status_code=201, include_in_schema=False)
def register(
    request: Request, body: DeviceRegistration, caller: Caller = scoped("admin", "write:devices")
) -> DeviceRegistered:
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
    return DeviceRegistered(
        status="registered",
        device_id=issued.device_id,
        tenant_id=issued.tenant_id,
        api_base_url=services.settings.base_url(),
        device_secret=issued.secret.hex(),
        initial_sequence=0,
        home_id=row.home_id,
        room_id=row.room_id,
    )


@router.get("/devices", responses=LINKED, response_model_exclude_unset=True)
def list_devices(
    request: Request,
    response: Response,
    page: Page = page_of("devices"),
    caller: Caller = scoped("viewer", "read:devices"),
) -> Devices:
    """All devices of the tenant, the oldest first."""
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        rows, more = parted(devices.every(connection, caller.tenant_id, page), page, response)
    shown = [_shown(row, services) for row in rows]
    return Devices(devices=shown, count=len(shown), **more)


@router.get("/devices/{device_id}")
@router.get("/device/{device_id}", include_in_schema=False)
def get_device(
    device_id: DeviceId, request: Request, caller: Caller = scoped("viewer", "read:devices")
) -> Device:
    """One device."""
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        row = devices.find(connection, caller.tenant_id, device_id)
    if row is None:
        raise not_found("device")
    return _shown(row, services)


@router.patch("/devices/{device_id}")
@router.patch("/device/{device_id}", include_in_schema=False)
def change_device(
    device_id: DeviceId,
    request: Request,
    body: DeviceChanges,
    caller: Caller = scoped("admin", "write:devices"),
) -> Device:
    """Give a device another name or place."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            if devices.find(connection, caller.tenant_id, device_id) is None:
                raise not_found("device")
            devices.change(connection, caller.tenant_id, device_id, body.model_dump(exclude_unset=True))
            row = devices.find(connection, caller.tenant_id, device_id)
    except LookupError as missing:
        raise not_found(str(missing.args[0]).removesuffix("_id")) from None
    return _shown(row, services)


@router.post("/device/{device_id}/rotate-secret", responses=errors("DEVICE_REVOKED", "ROTATION_PENDING"))
@router.post("/devices/{device_id}/rotate-secret", include_in_schema=False)
def rotate_secret(
    device_id: DeviceId,
    request: Request,
    body: Rotation | None = None,
    caller: Caller = scoped("admin", "write:devices"),
) -> Rotated:
    """Make the device's next secret. Nothing ends by this: the device proves that it has it by using it.

    Another one is not made before that, since the device may have this one already and nothing else.
    """
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            if devices.find(connection, caller.tenant_id, device_id) is None:
                raise not_found("device")
            issued = keys.rotate(
                connection,
                services.vault,
                caller.tenant_id,
                device_id,
                services.now(),
                body is not None and body.again,
            )
    except keys.Revoked:
        raise conflict("DEVICE_REVOKED", "Device is revoked", "register it anew") from None
    except keys.Pending:
        raise conflict(
            "ROTATION_PENDING",
            "a new secret was made already and the device has not used it yet",
            'give it to the device; if it was lost, {"again": true} shows it once more',
        ) from None
    logs.audit(
        "secret_rotated",
        actor=caller.actor,
        tenant=caller.tenant_id,
        id=device_id,
        version=issued.key_version,
    )
    return Rotated(
        device_id=device_id,
        new_secret=issued.secret.hex(),
        key_version=issued.key_version,
        slot="next",
        hint=HINT,
    )


@router.get("/device/{device_id}/key-history")
@router.get("/devices/{device_id}/key-history", include_in_schema=False)
def key_history(
    device_id: DeviceId, request: Request, caller: Caller = scoped("admin", "read:devices")
) -> KeyHistory:
    """The device's keys, the newest first; never a secret."""
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, device_id) is None:
            raise not_found("device")
        rows = keys.history(connection, caller.tenant_id, device_id)
    now = services.now()
    shown = [
        DeviceKey(
            key_version=row.key_version,
            # Its secret is erased when the device is looked at next.
            slot="retired" if row.slot == "previous" and row.expires_at <= now else row.slot,
            created_at=iso(row.created_at) or "",
            promoted_at=iso(row.promoted_at),
            expires_at=iso(row.expires_at),
        )
        for row in rows
    ]
    return KeyHistory(device_id=device_id, keys=shown, count=len(shown))


@router.post("/device/{device_id}/revoke")
@router.post("/devices/{device_id}/revoke", include_in_schema=False)
def revoke(
    device_id: DeviceId, request: Request, caller: Caller = scoped("admin", "write:devices")
) -> Revoked:
    """End a device: nothing of it counts from now on. Its history stays.

    The embedded broker throws it off; another one refuses its next login.
    """
    services = services_of(request)
    with services.database.writing(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, device_id) is None:
            raise not_found("device")
        ended = devices.revoke(connection, caller.tenant_id, device_id, services.now())
    services.exchange.tell(ended)
    services.expel(device_id)
    logs.audit("device_revoked", actor=caller.actor, tenant=caller.tenant_id, id=device_id)
    return Revoked(status="revoked", device_id=device_id)


def _shown(row: Any, services: Services) -> Device:
    record = row.record or {}
    return Device(
        id=row.id,
        device_type=row.device_type,
        name=row.name,
        home_id=row.home_id,
        room_id=row.room_id,
        firmware=row.firmware_version,
        last_seen=iso(row.last_seen),
        revoked=row.revoked_at is not None,
        online=devices.online(row, services.now(), services.settings.heartbeat_s),
        away=devices.away(row),
        session=bool(record.get("session")) and row.revoked_at is None,
        notices=_notices(row, record),
    )


def _notices(row: Any, record: Mapping[str, Any]) -> list[Notice]:
    # What it sent was authentic, or nobody would have seen it (HX3-SDK-07).
    if row.revoked_at is None and row.last_seen is not None and not record.get("hello"):
        text = (
            "it sends messages, and has never said a hello that could be answered: its firmware is older "
            "than that, its inbound numbers last no longer than its power, and nothing is sent to it"
        )
        return [Notice(code="NEVER_SAID_HELLO", message=text)]
    return []
