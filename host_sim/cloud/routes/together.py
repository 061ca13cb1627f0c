"""Commands for all devices of a room or a group, through the same gate as any other."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import capabilities, groups, places
from host_sim.cloud.errors import ApiError, errors, not_found
from host_sim.cloud.gate.way import gated
from host_sim.cloud.routes.commands import Command, Key, Results
from host_sim.cloud.routes.forms import GroupSlug, RoomId
from host_sim.cloud.storage.database import Database

router = APIRouter(tags=["commands"])


class Together(Command):
    """The same command for whatever is in one place. `capability`: a category of `GET /manifest/types` that
    the action is of. Then only the devices that have the action are asked; without it the others answer with
    ACTION_NOT_IN_MANIFEST.
    """

    capability: Annotated[str, Field(min_length=1, max_length=64, examples=["light"])] | None = None


_TOLD = {200: {"model": Results}, **errors("ACTION_NOT_IN_MANIFEST", "PARAMS_INVALID.capability")}


@router.post("/rooms/{room_id}/command", response_model=None, responses=_TOLD)
@gated
def command_room(
    room_id: RoomId,
    request: Request,
    body: Together,
    key: Key = None,
    caller: Caller = scoped("user", "write:devices"),
) -> JSONResponse:
    """Room command: the same for every device in the room, with what became of each."""
    database = services_of(request).database
    _check(database, caller, body)
    with database.reading(caller.tenant_id) as connection:
        try:
            rows = places.devices_in(connection, caller.tenant_id, room_id)
        except LookupError:
            raise not_found("room") from None
    return _sent(request, caller, body, key, rows)


@router.post("/groups/{slug}/command", response_model=None, responses=_TOLD)
@gated
def command_group(
    slug: GroupSlug,
    request: Request,
    body: Together,
    key: Key = None,
    caller: Caller = scoped("user", "write:devices"),
) -> JSONResponse:
    """Group command: the same for every device of the group, with what became of each."""
    database = services_of(request).database
    _check(database, caller, body)
    with database.reading(caller.tenant_id) as connection:
        row = groups.find(connection, caller.tenant_id, slug)
        if row is None:
            raise not_found("group")
        rows = groups.devices_in(connection, caller.tenant_id, row.id)
    return _sent(request, caller, body, key, rows)


def _check(database: Database, caller: Caller, body: Together) -> None:
    if body.capability is None:
        return
    known = capabilities.known_categories(database, caller.tenant_id)
    if body.capability not in known:
        raise ApiError(
            400,
            "PARAMS_INVALID",
            f"there is no capability {body.capability!r}",
            "GET /manifest/types lists them",
            choices=sorted(known),
        )
    if body.action not in known[body.capability]:
        raise ApiError(
            400,
            "ACTION_NOT_IN_MANIFEST",
            f"{body.action} is no action of the capability {body.capability}",
            "GET /manifest/types lists them; or leave capability out",
            choices=known[body.capability],
        )


def _sent(
    request: Request, caller: Caller, body: Together, key: str | None, rows: Sequence[Any]
) -> JSONResponse:
    gate, ids = services_of(request).gate, [row.id for row in rows]
    if body.capability is not None:
        ids = gate.able(caller, ids, body.action)
    return JSONResponse({"results": gate.many(caller, ids, body.asked(key)) if ids else []})
