"""The API's description, OpenAPI 3.1: what FastAPI knows of the routes, and what they all have in common.

    errors that stand before a route, by what it asks for · headers of every answer · who may call it · tags

Must never leave out a status that a route can answer: `tests/cloud/test_fuzz.py` looks for one.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from host_sim.cloud.errors import Problem
from host_sim.cloud.routes import mqtt
from host_sim.cloud.security.requests import SIGNATURE
from host_sim.cloud.security.roles import ANY
from hxtp import VERSION as PROTOCOL

VERSION = "3.1.0"
ABOUT = """\
Devices, their homes and groups, and commands to them. Each request but the public ones carries
`Authorization: Bearer TOKEN` with a token of somebody who signed in, or an API key.

Every error has the same shape: `error` is a code for programs, `hint` says what to do, and `request_id` is
the header `X-Request-ID`. `WS /ws/state?token=TOKEN` streams what devices report.
"""
TAGS = {
    "system": "Whether the cloud works, and which it is.",
    "authentication": "Who is asking: people, API keys, app clients, command lines that wait for a token.",
    "tenant": "The tenant, its settings and its people.",
    "devices": "Registering devices, their state, their secrets, their end.",
    "commands": "Telling devices what to do, and what became of it.",
    "homes": "Homes and rooms.",
    "groups": "Groups of devices.",
    "manifest": "What devices can do.",
    "telemetry": "What devices measured.",
    "intent": "Several commands by one wish: a device, a room, a group or a scene.",
    "cognition": "Observations, the rules that read them, and what these propose.",
    "brokers": "What a broker asks: may this device log in, may it use this topic.",
    "firmware": "Releases of firmware, and whether there is a newer one.",
}
MESSAGES = {
    400: ("BAD_REQUEST", "body.action: Field required", "see the API's description at /api/v1/docs"),
    401: ("UNAUTHORIZED", "a valid bearer token is missing", "send Authorization: Bearer TOKEN"),
    403: ("PERMISSION_DENIED", "this needs the role admin", "ask an owner of the tenant"),
    404: ("NOT_FOUND", "there is no such device", "list them to see which devices there are"),
    409: ("CONFLICT", "it is in a state in which this cannot be done", "look at it, and try again"),
    413: ("PAYLOAD_TOO_LARGE", "the body is over 262144 bytes", "send less"),
    416: ("RANGE_NOT_SATISFIABLE", "the range lies behind the end", "ask from byte 0"),
    429: ("RATE_LIMIT_EXCEEDED", "60 requests a minute are allowed in the tier free", "try again in 21 s"),
    500: ("GATEWAY_ERROR", "the cloud failed", "try again; tell us the request_id"),
    501: ("NOT_IMPLEMENTED", "this cloud has no build service", "upload an image: POST /firmware/upload"),
    503: ("GATEWAY_ERROR", "the database is busy", "try again"),
}
NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "PayloadTooLarge",
    416: "RangeNotSatisfiable",
    429: "RateLimited",
    500: "InternalError",
    501: "NotImplemented",
    503: "Unavailable",
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's own id where it sent one of 8 to 64 characters, else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
    },
    "X-API-Version": {"required": True, "schema": {"type": "string", "const": "1"}},
    "X-Protocol-Version": {"required": True, "schema": {"type": "string", "const": PROTOCOL}},
    "RateLimit-Limit": {
        "description": "Requests in a window; not there where none are counted.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {"schema": {"type": "integer", "minimum": 0}},
    "RateLimit-Reset": {
        "description": "Seconds until the window ends.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}},
    "WWW-Authenticate": {
        "description": "HxTP where a device signs the request itself, HxTP-Broker where a broker asks.",
        "required": True,
        "schema": {"type": "string", "enum": ["Bearer", "HxTP", "HxTP-Broker"]},
    },
}
# The parameters by which somebody may call without a token.
_INSTEAD = {SIGNATURE: "device", mqtt.HEADER: "broker", "ticket": "ticket"}
_ALWAYS = ("X-Request-ID", "X-API-Version", "X-Protocol-Version")
_COUNTED = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def describe(app: FastAPI, prefix: str) -> dict[str, Any]:
    """The document for `app`, whose routes all begin with `prefix`."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version=VERSION,
        summary="Homes, devices and commands over HxTP/3.0.",
        description=ABOUT,
        routes=app.routes,
        servers=[{"url": prefix, "description": "the cloud that serves this page"}],
        license_info={"name": "MIT", "identifier": "MIT"},
        separate_input_output_schemas=False,
    )
    wants = dict(_wants(app))
    paths: dict[str, Any] = {}
    used: set[str] = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            _operation(path, operation, wants.get((path, method), []))
            used.update(operation.get("tags", ()))
        paths[path.removeprefix(prefix)] = methods
    document["paths"] = paths
    document["tags"] = [
        {"name": name, "description": about} for name, about in TAGS.items() if name in used
    ] + [{"name": name} for name in sorted(used - set(TAGS))]
    _components(document)
    return document


