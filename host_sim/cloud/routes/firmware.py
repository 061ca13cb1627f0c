"""Firmware: making releases, downloading them. `firmware_check` asks for a newer one."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection

from host_sim.cloud import logs
from host_sim.cloud.access import address_of, failed, needs, scoped, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import releases
from host_sim.cloud.catalogue.releases import Image, Refused
from host_sim.cloud.description.examples import DIGEST, RELEASE, shown
from host_sim.cloud.errors import ApiError, bad_request, conflict, errors, not_found
from host_sim.cloud.images import Images, TooLarge
from host_sim.cloud.routes.firmware_forms import (
    SEMVER,
    Deleted,
    DeviceType,
    FirmwareId,
    Form,
    Made,
    Release,
    Releases,
    Wanted,
)
from host_sim.cloud.security.tokens import ISSUER, TokenError
from host_sim.cloud.services import Services
from host_sim.cloud.storage.database import Unsure
from host_sim.cloud.times import iso

router = APIRouter(tags=["firmware"])

MAX_IMAGE = 16 * 1024 * 1024 - 64 * 1024  # bytes: an upload, less its other fields
TICKETS = f"{ISSUER}/firmware"  # audience of what opens one download
TICKET_S = 3600
STORED = f"https://127.0.0.1:8443/api/v1/firmware/{RELEASE}/download"
DRAFT = {"state": releases.DRAFT, "number": None, "released_at": None}
_REFUSED = errors("LIMIT_REACHED", "RELEASE_EXISTS")


@router.post("/firmware/release", status_code=201, responses={**shown(201, **DRAFT), **_REFUSED})
def create(request: Request, body: Wanted, caller: Caller = scoped("admin", "write:firmware")) -> Made:
    """Create release. It is a draft until it is released."""
    image = Image(
        body.device_type, body.version, body.size, body.checksum, body.url, body.notes, body.signature
    )
    return _add(services_of(request), caller, releases.new_id(), image, "created")


def _add(services: Services, caller: Caller, release_id: str, image: Image, done: str) -> Made:
    try:
        with services.database.writing(caller.tenant_id) as connection:
            releases.add(connection, caller.tenant_id, release_id, image, services.now())
            row = releases.find(connection, caller.tenant_id, release_id)
    except Refused as refusal:
        raise _conflict(refusal) from None
    return _made(services, row, done)


_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["file", "device_type", "version"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "contentMediaType": "application/octet-stream",
                            "minLength": 1,
                        },
                        "device_type": {
                            "type": "string",
                            "minLength": 1,
                            "maxLength": 64,
                            "pattern": r"^[\x20-\x7e]+$",
                            "examples": ["esp32"],
                        },
                        "version": {
                            "type": "string",
                            "maxLength": 64,
                            "pattern": SEMVER,
                            "examples": ["1.2.0"],
                        },
                        "notes": {"type": "string", "maxLength": 2048, "examples": ["Faster."]},
                        "signature": {
                            "type": "string",
                            "maxLength": 1024,
                            "pattern": r"^[A-Za-z0-9+/=_-]*$",
                            "examples": ["c2lnbmF0dXJl"],
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "/firmware/upload",
    status_code=201,
    responses={**shown(201, **DRAFT, status="uploaded", stored=True, url=STORED), **_REFUSED},
    openapi_extra=_UPLOAD,
)
async def upload(request: Request, caller: Caller = scoped("admin", "write:firmware")) -> Made:
    """Upload an image. It becomes a draft release that the cloud serves itself; at most 16 MB.

    The file's own name is not used for anything.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise bad_request("the body is no form with a file", "send multipart/form-data with `file`")
    async with request.form(max_files=1, max_fields=8, max_part_size=8192) as sent:
        file = sent.get("file")
        if not isinstance(file, UploadFile):
            raise bad_request("body.file: Field required", "send the image as the form's `file`")
        try:
            form = Form.model_validate({name: value for name, value in sent.items() if name != "file"})
        except ValidationError as error:
            found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
            raise RequestValidationError(found) from None
        return await run_in_threadpool(_store, services_of(request), caller, form, file)


