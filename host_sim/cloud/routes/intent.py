"""Intents and scenes: several commands by one wish."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body, Params
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import scenes
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import Taken, TooMany
from host_sim.cloud.description.examples import COMMAND, DEVICE, SCENE
from host_sim.cloud.errors import conflict, errors, not_found
from host_sim.cloud.gate.way import gated
from host_sim.cloud.intents import router as intents
from host_sim.cloud.routes.commands import Key
from host_sim.cloud.routes.forms import ONE_OR_SOME, Id, Name
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, following, page_of
from host_sim.cloud.times import iso

router = APIRouter(tags=["intent"])

SceneId = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,36}$", examples=[SCENE])]


class Wish(Body):
    """An action, for whatever is named beside it."""

    action: str = Field(min_length=1, max_length=32, pattern=r"^[\x20-\x7e]+$", examples=["light_on"])
    params: Params = Field(default_factory=dict, max_length=64, examples=[{"brightness": 100}])
    ttl_s: float | None = Field(
        default=None, gt=0, le=86400, strict=True, description="seconds that it may wait"
    )


class DeviceWish(Wish):
    """An action of one device."""

    device_id: Id


class RoomWish(Wish):
    """An action of all devices of a room."""

    room_id: Id


class GroupWish(Wish):
    """An action of all devices of a group. `group`: its slug or its id."""

    group: str = Field(
        min_length=1,
        max_length=48,
        pattern=r"^[A-Za-z0-9-]+$",
        validation_alias=AliasChoices("group", "group_slug", "group_id"),
        examples=["living-room-lights"],
    )


class SceneWish(Body):
    """A scene. `scene`: its id or its name."""

    scene: Name = Field(validation_alias=AliasChoices("scene", "scene_id"), examples=["Good night"])


class StateWish(Body):
    """Devices whose state is asked for. `device_ids`, or one `device_id`."""

    model_config = ConfigDict(json_schema_extra=ONE_OR_SOME)

    device_ids: list[Id] = Field(default_factory=list, max_length=256)
    device_id: Id | None = None

    @model_validator(mode="after")
    def _some(self) -> "StateWish":
        if self.device_id is not None and self.device_id not in self.device_ids:
            self.device_ids = [*self.device_ids, self.device_id]
        if not self.device_ids:
            raise ValueError("say which: device_ids, or one device_id")
        return self


class _Intent(Body):
    def plain(self) -> dict[str, Any]:
        """As the router wants it and a rule keeps it."""
        return self.model_dump(mode="json")


class DeviceControl(_Intent):
    """One device does something."""

    type: Literal["device.control"]
    payload: DeviceWish


class RoomControl(_Intent):
    """All devices of a room do something."""

    type: Literal["room.control"]
    payload: RoomWish


class GroupControl(_Intent):
    """All devices of a group do something."""

    type: Literal["group.control"]
    payload: GroupWish


class SceneRun(_Intent):
    """A scene runs."""

    type: Literal["scene.run"]
    payload: SceneWish


class QueryState(_Intent):
    """The states of devices are told."""

    type: Literal["query.state"]
    payload: StateWish


Commanding = Annotated[DeviceControl | RoomControl | GroupControl | SceneRun, Field(discriminator="type")]
Intent = Annotated[
    DeviceControl | RoomControl | GroupControl | SceneRun | QueryState, Field(discriminator="type")
]


class IntentResult(BaseModel):
    """What became of one step. `dispatched` with the command's id, `answered` with a state, or why not:
    `rejected`, or that a yes is needed, with the gate's code.
    """

    model_config = ConfigDict(extra="allow")

    device_id: str | None = Field(None, examples=[DEVICE])
    action: str = Field(examples=["light_on"])
    status: Literal["dispatched", "answered", "rejected", "confirmation_required", "dry_run_required"]
    command_id: str | None = Field(None, examples=["4f7c8c1e-3f0f-4a43-9a37-2c1f0f2f3a10"])
    code: str | None = Field(None, examples=["ACTION_NOT_IN_MANIFEST"])
    error: str | None = Field(None, examples=["the device has no action 'light_on'"])


class Outcome(BaseModel):
    """What became of an intent. `mode`: always this word, which says that the cloud routed the intent: by a
    table, not by guessing.
    """

    status: Literal["SUCCESS", "PARTIAL", "FAILED"]
    mode: Literal["CLOUD_ENHANCED"]
    commands_executed: int = Field(examples=[1])
    commands_rejected: int = Field(examples=[0])
    results: list[IntentResult] = Field(
        examples=[
            [{"device_id": DEVICE, "action": "light_on", "status": "dispatched", "command_id": COMMAND}]
        ]
    )


@router.post(
    "/intent", responses=errors(thing="room"), response_model=Outcome, response_model_exclude_none=True
)
@router.post(
    "/api/v1/intent", response_model=Outcome, response_model_exclude_none=True, include_in_schema=False
)
@gated
def intent(
    request: Request, body: Intent, key: Key = None, caller: Caller = scoped("user", "write:devices")
) -> Any:
    """Route intent. It becomes commands by fixed rules, and each goes through the gate like any other.

    What the gate refuses stands in `results`, and the answer is 200 all the same.
    """
    return intents.run(services_of(request), caller, body.plain(), key)


class Step(Wish):
    """One command of a scene."""

    device_id: Id


class SceneWanted(Body):
    """A scene: commands that belong together."""

    name: Name = Field(examples=["Good night"])
    steps: list[Step] = Field(min_length=1, max_length=64)


class Scene(BaseModel):
    """A scene, as it is kept."""

    id: str = Field(examples=[SCENE])
    name: str = Field(examples=["Good night"])
    steps: list[Step]
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Scenes(Paged):
    """A page of scenes, the oldest first."""

    scenes: list[Scene]
    next_cursor: str | None = cursor_of("scenes")


class SceneDone(BaseModel):
    """What was done to the scene."""

    status: Literal["created", "updated", "deleted"]
    id: str = Field(examples=[SCENE])


@router.get("/scenes", responses=LINKED, response_model_exclude_unset=True)
def list_scenes(
    request: Request,
    response: Response,
    page: Page = page_of("scenes"),
    caller: Caller = scoped("viewer", "read:devices"),
) -> Scenes:
    """List scenes, the oldest first."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        rows, rest = scenes.every(connection, caller.tenant_id, page)
    more = following(rows, rest, page, response)
    return Scenes(scenes=[_shown(row) for row in rows], count=len(rows), **more)


