"""Who asks: turns an Authorization header into a Caller, and says what a caller must be.

Must never tell apart, in answer or in time, a token that is wrong from one that never was.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Any

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from host_sim.cloud import queries
from host_sim.cloud.callers import Caller
from host_sim.cloud.catalogue import api_keys
from host_sim.cloud.catalogue.api_keys import KEY_PREFIX
from host_sim.cloud.catalogue.tenants import find_user
from host_sim.cloud.errors import ApiError
from host_sim.cloud.front.seats import counted_as
from host_sim.cloud.gate.limits import MINUTE
from host_sim.cloud.gate.way import RATE_LIMIT, REQUEST, ROLE_AND_SCOPE, TENANT, Way, is_shown
from host_sim.cloud.security import roles
from host_sim.cloud.security.tokens import TokenError
from host_sim.cloud.services import Services
from host_sim.cloud.storage.database import FAILURES
from host_sim.cloud.storage.patience import patience
from host_sim.counted import counted

log = logging.getLogger(__name__)

TOKEN_OR_NONE = {"security": [{}, {"bearer": []}]}  # for the description of a route that asks for neither

UNKNOWN_KEY = "this is no API key of this cloud, or it has been revoked"  # which of them, nobody is told


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


def identify(services: Services, credential: str, cheaply: bool = False) -> Caller:
    """The caller behind a token or an API key. Raises ApiError 401.

    A caller is remembered for a second at most, and not beyond a change that this process makes. `cheaply`:
    look up nothing for a token that no known key signed, nor for an API key that was never good here.
    """
    found = remembered(services, credential)
    return found if found is not None else _remember(services, credential, cheaply)


def presented(connection: HTTPConnection) -> str:
    """`bearer`, which counts where there is none. Raises ApiError: 401, or 429 where there were too many."""
    try:
        return bearer(connection)
    except ApiError as error:
        raise failed(connection, error) from None


def admitted(connection: HTTPConnection, credential: str) -> Caller:
    """`identify` for whoever connects. Raises ApiError: 401, or 429 where its address has had too many."""
    services = services_of(connection)
    cheaply = services.failures.over(address_of(connection)) is not None
    try:
        return identify(services, credential, cheaply)
    except ApiError as error:
        raise failed(connection, error) from None


def failed(connection: HTTPConnection, error: ApiError) -> ApiError:
    """Count one authentication that failed: what to answer to it, `error` or 429 where there were too many.

    It may wait for another process (`Failures.waits`).
    """
    return services_of(connection).failures.count(address_of(connection)) or error


@patience()  # it is not always a request that asks
def _remember(services: Services, credential: str, cheaply: bool = False) -> Caller:
    mark = services.database.remembered.mark()
    found = _identify(services, credential, cheaply)
    services.database.remembered.keep(_name(credential), found, mark)
    return found


def _renew(services: Services, credential: str) -> None:
    """Look again who it is before it is forgotten, or all requests of that moment would have to."""
    try:
        _remember(services, credential)
    except ApiError:
        services.database.remembered.drop(_name(credential))
    except FAILURES as error:  # then it is forgotten, and whoever comes next is told
        log.warning("a caller could not be read again: %s", type(error).__name__)


def remembered(services: Services, credential: str) -> Caller | None:
    """Who this has just been found to be."""
    return services.database.remembered.find(_name(credential))


def _name(credential: str) -> tuple[str, bytes]:
    return "caller", sha256(credential.encode()).digest()  # no credential stays in memory


def _identify(services: Services, credential: str, cheaply: bool) -> Caller:
    if credential.startswith(KEY_PREFIX):
        return _by_key(services, credential, cheaply)
    try:
        claims = services.tokens.read(credential, look=not cheaply)
    except TokenError as error:
        raise unauthorized(str(error)) from None
    user = find_user(services.database, claims.user_id)
    if user is None or claims.issued_at <= user.sessions_after:
        raise unauthorized("the token has been ended; sign in again")
    return Caller(user, None, f"user:{user.id}")


def _by_key(services: Services, key: str, cheaply: bool) -> Caller:
    digest = sha256(key.encode()).digest()
    if cheaply and not services.failures.known(digest):
        raise unauthorized(UNKNOWN_KEY)
    row = api_keys.behind(services.database, key)
    user = find_user(services.database, row.user_id) if row is not None else None
    if row is None or user is None or user.tenant_id != row.tenant_id:
        services.failures.found(digest, False)
        raise unauthorized(UNKNOWN_KEY)
    services.failures.found(digest, True)
    try:
        api_keys.used(services.database, row, services.now())
    except FAILURES as error:
        log.warning("the last use of a key could not be noted: %s", type(error).__name__)
    return Caller(user, list(row.scopes), f"api_key:{row.id}")


def bearer(connection: HTTPConnection) -> str:
    """The credential of a request. Raises ApiError 401."""
    given = connection.headers.get("authorization")
    if given is None and "x-api-key" in connection.headers:
        raise unauthorized("X-API-Key is not read here")
    scheme, _, credential = (given or "").partition(" ")
    credential = credential.strip()
    if given is not None and scheme.lower() != "bearer":
        raise unauthorized("Authorization holds no bearer token")
    if scheme.lower() != "bearer" or not credential or len(credential) > 2048:
        raise unauthorized()
    return credential


def needs(
    role: str | None = None, scope: str | None = None
) -> Callable[[HTTPConnection], Coroutine[Any, Any, Caller]]:
    """A dependency: the caller, who must have this role, and whose key must have this scope.

    role None: anybody who is signed in, with a tenant or without. scope None: no API key may; ANY: each may.
    """

    async def caller(connection: HTTPConnection) -> Caller:
        services = services_of(connection)
        way = connection.state.way = Way()
        try:
            credential = bearer(connection)
        except ApiError as error:
            raise await _failed(connection, error) from None
        one = remembered(services, credential)
        if one is None:
            one = await run_in_threadpool(admitted, connection, credential)
        elif services.database.remembered.due(_name(credential)):
            asyncio.get_running_loop().run_in_executor(None, _renew, services, credential)
        connection.state.caller = one
        way.shown = is_shown(connection.scope) and roles.at_least(one.user.role, "admin")
        way.at(TENANT)
        if role is not None:
            _ = one.tenant_id
        way.at(ROLE_AND_SCOPE)
        if not roles.covers(one.scopes, scope):
            raise ApiError(
                403,
                "PERMISSION_DENIED",
                f"the API key lacks the scope {scope}" if scope else "API keys cannot do this",
                "use a key with that scope" if scope else "sign in as a person",
            )
        if role is not None and not roles.at_least(one.user.role, role):
            raise ApiError(
                403, "PERMISSION_DENIED", f"this needs the role {role}", "ask an owner of the tenant"
            )
        way.at(RATE_LIMIT)
        if services.limits.waits and _most(services, one):
            await run_in_threadpool(_count, connection, one)
        else:
            _count(connection, one)
        way.at(REQUEST)
        queries.check(connection)
        return one

    caller.wants = (role, scope)  # type: ignore[attr-defined]  # for the description and the tests of the API
    return caller


async def _failed(connection: HTTPConnection, error: ApiError) -> ApiError:
    if services_of(connection).failures.waits:
        return await run_in_threadpool(failed, connection, error)
    return failed(connection, error)


def _count(connection: HTTPConnection, one: Caller) -> None:
    headers, refusal = count(services_of(connection), one)
    if headers:
        connection.state.rate_limit = headers
    if refusal is not None:
        raise refusal


def _most(services: Services, one: Caller) -> int:
    """Requests a minute that a caller's tenant may make; 0: as many as it likes."""
    return services.settings.per_minute(one.user.tier)


