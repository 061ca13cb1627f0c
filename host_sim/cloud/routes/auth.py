"""Who is asking, signing out, API keys, and a command line that waits for its token."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import AliasChoices, BaseModel, Field

from host_sim.cloud import logs
from host_sim.cloud.access import TOKEN_OR_NONE, address_of, admitted, bearer, limit, scoped, services_of
from host_sim.cloud.bodies import Body
from host_sim.cloud.browser import HEADER, Browser
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import api_keys, handshakes, users
from host_sim.cloud.catalogue.pages import Page
from host_sim.cloud.catalogue.tenants import TooMany
from host_sim.cloud.description.examples import API_KEY, USER, shown
from host_sim.cloud.errors import ApiError, conflict, errors, not_found
from host_sim.cloud.routes.paging import LINKED, Paged, cursor_of, page_of, parted
from host_sim.cloud.security import roles
from host_sim.cloud.times import iso

router = APIRouter(tags=["authentication"])

POLLS = 120  # a minute and address; a command line asks 30 times

Name = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"),
]
Scope = Literal[roles.SCOPES]  # type: ignore[valid-type]  # a tuple gives its members


class Me(BaseModel):
    """Somebody who is signed in. `neon_id`: the id under the name that clients of the published API read."""

    id: str = Field(examples=[USER])
    neon_id: str = Field(examples=[USER])
    email: str = Field(examples=["user@example.com"])
    role: Literal["owner", "admin", "user", "viewer", "none"]
    tenant_id: str | None
    tenant_slug: str | None = Field(examples=["my-smart-home"])


class Context(BaseModel):
    """Who asks, and in which tenant. `scopes`: of the API key that asks; null for a person."""

    authenticated: Literal[True]
    has_tenant: bool = Field(examples=[True])
    user: Me
    scopes: list[str] | None = Field(examples=[None])


class Status(BaseModel):
    """What was done."""

    status: str = Field(examples=["logged_out"])


class FormProof(BaseModel):
    """What a page of ours sends with each form, or a program in `header` when it uses the cookie."""

    csrf_token: str
    header: Literal["X-CSRF-Token"]
    expires_in: int = Field(description="seconds", examples=[3600])


class KeyWanted(Body):
    """An API key to be made, and what it may do."""

    name: Name = Field(examples=["my-key"])
    scopes: list[Scope] = Field(
        min_length=1, max_length=len(roles.SCOPES), examples=[["read:devices", "write:devices"]]
    )


class KeyNamed(Body):
    """Which API key is meant. `key_id`: the id or the prefix."""

    key_id: str = Field(
        min_length=1,
        max_length=64,
        validation_alias=AliasChoices("key_id", "id", "prefix"),
        examples=[API_KEY],
    )


class KeyMade(BaseModel):
    """A new API key. `key` is in this answer and nowhere else."""

    status: Literal["created", "rotated"]
    id: str = Field(examples=[API_KEY])
    key: str = Field(examples=["hxtp_abc123def456…"])
    prefix: str = Field(examples=["abc123def456"])
    name: str = Field(examples=["my-key"])
    scopes: list[str] = Field(examples=[["read:devices", "write:devices"]])


class ApiKey(BaseModel):
    """A key as it is listed: never the key itself."""

    id: str = Field(examples=[API_KEY])
    name: str = Field(examples=["my-key"])
    prefix: str = Field(examples=["abc123def456"])
    scopes: list[str] = Field(examples=[["read:devices"]])
    user_id: str
    created_at: str = Field(examples=["2026-01-01T00:00:00.000Z"])
    last_used_at: str | None = Field(examples=["2026-01-01T00:00:00.000Z"], description="to the minute")
    revoked: bool


class Keys(Paged):
    """A page of API keys."""

    api_keys: list[ApiKey]
    next_cursor: str | None = cursor_of("api_keys")


class KeyEnded(BaseModel):
    """An API key that was revoked."""

    status: Literal["revoked"]
    id: str = Field(examples=[API_KEY])
    prefix: str = Field(examples=["abc123def456"])
    name: str = Field(examples=["my-key"])


class Handshake(BaseModel):
    """How far the sign-in is. `token` is there once: in the first answer after the approval."""

    status: Literal["pending", "approved", "taken", "refused", "expired"] = Field(examples=["approved"])
    expires_at: str = Field(examples=["2026-01-01T00:05:00.000Z"])
    token: str | None = Field(None, examples=["eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk"])


@router.get("/auth/me")
def me(caller: Caller = scoped(None, roles.ANY)) -> Context:
    """Get current user context."""
    user = caller.user
    return Context(
        authenticated=True,
        has_tenant=user.tenant_id is not None,
        user=Me(
            id=user.id,
            neon_id=user.id,
            email=user.email,
            role=user.role,  # type: ignore[arg-type]  # one of the five, by roles.ROLES
            tenant_id=user.tenant_id,
            tenant_slug=user.tenant_slug,
        ),
        scopes=caller.scopes,
    )


@router.get("/auth/csrf")
def csrf(request: Request, response: Response) -> FormProof:
    """Get CSRF token. Only for what a browser does by its cookie: a bearer token needs none."""
    browser = Browser(services_of(request), request)
    browser.keep(response)
    return FormProof(csrf_token=browser.proof(), header=HEADER, expires_in=3600)


@router.post("/auth/logout", responses=errors("CSRF_INVALID"), openapi_extra=TOKEN_OR_NONE)
def logout(
    request: Request,
    response: Response,
    x_csrf_token: Annotated[str | None, Header(alias=HEADER, max_length=2048)] = None,
) -> Status:
    """Logout and clear session: all tokens of the caller end. An API key does not: revoke it.

    Without a token, or with one that has ended, there is nothing to do, and that is fine.
    """
    services = services_of(request)
    browser = Browser(services, request)
    if "authorization" in request.headers:
        try:
            caller = admitted(request, bearer(request))
        except ApiError:
            caller = None
        user_id = caller.user.id if caller is not None and caller.scopes is None else None
    else:
        user = browser.user()
        if user is not None:
            browser.check(x_csrf_token)
        user_id = user.id if user is not None else None
    if user_id is not None:
        users.end_sessions(services.database, user_id, services.now())
        logs.audit("sign_out", actor=f"user:{user_id}")
    browser.forget(response)
    return Status(status="logged_out")


@router.get("/auth/api-keys", responses=LINKED, response_model_exclude_unset=True)
def list_keys(
    request: Request, response: Response, page: Page = page_of("api_keys"), caller: Caller = scoped("viewer")
) -> Keys:
    """List API keys: one's own, and for an admin those of the tenant."""
    with services_of(request).database.reading(caller.tenant_id) as connection:
        found = api_keys.every(connection, caller.tenant_id, caller.sees_only, page)
    rows, more = parted(found, page, response)
    return Keys(api_keys=[_shown(row) for row in rows], count=len(rows), **more)


