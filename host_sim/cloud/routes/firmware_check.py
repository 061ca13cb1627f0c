"""Whether there is newer firmware: asked by somebody with a token, or by a device that signs the request.

Must never take from a device's request what its signature does not cover.
"""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from host_sim.cloud import signed
from host_sim.cloud.access import needs, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices, releases
from host_sim.cloud.errors import bad_request, errors, not_found
from host_sim.cloud.routes.firmware import url_of
from host_sim.cloud.routes.firmware_forms import Check, Checked, DeviceType, SemVer, Told
from host_sim.cloud.routes.forms import ID, Id
from host_sim.cloud.services import Services

router = APIRouter(tags=["firmware"])

_BY_TOKEN = needs("user", "read:firmware")


async def _who_asks(request: Request, _: None = Depends(signed.headers)) -> Caller | signed.Asker:
    if not signed.is_signed(request):
        return await _BY_TOKEN(request)
    body = await request.body()
    if request.method == "GET" and body:
        # Its hash would be the signed one, and its query what is answered.
        raise bad_request("a GET has no body", "send the query alone, or POST")
    device_id = await _named(request)
    digest = signed.digest(request, body)
    return await run_in_threadpool(signed.asker, request, "firmware-check", device_id, digest)


async def _named(request: Request) -> str | None:
    """The device that signs, or None where none is named."""
    if request.method == "GET":
        found: Any = request.query_params.get("device_id")
    else:
        try:
            told = await request.json()
        except (ValueError, RecursionError):
            told = None
        found = told.get("device_id") if isinstance(told, dict) else None
    return found if isinstance(found, str) and re.fullmatch(ID, found) else None


_who_asks.wants = _BY_TOKEN.wants  # type: ignore[attr-defined]  # see access.needs
Who = Annotated[Caller | signed.Asker, Depends(_who_asks)]
_OPTIONS: dict[str, Any] = {
    "response_model": Checked | Told,
    "responses": errors("SIGNATURE_INVALID", "NONCE_REUSED", "RATE_LIMIT_EXCEEDED.time", thing="device"),
}


@router.post("/firmware/check", **_OPTIONS)
def check(request: Request, body: Check, who: Who) -> Any:
    """Check firmware version. The highest released version above the given one is offered, by SemVer 2.0.

    A device asks without a token: with the headers of bootstrap, signed over the SHA-256 of its body, and
    named by `device_id`. The answer is signed then, an error too. Where one of these is missing, has another
    form or is wrong, that is a 401.
    """
    return _answer(request, body, who)


@router.get("/firmware/check", **_OPTIONS)
def check_by_query(
    request: Request,
    device_type: Annotated[DeviceType, Query()],
    current_version: Annotated[SemVer, Query()],
    who: Who,
    device_id: Annotated[Id | None, Query()] = None,
) -> Any:
    """Check firmware version, asked by GET. The same answer; a device signs the query as it sends it."""
    asked = Check(device_type=device_type, current_version=current_version, device_id=device_id)
    return _answer(request, asked, who)


def _answer(request: Request, asked: Check, who: Caller | signed.Asker) -> Any:
    services = services_of(request)
    if isinstance(who, Caller):
        return _checked(services, who.tenant_id, asked)
    if who.refusal:
        return who.refused(request)
    return who.answer(_checked(services, who.tenant_id, asked).model_dump())


def _checked(services: Services, tenant_id: str, asked: Check) -> Checked:
    with services.database.reading(tenant_id) as connection:
        if asked.device_id is not None and devices.find(connection, tenant_id, asked.device_id) is None:
            raise not_found("device")
        row = releases.offered(connection, tenant_id, asked.device_type, asked.current_version)
    url = None if row is None else url_of(services, tenant_id, row)
    return Checked(
        update_available=row is not None,
        device_type=asked.device_type,
        current_version=asked.current_version,
        target_version=row and row.version,
        version=row and row.version,
        release_id=row and row.id,
        release=row and row.number,
        url=url,
        download_url=url,
        checksum=row and row.sha256,
        size=row and row.size,
        notes=row and row.notes,
        signature=row and row.signature,
    )
