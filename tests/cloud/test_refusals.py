"""The errors that the API's description lists are those that the cloud's sources raise, route by route."""

import re

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from host_sim.cloud.app import PREFIX
from host_sim.cloud.refusals import REFUSALS, code_of
from tests.cloud.described import described
from tests.cloud.raised import PACKAGE, Site, Sources

# Where a code is computed: what it can be. Of the device's own codes one stands for all.
COMPUTED = {
    "app._http": {},  # the framework's: 404, 405 and 413 are told by others too
    "errors.conflict": {},  # what it is called with
    "front.protocol.Socket.handle_connect": {426: "UPGRADE_REQUIRED"},
    "gate.trials.Trial.judge": {409: "INVALID_PARAMS"},
    "routes.firmware._conflict": {},  # what Refused says
    "signed.Asker.refused": {401: "NONCE_REUSED", 429: "RATE_LIMIT_EXCEEDED"},
}
# What any operation may answer by what it asks for and sends; `openapi` adds them.
COMMON = {
    (400, "BAD_REQUEST"),
    (401, "UNAUTHORIZED"),
    (403, "PERMISSION_DENIED"),
    (404, "NOT_FOUND"),
    (413, "PAYLOAD_TOO_LARGE"),
    (429, "RATE_LIMIT_EXCEEDED"),
    (500, "GATEWAY_ERROR"),
    (503, "GATEWAY_ERROR"),
}
# What the sources make there for others.
NEVER = {
    "GET /auth/me": {(403, "PERMISSION_DENIED")},  # it asks for no role and no scope
    "PUT /scenes/{scene_id}": {(409, "LIMIT_REACHED")},  # it makes none more
}
NO_OPERATION = {"HEADERS_TOO_LARGE", "METHOD_NOT_ALLOWED", "REQUEST_TIMEOUT", "UPGRADE_REQUIRED"}


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources()


@pytest.fixture(scope="module")
def app():
    return described()


@pytest.fixture(scope="module")
def document(app):
    return app.openapi()


def _codes(sites) -> set[tuple[int, str]]:
    found = set()
    for one in sites:
        if one.code is not None and one.status is not None:
            found.add((one.status, one.code))
        else:
            found |= set(COMPUTED[one.where].items())
    return found


def _over_http(sources: Sources) -> list[Site]:
    return [one for one in sources.sites() if not one.where.startswith("live.")]


def _listed(document, operation) -> dict[int, dict[str, dict]]:
    """By status, the examples of an operation's errors."""
    found = {}
    for status, answer in operation["responses"].items():
        if int(status) >= 400:
            if "$ref" in answer:
                answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
            found[int(status)] = answer["content"]["application/json"]["examples"]
    return found


def test_what_the_sources_raise_is_what_is_declared(sources):
    declared = {(one.status, code_of(name)) for name, one in REFUSALS.items()}
    assert _codes(_over_http(sources)) == declared


def test_each_operation_lists_what_it_raises_and_nothing_else(app, document, sources):
    seen = 0
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        raised = _codes(sources.raised(f"{route.endpoint.__module__}.{route.endpoint.__name__}"))
        for method in route.methods:
            path = (context.path or "").removeprefix(PREFIX)
            examples = _listed(document, document["paths"][path][method.lower()])
            listed = {(status, code_of(name)) for status, named in examples.items() for name in named}
            raised -= NEVER.get(f"{method} {path}", set())
            assert listed - COMMON == raised - COMMON, f"{method} {path}"
            assert raised <= listed, f"{method} {path}"
            seen += 1
    assert seen > 80


def test_every_declared_error_is_listed_by_an_operation(document):
    listed = {
        name
        for methods in document["paths"].values()
        for operation in methods.values()
        for named in _listed(document, operation).values()
        for name in named
    }
    assert {code_of(name) for name in REFUSALS} - {code_of(name) for name in listed} == NO_OPERATION
    assert set(REFUSALS) - listed == NO_OPERATION
    for name in REFUSALS:
        assert f"`{code_of(name)}`" in document["info"]["description"], name


def test_examples_of_errors_are_what_the_cloud_says(sources):
    """Where the sources say a message and a hint in so many words, the example has them."""
    sites = _over_http(sources)
    for name, refusal in REFUSALS.items():
        own = [one for one in sites if (refusal.status, code_of(name)) in _codes([one])]
        for told, patterns in (
            (refusal.message, {one.message for one in own}),
            (refusal.hint, {one.hint for one in own}),
        ):
            known = {one for one in patterns if one is not None}
            # None: computed, so that anything goes.
            assert None in patterns or any(re.fullmatch(one, told, re.S) for one in known), f"{name}: {told}"


def test_headers_of_errors_are_those_that_the_cloud_sends(document, sources):
    for one in _over_http(sources):
        if one.code is None or one.status is None:
            continue
        headers = one.headers & {"Retry-After", "WWW-Authenticate", "Content-Range"}
        declared = [
            refusal
            for name, refusal in REFUSALS.items()
            if (refusal.status, code_of(name)) == (one.status, one.code)
        ]
        # Where one of them has just these words, it is that one.
        same = [
            refusal
            for refusal in declared
            if one.message and re.fullmatch(one.message, refusal.message, re.S)
        ]
        assert any(headers <= set(refusal.headers) for refusal in same or declared), one


def test_the_reader_of_sources_sees_what_it_should(sources):
    """Or the tests above would pass for want of anything to compare."""
    assert f"{PACKAGE}.routes.commands.command_device" in sources.nodes
    raised = _codes(sources.raised(f"{PACKAGE}.routes.commands.command_device"))
    assert {(404, "MANIFEST_NOT_FOUND"), (409, "DRY_RUN_REQUIRED"), (401, "UNAUTHORIZED")} <= raised
    # Its refusals stand in the answer, one for each device.
    assert (409, "DRY_RUN_REQUIRED") not in _codes(
        sources.raised(f"{PACKAGE}.routes.commands.command_devices")
    )
