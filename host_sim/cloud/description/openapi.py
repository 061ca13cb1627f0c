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
from pydantic.json_schema import models_json_schema

from host_sim.cloud.description.examples import REQUEST, Examples, first_sentence
from host_sim.cloud.errors import CODES, THING, not_found
from host_sim.cloud.refusals import REFUSALS, Refusal, code_of
from host_sim.cloud.routes import mqtt
from host_sim.cloud.security.requests import SIGNATURE
from host_sim.cloud.security.roles import ANY
from hxtp import VERSION as PROTOCOL

VERSION = "3.1.0"
ABOUT = """\
Devices, their homes and groups, and commands to them. Each request but the public ones carries
`Authorization: Bearer TOKEN` with a token of somebody who signed in, or an API key.

`WS /ws/state?token=TOKEN` streams what devices report.

Every error has the same shape: `error` is a code for programs, `hint` says what to do, and `request_id` is
the header `X-Request-ID`. Each operation lists the codes that it may answer; all that there are:

| `error` | HTTP | it means |
|---|---|---|
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
# What a path's last parameter names.
THINGS = {
    "client_id": "client",
    "command_id": "command",
    "device_id": "device",
    "firmware_id": "firmware release",
    "home_id": "home",
    "proposal_id": "proposal",
    "room_id": "room",
    "rule_id": "rule",
    "scene_id": "scene",
    "slug": "group",
    "user_id": "user",
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The request's own id where it sent one of 8 to 64 characters, else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$", "examples": [REQUEST]},
    },
    "X-API-Version": {"required": True, "schema": {"type": "string", "const": "1"}},
    "X-Protocol-Version": {"required": True, "schema": {"type": "string", "const": PROTOCOL}},
    "RateLimit-Limit": {
        "description": "Requests in a window; not there where none are counted.",
        "schema": {"type": "integer", "minimum": 1, "examples": [60]},
    },
    "RateLimit-Remaining": {"schema": {"type": "integer", "minimum": 0, "examples": [59]}},
    "RateLimit-Reset": {
        "description": "Seconds until the window ends.",
        "schema": {"type": "integer", "minimum": 0, "examples": [21]},
    },
    "Retry-After": {
        "description": "Seconds after which it is worth another try.",
        "schema": {"type": "integer", "minimum": 0, "examples": [5]},
    },
    "WWW-Authenticate": {
        "description": "HxTP where a device signs the request itself, HxTP-Broker where a broker asks.",
        "required": True,
        "schema": {"type": "string", "enum": ["Bearer", "HxTP", "HxTP-Broker"]},
    },
    "Content-Range": {
        "description": "How many bytes there are.",
        "schema": {"type": "string", "examples": ["bytes */1048576"]},
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
        description=ABOUT + "\n".join(_rows()),
        routes=app.routes,
        servers=[{"url": prefix, "description": "the cloud that serves this page"}],
        license_info={"name": "MIT", "identifier": "MIT"},
        separate_input_output_schemas=False,
    )
    wants = dict(_wants(app))
    _components(document)
    shared = document["components"]["responses"]
    paths: dict[str, Any] = {}
    used: set[str] = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            asked = wants.get((path, method), [])
            _operation(operation, asked)
            _answers(path, operation, asked, document, shared)
            used.update(operation.get("tags", ()))
        paths[path.removeprefix(prefix)] = methods
    document["paths"] = paths
    document["tags"] = [
        {"name": name, "description": about} for name, about in TAGS.items() if name in used
    ] + [{"name": name} for name in sorted(used - set(TAGS))]
    Examples(document).add()
    return document


def _rows() -> Iterator[str]:
    """Of the table of all errors."""
    means: dict[tuple[str, int], str] = {}
    for name, refusal in REFUSALS.items():
        means.setdefault((code_of(name), refusal.status), refusal.means)
    for (code, status), text in sorted(means.items(), key=lambda one: (one[0][1], one[0][0])):
        yield f"| `{code}` | {status} | {text} |"


def _wants(app: FastAPI) -> Iterator[tuple[tuple[str, str], list[tuple[str | None, str | None]]]]:
    """By path and method: the role and scope that `access.needs` asks for; nothing for a public route."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        asked = [one.call.wants for one in route.dependant.dependencies if hasattr(one.call, "wants")]
        for method in route.methods:
            yield (context.path or "", method.lower()), asked


def _operation(operation: dict[str, Any], asked: list) -> None:
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


