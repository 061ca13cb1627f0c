"""Manifests: what one device can do, and what all of them can, by category."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from host_sim.cloud import logs
from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import capabilities, declarations, devices, manifests
from host_sim.cloud.errors import ApiError, conflict, errors, not_found
from host_sim.cloud.routes.forms import DeviceId
from host_sim.cloud.times import iso

router = APIRouter(tags=["manifest"])

_SCHEMA: dict[str, Any] = {
    "additionalProperties": False,
    "properties": {"brightness": {"type": "integer", "minimum": 0, "maximum": 100}},
}
_ENTRY = {
    "id": 1,
    "action": "light_on",
    "description": "Switch the light on",
    "safetyClass": "normal",
    "paramSchema": _SCHEMA,
    "supportsDryRun": True,
}


class Declared(Body):
    """What a device can do. `capabilities`: as in chapter 8 of the protocol. What is left out of one has its
    default.
    """

    capabilities: Annotated[list[Any], Field(max_length=declarations.MOST, examples=[[_ENTRY]])]


class Replaced(Declared):
    """What a device can do from now on. `expected_version`: only where the manifest still has this version,
    so that nobody's change is lost.
    """

    expected_version: int | None = Field(None, ge=1, le=1 << 53, examples=[1])


class Capability(BaseModel):
    """An action, its parameters, and how careful one has to be with it."""

    id: int = Field(examples=[1])
    action: str = Field(examples=["light_on"])
    description: str = Field(examples=["Switch the light on"])
    safetyClass: Literal["normal", "sensitive", "critical", "restricted"]
    paramSchema: dict[str, Any] = Field(examples=[_SCHEMA])
    supportsDryRun: bool = Field(examples=[True])


class KnownCapability(Capability):
    """An action that is known here. `source`: firmware, or a device of the tenant that has an action which
    the firmware has not.
    """

    category: str = Field(examples=["light"])
    source: Literal["firmware", "device"]


class Registry(BaseModel):
    """All actions that are known here."""

    capabilities: list[KnownCapability]
    count: int = Field(examples=[1])


class Types(BaseModel):
    """Each category, with its actions."""

    categories: dict[str, list[str]] = Field(
        examples=[{"light": ["light_on", "light_off", "light_brightness"]}]
    )


class Manifest(BaseModel):
    """What the device can do. `source`: who said so last, the device or somebody over the API. `version`
    rises with each change.
    """

    deviceId: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    tenantId: str = Field(examples=["0474c27c-dc19-4960-b63c-7bebbfe115ad"])
    version: int = Field(examples=[1])
    capabilities: list[Capability]
    hash: str = Field(description="SHA-256 of the manifest's body", examples=["ab" * 32])
    source: Literal["device", "api"] = Field(examples=["api"])
    registeredAt: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    updatedAt: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class ManifestSet(Manifest):
    """What the device can do from now on."""

    status: Literal["registered", "updated"]


class OfDevice(BaseModel):
    """The actions of the device."""

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    version: int = Field(examples=[1])
    capabilities: list[Capability]
    count: int = Field(examples=[1])


@router.get("/manifest/capabilities")
def all_capabilities(request: Request, caller: Caller = scoped("viewer", "read:manifest")) -> Registry:
    """Global capability registry: what the firmware can do, and what devices of the tenant can besides."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        found = capabilities.every(connection, caller.tenant_id)
    return Registry(capabilities=[KnownCapability(**one) for one in found], count=len(found))


