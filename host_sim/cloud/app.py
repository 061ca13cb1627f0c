"""The HTTP application: routes, and around them headers, the request's id, its size and the one error shape.

Must never answer with a traceback, nor read a body further than it may be long.
"""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import AsyncIterator, Mapping, MutableMapping
from difflib import SequenceMatcher
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import WebSocketRoute, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from host_sim.broker.authority import Unable
from host_sim.cloud import logs
from host_sim.cloud.description import docs_page, openapi, words
from host_sim.cloud.errors import ApiError
from host_sim.cloud.front import answers
from host_sim.cloud.gate.way import REQUEST, is_gated
from host_sim.cloud.health import Health
from host_sim.cloud.metrics import Metrics
from host_sim.cloud.routes import ROUTERS, live
from host_sim.cloud.seldom import Seldom
from host_sim.cloud.services import Services
from host_sim.cloud.storage.database import Unsure, names_what_is_gone, reason_of
from host_sim.cloud.storage.patience import Patience, nobodys, patience
from hxtp_device import VERSION

log = logging.getLogger(__name__)
_seldom = Seldom()

PREFIX = "/api/v1"
MAX_BODY = 256 * 1024  # bytes, but for uploads
MAX_NEAR = 128  # characters of a path that the nearest one is looked for of
ALIKE = 0.6  # of two words, by difflib, where 1 is the same
MAX_UPLOAD = 16 * 1024 * 1024
HINT = "see the API's description at /api/v1/docs"


def create_app(services: Services | None) -> FastAPI:
    """The application over running services; without any it can only be described."""

    @contextlib.asynccontextmanager
    async def serving(app: FastAPI) -> AsyncIterator[None]:
        if services is not None:
            services.loop = asyncio.get_running_loop()
        yield
        if services is not None:
            services.loop = None

    app = FastAPI(
        title="HxTP Cloud API",
        version=VERSION,
        # A redirect would name the address that a proxy sees, and a client would send its token there.
        redirect_slashes=False,
        lifespan=serving,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        # Prometheus reads our own; asking at each request whether somebody else wants to costs a tenth of it.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    docs_page.add(app, PREFIX)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    for prefix in ("", PREFIX):  # the seed has it at the root
        app.include_router(live.router, prefix=prefix)
    app.openapi = functools.cache(lambda: openapi.describe(app, PREFIX))  # type: ignore[method-assign]
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unfit)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(OperationalError, _away)
    app.add_exception_handler(InterfaceError, _away)
    app.add_exception_handler(Unable, _away)
    app.add_exception_handler(IntegrityError, _gone)
    metrics = None
    if services is not None:
        metrics = Metrics(services.exchange, services.uplink, services.live, services.seats)
        services.gate.refused = metrics.refused
        app.state.services = services
        app.state.metrics = metrics
        app.state.health = Health(
            services.settings, services.database, services.exchange, services.uplink, lambda: services.loop
        )
    app.add_middleware(Frame, metrics=metrics, fixed=_fixed(app), sockets=_sockets(app))
    if services is not None and (origins := services.settings.origins()):
        # Around the frame, so that a page reads its errors too. Without cookies: those are for our own pages.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-Request-ID"],
            expose_headers=EXPOSED,
        )
    return app


# What a page of another origin may read besides the body.
EXPOSED = [
    "Link",
    "Retry-After",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-API-Version",
    "X-Protocol-Version",
    "X-Request-ID",
]


