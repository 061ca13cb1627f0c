"""What brokers ask over HTTP: who may connect, and which topics somebody may use.

For EMQX, and for others that send JSON and read `result` or `ok`.

Must never answer who does not show the shared secret, nor say why somebody is not let in.
"""

import hmac
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Request
from pydantic import AliasChoices, BaseModel, Field

from host_sim.broker.authority import HxtpAuthority
from host_sim.cloud.access import failed, services_of
from host_sim.cloud.description.examples import DIGEST, MS
from host_sim.cloud.errors import ApiError, errors
from host_sim.cloud.exchange.uplink import GROUP
from host_sim.cloud.services import Services

router = APIRouter(tags=["brokers"], prefix="/mqtt")

HEADER = "X-HXTP-Broker-Secret"
SHARED = f"$share/{GROUP}/"
_ASKS = {"WWW-Authenticate": "HxTP-Broker"}
READS = {1, 4}  # of mosquitto-go-auth's acc; 2 writes, 3 does both


class Connecting(BaseModel):
    """Somebody who connects.

    In EMQX: `{"clientid": "${clientid}", "username": "${username}", "password": "${password}"}`.
    """

    clientid: str = Field("", max_length=256, validation_alias=AliasChoices("clientid", "client_id"))
    username: str = Field("", max_length=256, examples=["9f86d081884c7d659a2feaa0c55ad015"])
    password: str = Field("", max_length=1024, examples=[f"1.{MS // 1000}.{DIGEST}"])


class Using(BaseModel):
    """A topic that somebody uses. `action` as EMQX sends it, or `acc` as others do: 1 read, 2 write, 3 both,
    4 subscribe.
    """

    clientid: str = Field("", max_length=256, validation_alias=AliasChoices("clientid", "client_id"))
    username: str = Field("", max_length=256)
    topic: str = Field(max_length=1024, examples=["hxtp/TENANT/device/DEVICE/state"])
    action: Literal["publish", "subscribe"] | None = Field(None, examples=["publish"])
    acc: int | None = Field(None, ge=1, le=4, examples=[2])


class Verdict(BaseModel):
    """Whether it may be. `result` is what EMQX reads, `ok` what others do. Nobody is a superuser."""

    result: Literal["allow", "deny"]
    ok: bool
    is_superuser: bool = False


def _verdict(allowed: bool) -> Verdict:
    return Verdict(result="allow" if allowed else "deny", ok=allowed)


def _asked(request: Request, secret: Annotated[str, Header(alias=HEADER, max_length=256)] = "") -> Services:
    services = services_of(request)
    expected = services.settings.broker_auth_secret
    if not expected:
        raise ApiError(
            404, "NOT_FOUND", "no broker asks this cloud", "set broker_auth_secret, where one shall"
        )
    if not hmac.compare_digest(expected.encode(), secret.encode()):
        error = ApiError(
            401, "UNAUTHORIZED", "this is not the broker's secret", f"send it as {HEADER}", _ASKS
        )
        raise failed(request, error)
    return services


_REFUSED = errors("UNAUTHORIZED.broker", "NOT_FOUND.broker", "RATE_LIMIT_EXCEEDED.secret")
Asked = Annotated[Services, Depends(_asked)]


def _authority(services: Services) -> HxtpAuthority:
    address, password = services.uplink.address, services.settings.broker_password
    cloud = {address.username: password} if address.username and password else {}
    return HxtpAuthority(services.doorman, services.doorman.check_password, cloud)


@router.post("/auth", responses=_REFUSED)
def authenticate(services: Asked, body: Connecting) -> Verdict:
    """Whether this client may connect: a device with the password that its bootstrap answer led it to, or the
    cloud itself.
    """
    return _verdict(
        _authority(services).authenticate(
            body.clientid, body.username or None, body.password.encode(), services.now()
        )
    )


@router.post("/acl", responses=_REFUSED)
def authorize(services: Asked, body: Using) -> Verdict:
    """Whether a user that was let in may use this topic: devices their own, the cloud all of them."""
    reads = body.action == "subscribe" if body.action is not None else body.acc in READS
    if body.action is None and body.acc in (None, 3):
        return _verdict(False)  # nobody both reads and writes the same topic
    authority = _authority(services)
    if not reads:
        return _verdict(authority.may_publish(body.username, body.topic))
    topic = body.topic
    if body.username == services.uplink.address.username:
        topic = topic.removeprefix(SHARED)
    return _verdict(authority.may_subscribe(body.username, topic))