def _answers(
    path: str, operation: dict[str, Any], asked: list, document: dict[str, Any], shared: dict
) -> None:
    """Describe what an operation answers. Errors that are the same everywhere go to `shared`."""
    answers = operation["responses"]
    answers.pop("422", None)
    named: dict[int, list[str]] = {}
    for name in _before(path, operation, asked):
        named.setdefault(REFUSALS[name].status, []).append(name)
    for status, answer in answers.items():
        for name in answer.pop(CODES, ()):
            if name not in named.setdefault(int(status), []):
                named[int(status)].append(name)
    for status, names in named.items():
        own = answers.setdefault(str(status), {})
        thing = own.pop(THING, None) or _thing(path)
        others = {kind: one for kind, one in own.get("content", {}).items() if kind != "application/json"}
        error = _error(names, thing, others)
        if len(names) == 1 and not others:
            key = NAMES[status] + "".join(
                word.capitalize() for word in re.split(r"[^A-Za-z]+", _word(names[0], thing))
            )
            shared[key] = error
            error = {"$ref": f"#/components/responses/{key}"}
        answers[str(status)] = error
    for status, answer in answers.items():
        if int(status) < 400:
            if answer.get("description") == "Successful Response":
                schemas = [one["schema"] for one in answer.get("content", {}).values()]
                answer["description"] = "; or ".join(_about(schemas, document)) or operation["summary"]
            answer.setdefault("headers", {}).update(_refs(_ALWAYS + (_COUNTED if asked else ())))
    operation["responses"] = dict(sorted(answers.items()))


def _about(schemas: list[dict[str, Any]], document: dict[str, Any]) -> Iterator[str]:
    """What each of these is, by the first sentence of its model."""
    for schema in schemas:
        if "$ref" in schema:
            model = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            yield first_sentence(model.get("description", ""))
        else:
            yield from _about(schema.get("anyOf", []), document)


def _thing(path: str) -> str:
    found = re.findall(r"{(\w+)}", path)
    return THINGS.get(found[-1], "") if found else ""


def _word(name: str, thing: str) -> str:
    """What tells a shared error apart from the usual one of its status."""
    if name == "NOT_FOUND":
        return thing
    return "" if name in _USUAL else name.lower()


def _who(role: str | None, scope: str | None) -> str:
    person = f"the role `{role}`" if role else "anybody who is signed in"
    if scope is None:
        return f"For {person}; not for API keys."
    return f"For {person}; an API key needs " + ("no scope." if scope == ANY else f"the scope `{scope}`.")


_USUAL = (
    "BAD_REQUEST",
    "UNAUTHORIZED",
    "PERMISSION_DENIED",
    "PAYLOAD_TOO_LARGE",
    "RATE_LIMIT_EXCEEDED",
    "GATEWAY_ERROR",
    "GATEWAY_ERROR.busy",
)


def _before(path: str, operation: dict[str, Any], asked: list) -> Iterator[str]:
    """The errors that stand before every route that asks for these things."""
    yield from ("GATEWAY_ERROR", "GATEWAY_ERROR.busy")
    # Whoever is asked for reads no query but what is described.
    if asked or operation.get("parameters") or "requestBody" in operation:
        yield "BAD_REQUEST"
    if "requestBody" in operation:
        yield "PAYLOAD_TOO_LARGE"
    if asked:
        yield from ("UNAUTHORIZED", "RATE_LIMIT_EXCEEDED")
        if asked[0] == (None, None):
            yield "PERMISSION_DENIED.key"
        elif asked[0][0] is not None or asked[0][1] != ANY:
            yield "PERMISSION_DENIED"
        if _thing(path):
            yield "NOT_FOUND"


def _error(names: list[str], thing: str, content: dict[str, Any]) -> dict[str, Any]:
    """The answer of one status with these errors. `content`: of other media types."""
    refusals = {name: REFUSALS[name] for name in names}
    more = {header for refusal in refusals.values() for header in refusal.headers}
    models = dict.fromkeys(f"#/components/schemas/{one.model.__name__}" for one in refusals.values())
    schemas = [{"$ref": name} for name in models]
    counted = () if "WWW-Authenticate" in more else _COUNTED
    lines = [f"`{code_of(name)}`: {one.means}" for name, one in refusals.items()]
    return {
        "description": lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines),
        "headers": _refs((*_ALWAYS, *counted, *sorted(more))),
        "content": {
            "application/json": {
                "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
                "examples": {
                    name: {"summary": one.means, "value": _body(name, one, thing)}
                    for name, one in refusals.items()
                },
            },
            **content,
        },
    }


def _body(name: str, refusal: Refusal, thing: str) -> dict[str, Any]:
    """As it is answered."""
    if name == "NOT_FOUND" and thing:
        return not_found(thing).body(REQUEST)
    return {
        **refusal.more,
        "error": code_of(name),
        "message": refusal.message,
        "hint": refusal.hint,
        "request_id": REQUEST,
    }


def _refs(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _components(document: dict[str, Any]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    models = {refusal.model for refusal in REFUSALS.values()}
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas.update(sorted(found["$defs"].items()))
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
    components["responses"] = {}