def _wants(app: FastAPI) -> Iterator[tuple[tuple[str, str], list[tuple[str | None, str | None]]]]:
    """By path and method: the role and scope that `access.needs` asks for; nothing for a public route."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        asked = [one.call.wants for one in route.dependant.dependencies if hasattr(one.call, "wants")]
        for method in route.methods:
            yield (context.path or "", method.lower()), asked


def _operation(path: str, operation: dict[str, Any], asked: list) -> None:
    about = operation.pop("description", "").strip()
    first = about.partition("\n\n")[0].replace("\n", " ")
    summary = re.split(r"[.:;] ", first, maxsplit=1)[0].rstrip(".:")
    operation["summary"] = summary
    text = about if len(about) > len(summary) + 1 else ""
    if asked:
        role, scope = asked[0]
        text = "\n\n".join(part for part in (text, _who(role, scope)) if part)
        operation["security"] = [{"bearer": []}]
    else:
        operation.setdefault("security", [])  # but for one that takes a token and asks for none
    names = [one["name"] for one in operation.get("parameters", ())]
    operation["security"] += [{scheme: []} for name, scheme in _INSTEAD.items() if name in names]
    if text:
        operation["description"] = text
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _possible(path, operation, asked):
        responses.setdefault(str(status), {})
    for status, response in list(responses.items()):
        if int(status) >= 400:
            responses[status] = {"$ref": f"#/components/responses/{NAMES[int(status)]}"}
        else:
            names = _ALWAYS + (_COUNTED if asked else ())
            response.setdefault("headers", {}).update(_refs(names))
    operation["responses"] = dict(sorted(responses.items()))


def _who(role: str | None, scope: str | None) -> str:
    person = f"the role `{role}`" if role else "anybody who is signed in"
    if scope is None:
        return f"For {person}; not for API keys."
    return f"For {person}; an API key needs " + ("no scope." if scope == ANY else f"the scope `{scope}`.")


def _possible(path: str, operation: dict[str, Any], asked: list) -> Iterator[int]:
    """The errors that stand before every route that asks for these things."""
    yield from (500, 503)
    if operation.get("parameters") or "requestBody" in operation:
        yield 400
    if "requestBody" in operation:
        yield 413
    if asked:
        yield from (401, 429)
        if asked[0][0] is not None or asked[0][1] != ANY:
            yield 403
        if "{" in path:
            yield 404


def _refs(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _components(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["headers"] = _HEADERS
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token (JWT) of `host_sim cloud token` or of /auth/cli, or an API key.",
        },
        "device": {
            "type": "apiKey",
            "in": "header",
            "name": SIGNATURE,
            "description": "A device signs the request and its other headers: chapter 13 of the protocol.",
        },
        "broker": {
            "type": "apiKey",
            "in": "header",
            "name": mqtt.HEADER,
            "description": "A broker that asks shows the secret that it shares with the cloud.",
        },
        "ticket": {
            "type": "apiKey",
            "in": "query",
            "name": "ticket",
            "description": "Of the URL that a firmware check tells: for one image and an hour.",
        },
    }
    components["responses"] = {
        NAMES[status]: {
            "description": f"{code}: {message}",
            "headers": _refs(
                _ALWAYS
                + ((*_COUNTED, "Retry-After") if status == 429 else ())
                + (("WWW-Authenticate",) if status == 401 else ())
            ),
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": {
                        "error": code,
                        "message": message,
                        "hint": hint,
                        "request_id": "7b1f0a54-7a4e-4b0c-9d0e-0f6f3c9a2b1d",
                    },
                }
            },
        }
        for status, (code, message, hint) in MESSAGES.items()
    }
