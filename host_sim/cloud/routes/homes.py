"""Homes and rooms: where devices are."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, AliasChoices, BaseModel, Field

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import places
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import TooMany
from host_sim.cloud.description.examples import HOME, ROOM, shown
from host_sim.cloud.errors import conflict, errors, not_found
from host_sim.cloud.routes.forms import HomeId, Name, RoomId
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, page_of, parted
from host_sim.cloud.times import iso

router = APIRouter(tags=["homes"])


def _known(timezone: str) -> str:
    if timezone not in places.timezones():
        raise ValueError("this is no IANA time zone: write one such as Europe/Berlin, or UTC")
    return timezone


Timezone = Annotated[
    str,
    AfterValidator(_known),
    Field(max_length=64, description="of the IANA database", examples=["America/New_York"]),
]
_EITHER = AliasChoices("home_name", "name")


class NewHome(Body):
    """A home to be made."""

    home_name: Name = Field(validation_alias=_EITHER, examples=["My Home"])
    timezone: Timezone = "UTC"


class HomeChanges(Body):
    """Changes to a home. What is left out stays."""

    home_name: Name | None = Field(None, validation_alias=_EITHER, examples=["My Home"])
    timezone: Timezone | None = None


class NewRoom(Body):
    """A room to be made."""

    name: Name = Field(validation_alias=AliasChoices("name", "room_name"), examples=["Living Room"])


class Done(BaseModel):
    """What was done to the home or the room, and its id."""

    status: Literal["created", "updated", "deleted"]
    id: str = Field(examples=[HOME])


class Home(BaseModel):
    """A home. `rooms`, `devices`: how many."""

    id: str = Field(examples=[HOME])
    home_name: str = Field(examples=["My Home"])
    name: str = Field(examples=["My Home"])
    timezone: str = Field(examples=["America/New_York"])
    rooms: int = Field(examples=[3])
    devices: int = Field(examples=[7])
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Homes(Paged):
    """A page of homes."""

    homes: list[Home]
    next_cursor: str | None = cursor_of("homes")


class Room(BaseModel):
    """A room of a home."""

    id: str = Field(examples=[ROOM])
    home_id: str
    name: str = Field(examples=["Living Room"])
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Rooms(Paged):
    """A page of a home's rooms."""

    rooms: list[Room]
    next_cursor: str | None = cursor_of("rooms")


@router.post("/homes", status_code=201, responses=errors("LIMIT_REACHED"))
def create_home(request: Request, body: NewHome, caller: Caller = scoped("admin", "write:homes")) -> Done:
    """Create home."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            name = body.home_name.strip()
            home_id = places.add_home(connection, caller.tenant_id, name, body.timezone, services.now())
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "delete one that is not used any more") from None
    return Done(status="created", id=home_id)


@router.get("/homes", responses=LINKED, response_model_exclude_unset=True)
def list_homes(
    request: Request,
    response: Response,
    page: Page = page_of("homes"),
    caller: Caller = scoped("viewer", "read:homes"),
) -> Homes:
    """List homes."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        rows, more = parted(places.every_home(connection, caller.tenant_id, page), page, response)
    return Homes(homes=[_home(row) for row in rows], count=len(rows), **more)


@router.patch("/homes/{home_id}")
def change_home(
    home_id: HomeId, request: Request, body: HomeChanges, caller: Caller = scoped("admin", "write:homes")
) -> Done:
    """Update home."""
    values = {}
    if body.home_name is not None:
        values["name"] = body.home_name.strip()
    if body.timezone is not None:
        values["timezone"] = body.timezone
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if not places.change_home(connection, caller.tenant_id, home_id, values):
            raise not_found("home")
    return Done(status="updated", id=home_id)


@router.delete("/homes/{home_id}")
def delete_home(home_id: HomeId, request: Request, caller: Caller = scoped("admin", "write:homes")) -> Done:
    """Delete home, and its rooms. Its devices go on and are in no home until they are given another one."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if not places.delete_home(connection, caller.tenant_id, home_id):
            raise not_found("home")
    return Done(status="deleted", id=home_id)


@router.post(
    "/homes/{home_id}/rooms", status_code=201, responses={**shown(201, id=ROOM), **errors("LIMIT_REACHED")}
)
def add_room(
    home_id: HomeId, request: Request, body: NewRoom, caller: Caller = scoped("admin", "write:homes")
) -> Done:
    """Add room."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            name = body.name.strip()
            room_id = places.add_room(connection, caller.tenant_id, home_id, name, services.now())
    except LookupError:
        raise not_found("home") from None
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "delete one that is not used any more") from None
    return Done(status="created", id=room_id)


@router.get("/homes/{home_id}/rooms", responses=LINKED, response_model_exclude_unset=True)
def list_rooms(
    home_id: HomeId,
    request: Request,
    response: Response,
    page: Page = page_of("rooms"),
    caller: Caller = scoped("viewer", "read:homes"),
) -> Rooms:
    """List rooms."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        if not places.has_home(connection, caller.tenant_id, home_id):
            raise not_found("home")
        found = places.rooms_of(connection, caller.tenant_id, home_id, page)
    rows, more = parted(found, page, response)
    shown = [
        Room(id=row.id, home_id=row.home_id, name=row.name, created_at=iso(row.created_at) or "")
        for row in rows
    ]
    return Rooms(rooms=shown, count=len(shown), **more)


@router.delete("/homes/{home_id}/rooms/{room_id}", responses=shown(200, id=ROOM))
def delete_room(
    home_id: HomeId, room_id: RoomId, request: Request, caller: Caller = scoped("admin", "write:homes")
) -> Done:
    """Delete room. Its devices stay in the home."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if not places.delete_room(connection, caller.tenant_id, home_id, room_id):
            raise not_found("room")
    return Done(status="deleted", id=room_id)


def _home(row: Any) -> Home:
    return Home(
        id=row.id,
        home_name=row.name,
        name=row.name,
        timezone=row.timezone,
        rooms=row.rooms,
        devices=row.devices,
        created_at=iso(row.created_at) or "",
    )
