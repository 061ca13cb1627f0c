"""What an address may ask for behind its question mark: the parameters that are described, and no others.

A parameter that nobody reads is most often a misspelt one, and a filter that is passed over shows everything.
"""

from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from host_sim.cloud.bodies import unknown
from host_sim.cloud.errors import bad_request

# What some clients add to each address: the token that the WebSocket takes there, and what no cache knows.
BESIDES = frozenset({"token", "_"})


def check(connection: HTTPConnection) -> None:
    """Raise ApiError 400 where the query names something that the route does not read.

    Called once it is known who asks: what a device signed has its own answer, and is all signed anyway.
    """
    route = connection.scope.get("route")
    if not connection.scope.get("query_string") or not isinstance(route, APIRoute):
        return
    known = _known(route)
    for name in connection.query_params:
        if name not in known and name not in BESIDES:
            raise bad_request(f"query: {unknown('parameter', name, known)}", "leave it out, or write it so")


def _known(route: APIRoute) -> frozenset[str]:
    found = get_flat_params(route.dependant)
    return frozenset(one.alias for one in found if isinstance(one.field_info, params.Query))
