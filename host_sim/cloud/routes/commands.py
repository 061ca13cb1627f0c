"""Commands: one device, several, a room, a group; confirming; what became of them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StrictBool

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import commands, devices
from host_sim.cloud.description.examples import COMMAND, DEVICE, MS, OTHER_DEVICE, YES
from host_sim.cloud.errors import errors, not_found
from host_sim.cloud.gate.judge import Asked
from host_sim.cloud.gate.way import DRY_RUN, STEPS, Way, gated
from host_sim.cloud.routes.forms import Id
from host_sim.cloud.routes.paging import LINKED, linked
from host_sim.cloud.times import iso

router = APIRouter(tags=["commands"])

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        description="The same key and body again give the same command, and it runs once, however often it "
        "has to be confirmed.",
    ),
]
BATCH = 256  # devices
CURSOR = f"commands.{MS}.7"


class Command(Body):
    """A command. `ttl_s`: seconds that it may wait for the device, 300 by default."""

    action: str = Field(min_length=1, max_length=32, pattern=r"^[\x20-\x7e]+$", examples=["light_on"])
    params: dict[str, Any] = Field(default_factory=dict, examples=[{"brightness": 100}])
    dry_run: StrictBool = False
    ttl_s: float | None = Field(default=None, gt=0, le=86400, strict=True)
    capability: Annotated[str, Field(min_length=1, max_length=64, examples=["light"])] | None = Field(
        None, description="looked at for a room or a group alone"
    )

    def asked(self, key: str | None) -> Asked:
        return Asked(self.action, self.params, self.dry_run, self.ttl_s, key)


class Batch(Command):
    """The same command for several devices."""

    device_ids: list[Id] = Field(min_length=1, max_length=BATCH)


class Confirmation(Body):
    """The yes to a command. `token` is what one client sends for `dry_run_token`."""

    dry_run_token: str = Field(
        min_length=1, max_length=128, validation_alias=AliasChoices("dry_run_token", "token")
    )


class CommandResult(BaseModel):
    """What became of the command for one device: its ids, or the reason and its gateway code. Where a yes is
    needed, `status`, `dry_run_token` and `dry_run` are those of a single command.
    """

    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    success: bool
    command_id: str | None = Field(None, examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    message_id: str | None = Field(None, examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    error: str | None = Field(None, examples=["Device is revoked"], description="`message`, as published")
    message: str | None = Field(None, examples=["Device is revoked"])
    hint: str | None = Field(None, examples=["register it anew"])
    code: str | None = Field(
        None, examples=["DEVICE_REVOKED"], description="`error` of a single command's answer"
    )
    status: str | None = Field(None, examples=["dry_run_required"])
    reason: str | None = Field(None, examples=["Critical action requires confirmation"])
    dry_run_token: str | None = None
    token: str | None = Field(None, examples=[YES])
    expires_in: int | None = Field(None, description="seconds")
    dry_run: str | None = Field(None, examples=["taken"])
    dry_run_id: str | None = None
    choices: list[str] | None = None


_MANY = [
    {"device_id": DEVICE, "success": True, "command_id": COMMAND, "message_id": COMMAND},
    {
        "device_id": OTHER_DEVICE,
        "success": False,
        "error": "Device is revoked",
        "message": "Device is revoked",
        "hint": "register it anew",
        "code": "DEVICE_REVOKED",
    },
]


class Results(BaseModel):
    """What became of the command for each device, in their order."""

    results: list[CommandResult] = Field(examples=[_MANY])


class Accepted(BaseModel):
    """The command is stored, and runs once. `command_id` and `message_id` are the same. `steps`: of the
    gate, told to admins by the plural path.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"success": True, "command_id": COMMAND, "message_id": COMMAND}]}
    )

    success: Literal[True]
    command_id: str = Field(examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    message_id: str = Field(examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    steps: list[str] = Field(default_factory=list, examples=[[step for step in STEPS if step != DRY_RUN]])


class CommandShown(BaseModel):
    """A command, and how far it is. `error`: the device's code, or OUTCOME_UNKNOWN where nobody can say
    whether it ran.
    """

    id: str = Field(examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    command_id: str = Field(examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    device_id: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015"])
    action: str = Field(examples=["light_on"])
    params: dict[str, Any] = Field(examples=[{"brightness": 100}])
    dry_run: bool
    timestamp: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    status: Literal["queued", "dispatched", "acknowledged", "failed", "expired"] = Field(
        examples=["acknowledged"]
    )
    error: str | None = Field(examples=[None])
    result: dict[str, Any] | None = Field(examples=[{"executed": True}])
    attempts: int = Field(examples=[1])
    actor: str = Field(examples=["user:5902c207-04f8-4fed-9c8f-b2f9870e836b"])
    expires_at: str = Field(examples=["2026-01-01T00:05:00.000Z"])
    settled_at: str | None = Field(examples=["2026-01-01T00:00:00.120Z"])


class History(BaseModel):
    """A page of a device's commands, the newest first. `next_cursor`: gives the next page as
    `cursor`; not there on the last.
    """

    commands: list[CommandShown]
    next_cursor: str | None = Field(None, examples=[CURSOR])


# Whatever the gate may say of a command for one device.
_REFUSED = errors(
    "ACTION_NOT_IN_MANIFEST",
    "PARAMS_INVALID",
    "RESTRICTED_ACTION",
    "MANIFEST_NOT_FOUND",
    "CONFIRMATION_REQUIRED",
    "DRY_RUN_REQUIRED",
    "INVALID_PARAMS",
    "DEVICE_OFFLINE",
    "DEVICE_REVOKED",
    "IDEMPOTENCY_CONFLICT",
    "RATE_LIMIT_EXCEEDED.device",
    "GATEWAY_ERROR.order",
)
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": Accepted}, **_REFUSED}


# Before /device/{device_id}/command, which would take it for a device.
@router.post("/devices/command", response_model=None, responses={200: {"model": Results}})
@gated
def command_devices(
    request: Request, body: Batch, key: Key = None, caller: Caller = scoped("user", "write:devices")
) -> JSONResponse:
    """The same command for several devices, with what became of each."""
    ids = list(dict.fromkeys(body.device_ids))
    return JSONResponse({"results": services_of(request).gate.many(caller, ids, body.asked(key))})


@router.post("/device/{device_id}/command", status_code=202, response_model=None, responses=_ACCEPTED)
@router.post("/devices/{device_id}/command", status_code=202, response_model=None, responses=_ACCEPTED)
@gated
async def command_device(
    device_id: Id,
    request: Request,
    body: Command,
    key: Key = None,
    caller: Caller = scoped("user", "write:devices"),
) -> JSONResponse:
    """Accept a command. It is stored when this answers; `GET /commands/ID` tells what became of it.

    A sensitive one answers 409 with a token to confirm it by. So does a critical one once the device has
    taken a dry run of it; `dry_run` is then `taken`, or `not_supported` where the device could not be asked.
    Where it refuses, or does not answer within seconds, there is no token, and `error` says why.
    """
    way = request.state.way
    return JSONResponse(
        _accepted(await services_of(request).gate.accept(caller, device_id, body.asked(key), way), way), 202
    )


def _accepted(message_id: str, way: Way) -> dict[str, Any]:
    told: dict[str, Any] = {"success": True, "command_id": message_id, "message_id": message_id}
    return {**told, "steps": way.whole} if way.shown else told


@router.post(
    "/device/{device_id}/command/confirm",
    status_code=202,
    response_model=None,
    responses={**_ACCEPTED, 404: errors("NOT_FOUND.token", "MANIFEST_NOT_FOUND")[404]},
)
@router.post("/devices/{device_id}/command/confirm", status_code=202, include_in_schema=False)
@gated
def confirm(
    device_id: Id,
    request: Request,
    body: Confirmation,
    caller: Caller = scoped("user", "write:devices"),
) -> dict:
    """Say yes to a sensitive or critical command.

    The token is for one command, which is sent once. Until it expires the same yes again gives that command,
    for those who lost the answer; a 429 or 503 uses nothing up, so say it again. It needs no Idempotency-Key,
    and one that is sent is not looked at: the token says which command it is.
    """
    way = request.state.way
    return _accepted(services_of(request).gate.confirm(caller, device_id, body.dry_run_token, way), way)


@router.get(
    "/device/{device_id}/commands",
    response_model=None,
    responses={200: {"model": History, **LINKED[200]}},
)
@router.get("/devices/{device_id}/commands", include_in_schema=False)
def history(
    device_id: Id,
    request: Request,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500, description="of a page")] = 50,
    before: Annotated[int | None, Query(ge=0, le=1 << 53, description="ms since 1970")] = None,
    cursor: Annotated[
        str | None,
        Query(
            pattern=r"^commands\.[0-9]{1,15}\.[0-9]{1,15}$",
            description="`next_cursor` of the page before",
            examples=[CURSOR],
        ),
    ] = None,
    caller: Caller = scoped("user", "read:devices"),
) -> dict:
    """A device's commands, the newest first."""
    services = services_of(request)
    with services.database.reading(caller.tenant_id) as connection:
        if devices.find(connection, caller.tenant_id, device_id) is None:
            raise not_found("device")
        after = tuple(map(int, cursor.split(".")[1:])) if cursor else None
        rows, more = commands.history(connection, caller.tenant_id, device_id, limit, before, after)
    shown: dict[str, Any] = {"commands": [_shown(row) for row in rows]}
    if more:
        last = rows[-1]
        shown["next_cursor"] = f"commands.{last.created_at}.{last.number}"
        linked(response, limit, shown["next_cursor"], before=before)
    return shown


@router.get("/commands/{command_id}", response_model=None, responses={200: {"model": CommandShown}})
def command_status(command_id: Id, request: Request, caller: Caller = scoped("user", "read:devices")) -> dict:
    """What became of a command."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        row = commands.find(connection, caller.tenant_id, command_id)
    if row is None:
        raise not_found("command")
    return _shown(row)


def _shown(row: Any) -> dict:
    return {
        "id": row.id,
        "command_id": row.id,
        "device_id": row.device_id,
        "action": row.action,
        "params": row.params,
        "dry_run": row.dry_run,
        "timestamp": iso(row.created_at),
        "status": row.state,
        "error": row.error,
        "result": row.result,
        "attempts": row.attempts,
        "actor": row.actor,
        "expires_at": iso(row.expires_at),
        "settled_at": iso(row.settled_at),
    }
