"""The clauses on json-full and json-header, each tried on the codec."""

import json
from hashlib import sha256

import pytest

from host_sim.profiles import json_full, json_header
from host_sim.profiles.canonical import JAVASCRIPT, PYTHON, canonical
from hxtp import schema
from hxtp.errors import HxtpError
from hxtp.sign import Key
from tests.codec.asking import FIELDS, SECRET, ask, sign_request, signed, verdict, without

JSON = ("json-full", "json-header")
KEY = Key(bytes.fromhex(SECRET))


def resigned(profile, members):
    """The message with its signature made anew over whatever it holds."""
    module = {"json-full": json_full, "json-header": json_header}[profile]
    members = without(members, "signature")
    if profile == "json-header":
        text = canonical({name: members[name] for name in module.HEADER if name in members}, JAVASCRIPT)
    else:
        text = canonical(members, PYTHON)
    return json.dumps({**members, "signature": KEY.mac(text).hex()}).encode()


def test_the_text_of_canonical_json():
    """HX3-CANON-10, HX3-CANON-12."""
    value = {"b": [True, None, "e\u0301/\u007f\u00e9\n\u0001"], "a": {"e\u0301": ""}}
    text = '{"a":{"e\u0301":""},"b":[true,null,"\u00e9/\u007f\u00e9\\n\\u0001"],"protocol":"hxtp/3.0"}'
    assert canonical(value, PYTHON).decode() == canonical(value, JAVASCRIPT).decode() == text


@pytest.mark.parametrize(
    ("value", "python", "javascript"),
    [
        (80, "80", "80"),
        (1.2, "1.19999999999999995559", "1.19999999999999995559"),
        (0.1, "0.10000000000000000555", "0.10000000000000000555"),
        (-1e-21, "0", "-0"),
        (1e21, "1" + "0" * 21, "1e+21"),
        (1e30, "1000000000000000019884624838656", "1e+3"),
        (2.0**-21, "0.00000047683715820312", "0.00000047683715820313"),
    ],
)
def test_numbers_of_both_dialects(value, python, javascript):
    """HX3-CANON-11, HX3-CANON-13."""
    assert canonical([value], PYTHON).decode() == f'["{python}"]'
    assert canonical([value], JAVASCRIPT).decode() == f'["{javascript}"]'


def test_what_each_profile_signs():
    """HX3-CANON-14, HX3-CANON-16: json-full signs every member, json-header the header alone."""
    for profile, other in (("json-full", "SIGNATURE_INVALID"), ("json-header", "OK")):
        members = json.loads(signed(profile))
        assert verdict(json.dumps({**members, "unknown": 1}).encode(), profile) == other
        changed = {**members, "client_id": "another"}
        assert verdict(json.dumps(changed).encode(), profile) == "SIGNATURE_INVALID"


def test_the_hash_of_each_profile():
    """HX3-CANON-15, HX3-CANON-17."""
    full = json.loads(signed("json-full", '{"b":1.0,"a":"\u00e9"}'))
    assert full["payload_hash"] == sha256(b'{"a":"\\u00e9","b":1.0}').hexdigest()
    header = json.loads(signed("json-header", "{}"))
    assert header["payload_hash"] == sha256(b'{"protocol":"hxtp/3.0"}').hexdigest()
    for profile, wanted in (("json-full", "OK"), ("json-header", "HASH_MISMATCH")):
        members = without(json.loads(signed(profile)), "payload_hash")
        assert verdict(resigned(profile, members), profile) == wanted
        assert verdict(resigned(profile, {**members, "payload_hash": ""}), profile) == "HASH_MISMATCH"


@pytest.mark.parametrize("profile", JSON)
def test_aliases_are_taken_alone(profile):
    """HX3-CANON-18."""
    members = json.loads(signed(profile))
    for name, alias in (("sequence_number", "sequence"), ("version", "protocol_version")):
        renamed = {**without(members, name), alias: members[name]}
        assert verdict(resigned(profile, renamed), profile) == "OK"
        assert verdict(json.dumps(renamed).encode(), profile) == "SIGNATURE_INVALID"
        both = {**members, alias: members[name]}
        assert verdict(resigned(profile, both), profile) == "FRAME_SCHEMA_INVALID"