def _store(services: Services, caller: Caller, form: Form, file: UploadFile) -> Made:
    images, release_id = images_of(services), releases.new_id()
    try:
        stored = images.store(release_id, file.file)
    except TooLarge:
        raise ApiError(
            413, "PAYLOAD_TOO_LARGE", f"an image has {MAX_IMAGE} bytes at most", "send less"
        ) from None
    try:
        if not stored.size:
            raise bad_request("body.file: the image is empty", "send the image as the form's `file`")
        image = Image(
            form.device_type,
            form.version,
            stored.size,
            stored.sha256,
            notes=form.notes,
            signature=form.signature,
        )
        return _add(services, caller, release_id, image, "uploaded")
    except Unsure:  # there may be a release of it
        raise
    except BaseException:
        images.drop(release_id)
        raise


@router.get("/firmware")
def list_releases(
    request: Request,
    device_type: Annotated[DeviceType | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=releases.MOST)] = 50,
    caller: Caller = scoped("viewer", "read:firmware"),
) -> Releases:
    """List releases, the newest first."""
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        rows = releases.every(connection, caller.tenant_id, device_type, limit)
    return Releases(releases=[Release(**_shown(services, row)) for row in rows], count=len(rows))


@router.get("/firmware/{firmware_id}")
def details(
    firmware_id: FirmwareId, request: Request, caller: Caller = scoped("viewer", "read:firmware")
) -> Release:
    """Get firmware details."""
    services = services_of(request)
    return Release(**_shown(services, _row(services, caller.tenant_id, firmware_id)))


@router.post(
    "/firmware/{firmware_id}/release",
    responses={
        **shown(200, status="released"),
        **errors("RELEASE_WITHDRAWN", "VERSION_NOT_NEWER", "RELEASE_CONFLICT"),
    },
)
def release(
    firmware_id: FirmwareId, request: Request, caller: Caller = scoped("admin", "write:firmware")
) -> Made:
    """Release firmware. From now on it is offered; its version must be above those that are."""
    services = services_of(request)
    row = _row(services, caller.tenant_id, firmware_id)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            releases.release(connection, caller.tenant_id, row, services.now())
    except Refused as refusal:
        raise _conflict(refusal) from None
    logs.audit("firmware_released", actor=caller.actor, tenant=caller.tenant_id, id=firmware_id)
    return _made(services, _row(services, caller.tenant_id, firmware_id), "released")


@router.post("/firmware/{firmware_id}/withdraw", responses=shown(200, status="withdrawn", state="withdrawn"))
def withdraw(
    firmware_id: FirmwareId, request: Request, caller: Caller = scoped("admin", "write:firmware")
) -> Made:
    """Withdraw firmware. It is offered no more; what runs it goes on running it."""
    services = services_of(request)
    _row(services, caller.tenant_id, firmware_id)
    with services.database.writing(caller.tenant_id) as connection:
        releases.withdraw(connection, caller.tenant_id, firmware_id)
    logs.audit("firmware_withdrawn", actor=caller.actor, tenant=caller.tenant_id, id=firmware_id)
    return _made(services, _row(services, caller.tenant_id, firmware_id), "withdrawn")


@router.delete("/firmware/{firmware_id}", responses=errors("RELEASE_IN_USE"))
def delete(
    firmware_id: FirmwareId, request: Request, caller: Caller = scoped("admin", "write:firmware")
) -> Deleted:
    """Delete firmware, its image too. Not the one that is offered, nor the last one that had a number, which
    would be given again.
    """
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            row = releases.find(connection, caller.tenant_id, firmware_id)
            if row is None:
                raise not_found("firmware release")
            releases.delete(connection, caller.tenant_id, row)
    except Refused as refusal:
        raise _conflict(refusal) from None
    if row.stored:
        images_of(services).drop(row.id)
    logs.audit("firmware_deleted", actor=caller.actor, tenant=caller.tenant_id, id=firmware_id)
    return Deleted(status="deleted", id=row.id)


_BY_TOKEN = needs("viewer", "read:firmware")


async def _who_may(connection: HTTPConnection) -> str:
    """The tenant whose image may be had: by the ticket of a check, else by a token."""
    ticket = connection.query_params.get("ticket")
    if ticket is None:
        return (await _BY_TOKEN(connection)).tenant_id
    return await run_in_threadpool(_by_ticket, connection, ticket)


def _by_ticket(connection: HTTPConnection, ticket: str) -> str:
    services = services_of(connection)
    look = services.failures.over(address_of(connection)) is None
    try:
        subject = services.tokens.read(ticket, TICKETS, look).user_id
    except TokenError:
        subject = ""
    tenant_id, _, release_id = subject.partition("/")
    if not release_id or release_id != connection.path_params["firmware_id"]:
        error = ApiError(401, "UNAUTHORIZED", "the ticket has expired", "check for firmware again", _BEARER)
        raise failed(connection, error)
    return tenant_id


