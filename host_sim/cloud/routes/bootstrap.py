"""Bootstrap: what a device needs to reach its broker, asked for and answered under its own key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, Field

from host_sim.cloud import signed
from host_sim.cloud.access import services_of
from host_sim.cloud.broker import logins
from host_sim.cloud.errors import errors
from host_sim.cloud.routes.forms import ID

router = APIRouter(tags=["devices"])


class Bootstrap(BaseModel):
    """What a device needs to reach its broker, signed in X-HXTP-Signature. To a request whose time is stale
    `server_time` alone is told.
    """

    device_id: str | None = None
    tenant_id: str | None = None
    mqtt_endpoint: str | None = Field(None, examples=["mqtts://broker.example:8883"])
    heartbeat_interval: int | None = Field(None, description="seconds", examples=[30])
    password_expiry: int | None = Field(
        None,
        description="seconds since 1970: the expiry to put into the MQTT password",
        examples=[1767225600],
    )
    ca: list[str] | None = Field(
        None,
        description="CA certificates of the broker, PEM, one each",
        examples=[["-----BEGIN CERTIFICATE-----\nMIIB…\n-----END CERTIFICATE-----\n"]],
    )
    server_time: int = Field(description="ms since 1970", examples=[1767225600000])


_SIGNED = [Depends(signed.headers)]


@router.get(
    "/device/{device_id}/bootstrap",
    response_model=Bootstrap,
    responses=errors("SIGNATURE_INVALID", "NONCE_REUSED", "RATE_LIMIT_EXCEEDED.time"),
    dependencies=_SIGNED,
)
@router.get(
    "/devices/{device_id}/bootstrap",
    response_model=Bootstrap,
    dependencies=_SIGNED,
    include_in_schema=False,
)
def bootstrap(
    device_id: Annotated[str, Path(pattern=ID, examples=["9f86d081884c7d659a2feaa0c55ad015"])],
    request: Request,
) -> Response:
    """Where the broker is, until when a password for it may hold, and the time. For devices, which sign the
    request with their secret and trust only an answer that is signed to this very request.
    """
    services = services_of(request)
    device = signed.asker(request, "bootstrap", device_id)
    if device.refusal:
        return device.refused(request)
    with services.database.writing(device.tenant_id) as connection:
        expiry = logins.grant(connection, device.tenant_id, device.device_id, device.key_version, device.now)
    if services.logins is not None:
        # It connects at once. Where this takes too long it is refused, and asks again.
        services.logins.wait(device.device_id)
    answer = {
        "device_id": device.device_id,
        "tenant_id": device.tenant_id,
        "mqtt_endpoint": services.mqtt_endpoint(),
        "heartbeat_interval": services.settings.heartbeat_s,
        "password_expiry": expiry,
        "server_time": device.now,
    }
    ca = services.broker_ca()
    if ca is not None:
        answer["ca"] = _certificates(ca.read_text())
    return device.answer(answer)


def _certificates(text: str) -> list[str]:
    end = "-----END CERTIFICATE-----"
    return [f"{part.strip()}\n{end}\n" for part in text.split(end) if "BEGIN CERTIFICATE" in part]