def count(services: Services, one: Caller) -> tuple[dict[str, str], ApiError | None]:
    """One request of the tenant's: the headers that say how many are left, and the 429 where it was too many.

    Somebody without a tenant is counted alone, in the tier of new tenants.
    """
    user = one.user
    tier = user.tier or services.settings.tier
    most = _most(services, one)
    if not most:
        return {}, None
    name = f"user:{user.id}" if user.tenant_id is None else f"tenant:{user.tenant_id}"
    taken = services.limits.take(name, most)
    refusal = ApiError(
        429,
        "RATE_LIMIT_EXCEEDED",
        f"{counted(most, 'request a minute is', 'requests a minute are')} allowed in the tier {tier}",
        f"try again in {taken.reset_s} s",
    )
    return taken.headers(), None if taken.allowed else refusal


def address_of(connection: HTTPConnection) -> str:
    """Who is at the other end, for counting: an IPv4 address, or the /64 that one subscriber of IPv6 has."""
    return counted_as(connection.client.host if connection.client is not None else "")


def limit(connection: HTTPConnection, name: str, most: int, length_s: int = MINUTE) -> None:
    """One more of `name` (with whose it is), of which there may be `most` in a time. Raises ApiError 429."""
    taken = services_of(connection).limits.take(name, most, length_s)
    if not taken.allowed:
        raise ApiError(
            429,
            "RATE_LIMIT_EXCEEDED",
            "too many requests of this kind",
            f"try again in {taken.reset_s} s",
            taken.headers(),
        )


def scoped(role: str | None = None, scope: str | None = None) -> Any:
    """As `needs`, for a signature: `caller: Caller = scoped("user", "read:devices")`."""
    return Depends(needs(role, scope))
