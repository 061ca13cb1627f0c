"""The tenant: making one, its settings, and the people in it."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from host_sim.cloud import logs
from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.broker import logins
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import devices, tenants, users
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.description.examples import shown
from host_sim.cloud.errors import bad_request, conflict, errors, not_found
from host_sim.cloud.routes.forms import WHOLE
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, page_of, parted
from host_sim.cloud.services import Services
from host_sim.cloud.settings import EMAIL, RISKS, TENANT_SETTINGS
from host_sim.cloud.storage.database import Unsure
from host_sim.cloud.times import iso

router = APIRouter(tags=["tenant"])

SECRET_AS_PASSWORD = "accept_secret_as_mqtt_password"

Role = Literal["owner", "admin", "user", "viewer"]
UserId = Annotated[str, Path(min_length=1, max_length=36, examples=["5902c207-04f8-4fed-9c8f-b2f9870e836b"])]


class TenantRegistration(Body):
    """A tenant to be made."""

    tenant_name: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        examples=["My Smart Home"],
    )


class TenantRegistered(BaseModel):
    """The new tenant."""

    tenant_id: str = Field(examples=["0474c27c-dc19-4960-b63c-7bebbfe115ad"])
    user_id: str = Field(examples=["5902c207-04f8-4fed-9c8f-b2f9870e836b"])
    tenant_slug: str = Field(examples=["my-smart-home"])
    tier: str = Field(examples=["free"])


class Changes(Body):
    """Settings to be changed. What is left out stays; null is the default again."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "examples": [{"accept_json_header": False, "max_age_s": 60}],
        },
    )

    accept_json_full: StrictBool | None = Field(
        None, description="app clients may sign the canonical JSON of a whole message"
    )
    accept_json_header: StrictBool | None = Field(
        None, description="app clients may sign the canonical JSON of a message's header"
    )
    accept_device_secret_from_clients: StrictBool | None = Field(
        None,
        description="RISK: app clients may sign with a device's secret, as old apps do. Who holds that "
        "secret can sign to the device as if they were the cloud.",
    )
    accept_secret_as_mqtt_password: StrictBool | None = Field(
        None,
        description="RISK: old devices may give the broker their secret as the password. The broker, and "
        "whoever reads its memory, then has what opens everything.",
    )
    max_age_s: Annotated[StrictInt, Field(ge=30, le=300), WHOLE] | None = Field(
        None, description="how old a message may be, in seconds"
    )
    future_s: Annotated[StrictInt, Field(ge=5, le=60), WHOLE] | None = Field(
        None, description="how far ahead a sender's clock may be, in seconds"
    )


class Values(BaseModel):
    """All settings, as they hold."""

    accept_json_full: bool
    accept_json_header: bool
    accept_device_secret_from_clients: bool
    accept_secret_as_mqtt_password: bool
    max_age_s: int = Field(examples=[300])
    future_s: int = Field(examples=[60])


class TenantSettings(BaseModel):
    """The tenant's settings. `risks`: the settings that are on and make the tenant less safe."""

    tenant_id: str = Field(examples=["0474c27c-dc19-4960-b63c-7bebbfe115ad"])
    tenant_slug: str = Field(examples=["my-smart-home"])
    tier: str = Field(examples=["free"])
    settings: Values
    risks: list[str] = Field(examples=[[]])


class Invitation(Body):
    """Somebody who becomes part of the tenant."""

    email: str = Field(max_length=254, pattern=f"^{EMAIL}$", examples=["user@example.com"])
    role: Role = "user"


class RoleWanted(Body):
    """The role that somebody gets."""

    role: Role


class Member(BaseModel):
    """Somebody who belongs to the tenant."""

    id: str = Field(examples=["5902c207-04f8-4fed-9c8f-b2f9870e836b"])
    email: str = Field(examples=["user@example.com"])
    role: Role
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])


class Members(Paged):
    """A page of the tenant's people."""

    users: list[Member]
    next_cursor: str | None = cursor_of("users")


class Removed(BaseModel):
    """Somebody who is gone from the tenant."""

    status: Literal["removed"]
    id: str = Field(examples=["5902c207-04f8-4fed-9c8f-b2f9870e836b"])


@router.post("/tenant/register", status_code=201, responses=errors("TENANT_EXISTS"))
def register(request: Request, body: TenantRegistration, caller: Caller = scoped()) -> TenantRegistered:
    """Register new tenant: the caller, who has none yet, becomes its owner."""
    services = services_of(request)
    tier = services.settings.tier
    try:
        tenant_id, slug = users.found_tenant(
            services.database, caller.user.id, body.tenant_name.strip(), services.now(), tier
        )
    except users.Taken as error:
        raise conflict("TENANT_EXISTS", str(error), "GET /auth/me names it") from None
    logs.audit("tenant_registered", actor=caller.actor, tenant=tenant_id)
    return TenantRegistered(tenant_id=tenant_id, user_id=caller.user.id, tenant_slug=slug, tier=tier)


@router.get("/tenant/settings")
def get_settings(caller: Caller = scoped("owner")) -> TenantSettings:
    """The tenant's settings, as they hold."""
    return _settings(caller, caller.user.settings)