@pytest.mark.parametrize("profile", JSON)
def test_a_protocol_of_another_name(profile):
    """HX3-CANON-19."""
    members = {**json.loads(signed(profile)), "protocol": "hxtp/3.1"}
    assert verdict(resigned(profile, members), profile) == "VERSION_MISMATCH"


@pytest.mark.parametrize("profile", JSON)
@pytest.mark.parametrize("body", ['{"a":"e\\u0301"}', '{"protocol":"hxtp/3.0"}', '{"a":1e999}'])
def test_params_that_do_not_sign_as_one_text(profile, body):
    """HX3-CANON-20."""
    refusal = ask(sign_request(profile, body_json=body))
    assert refusal == {"ok": False, "code": "FRAME_SCHEMA_INVALID"}


def test_numbers_that_the_text_does_not_say():
    """HX3-CANON-21: json-full with its hash vouches for them, the others do not."""
    body = '{"a":9007199254740993}'
    assert ask(sign_request("json-full", body_json=body))["ok"]
    assert ask(sign_request("json-header", body_json=body))["code"] == "FRAME_SCHEMA_INVALID"
    members = without(json.loads(signed("json-full", body)), "payload_hash")
    assert verdict(resigned("json-full", members), "json-full") == "FRAME_SCHEMA_INVALID"


@pytest.mark.parametrize("profile", JSON)
def test_the_body_is_params_alone(profile):
    """HX3-CANON-22."""
    for kind, name in (("state", "state"), ("telemetry", "data"), ("ack", "result")):
        members = json.loads(signed(profile, "{}", message_type=kind))
        renamed = {**without(members, "params"), name: {}}
        assert verdict(resigned(profile, renamed), profile) == "FRAME_SCHEMA_INVALID"


@pytest.mark.parametrize("profile", JSON)
def test_devices_speak_pipe10_alone(profile):
    """HX3-CANON-06, HX3-CANON-07."""
    assert verdict(signed(profile), profile, direction="to_device") == "FRAME_TYPE_INVALID"
    state = signed(profile, "{}", message_type="state")
    assert verdict(state, profile, direction="to_cloud") == "FRAME_TYPE_INVALID"
    assert verdict(signed(profile), profile, direction="from_client") == "OK"
    assert verdict(signed(profile), "pipe10", direction="to_device") != "OK"


def test_the_answer_to_a_client_verifies_in_json_full_without_a_hash():
    """HX3-CANON-09, HX3-SDK-06."""
    fields = {**without(FIELDS, "version"), "message_type": "ack"}
    answer = json_full.build(KEY, fields, b'{"ack_status":"executed"}', False, False)
    assert "payload_hash" not in json.loads(answer)
    assert verdict(answer, "json-full") == "OK"


def test_what_signs_alike_is_told_apart_by_the_schema():
    """HX3-CANON-23."""
    rule = {"level": {"type": "integer"}}
    schema.check(rule, {"level": 80})
    with pytest.raises(HxtpError):
        schema.check(rule, {"level": "80"})


@pytest.mark.parametrize("profile", JSON)
@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'{"', b'{"a":1,"a":1,"', "FRAME_JSON_INVALID"),
        (b'"nonce":"', b'"nonce":"|', "NONCE_MISSING"),
        (b'"sequence_number":7', b'"sequence_number":"7"', "FRAME_SCHEMA_INVALID"),
        (b'"message_type":"command"', b'"message_type":"order"', "FRAME_TYPE_INVALID"),
    ],
)
def test_the_rest_is_as_strict_as_in_pipe10(profile, old, new, code):
    """HX3-CANON-24."""
    wire = signed(profile)
    assert old in wire
    assert verdict(wire.replace(old, new, 1), profile) == code
