"""Who asks: turns an Authorization header into a Caller, and says what a caller must be.

Must never tell apart, in answer or in time, a token that is wrong from one that never was.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from starlette.requests import HTTPConnection

from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue.tenants import find_user
from host_sim.cloud.errors import ApiError
from host_sim.cloud.security import hashing, roles
from host_sim.cloud.security.tokens import TokenError
from host_sim.cloud.services import Services
from host_sim.cloud.settings import TIERS
from host_sim.cloud.storage.tables import api_keys, directory

KEY_PREFIX = "hxtp_"
PREFIX_LENGTH = 12  # characters of a key, after KEY_PREFIX, by which it is found


def services_of(connection: HTTPConnection) -> Services:
    return connection.app.state.services


def unauthorized(message: str = "a valid bearer token is missing") -> ApiError:
    return ApiError(
        401,
        "UNAUTHORIZED",
        message,
        "send Authorization: Bearer TOKEN with a token or an API key",
        {"WWW-Authenticate": "Bearer"},
    )


def identify(services: Services, credential: str) -> Caller:
    """The caller behind a token or an API key. Raises ApiError 401."""
    if credential.startswith(KEY_PREFIX):
        return _by_key(services, credential)
    try:
        claims = services.tokens.read(credential)
    except TokenError as error:
        raise unauthorized(str(error)) from None
    user = find_user(services.database, claims.user_id)
    # To the second: a token says no more of when it was issued.
    if user is None or claims.issued_at < user.sessions_after // 1000:
        raise unauthorized("the token has been ended; sign in again")
    return Caller(user, None, f"user:{user.id}")


def _by_key(services: Services, key: str) -> Caller:
    prefix = key[len(KEY_PREFIX) :][:PREFIX_LENGTH]
    database = services.database
    with database.reading() as connection:
        tenant_id = connection.execute(
            sa.select(directory.c.tenant_id).where(directory.c.kind == "api_key", directory.c.key == prefix)
        ).scalar()
        database.see(connection, tenant_id)
        row = connection.execute(
            sa.select(api_keys).where(
                api_keys.c.prefix == prefix,
                api_keys.c.tenant_id == tenant_id,
                api_keys.c.key_hash == hashing.digest(key),
                api_keys.c.revoked_at.is_(None),
            )
        ).first()
    user = find_user(database, row.user_id) if row is not None else None
    if row is None or user is None or user.tenant_id != row.tenant_id:
        raise unauthorized()
    return Caller(user, list(row.scopes), f"api_key:{row.id}")


def bearer(connection: HTTPConnection) -> str:
    """The credential of a request. Raises ApiError 401."""
    scheme, _, credential = connection.headers.get("authorization", "").partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential or len(credential) > 2048:
        raise unauthorized()
    return credential


def needs(role: str | None = None, scope: str | None = None) -> Callable[[HTTPConnection], Caller]:
    """A dependency: the caller, who must have this role, and whose key must have this scope.

    role None: anybody who is signed in, with a tenant or without. scope None: no API key may.
    """

    def caller(connection: HTTPConnection) -> Caller:
        one = identify(services_of(connection), bearer(connection))
        if not roles.covers(one.scopes, scope):
            raise ApiError(
                403,
                "PERMISSION_DENIED",
                f"the API key lacks the scope {scope}" if scope else "API keys cannot do this",
                "use a key with that scope" if scope else "sign in as a person",
            )
        if role is not None:
            _ = one.tenant_id
            if not roles.at_least(one.user.role, role):
                raise ApiError(
                    403, "PERMISSION_DENIED", f"this needs the role {role}", "ask an owner of the tenant"
                )
        if one.user.tenant_id is not None:
            _count(connection, one)
        return one

    return caller


def _count(connection: HTTPConnection, one: Caller) -> None:
    """One request of the tenant's: how many are left stands in the answer. Raises ApiError 429."""
    most = TIERS.get(one.user.tier or "", 0)
    if not most:
        return
    taken = services_of(connection).limits.take(f"tenant:{one.tenant_id}", most)
    connection.state.rate_limit = taken.headers()
    if not taken.allowed:
        raise ApiError(
            429,
            "RATE_LIMIT_EXCEEDED",
            f"{most} requests a minute are allowed in the tier {one.user.tier}",
            f"try again in {taken.reset_s} s",
        )


def scoped(role: str, scope: str) -> Any:
    """As `needs`, for a signature: `caller: Caller = scoped("user", "read:devices")`."""
    from fastapi import Depends

    return Depends(needs(role, scope))