@router.patch("/tenant/settings")
def change_settings(request: Request, body: Changes, caller: Caller = scoped("owner")) -> TenantSettings:
    """Change settings; those that are left out stay."""
    services = services_of(request)
    given = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
    if not given:
        raise bad_request("nothing to change", f"settings: {', '.join(TENANT_SETTINGS)}")
    thrown_off: list[str] = []
    try:
        with services.database.writing(caller.tenant_id) as connection:
            before, after = tenants.change_settings(connection, caller.tenant_id, given)
            if before.get(SECRET_AS_PASSWORD) != after.get(SECRET_AS_PASSWORD):
                logins.renew_tenant(connection, caller.tenant_id, services.now())
            if before.get(SECRET_AS_PASSWORD) and not after.get(SECRET_AS_PASSWORD):
                # Within the transaction: whoever tried again after it would find nothing to change.
                thrown_off = [row.id for row in devices.every(connection, caller.tenant_id)]
    except Unsure:  # it may be stored
        _throw_off(services, thrown_off)
        raise
    _throw_off(services, thrown_off)
    for name in given:
        old, new = before.get(name, TENANT_SETTINGS[name]), after.get(name, TENANT_SETTINGS[name])
        if old != new:
            logs.audit(
                "setting_changed",
                risk=name in RISKS and bool(new),
                actor=caller.actor,
                tenant=caller.tenant_id,
                setting=name,
                value=new,
            )
    return _settings(caller, after)


@router.get("/tenant/users", responses=LINKED, response_model_exclude_unset=True)
def list_users(
    request: Request, response: Response, page: Page = page_of("users"), caller: Caller = scoped("admin")
) -> Members:
    """The people of the tenant."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        rows, more = parted(users.members(connection, caller.tenant_id, page), page, response)
    return Members(users=[_member(row) for row in rows], count=len(rows), **more)


@router.post(
    "/tenant/users",
    status_code=201,
    responses={**shown(201, role="user"), **errors("USER_EXISTS", "LIMIT_REACHED")},
)
def invite(request: Request, body: Invitation, caller: Caller = scoped("owner")) -> Member:
    """Add somebody who is not known to this cloud yet. They get in by the token or the password that the
    operator gives them; this cloud sends no e-mail.
    """
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            user_id = users.invite(connection, caller.tenant_id, body.email, body.role, services.now())
            row = users.member(connection, caller.tenant_id, user_id)
    except users.Taken as error:
        raise conflict(
            "USER_EXISTS", str(error), "a user belongs to one tenant; take another address"
        ) from None
    except tenants.TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "let somebody go first") from None
    logs.audit("user_invited", actor=caller.actor, tenant=caller.tenant_id, user=user_id, role=body.role)
    return _member(row)


@router.patch("/tenant/users/{user_id}", responses=errors("LAST_OWNER"))
def change_role(
    user_id: UserId, request: Request, body: RoleWanted, caller: Caller = scoped("owner")
) -> Member:
    """Give somebody another role. It holds from their next request on."""
    with services_of(request).database.writing(caller.tenant_id) as connection:
        if users.member(connection, caller.tenant_id, user_id) is None:
            raise not_found("user")
        try:
            users.change_role(connection, caller.tenant_id, user_id, body.role)
        except users.LastOwner as error:
            raise conflict("LAST_OWNER", str(error)) from None
        row = users.member(connection, caller.tenant_id, user_id)
        if row is None:  # let go at the same time
            raise not_found("user")
    logs.audit("role_changed", actor=caller.actor, tenant=caller.tenant_id, user=user_id, role=body.role)
    return _member(row)


@router.delete("/tenant/users/{user_id}", responses=errors("LAST_OWNER"))
def remove(user_id: UserId, request: Request, caller: Caller = scoped("owner")) -> Removed:
    """Let somebody go: their tokens, API keys and app clients end. They may register a tenant then."""
    services = services_of(request)
    with services.database.writing(caller.tenant_id, user_id) as connection:
        if users.member(connection, caller.tenant_id, user_id) is None:
            raise not_found("user")
        try:
            users.remove(connection, caller.tenant_id, user_id, services.now())
        except users.LastOwner as error:
            raise conflict("LAST_OWNER", str(error)) from None
    logs.audit("user_removed", actor=caller.actor, tenant=caller.tenant_id, user=user_id)
    return Removed(status="removed", id=user_id)


def _throw_off(services: Services, device_ids: Iterable[str]) -> None:
    """Let these devices log in again, since their secrets are no passwords any more: which of them came in by
    one, nobody has written down, and those that have a password are back in seconds.
    """
    for device_id in device_ids:
        services.cut_off(device_id)


def _settings(caller: Caller, changed: dict[str, Any]) -> TenantSettings:
    values = {name: changed.get(name, default) for name, default in TENANT_SETTINGS.items()}
    return TenantSettings(
        tenant_id=caller.tenant_id,
        tenant_slug=caller.user.tenant_slug or "",
        tier=caller.user.tier or "",
        settings=Values(**values),
        risks=[name for name in RISKS if values[name]],
    )


def _member(row: Any) -> Member:
    return Member(id=row.id, email=row.email, role=row.role, created_at=iso(row.created_at) or "")