class Frame:
    """Around every request: its id, the version headers, the limit of its body, how long it waits for the
    database, its line in the log, and the last resort. `fixed`: the methods of each path without parameters;
    `sockets`: the paths of WebSockets.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics | None, fixed: Mapping[str, set[str]], sockets: set[str]
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.fixed = fixed
        self.sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        if scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/") or "/"
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = answers.request_id(given)
        scope.setdefault("state", {})["request_id"] = request_id
        if scope["type"] == "websocket":
            return await self._socket(scope, receive, send, request_id)
        head = scope["method"] == "HEAD"
        # HEAD is answered as GET; the server leaves the body out, by the method in the scope that it knows.
        scope = {**scope, "method": "GET"} if head else scope
        scope["state"]["head"] = head  # for a route whose GET does what may happen once
        status: int | None = None  # once it is sent
        began = time.perf_counter()

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name.lower() for name, _ in message.get("headers", ())}
                message["headers"] = [
                    *message.get("headers", ()),
                    *answers.named(request_id),
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in scope["state"].get("rate_limit", {}).items()
                        if name.lower().encode() not in own  # a narrower limit speaks for itself
                    ),
                    # Some answers hold a secret, all of them what is true now.
                    *(() if b"cache-control" in own else ((b"cache-control", b"no-store"),)),
                ]
            await send(message)

        try:
            methods = self.fixed.get(scope["path"])
            if methods is not None and scope["method"] not in methods:
                # Else it might be taken for /device/{device_id}, with that word as the id.
                return await _answer(_no_method(methods), scope["state"])(scope, receive, framed)
            with nobodys(), patience() as mine:
                await self.app(scope, _limited(scope, receive, mine), framed)
        except Exception:
            log.exception("request %s failed", request_id)
            if status is None:
                error = ApiError(
                    500, "GATEWAY_ERROR", "the cloud failed", "try again; tell us the request_id"
                )
                await _answer(error, scope["state"])(scope, receive, framed)
        finally:
            if head:
                scope["method"] = "HEAD"
            logs.request(scope, status, began)
            if self.metrics is not None:
                self.metrics.request(scope, status, began)
                self._count(scope, self.metrics)

    def _count(self, scope: Scope, metrics: Metrics) -> None:
        """What the request was answered, if that was an error; and the command that was refused by it."""
        refusal = scope["state"].get("refusal")
        if refusal is None:
            return
        metrics.refusal(scope, refusal.code)
        if is_gated(scope):
            way = scope["state"].get("way")
            scope["app"].state.services.gate.tell(refusal, way.step if way is not None else REQUEST)

    async def _socket(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        async def framed(message: Message) -> None:
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *answers.named(request_id)]
            await send(message)

        if scope["path"] in self.sockets:
            with nobodys():  # what it asks has its own each time
                return await self.app(scope, receive, framed)
        there = ", ".join(sorted(self.sockets))
        error = ApiError(404, "NOT_FOUND", "there is no WebSocket", f"it is at {there}")
        await _answer(error, scope["state"])(scope, receive, framed)


def _limited(scope: Scope, receive: Receive, mine: Patience) -> Receive:
    most = MAX_UPLOAD if scope["path"].endswith("/firmware/upload") else MAX_BODY
    count = 0

    async def limited() -> Message:
        nonlocal count
        message = await receive()
        if message.get("body"):
            mine.begin()  # a slow client's time is not the database's
        count += len(message.get("body", b""))
        if count > most:
            # This kind is the only one that passes through whoever reads the body.
            raise HTTPException(413, f"the body is over {most} bytes")
        return message

    return limited


def _answer(error: ApiError, state: MutableMapping[str, Any]) -> Response:
    """`state`: the request's. To a device that signed the request the answer is signed (HX3-PROV-05)."""
    state["refusal"] = error
    asker = state.get("asker")
    if asker is not None:
        return asker.error(error, state["request_id"])
    body, way = error.body(state["request_id"]), state.get("way")
    if way is not None and way.shown:
        body.update(step=way.step, steps=way.passed)
    return JSONResponse(body, error.status, headers=error.headers)


async def _api_error(request: Request, error: Any) -> Response:
    return _answer(error, request.scope["state"])


def _plain(text: str) -> str:
    """As it can be sent: a name may have half of a surrogate pair."""
    return text.encode("utf-8", "backslashreplace").decode()


async def _invalid(request: Request, error: Any) -> Response:
    details = [
        {
            "where": _plain(".".join(map(str, one["loc"]))),
            "what": _plain(words.of_error(one)),
        }
        for one in error.errors()[:20]
    ]
    first = (
        f"{details[0]['where']}: {details[0]['what']}" if details else "the request is not as it should be"
    )
    route = getattr(request.scope.get("route"), "path", "")
    hint = f"{PREFIX}/docs describes {request.method} {route}"
    if [one["where"] for one in details] == ["body"]:  # all of it
        if "json" not in request.headers.get("content-type", ""):
            first, hint = "body: nothing says that it is JSON", "send Content-Type: application/json"
        elif error.errors()[0]["type"] == "missing":
            first = "body: it is empty"
    api_error = ApiError(400, "BAD_REQUEST", first, hint, details=details)
    return _answer(api_error, request.scope["state"])


_STORED = "leave out U+0000 and halves of surrogate pairs, and take numbers of 64 bits"


