"""App clients: programs that sign what they send over the WebSocket."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, Field

from host_sim.cloud import logs
from host_sim.cloud.access import scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import clients
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import TooMany
from host_sim.cloud.errors import conflict, errors, not_found
from host_sim.cloud.routes.auth import Name
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, page_of, parted
from host_sim.cloud.times import iso

router = APIRouter(tags=["authentication"])

ClientId = Annotated[str, Field(min_length=1, max_length=36, examples=["7d9f1c0e4b6a4d2f8e3c5a1b9f7e6d5c"])]


class ClientWanted(Body):
    """An app client to be made."""

    name: Name = Field(examples=["my-app"])


class ClientNamed(Body):
    """Which app client is meant."""

    client_id: ClientId


class ClientMade(BaseModel):
    """A new app client. `client_secret`: 64 hex digits, the key of its signatures; in this answer and nowhere
    else.
    """

    status: Literal["created"]
    client_id: str = Field(examples=["7d9f1c0e4b6a4d2f8e3c5a1b9f7e6d5c"])
    client_secret: str = Field(examples=["ab" * 32])
    tenant_id: str
    name: str = Field(examples=["my-app"])


class Client(BaseModel):
    """A client as it is listed: never its secret."""

    client_id: str = Field(examples=["7d9f1c0e4b6a4d2f8e3c5a1b9f7e6d5c"])
    name: str = Field(examples=["my-app"])
    user_id: str
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    revoked: bool


class Clients(Paged):
    """A page of app clients."""

    clients: list[Client]
    next_cursor: str | None = cursor_of("clients")


class ClientEnded(BaseModel):
    """An app client that was revoked."""

    status: Literal["revoked"]
    client_id: str = Field(examples=["7d9f1c0e4b6a4d2f8e3c5a1b9f7e6d5c"])
    name: str = Field(examples=["my-app"])


@router.get("/auth/clients", responses=LINKED, response_model_exclude_unset=True)
def list_clients(
    request: Request, response: Response, page: Page = page_of("clients"), caller: Caller = scoped("user")
) -> Clients:
    """List app clients: one's own, and for an admin those of the tenant."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        found = clients.every(connection, caller.tenant_id, caller.sees_only, page)
    rows, more = parted(found, page, response)
    return Clients(clients=[_shown(row) for row in rows], count=len(rows), **more)


@router.post("/auth/clients", status_code=201, responses=errors("LIMIT_REACHED"))
def create_client(request: Request, body: ClientWanted, caller: Caller = scoped("user")) -> ClientMade:
    """Create an app client. It acts for its maker."""
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            made = clients.add(
                connection,
                services.vault,
                caller.tenant_id,
                caller.user.id,
                body.name.strip(),
                services.now(),
            )
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "revoke one that is not used any more") from None
    logs.audit("client_created", actor=caller.actor, tenant=caller.tenant_id, id=made.id)
    return ClientMade(
        status="created",
        client_id=made.id,
        client_secret=made.secret.hex(),
        tenant_id=caller.tenant_id,
        name=made.name,
    )


@router.post("/auth/clients/revoke", responses=errors(thing="client"))
def revoke_client(request: Request, body: ClientNamed, caller: Caller = scoped("user")) -> ClientEnded:
    """Revoke an app client, as DELETE does."""
    return _revoke(request, caller, body.client_id)


@router.delete("/auth/clients/{client_id}")
def delete_client(
    request: Request, client_id: Annotated[ClientId, Path()], caller: Caller = scoped("user")
) -> ClientEnded:
    """Revoke an app client: nothing that it signs counts from now on. An admin may revoke any."""
    return _revoke(request, caller, client_id)


def _revoke(request: Request, caller: Caller, client_id: str) -> ClientEnded:
    services = services_of(request)
    with services.database.writing(caller.tenant_id) as connection:
        row = clients.find(connection, caller.tenant_id, client_id)
        if row is None or caller.sees_only not in (None, row.user_id):
            raise not_found("client")
        clients.revoke(connection, caller.tenant_id, client_id, services.now())
    logs.audit("client_revoked", actor=caller.actor, tenant=caller.tenant_id, id=client_id)
    return ClientEnded(status="revoked", client_id=client_id, name=row.name)


def _shown(row: Any) -> Client:
    return Client(
        client_id=row.id,
        name=row.name,
        user_id=row.user_id,
        created_at=iso(row.created_at) or "",
        revoked=row.revoked_at is not None,
    )
