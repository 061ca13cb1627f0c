"""The API's description is whole, is what the repository holds, and its page needs no network."""

import re

import pytest
from jsonschema import Draft202012Validator
from schemathesis import openapi

from host_sim.cloud.app import PREFIX
from host_sim.cloud.description.examples import Examples, Unknown
from tests.cloud import described
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
    return described.document()


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


def _answers(document, operation):
    """By status, with what it refers to."""
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
        yield int(status), answer


def _misfits(document, schema, value) -> list[str]:
    validator = Draft202012Validator({**schema, "components": document["components"]})
    return [error.message for error in validator.iter_errors(value)]


def _shown(media) -> list:
    """The examples of a body."""
    if "example" in media:
        return [media["example"]]
    return [one["value"] for one in media.get("examples", {}).values()]


def test_every_answer_has_a_shape_and_every_error_the_same(document):
    for name, operation in _operations(document):
        for status, answer in _answers(document, operation):
            if status >= 400:
                content = answer["content"]["application/json"]
                for one in content["examples"].values():
                    members = {"error", "message", "hint", "request_id"}
                    assert members <= set(one["value"]), f"{name} {status}"
                    assert not _misfits(document, {"$ref": "#/components/schemas/Problem"}, one["value"])
            elif status != 307:
                schemas = [one["schema"] for one in answer["content"].values()]
                assert all(
                    "$ref" in one or one.get("type") != "object" or one.get("properties") for one in schemas
                ), f"{name} {status}: give it a model"
            assert {"X-Request-ID", "X-API-Version", "X-Protocol-Version"} <= set(answer["headers"]), name


def test_every_answer_says_what_it_is(document):
    for name, operation in _operations(document):
        for status, answer in _answers(document, operation):
            text = answer["description"]
            # The first sentence of the model: one that begins with a member says what that is.
            assert len(text) >= 8 and "Successful Response" not in text, f"{name} {status}"
            assert status >= 400 or not text.startswith("`"), f"{name} {status}: {text}"
            assert text != operation["summary"], f"{name} {status}: its model says nothing of itself"


def test_every_body_has_an_example_that_fits(document):
    """An example that the schema beside it refuses misleads whoever copies it."""
    checked = 0
    for name, operation in _operations(document):
        bodies = [("", operation["requestBody"])] if "requestBody" in operation else []
        for status, body in (*bodies, *_answers(document, operation)):
            for kind, media in body.get("content", {}).items():
                assert _shown(media), f"{name} {status} {kind} has no example"
                for example in _shown(media):
                    assert not _misfits(document, media["schema"], example), f"{name} {status} {kind}"
                    checked += 1
    assert checked > 600


def test_every_parameter_and_every_header_has_an_example_that_fits(document):
    named = [
        (f"{name} {one['name']}", one["schema"])
        for name, operation in _operations(document)
        for one in operation.get("parameters", ())
    ]
    named += [(name, one["schema"]) for name, one in document["components"]["headers"].items()]
    assert len(named) > 100
    for name, schema in named:
        examples = schema.get("examples") or schema.get("enum") or [schema.get("const")]
        assert examples != [None], f"{name} has no example"
        for example in examples:
            assert not _misfits(document, schema, example), name


def test_every_member_of_a_model_has_an_example_that_fits(document):
    checked = 0
    for name, schema in document["components"]["schemas"].items():
        for member, rule in schema.get("properties", {}).items():
            assert "const" in rule or rule["examples"], f"{name}.{member} has no example"
            for example in rule.get("examples", ()):
                assert not _misfits(document, rule, example), f"{name}.{member}: {example}"
                checked += 1
        for example in schema.get("examples", ()):
            assert not _misfits(document, schema, example), name
    assert checked > 400


def test_no_two_models_have_the_same_name(document):
    """Generators of clients drop one of them, and the operations that need it."""
    schemas = document["components"]["schemas"]
    assert {name: schema["title"] for name, schema in schemas.items()} == {name: name for name in schemas}


def test_what_needs_a_yes_is_described_as_the_seed_has_it(document):
    schemas = document["components"]["schemas"]
    answer = document["paths"]["/device/{device_id}/command"]["post"]["responses"]["409"]
    content = answer["content"]["application/json"]
    example = content["examples"]["DRY_RUN_REQUIRED"]["value"]
    assert {"status": "dry_run_required", "reason": "Critical action requires confirmation"}.items() <= (
        example.items()
    )
    assert example["dry_run_token"] == example["token"]
    assert {"status", "reason", "dry_run_token"} <= set(schemas["YesWanted"]["required"])
    assert {"$ref": "#/components/schemas/YesWanted"} in content["schema"]["anyOf"]
    degraded = document["paths"]["/health"]["get"]["responses"]["503"]["content"]["application/json"]
    assert {"$ref": "#/components/schemas/Degraded"} in degraded["schema"]["anyOf"]
    assert degraded["examples"]["DEGRADED"]["value"]["status"] == "degraded"
    assert {"status", "checks"} <= set(schemas["Degraded"]["required"])


def test_a_member_that_nothing_says_an_example_of_is_told():
    schema = {"type": "object", "properties": {"unheard_of": {"type": "string"}}}
    document = {"paths": {}, "components": {"schemas": {"New": schema}}}
    with pytest.raises(Unknown, match=r"New\.unheard_of"):
        Examples(document).add()


def _patterns(part):
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _patterns(one)


def test_a_pattern_means_the_same_to_every_regular_expression(document):
    """What is a space, a digit or a letter depends on who reads it: a pattern names its characters."""
    patterns = set(_patterns(document))
    assert len(patterns) > 20
    assert not [one for one in patterns if re.search(r"\\[sSdDwWbB]", one)]


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
    for path, methods in (
        ("/scenes", "GET, HEAD, POST"),
        ("/devices/command", "POST"),
        ("/version", "GET, HEAD"),
    ):
        answer = api().request("TRACE", path)
        assert (answer.status_code, answer.json()["error"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == methods
        assert answer.json()["message"] == f"this address takes no other method than {methods}"
        assert answer.headers["X-Request-ID"] == answer.json()["request_id"]


@pytest.mark.parametrize("path", ["/device/register", "/device/claim", "/devices/command", "/auth/cli-form"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_path_of_one_word_is_not_taken_for_one_with_an_id(api, path, method):
    for one in (api(), api(None)):
        answer = one.request(method, path, json={"name": "x"})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
