"""The vectors of what is signed over HTTP: in order themselves, and three implementations agree on them."""

import json

import jsonschema
import pytest

from host_sim.cloud.security.requests import Malformed, Signed
from host_sim.conformance.cloud.checks import Check, judged
from host_sim.conformance.cloud.line import Answer
from hxtp.sign import Key
from tests.reference import http_reference
from tests.reference.vectors import FOLDER, vectors

PAGE = json.loads((FOLDER / "http/firmware-check.json").read_text())
DEVICE = PAGE["device"]
SECRET = bytes.fromhex(DEVICE["secret_hex"])
SECRETS = {
    DEVICE["device_id"]: SECRET,
    DEVICE["other_device_id"]: bytes.fromhex(DEVICE["other_secret_hex"]),
}


def rows_about(what):
    found = [group["tests"] for group in PAGE["testGroups"] if group["about"] == what]
    return [pytest.param(test, id=test["id"]) for tests in found for test in tests]


REQUESTS, ANSWERS = rows_about("request"), rows_about("answer")
ALL = [each.values[0] for each in REQUESTS + ANSWERS]


def negative(test):
    return (
        test["expected"].get("verdict") in ("refused", "reused") or test["expected"].get("trusted") is False
    )


def test_the_file_has_the_form_of_its_schema_and_explains_its_flags():
    schema = json.loads((FOLDER / "http/http.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(PAGE)
    assert PAGE["numberOfTests"] == len(ALL)
    assert {flag for test in ALL for flag in test["flags"]} == PAGE["notes"].keys()
    ids = [test["id"] for test in ALL]
    assert len(set(ids)) == len(ids) and not {vector.id for vector in vectors()} & set(ids)


def test_the_schema_refuses_what_is_no_vector():
    schema = jsonschema.Draft202012Validator(json.loads((FOLDER / "http/http.schema.json").read_text()))
    requests, answers = PAGE["testGroups"][0], PAGE["testGroups"][-1]
    for group, change in (
        (requests, {"expected": {"verdict": "answered"}}),
        (requests, {"expected": {"trusted": True}}),
        (requests, {"answer": {}}),
        (requests, {"clauses": []}),
        (answers, {"expected": {"trusted": True}}),
        (answers, {"expected": {"trusted": False, "signed_text": "x"}}),
        (answers, {"more": 1}),
    ):
        changed = {**group, "tests": [{**group["tests"][0], **change}]}
        assert not schema.is_valid({**PAGE, "testGroups": [changed]}), change


def test_there_are_enough_of_them_and_most_are_negative():
    assert len(ALL) >= 100 and sum(map(negative, ALL)) >= 0.6 * len(ALL)
    told = [
        (test["request"], test.get("answer"), test.get("now_ms"), test.get("seen_nonces")) for test in ALL
    ]
    assert len({json.dumps(each) for each in told}) == len(told)  # none is asked twice


@pytest.mark.parametrize("test", REQUESTS)
def test_the_independent_implementation_agrees_on_requests(test):
    # HX3-PROV-02, HX3-PROV-03, HX3-SEQ-07
    sent, expected = test["request"], test["expected"]
    found = http_reference.judge(sent, DEVICE["tenant_id"], SECRETS, test["now_ms"], test["seen_nonces"])
    assert (found.verdict, found.text) == (expected["verdict"], expected.get("signed_text"))
    if found.asked is not None:
        assert {name: found.asked[name] for name in expected["asked"]} == expected["asked"]


@pytest.mark.parametrize("test", ANSWERS)
def test_the_independent_implementation_agrees_on_answers(test):
    # HX3-PROV-05
    to, told, expected = test["request"], test["answer"], test["expected"]
    ids = DEVICE["device_id"], DEVICE["tenant_id"]
    assert http_reference.trusts(to, told, *ids, SECRET) is expected["trusted"]
    if expected["trusted"]:
        assert http_reference.answered_text(to, told, *ids) == expected["signed_text"]


@pytest.mark.parametrize("test", REQUESTS)
def test_what_our_cloud_verifies_is_the_signed_text(test):
    # HX3-PROV-02: the whole of our cloud is held against these in tests/cloud/test_firmware_check_vectors.py.
    text = test["expected"].get("signed_text")
    if text is None:
        return
    _, purpose, device, tenant, *_, digest = text.split("|")
    signed = Signed.of(test["request"]["headers"])
    assert signed.text(purpose, device, tenant, digest).decode() == text
    assert signed.holds(SECRETS[device], purpose, device, tenant, digest)


@pytest.mark.parametrize("test", ANSWERS)
def test_the_kit_trusts_the_answers_that_a_device_may_trust(test):
    # HX3-PROV-05
    sent, told = test["request"], test["answer"]
    names = "firmware-check", DEVICE["device_id"], DEVICE["tenant_id"]
    check = Check(sent["method"], sent["query"], None, sent["headers"], Key(SECRET), names)
    headers = {name.lower(): value for name, value in told["headers"].items()}
    answer = Answer(told["status"], headers, told["body"].encode())
    assert judged(check, answer, SECRET)[0] is test["expected"]["trusted"]


@pytest.mark.parametrize("test", REQUESTS)
def test_the_kit_signs_as_the_requests_are_signed(test):
    # HX3-PROV-02
    if test["expected"]["verdict"] == "refused" or "names-" in test["id"]:
        return
    sent = test["request"]
    names = "firmware-check", DEVICE["device_id"], DEVICE["tenant_id"]
    content = None if sent["body"] is None else sent["body"].encode()
    unsigned = {**sent["headers"], "X-HXTP-Signature": ""}
    check = Check(sent["method"], sent["query"], content, unsigned, Key(SECRET), names)
    assert check.signing().headers == sent["headers"]


def test_a_header_of_another_form_is_none_to_our_cloud():
    # HX3-PROV-26
    ill = [each.values[0] for each in REQUESTS if "Header" in each.values[0]["flags"]]
    assert len(ill) > 10
    for test in ill:
        with pytest.raises(Malformed):
            Signed.of(test["request"]["headers"])