async def _unfit(request: Request, error: Any) -> Response:
    """What PostgreSQL cannot hold and SQLite can: U+0000, half a surrogate pair, more than 64 bits."""
    api_error = ApiError(400, "BAD_REQUEST", "a value cannot be stored", _STORED)
    return _answer(api_error, request.scope["state"])


async def _gone(request: Request, error: Any) -> Response:
    """Somebody deleted at the same time what this was to be put into, a home or a group."""
    if not names_what_is_gone(error):
        raise error
    api_error = ApiError(404, "NOT_FOUND", "what this names is there no more", "see what there is")
    return _answer(api_error, request.scope["state"])


AGAIN = "try again; GET /api/v1/health/ready tells when it works"


async def _busy(request: Request, error: Any) -> Response:
    """No connection of the database became free."""
    if _seldom.now("busy"):
        log.error("request %s found the database busy", request.scope["state"]["request_id"])
    api_error = ApiError(503, "GATEWAY_ERROR", "the database is busy", AGAIN, {"Retry-After": "5"})
    return _answer(api_error, request.scope["state"])


async def _away(request: Request, error: Any) -> Response:
    """The database cannot be reached, or did not do it or not in time: later it may."""
    reason = reason_of(error)
    if _seldom.now(reason):
        log.error("request %s: the database failed: %s", request.scope["state"]["request_id"], reason)
    text, hint = "the database does not answer now", AGAIN
    if isinstance(error, Unsure) and request.method != "GET":
        text, hint = f"{text}, and perhaps this was done", "see whether it was before you try again"
    api_error = ApiError(503, "GATEWAY_ERROR", text, hint, {"Retry-After": "5"})
    return _answer(api_error, request.scope["state"])


async def _http(request: Request, error: Any) -> Response:
    codes = {404: "NOT_FOUND", 413: "PAYLOAD_TOO_LARGE"}
    hint = HINT
    if error.status_code == 404:
        near = _nearest(request.app, request.scope["path"])
        hint = (f"did you mean {near}? " if near else "") + "GET /api/v1/docs shows what there is"
    if error.status_code == 405:
        # What answers knows its own route's methods alone, and a path may have several routes.
        return _answer(_no_method(_methods(request.app, request.scope["path"])), request.scope["state"])
    api_error = ApiError(
        error.status_code,
        codes.get(error.status_code, "BAD_REQUEST"),
        str(error.detail),
        hint,
        dict(error.headers or {}),
    )
    return _answer(api_error, request.scope["state"])


def _nearest(app: FastAPI, path: str) -> str | None:
    """The path that was meant, with its prefix; a parameter stands for whatever is in its place."""
    if len(path) > MAX_NEAR:
        return None
    given = path.removeprefix(PREFIX).split("/")
    best, found = 0.0, None
    for context in iter_route_contexts(app.routes):
        known = context.path or ""
        if not known.startswith(PREFIX + "/") or known.count("/") != len(given) + 1:
            continue
        likeness = 0.0
        for own, word in zip(known.removeprefix(PREFIX).split("/")[1:], given[1:], strict=True):
            fits = bool(word) if own.startswith("{") else SequenceMatcher(None, own, word).ratio()
            if fits < ALIKE:
                break
            likeness += ALIKE if fits is True else fits
        else:
            if likeness > best:
                best, found = likeness, known
    return found


def _no_method(methods: set[str]) -> ApiError:
    allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
    message = f"this address takes no other method than {allowed}"
    return ApiError(405, "METHOD_NOT_ALLOWED", message, HINT, {"Allow": allowed})


def _methods(app: FastAPI, path: str) -> set[str]:
    """The methods of a path with parameters: of the pattern that has the fewest."""
    found: dict[str, set[str]] = {}
    for context in iter_route_contexts(app.routes):
        own, pattern = getattr(context.original_route, "methods", None), context.path or ""
        if own and compile_path(pattern)[0].match(path):
            found.setdefault(pattern, set()).update(own)
    return found[min(found, key=lambda pattern: pattern.count("{"))] if found else set()


def _sockets(app: FastAPI) -> set[str]:
    """The paths of WebSockets."""
    routes = iter_route_contexts(app.routes)
    return {one.path or "" for one in routes if isinstance(one.original_route, WebSocketRoute)}


def _fixed(app: FastAPI) -> dict[str, set[str]]:
    """The methods of each path without parameters."""
    found: dict[str, set[str]] = {}
    for context in iter_route_contexts(app.routes):
        own = getattr(context.original_route, "methods", None)
        if own and context.path and "{" not in context.path:
            found.setdefault(context.path, set()).update(own)
    return found