@router.get("/manifest/types")
def types(request: Request, caller: Caller = scoped("viewer", "read:manifest")) -> Types:
    """The actions by category. A category can be the `capability` of a room's or a group's command."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        return Types(categories=capabilities.categories(connection, caller.tenant_id))


@router.get("/devices/{device_id}/manifest", responses=errors("MANIFEST_NOT_FOUND.none"))
@router.get("/device/{device_id}/manifest", include_in_schema=False)
def get_manifest(
    device_id: DeviceId, request: Request, caller: Caller = scoped("viewer", "read:manifest")
) -> Manifest:
    """Get device manifest."""
    return _manifest(_row(request, caller, device_id))


@router.get("/devices/{device_id}/capabilities", responses=errors("MANIFEST_NOT_FOUND.none"))
@router.get("/device/{device_id}/capabilities", include_in_schema=False)
def get_capabilities(
    device_id: DeviceId, request: Request, caller: Caller = scoped("viewer", "read:manifest")
) -> OfDevice:
    """What the device can do: the capabilities of its manifest."""
    row = _row(request, caller, device_id)
    found = [Capability(**one) for one in capabilities.entries(row.body)]
    return OfDevice(device_id=device_id, version=row.version, capabilities=found, count=len(found))


@router.post(
    "/devices/{device_id}/manifest",
    status_code=201,
    responses=errors("MANIFEST_INVALID", "MANIFEST_EXISTS", "DEVICE_REVOKED"),
)
@router.post("/device/{device_id}/manifest", status_code=201, include_in_schema=False)
def register_manifest(
    device_id: DeviceId, request: Request, body: Declared, caller: Caller = scoped("admin", "write:manifest")
) -> ManifestSet:
    """Register initial manifest, for a device that has told none: commands for it can wait then.

    What the device tells itself when it comes replaces it.
    """
    row = _put(request, caller, device_id, body, True)
    if row is None:
        raise conflict("MANIFEST_EXISTS", "this device has a manifest", "PUT replaces it")
    return ManifestSet(status="registered", **_manifest(row).model_dump())


@router.put(
    "/devices/{device_id}/manifest",
    responses=errors(
        "MANIFEST_INVALID", "MANIFEST_NOT_FOUND.none", "MANIFEST_VERSION_CONFLICT", "DEVICE_REVOKED"
    ),
)
@router.put("/device/{device_id}/manifest", include_in_schema=False)
def update_manifest(
    device_id: DeviceId, request: Request, body: Replaced, caller: Caller = scoped("admin", "write:manifest")
) -> ManifestSet:
    """Update manifest: this one, until the device's next hello, which brings its own again."""
    try:
        row = _put(request, caller, device_id, body, False, body.expected_version)
    except manifests.OtherVersion as error:
        raise conflict(
            "MANIFEST_VERSION_CONFLICT",
            f"the manifest has version {error.version} by now",
            "GET it, and put your change into that one",
        ) from None
    if row is None:
        raise _none()
    return ManifestSet(status="updated", **_manifest(row).model_dump())


def _row(request: Request, caller: Caller, device_id: str) -> Any:
    with services_of(request).database.reading(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, device_id) is None:
            raise not_found("device")
        row = manifests.of(connection, caller.tenant_id, device_id)
    if row is None:
        raise _none()
    return row


def _none() -> ApiError:
    return ApiError(
        404,
        "MANIFEST_NOT_FOUND",
        "this device has told no capability manifest yet",
        "let it connect once, or register one: POST /devices/ID/manifest",
    )


def _put(
    request: Request,
    caller: Caller,
    device_id: str,
    body: Declared,
    first: bool,
    expected: int | None = None,
) -> Any:
    services = services_of(request)
    try:
        manifest, hash = declarations.manifest(body.capabilities)
    except declarations.Unsuitable as error:
        raise ApiError(
            400, "MANIFEST_INVALID", str(error), "chapter 8 of the protocol says what a manifest holds"
        ) from None
    with services.database.writing(caller.tenant_id) as connection:
        device = devices.find(connection, caller.tenant_id, device_id)
        if device is None:
            raise not_found("device")
        if device.revoked_at is not None:
            raise conflict("DEVICE_REVOKED", "Device is revoked", "register it anew")
        row = manifests.put(
            connection, caller.tenant_id, device_id, manifest, hash, services.now(), first, expected
        )
    if row is not None:
        logs.audit(
            "manifest_set", actor=caller.actor, tenant=caller.tenant_id, id=device_id, version=row.version
        )
    return row


def _manifest(row: Any) -> Manifest:
    return Manifest(
        deviceId=row.device_id,
        tenantId=row.tenant_id,
        version=row.version,
        capabilities=[Capability(**one) for one in capabilities.entries(row.body)],
        hash=row.hash,
        source=row.source,
        registeredAt=iso(row.registered_at) or "",
        updatedAt=iso(row.updated_at) or "",
    )
