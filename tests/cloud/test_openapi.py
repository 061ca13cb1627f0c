"""The API's description is whole, is what the repository holds, and its page needs no network."""

import re

import pytest
from jsonschema import Draft202012Validator
from schemathesis import openapi

from host_sim.cloud.app import PREFIX, create_app
from tools.openapi import FILE, text

BEARER = {"bearer": []}
SECURITY = (  # a token, or what stands for one
    [],
    [BEARER],
    [{}, BEARER],
    [{"device": []}],
    [BEARER, {"device": []}],
    [BEARER, {"ticket": []}],
    [{"broker": []}],
)


@pytest.fixture(scope="module")
def document():
    return create_app(None).openapi()


def _operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_repository_holds_this_description():
    assert FILE.read_text(encoding="utf-8") == text(), "write it anew: .venv/bin/python -m tools.openapi"


def test_it_is_served_and_can_be_read(api, document):
    served = api(None).get("/openapi.json").json()
    assert served == document
    assert served["openapi"] == "3.1.0" and served["servers"][0]["url"] == PREFIX
    assert len(list(openapi.from_dict(served).get_all_operations())) > 80


def test_every_operation_says_what_it_is_and_who_may(document):
    names = set()
    for name, operation in _operations(document):
        assert 3 <= len(operation["summary"]) <= 120, name
        assert len(operation["tags"]) == 1, name
        assert operation["operationId"] not in names, name
        names.add(operation["operationId"])
        assert operation["security"] in SECURITY, name
        statuses = set(operation["responses"])
        assert "500" in statuses and "422" not in statuses, name
        assert ({"401", "429"} <= statuses) or not operation["security"] or {} in operation["security"], name
    described = {tag["name"] for tag in document["tags"] if tag.get("description")}
    used = {operation["tags"][0] for _, operation in _operations(document)}
    assert used <= described


def test_every_answer_has_a_shape_and_every_error_the_same(document):
    shared = document["components"]["responses"]
    for name, operation in _operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                answer = shared[answer["$ref"].rpartition("/")[2]]
                content = answer["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert content["example"]["error"]
            elif status != "307":
                schemas = [one["schema"] for one in answer["content"].values()]
                assert all(
                    "$ref" in one or one.get("type") != "object" or one.get("properties") for one in schemas
                ), f"{name} {status}: give it a model"
            assert {"X-Request-ID", "X-API-Version", "X-Protocol-Version"} <= set(answer["headers"]), name


def test_examples_of_models_fit_them(document):
    """An example that the schema beside it refuses misleads whoever copies it."""
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        for member, rule in schema.get("properties", {}).items():
            validator = Draft202012Validator({**rule, "components": document["components"]})
            for example in rule.get("examples", ()):
                errors = [error.message for error in validator.iter_errors(example)]
                assert not errors, f"{name}.{member}: {errors}"
                checked += 1
    assert checked > 100


def test_the_page_loads_nothing_from_elsewhere(api):
    page = api(None).get("/docs")
    assert page.status_code == 200 and "default-src 'none'" in page.headers["Content-Security-Policy"]
    found = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "openapi.json" in found and len(found) == 4
    for one in found:
        assert "//" not in one
        assert api(None).get(f"/{one}").status_code == 200
    assert "<script>" not in page.text  # the policy takes scripts from files alone
    assert len(api(None).get("/docs/swagger-ui-bundle.js").content) > 500000


def test_a_wrong_method_is_told_which_there_are(api):
    for path, methods in (("/scenes", "GET, POST"), ("/devices/command", "POST"), ("/version", "GET")):
        answer = api().request("TRACE", path)
        assert (answer.status_code, answer.json()["error"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == methods
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/device/register", "/device/claim", "/devices/command", "/auth/cli-form"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_path_of_one_word_is_not_taken_for_one_with_an_id(api, path, method):
    for one in (api(), api(None)):
        answer = one.request(method, path, json={"name": "x"})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
