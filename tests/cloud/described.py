"""Whether an answer of the cloud is one that its description has: asked of whatever the tests are told."""

import functools
import re
from typing import Any

import httpx
from fastapi import FastAPI

from host_sim.cloud.app import PREFIX, create_app
from host_sim.cloud.refusals import REFUSALS, code_of

HEADERS = ("Retry-After", "WWW-Authenticate", "Content-Range", "ETag", "Link", "Location")


@functools.cache
def described() -> FastAPI:
    """The application, without anything that runs. Its `openapi()` takes a second, once."""
    return create_app(None)


def document() -> dict[str, Any]:
    """The description. Nobody changes it."""
    return described().openapi()


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """By path, those of plain words first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]


def answer_of(method: str, path: str, status: int) -> dict[str, Any] | None:
    """What the description says of it; None where it does not show that address."""
    if not path.startswith(PREFIX):
        return None
    found = next((known for pattern, known in _patterns() if pattern.fullmatch(path[len(PREFIX) :])), None)
    operation = document()["paths"].get(found, {}).get(method.lower())
    if operation is None:
        return None
    assert str(status) in operation["responses"], f"{method} {found} is not described to answer {status}"
    answer = operation["responses"][str(status)]
    if "$ref" in answer:
        answer = document()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return answer


def check(response: httpx.Response) -> None:
    """For a client's `event_hooks`. Its error is one that is listed there, and so are its headers."""
    request = response.request
    if response.status_code in (405, 408, 426, 431):  # of no operation
        return
    answer = answer_of(request.method, request.url.path, response.status_code)
    if answer is None:
        return
    where = f"{request.method} {request.url.path} {response.status_code}"
    for name in HEADERS:
        assert name not in response.headers or name in answer["headers"], f"{where}: {name} is not described"
    if response.status_code < 400 or "json" not in response.headers.get("content-type", ""):
        return
    response.read()
    listed = answer["content"]["application/json"]["examples"]
    known = {code_of(name) for name in listed}
    code = response.json()["error"]
    assert code in known or any(REFUSALS[name].any_code for name in listed), f"{where}: {code} is not listed"