@router.post("/auth/api-keys", status_code=201, responses=errors("LIMIT_REACHED"))
def create_key(request: Request, body: KeyWanted, caller: Caller = scoped("viewer")) -> KeyMade:
    """Create API key. It may do what its scopes name and its maker may, and never manages keys or people."""
    scopes = sorted(set(body.scopes))
    beyond = [scope for scope in scopes if scope not in roles.grantable(caller.user.role)]
    if beyond:
        raise ApiError(
            403,
            "PERMISSION_DENIED",
            f"a key of the role {caller.user.role} cannot have {', '.join(beyond)}",
            "leave them out, or let an admin make the key",
        )
    services = services_of(request)
    try:
        with services.database.writing(caller.tenant_id) as connection:
            made = api_keys.add(
                connection, caller.tenant_id, caller.user.id, body.name.strip(), scopes, services.now()
            )
    except TooMany as error:
        raise conflict("LIMIT_REACHED", str(error), "revoke one that is not used any more") from None
    logs.audit("api_key_created", actor=caller.actor, tenant=caller.tenant_id, id=made.id, scopes=len(scopes))
    return _once("created", made, scopes)


@router.post("/auth/api-keys/revoke", responses=errors(thing="API key"))
def revoke_key(request: Request, body: KeyNamed, caller: Caller = scoped("viewer")) -> KeyEnded:
    """Revoke API key. An admin may revoke any of the tenant's."""
    services = services_of(request)
    with services.database.writing(caller.tenant_id) as connection:
        row = api_keys.find(connection, caller.tenant_id, caller.sees_only, body.key_id)
        if row is None:
            raise not_found("API key")
        api_keys.revoke(connection, caller.tenant_id, row.id, services.now())
    logs.audit("api_key_revoked", actor=caller.actor, tenant=caller.tenant_id, id=row.id)
    return KeyEnded(status="revoked", id=row.id, prefix=row.prefix, name=row.name)


@router.post(
    "/auth/api-keys/rotate",
    responses={**shown(200, status="rotated"), **errors("KEY_REVOKED", thing="API key")},
)
def rotate_key(request: Request, body: KeyNamed, caller: Caller = scoped("viewer")) -> KeyMade:
    """Rotate API key: a new one with the same id, name and scopes, and the old one ends now. Only one's own,
    since a key acts for who made it.
    """
    services = services_of(request)
    with services.database.writing(caller.tenant_id) as connection:
        row = api_keys.find(connection, caller.tenant_id, caller.user.id, body.key_id)
        if row is None:
            raise not_found("API key")
        made = api_keys.rotate(connection, caller.tenant_id, row)
    if made is None:
        raise conflict("KEY_REVOKED", "this API key is revoked", "create a new one")
    logs.audit("api_key_rotated", actor=caller.actor, tenant=caller.tenant_id, id=row.id)
    return _once("rotated", made, list(row.scopes))


@router.get(
    "/auth/handshake/{code}",
    response_model_exclude_none=True,
    responses=errors("NOT_FOUND.code", "RATE_LIMIT_EXCEEDED.kind"),
)
def poll(
    request: Request,
    code: Annotated[str, Path(max_length=128, examples=["HXT-" + "0" * 64])],
) -> Handshake:
    """CLI handshake poll: ask every 2 s until it is not pending any more."""
    services = services_of(request)
    limit(request, f"handshake-poll:{address_of(request)}", POLLS)
    if request.state.head:  # which hands nothing over, and so must not use it up
        found = handshakes.look(services.database, code, services.now())
    else:
        found = handshakes.poll(services.database, services.vault, code, services.now())
    if found is None:
        raise ApiError(
            404,
            "NOT_FOUND",
            "nobody has opened this code yet",
            "open /api/v1/auth/cli?code=CODE in a browser",
        )
    status: Any = "pending" if found.state == handshakes.WAITING else found.state
    return Handshake(status=status, expires_at=iso(found.expires_at) or "", token=found.token)


def _once(status: Literal["created", "rotated"], made: api_keys.Key, scopes: list[str]) -> KeyMade:
    return KeyMade(status=status, id=made.id, key=made.key, prefix=made.prefix, name=made.name, scopes=scopes)


def _shown(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=list(row.scopes),
        user_id=row.user_id,
        created_at=iso(row.created_at) or "",
        last_used_at=iso(row.used_at),
        revoked=row.revoked_at is not None,
    )
