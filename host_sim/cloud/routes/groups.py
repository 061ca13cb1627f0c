"""Groups: devices under one name. A group is named by its slug; its id does as well."""

from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import groups
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import Taken, TooMany
from host_sim.cloud.description.examples import GROUP, shown
from host_sim.cloud.errors import conflict, errors, not_found
from host_sim.cloud.routes.forms import ONE_OR_SOME, DeviceId, GroupSlug, Id, Name, Slug, Text
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, page_of, parted
from host_sim.cloud.times import iso

router = APIRouter(tags=["groups"])

Ids = Annotated[list[Id], Field(max_length=256)]
Kind = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", examples=["lights"])]


class NewGroup(Body):
    """A group to be made. Without a `slug` it is made from the name. `group_type`: a word of one's own."""

    name: Name = Field(examples=["Living Room Lights"])
    description: Text = Field("", examples=["All lights in living room"])
    device_ids: Ids = Field(default_factory=list)
    slug: Slug | None = None
    group_type: Kind = "custom"


class Joining(Body):
    """Devices that join. `device_ids`, or one `device_id`."""

    model_config = ConfigDict(json_schema_extra=ONE_OR_SOME)

    device_ids: Ids = Field(default_factory=list)
    device_id: Id | None = None

    @model_validator(mode="after")
    def _some(self) -> "Joining":
        if not self.all():
            raise ValueError("say which: device_ids, or one device_id")
        return self

    def all(self) -> list[str]:
        return [*self.device_ids, *([self.device_id] if self.device_id else [])]


class Created(BaseModel):
    """The group was made."""

    status: Literal["created"]
    slug: str = Field(examples=["living-room-lights"])
    id: str = Field(examples=[GROUP])


class Changed(BaseModel):
    """What was done to the group, and who is in it now."""

    status: Literal["joined", "left", "deleted"]
    slug: str = Field(examples=["living-room-lights"])
    device_ids: list[str] = Field(description="that are in it now")


class Group(BaseModel):
    """A group of devices."""

    id: str = Field(examples=[GROUP])
    slug: str = Field(examples=["living-room-lights"])
    name: str = Field(examples=["Living Room Lights"])
    description: str = Field(examples=["All lights in living room"])
    group_type: str = Field(examples=["lights"])
    device_ids: list[str]
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Groups(Paged):
    """A page of groups."""

    groups: list[Group]
    next_cursor: str | None = cursor_of("groups")


@router.get("/groups", responses=LINKED, response_model_exclude_unset=True)
def list_groups(
    request: Request,
    response: Response,
    page: Page = page_of("groups", 100),
    caller: Caller = scoped("user", "read:groups"),
) -> Groups:
    """List groups."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        found = groups.every(connection, caller.tenant_id, page)
        rows, more = parted(found, page, response, "slug")
        members = groups.members(connection, caller.tenant_id, [row.id for row in rows])
    shown = [_shown(row, members.get(row.id, [])) for row in rows]
    return Groups(groups=shown, count=len(shown), **more)


@router.post("/groups", status_code=201, responses=errors("SLUG_TAKEN", "LIMIT_REACHED", thing="device"))
def create_group(
    request: Request, body: NewGroup, caller: Caller = scoped("admin", "write:groups")
) -> Created:
    """Create group."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            group_id, slug = groups.add(
                connection,
                caller.tenant_id,
                body.name.strip(),
                body.description,
                body.group_type,
                body.slug,
                body.device_ids,
                services.now(),
            )
    except Taken as error:
        raise conflict("SLUG_TAKEN", str(error), "give another slug, or use that group") from None
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "delete a group, or take devices out") from None
    except LookupError:
        raise not_found("device") from None
    return Created(status="created", slug=slug, id=group_id)


@router.post("/groups/{slug}/join", responses=errors("LIMIT_REACHED"))
@router.post("/groups/{slug}/devices", responses=errors("LIMIT_REACHED"))
def join_group(
    slug: GroupSlug,
    request: Request,
    body: Joining,
    caller: Caller = scoped("user", "write:groups"),
) -> Changed:
    """Join group: add devices. Those that are in it already stay."""
    try:
        with services_of(request).database.writing(caller.tenant_id) as connection:
            row = _find(connection, caller, slug)
            groups.join(connection, caller.tenant_id, row.id, body.all())
            return _changed(connection, caller, "joined", row)
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "make another group") from None
    except LookupError:
        raise not_found("device") from None


@router.delete("/groups/{slug}/devices/{device_id}", responses=shown(200, status="left", device_ids=[]))
def leave_group(
    slug: GroupSlug, device_id: DeviceId, request: Request, caller: Caller = scoped("user", "write:groups")
) -> Changed:
    """Take a device out of a group."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        row = _find(connection, caller, slug)
        if not groups.leave(connection, caller.tenant_id, row.id, device_id):
            raise not_found("device")
        return _changed(connection, caller, "left", row)


@router.delete("/groups/{slug}", responses=shown(200, device_ids=[]))
def delete_group(
    slug: GroupSlug, request: Request, caller: Caller = scoped("admin", "write:groups")
) -> Changed:
    """Delete group. Its devices go on."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        row = _find(connection, caller, slug)
        groups.delete(connection, caller.tenant_id, row.id)
    return Changed(status="deleted", slug=row.slug, device_ids=[])


def _find(connection: sa.Connection, caller: Caller, slug: str) -> Any:
    row = groups.find(connection, caller.tenant_id, slug)
    if row is None:
        raise not_found("group")
    return row


def _changed(connection: sa.Connection, caller: Caller, status: Any, row: Any) -> Changed:
    members = groups.devices_in(connection, caller.tenant_id, row.id)
    return Changed(status=status, slug=row.slug, device_ids=[one.id for one in members])


def _shown(row: Any, members: list[str]) -> Group:
    return Group(
        id=row.id,
        slug=row.slug,
        name=row.name,
        description=row.description,
        group_type=row.group_type,
        device_ids=members,
        created_at=iso(row.created_at) or "",
    )