_BEARER = {"WWW-Authenticate": "Bearer"}
_who_may.wants = _BY_TOKEN.wants  # type: ignore[attr-defined]  # see access.needs


def _text(about: str, example: str) -> dict[str, Any]:
    """A header's description."""
    return {"description": about, "schema": {"type": "string", "examples": [example]}}


_TAG = {"ETag": _text("the image's SHA-256", f'"{DIGEST}"')}
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


@router.get(
    "/firmware/{firmware_id}/download",
    response_class=Response,
    responses={
        200: {"description": "The image.", "content": _BYTES, "headers": _TAG},
        206: {
            "description": "The part of the image that Range names.",
            "content": _BYTES,
            "headers": {**_TAG, "Content-Range": _text("which bytes these are", "bytes 0-65535/1048576")},
        },
        307: {
            "description": "It lies elsewhere.",
            "headers": {"Location": _text("where", "https://example.org/firmware/esp32-1.2.0.bin")},
        },
        **errors("RANGE_NOT_SATISFIABLE"),
    },
)
def download(
    firmware_id: FirmwareId,
    request: Request,
    ticket: Annotated[
        str | None,
        Query(
            max_length=2048,
            description="as the check's URL has it",
            examples=["eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk"],
        ),
    ] = None,
    span: Annotated[
        str | None,
        Header(alias="Range", max_length=64, examples=["bytes=0-65535"], description="one range of bytes"),
    ] = None,
    tenant_id: str = Depends(_who_may),
) -> Response:
    """Download an image, or one range of it. A check's `url` has a ticket for it, good for an hour."""
    services = services_of(request)
    row = _row(services, tenant_id, firmware_id)
    if not row.stored:
        return RedirectResponse(row.url, 307)
    path = images_of(services).path(row.id)
    if not path.is_file():
        raise ApiError(
            404, "NOT_FOUND", "the image is not on this worker", "give all workers the same data folder"
        )
    if span is not None and not _within(span, row.size):
        raise ApiError(
            416,
            "RANGE_NOT_SATISFIABLE",
            f"the image has {row.size} bytes; one range of them can be had",
            "send Range: bytes=FIRST-LAST, or none",
            {"Content-Range": f"bytes */{row.size}"},
        )
    return FileResponse(
        path,
        media_type="application/octet-stream",
        headers={"ETag": f'"{row.sha256}"', "Cache-Control": "private, max-age=86400"},
    )


def _within(span: str, size: int) -> bool:
    found = re.fullmatch(r"bytes=([0-9]{0,12})-([0-9]{0,12})", span)
    if found is None or not (found[1] or found[2]):
        return False
    if not found[1]:
        return int(found[2]) > 0
    return int(found[1]) < size and (not found[2] or int(found[2]) >= int(found[1]))


def images_of(services: Services) -> Images:
    return Images(services.settings.data / "firmware", MAX_IMAGE)


def _download(services: Services, release_id: str) -> str:
    return f"{services.settings.base_url()}/firmware/{release_id}/download"


def url_of(services: Services, tenant_id: str, row: Any) -> str:
    """Where the image of a release can be had, without a token for an hour."""
    if not row.stored:
        return row.url
    ticket = services.tokens.make(f"{tenant_id}/{row.id}", TICKET_S, TICKETS)
    return f"{_download(services, row.id)}?ticket={ticket}"


def _row(services: Services, tenant_id: str, release_id: str) -> Any:
    with services.database.reading(tenant_id) as connection:
        row = releases.find(connection, tenant_id, release_id)
    if row is None:
        raise not_found("firmware release")
    return row


def _shown(services: Services, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "device_type": row.device_type,
        "version": row.version,
        "state": row.state,
        "number": row.number,
        "checksum": row.sha256,
        "size": row.size,
        "stored": row.stored,
        "url": _download(services, row.id) if row.stored else row.url,
        "notes": row.notes,
        "signature": row.signature,
        "created_at": iso(row.created_at),
        "released_at": iso(row.released_at),
    }


def _made(services: Services, row: Any, done: str) -> Made:
    return Made(status=done, **_shown(services, row))


def _conflict(refusal: Refused) -> ApiError:
    return conflict(refusal.code, str(refusal), "GET /firmware lists the releases")
