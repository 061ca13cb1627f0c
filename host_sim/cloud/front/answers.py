"""Answers of their own to what never became a request, and the headers that every answer has.

Must never repeat what was sent: nobody knows yet who sent it.
"""

import json
import re
import uuid
from http import HTTPStatus

from host_sim.cloud.errors import ApiError
from hxtp import VERSION as PROTOCOL

API_VERSION = "1"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def request_id(given: str = "") -> str:
    """The id that a request brought where that is harmless, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def named(request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of every answer to the request with this id, 101 of a WebSocket too."""
    return [
        (b"x-request-id", request_id.encode()),
        (b"x-api-version", API_VERSION.encode()),
        (b"x-protocol-version", PROTOCOL.encode()),
        (b"x-content-type-options", b"nosniff"),
    ]


def whole(error: ApiError, request_id: str) -> bytes:
    """The error as an HTTP/1.1 answer, after which the connection is closed."""
    body = json.dumps(error.body(request_id)).encode()
    headers = [
        *named(request_id),
        (b"cache-control", b"no-store"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
        (b"connection", b"close"),
    ]
    status = f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode()
    return b"\r\n".join([status, *(name + b": " + value for name, value in headers), b"", body])
