"""The JSON profiles: the checks of pipe10 over another signed text, and what that text cannot tell apart."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from host_sim.profiles import PROFILES, json_full
from host_sim.profiles.canonical import JAVASCRIPT, PYTHON, canonical
from hxtp import frame
from hxtp.replay import Floor
from hxtp.sign import Key
from tests.codec.asking import (
    BODY,
    DEVICE,
    FIELDS,
    NONCE,
    NOW,
    PREVIOUS,
    SECRET,
    TENANT,
    sign_verdict,
    signed,
    verdict,
    without,
)

JSON = ("json-full", "json-header")
HEADER = ("version", "protocol_version", *without(FIELDS, "version"), "sequence", "payload_hash")


def mac(text: bytes) -> str:
    return hmac.new(bytes.fromhex(SECRET), text, hashlib.sha256).hexdigest()


def sha256(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def by_hand(
    profile: str, members: dict[str, Any], params_text: str | None = "{}", hashed: bool = True
) -> bytes:
    """A message as a client of this profile would sign these members and the parsed params, unchecked.

    `params_text` stands in the message as it is; the signature is over what it means.
    """
    params = {} if params_text is None else json.loads(params_text)
    members = dict(members)
    if hashed and profile == "json-full":
        members["payload_hash"] = sha256(json.dumps(params, sort_keys=True, separators=(",", ":")))
    elif hashed:
        members["payload_hash"] = sha256(canonical(params, JAVASCRIPT))
    if profile == "json-full":
        body = {} if params_text is None else {"params": params}
        members["signature"] = mac(canonical({**members, **body}, PYTHON))
    else:
        header = {name: value for name, value in members.items() if name in HEADER}
        members["signature"] = mac(canonical(header, JAVASCRIPT))
    text = json.dumps(members)[:-1]
    return (text + ("}" if params_text is None else f',"params":{params_text}}}')).encode()


@pytest.mark.parametrize("profile", JSON)
def test_a_client_may_write_its_members_in_any_order_and_spelling(profile):
    wire = by_hand(profile, FIELDS, '{ "b":[1.50,{"z":-0.0}],\n"a":"caf\\u00e9 \\ud83d\\ude00" }')
    assert verdict(wire, profile) == "OK"
    assert verdict(wire.replace(b"caf\\u00e9", "café".encode()), profile) == "OK"
    assert verdict(wire.replace(b'"version": "HxTP/3.0"', b'"version" :"HxTP\\/3.0"'), profile) == "OK"


@pytest.mark.parametrize("profile", JSON)
def test_params_may_be_absent(profile):
    assert verdict(by_hand(profile, FIELDS, None), profile) == "OK"
    assert verdict(by_hand(profile, FIELDS, "{}"), profile) == "OK"


@pytest.mark.parametrize("profile", JSON)
def test_every_signed_member_is_signed(profile):
    wire = signed(profile)
    for name in ("device_id", "tenant_id", "client_id", "message_id", "request_id", "nonce"):
        value = FIELDS[name]
        other = wire.replace(f'"{name}":"{value}"'.encode(), f'"{name}":"{value[:-1]}0"'.encode())
        assert other != wire
        assert verdict(other, profile) == "SIGNATURE_INVALID"
    assert verdict(wire.replace(b":7,", b":8,"), profile) == "SIGNATURE_INVALID"
    assert verdict(wire.replace(str(NOW).encode(), str(NOW + 1).encode()), profile) == "SIGNATURE_INVALID"
    assert verdict(wire.replace(b'"command"', b'"heartbeat"'), profile) == "SIGNATURE_INVALID"
    assert verdict(wire.replace(b":80", b":81"), profile) == "HASH_MISMATCH"
    without_tenant = wire.replace(f'"tenant_id":"{TENANT}",'.encode(), b"")
    assert verdict(without_tenant, profile) == "SIGNATURE_INVALID"


def test_unknown_members_are_signed_in_json_full_and_ignored_in_json_header():
    for profile, wanted in (("json-full", "SIGNATURE_INVALID"), ("json-header", "OK")):
        assert verdict(signed(profile).replace(b"{", b'{"x":1,', 1), profile) == wanted
        assert verdict(by_hand(profile, {**FIELDS, "x": [1, {"y": None}]}), profile) == "OK"


@pytest.mark.parametrize("profile", JSON)
def test_previous_secret(profile):
    wire = signed(profile)
    assert verdict(wire, profile, secret_hex=PREVIOUS, previous_secret_hex=SECRET) == "OK"
    assert verdict(wire, profile, secret_hex=PREVIOUS) == "SIGNATURE_INVALID"


@pytest.mark.parametrize("profile", JSON)
def test_a_message_may_be_framed(profile):
    assert verdict(signed(profile, framed=True), profile, direction="from_client") == "OK"
    other = signed(profile, framed=True).replace(b"HX\x03\x02", b"HX\x03\x04")
    assert verdict(other, profile) == "FRAME_TYPE_INVALID"


# --- payload_hash


def test_json_full_needs_no_payload_hash_because_the_params_themselves_are_signed():
    wire = by_hand("json-full", FIELDS, BODY, hashed=False)
    assert b"payload_hash" not in wire
    assert verdict(wire, "json-full") == "OK"
    assert verdict(wire.replace(b":80", b":81"), "json-full") == "SIGNATURE_INVALID"
    hashed = by_hand("json-full", FIELDS, BODY)
    removed = hashed.replace(b'"payload_hash": "%s", ' % sha256(BODY).encode(), b"")
    assert b"payload_hash" not in removed
    assert verdict(removed, "json-full") == "SIGNATURE_INVALID"


def test_json_header_needs_one_because_nothing_else_binds_the_params():
    assert verdict(by_hand("json-header", FIELDS, BODY, hashed=False), "json-header") == "HASH_MISMATCH"


@pytest.mark.parametrize("profile", JSON)
@pytest.mark.parametrize("value", [None, "", "0" * 63, "A" * 64, 0, False])
def test_an_ill_formed_payload_hash_is_never_taken_for_an_absent_one(profile, value):
    wire = by_hand(profile, {**FIELDS, "payload_hash": value}, BODY, hashed=False)
    assert verdict(wire, profile) == "HASH_MISMATCH"


def test_the_cloud_answers_in_json_full_without_payload_hash():
    fields = without(FIELDS, "version") | {"message_type": "ack"}
    key = Key(bytes.fromhex(SECRET))
    wire = json_full.build(key, fields, b'{"ack_status":"executed"}', framed=False, hashed=False)
    assert b"payload_hash" not in wire
    verifier = PROFILES["json-full"].verifier(frame.TO_CLIENT, [(key, Floor(-1))], DEVICE, TENANT)
    message = verifier.judge(wire, NOW)
    assert message.code is None and message.params() == {"ack_status": "executed"}


# --- aliases and the protocol's name


@pytest.mark.parametrize("profile", JSON)
def test_the_aliases_are_accepted_alone(profile):
    alias = without(FIELDS, "sequence_number") | {"sequence": 7}
    assert verdict(by_hand(profile, alias), profile) == "OK"
    assert verdict(by_hand(profile, alias), profile, last_sequence=7) == "SEQUENCE_VIOLATION"
    assert verdict(by_hand(profile, FIELDS | {"sequence": 7}), profile) == "FRAME_SCHEMA_INVALID"
    alias = without(FIELDS, "version") | {"protocol_version": "HxTP/3.0"}
    assert verdict(by_hand(profile, alias), profile) == "OK"
    assert (
        verdict(by_hand(profile, FIELDS | {"protocol_version": "HxTP/3.0"}), profile)
        == "FRAME_SCHEMA_INVALID"
    )
    other = without(FIELDS, "version") | {"protocol_version": "HxTP/3.1"}
    assert verdict(by_hand(profile, other), profile) == "VERSION_MISMATCH"


@pytest.mark.parametrize("name", ["sequence", "protocol_version"])
def test_pipe10_refuses_the_aliases(name):
    wire = signed().replace(b"{", f'{{"{name}":7,'.encode(), 1)
    assert verdict(wire) == "FRAME_SCHEMA_INVALID"


@pytest.mark.parametrize("profile", JSON)
@pytest.mark.parametrize(
    ("protocol", "wanted"),
    [
        ("hxtp/3.0", "OK"),
        ("hxtp/3.1", "VERSION_MISMATCH"),
        ("", "VERSION_MISMATCH"),
        (None, "VERSION_MISMATCH"),
        (3, "VERSION_MISMATCH"),
    ],
)
def test_a_top_level_protocol_can_only_be_ours(profile, protocol, wanted):
    assert verdict(by_hand(profile, FIELDS | {"protocol": protocol}), profile) == wanted


# --- what the canonical text cannot tell apart


@pytest.mark.parametrize("profile", JSON)
def test_params_are_in_nfc(profile):
    for body in ('{"a":"e\\u0301"}', '{"a":[{"b":"e\u0301"}]}', '{"a":"\\u212b"}'):
        assert verdict(by_hand(profile, FIELDS, body), profile) == "FRAME_SCHEMA_INVALID"
        assert sign_verdict(profile, body_json=body) == "FRAME_SCHEMA_INVALID"
    for body in ('{"a":"\\u00e9"}', '{"e\\u0301":1}'):
        assert verdict(by_hand(profile, FIELDS, body), profile) == "OK"
    assert verdict(signed(body='{"a":"e\\u0301"}')) == "OK"  # pipe10 hashes bytes and minds nothing


@pytest.mark.parametrize("profile", JSON)
def test_params_have_no_protocol_member(profile):
    for value in ('"hxtp/3.0"', '""', "null", "1"):
        assert verdict(by_hand(profile, FIELDS, f'{{"protocol":{value}}}'), profile) == "FRAME_SCHEMA_INVALID"
    assert verdict(by_hand(profile, FIELDS, '{"a":{"protocol":1}}'), profile) == "OK"
    assert verdict(signed(body='{"protocol":"nec"}')) == "OK"


def test_a_number_must_still_be_what_was_signed():
    """Where the canonical text alone vouches for it; a hash of the raw kind tells any two numbers apart."""
    rounded, spoilt = '{"a":9007199254740993}', '{"a":1e30}'
    for body in (rounded, spoilt):
        assert verdict(by_hand("json-header", FIELDS, body), "json-header") == "FRAME_SCHEMA_INVALID"
    assert verdict(by_hand("json-full", FIELDS, rounded, hashed=False), "json-full") == "FRAME_SCHEMA_INVALID"
    for body in (rounded, spoilt):
        assert verdict(by_hand("json-full", FIELDS, body), "json-full") == "OK"
    for body in ('{"a":-1e-21}', '{"a":1e21}', '{"a":9007199254740992}', '{"a":0.1}', '{"a":1e-7}'):
        for profile in JSON:
            assert verdict(by_hand(profile, FIELDS, body), profile) == "OK"


@pytest.mark.parametrize("profile", JSON)
@pytest.mark.parametrize("number", ["1e309", "-1e999", "1" * 400])
def test_a_number_beyond_a_double_is_refused_in_params(profile, number):
    wire = by_hand(profile, FIELDS, '{"a":1}').replace(b'{"a":1}', b'{"a":%s}' % number.encode())
    assert verdict(wire, profile) == "FRAME_SCHEMA_INVALID"
    assert verdict(signed(body=f'{{"a":{number}}}')) == "OK"


def test_a_number_beyond_a_double_elsewhere_is_refused_where_it_would_be_signed():
    wire = by_hand("json-full", FIELDS).replace(b"{", b'{"x":1e999,', 1)
    assert verdict(wire, "json-full") == "FRAME_SCHEMA_INVALID"
    wire = by_hand("json-header", FIELDS).replace(b"{", b'{"x":1e999,', 1)
    assert verdict(wire, "json-header") == "OK"


def test_a_number_and_its_quoted_text_sign_alike_but_hash_apart_in_json_full():
    """Why the cloud checks such params against the schema without coercion."""
    for profile in JSON:
        wire = by_hand(profile, FIELDS, '{"a":80}', hashed=profile == "json-header")
        assert verdict(wire.replace(b":80", b':"80"'), profile) == "OK"
    wire = by_hand("json-full", FIELDS, '{"a":80}')
    assert verdict(wire.replace(b":80", b':"80"'), "json-full") == "HASH_MISMATCH"


@pytest.mark.parametrize("profile", JSON)
def test_the_body_is_params_and_nothing_else(profile):
    wire = by_hand(profile, FIELDS | {"message_type": "state"}, "{}")
    for name in (b"state", b"data", b"result"):
        assert verdict(wire.replace(b'"params"', b'"%s"' % name), profile) == "FRAME_SCHEMA_INVALID"
        assert verdict(wire.replace(b"{", b'{"%s":{},' % name, 1), profile) == "FRAME_JSON_INVALID"
    for body in (b"[]", b"null", b'"x"', b"1"):
        other = wire.replace(b'"params":{}', b'"params":' + body)
        assert verdict(other, profile) == "FRAME_SCHEMA_INVALID"


# --- the same strictness as pipe10


@pytest.mark.parametrize("profile", JSON)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b'"nonce"', b'"nonc\\u0065"'), "FRAME_JSON_INVALID"),
        ((b"{", b'{"nonce":"%s",' % NONCE.encode()), "FRAME_JSON_INVALID"),
        ((b'"action"', b'"brightness"'), "FRAME_JSON_INVALID"),
        ((b"light_on", b"\\ud800"), "FRAME_JSON_INVALID"),
        ((b"light_on", b"\xff"), "FRAME_UTF8_INVALID"),
        ((b":80}", b":80}}"), "FRAME_JSON_INVALID"),
        ((b"unknown-client", b"unknown|client"), "FRAME_SCHEMA_INVALID"),
        ((b"unknown-client", b""), "FRAME_SCHEMA_INVALID"),
        ((b"unknown-client", b"\\u00e9"), "FRAME_SCHEMA_INVALID"),
        ((b"unknown-client", b"a" * 37), "FRAME_SCHEMA_INVALID"),
        ((b":7,", b':"7",'), "FRAME_SCHEMA_INVALID"),
        ((b":7,", b":7.0,"), "FRAME_SCHEMA_INVALID"),
        ((b":7,", b":9007199254740992,"), "FRAME_SCHEMA_INVALID"),
        ((NONCE.encode(), NONCE[:30].encode()), "NONCE_MISSING"),
        ((b'"nonce"', b'"nonces"'), "NONCE_MISSING"),
        ((b'"signature":"', b'"signature":"0'), "SIGNATURE_MISSING"),
        ((b'"signature"', b'"signatures"'), "SIGNATURE_MISSING"),
        ((b'"command"', b'"commands"'), "FRAME_TYPE_INVALID"),
        ((b"HxTP/3.0", b"HxTP/3.1"), "VERSION_MISMATCH"),
    ],
)
def test_the_scan_and_the_fields_are_as_strict_as_in_pipe10(profile, change, code):
    for name in ("pipe10", profile):
        wire = signed(name)
        assert change[0] in wire
        assert verdict(wire.replace(*change, 1), name) == code


@pytest.mark.parametrize("profile", JSON)
def test_device_and_tenant_are_compared(profile):
    assert verdict(signed(profile), profile, device_id="other") == "DEVICE_NOT_FOUND"
    assert verdict(signed(profile), profile, tenant_id="other") == "PERMISSION_DENIED"
    assert verdict(signed(profile, tenant_id=None), profile, tenant_id="other") == "OK"
    assert verdict(signed(profile), profile, device_id=DEVICE, tenant_id=TENANT) == "OK"