@router.post("/scenes", status_code=201, responses=errors("SCENE_EXISTS", "LIMIT_REACHED", thing="device"))
def create_scene(
    request: Request, body: SceneWanted, caller: Caller = scoped("user", "write:devices")
) -> SceneDone:
    """Create scene. Whether its devices know the actions is seen when it runs."""
    services, steps = services_of(request), [step.model_dump(mode="json") for step in body.steps]
    try:
        with services.database.writing(caller.tenant_id) as connection:
            scene_id = scenes.add(connection, caller.tenant_id, body.name.strip(), steps, services.now())
    except (LookupError, Taken, TooMany) as error:
        raise _refusal(error) from None
    return SceneDone(status="created", id=scene_id)


@router.get("/scenes/{scene_id}")
def get_scene(
    scene_id: SceneId, request: Request, caller: Caller = scoped("viewer", "read:devices")
) -> Scene:
    """Get scene."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        row = scenes.find(connection, caller.tenant_id, scene_id)
    if row is None or row.id != scene_id:
        raise not_found("scene")
    return _shown(row)


@router.put("/scenes/{scene_id}", responses=errors("SCENE_EXISTS"))
def change_scene(
    scene_id: SceneId,
    request: Request,
    body: SceneWanted,
    caller: Caller = scoped("user", "write:devices"),
) -> SceneDone:
    """Update scene. All of it is replaced."""
    steps = [step.model_dump(mode="json") for step in body.steps]
    try:
        with services_of(request).database.writing(caller.tenant_id) as connection:
            if not scenes.change(connection, caller.tenant_id, scene_id, body.name.strip(), steps):
                raise not_found("scene")
    except (LookupError, Taken) as error:
        raise _refusal(error) from None
    return SceneDone(status="updated", id=scene_id)


@router.delete("/scenes/{scene_id}")
def delete_scene(
    scene_id: SceneId, request: Request, caller: Caller = scoped("user", "write:devices")
) -> SceneDone:
    """Delete scene."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if not scenes.delete(connection, caller.tenant_id, scene_id):
            raise not_found("scene")
    return SceneDone(status="deleted", id=scene_id)


def _refusal(error: Exception) -> Exception:
    if isinstance(error, LookupError):
        return not_found("device")
    if isinstance(error, Taken):
        return conflict("SCENE_EXISTS", str(error), "choose another name, or change that one")
    return conflict("LIMIT_REACHED", str(error), "delete one that is not used any more")


def _shown(row: Any) -> Scene:
    return Scene(id=row.id, name=row.name, steps=row.steps, created_at=iso(row.created_at) or "")
