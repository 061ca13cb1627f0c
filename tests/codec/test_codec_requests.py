"""What the codec takes for a request, how it signs, and which code `auto` gives."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.codec import answer
from hxtp import envelope, frame
from hxtp.sign import Key, digest
from tests.codec.asking import (
    BODY,
    DEVICE,
    FIELDS,
    NONCE,
    NOW,
    PREVIOUS,
    PROFILES,
    SECRET,
    STRANGER,
    TENANT,
    ask,
    sign_request,
    sign_verdict,
    signed,
    verdict,
    verify_request,
    without,
)

BAD = {"ok": False, "code": "BAD_REQUEST"}
WIRE = signed()


# --- requests


NO_REQUEST = [
    *(b"", b"\n", b"junk", b"null", b"[]", b'"op"', b"1", b"{", b"{}", b"\xff\xfe", b"\xef\xbb\xbf{}"),
    *(b'{"op":null}', b'{"op":"Reset"}', b'{"op":["reset"]}', b'{"op":"reset"}x', b'{"op":"reset","x":NaN}'),
    *(b'{"op":"reset","op":"reset"}', b'{"op":1e99999999999999999999}', b'{"op":%s}' % (b"1" * 5000)),
    *(b"[" * 100_000, b'{"op":' * 100_000),
]


@pytest.mark.parametrize("line", NO_REQUEST, ids=lambda line: repr(line[:20]))
def test_what_is_no_request(line):
    assert answer(line) == BAD


def test_reset():
    assert answer(b'{"op":"reset"}\r\n') == {"ok": True}
    assert ask({"op": "reset", "unknown": [1.5, {}]}) == {"ok": True}


@pytest.mark.parametrize("name", without(verify_request(WIRE), "op"))
def test_verify_needs_every_member(name):
    request = verify_request(WIRE)
    assert ask(request)["ok"]
    assert ask(without(request, name)) == BAD


def test_seen_nonces_may_be_left_out():
    for nothing in (
        {},
        {"seen_nonces": None},
        {"seen_nonces": []},
        {"seen_nonces": ["other", "\u00e9"]},
    ):
        assert ask(verify_request(WIRE, **nothing))["ok"]


def test_half_of_a_surrogate_pair_is_no_text_wherever_it_stands():
    """HX3-CODEC-02."""
    for request in (
        verify_request(WIRE, seen_nonces=["\ud800"]),
        verify_request(WIRE, device_id="\udc00"),
        verify_request(WIRE, unknown={"\ud83d": 1}),
        sign_request(body_json='{"a":"\ud83d"}'),
    ):
        assert ask(request) == BAD
    assert ask(verify_request(WIRE, unknown="\U0001f600 \\ud800"))["ok"]


NO_SECRET = ["", "ab", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 31 + "a", "\u0661" * 64, 1, None, ["ab" * 32]]
NO_NUMBER = ["0", None, True, -1, 2**53, 10**400, [0], 0.5]
NO_TEXT = [1, True, [], {}, 0.5]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("profile", [*NO_TEXT, None]),
        ("direction", [*NO_TEXT, None, "", "to_client", "TO_DEVICE"]),
        ("wire_hex", [*NO_TEXT, None, "0", "zz", "7b 7d", "\u00e9\u00e9"]),
        ("secret_hex", NO_SECRET),
        ("previous_secret_hex", [value for value in NO_SECRET if value is not None]),
        ("device_id", NO_TEXT),
        ("tenant_id", NO_TEXT),
        ("now_ms", NO_NUMBER),
        ("max_age_s", [value for value in NO_NUMBER if value != 0.5]),
        ("future_s", [value for value in NO_NUMBER if value != 0.5]),
        ("last_sequence", [value for value in NO_NUMBER if value is not None]),
        ("seen_nonces", ["x", [1], {}, [None], True]),
    ],
)
def test_verify_refuses_members_of_another_type(name, values):
    for value in values:
        assert ask(verify_request(WIRE, **{name: value})) == BAD, value


@pytest.mark.parametrize("name", without(sign_request(), "op"))
def test_sign_needs_every_member(name):
    assert ask(sign_request())["ok"]
    assert ask(without(sign_request(), name)) == BAD


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("profile", [*NO_TEXT, None, "auto"]),
        ("secret_hex", NO_SECRET),
        (
            "fields",
            [None, [], "x", {**FIELDS, "sequence": 7}, {**FIELDS, "params": {}}, {**FIELDS, "signature": ""}],
        ),
        ("body_json", [None, {}, 1, '{"a":"\ud800"}']),
        ("framed", [None, 0, 1, "true"]),
    ],
)
def test_sign_refuses_members_of_another_type(name, values):
    for value in values:
        assert ask(sign_request() | {name: value}) == BAD, value


@pytest.mark.parametrize("profile", ["", "pipe11", "json", "PIPE10", "ed25519"])
def test_a_profile_that_we_lack(profile):
    unsupported = {"ok": False, "code": "UNSUPPORTED"}
    assert ask(sign_request(profile)) == unsupported
    assert ask(verify_request(WIRE, profile)) == unsupported


def test_nothing_is_kept_between_calls():
    for _ in range(2):
        assert verdict(WIRE, last_sequence=6) == "OK"
        assert ask({"op": "reset"})["ok"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x, max_size=3)))
def test_any_value_for_any_member_gets_an_answer(value):
    for request in (sign_request(), verify_request(WIRE)):
        for name in request:
            reply = ask({**request, name: value})
            assert isinstance(reply["ok"], bool)
            assert reply["ok"] or reply["code"]
    for name in FIELDS:
        ask(sign_request(fields={**FIELDS, name: value}))


@given(st.binary(max_size=200))
def test_any_line_gets_an_answer(line):
    assert answer(line)["ok"] in (True, False)
    assert answer(b'{"op":"verify","wire_hex":' + line + b"}")["ok"] is False


def test_an_answer_never_holds_the_secret():
    for request in (
        sign_request(),
        sign_request(fields={**FIELDS, "nonce": "x"}),
        sign_request(secret_hex=SECRET + "0"),
        sign_request(framed=None),
        verify_request(WIRE),
        verify_request(WIRE, previous_secret_hex=PREVIOUS),
        verify_request(WIRE, secret_hex=STRANGER),
        verify_request(WIRE, now_ms=None),
    ):
        reply = json.dumps(ask(request))
        assert not any(secret in reply for secret in (SECRET, PREVIOUS, STRANGER))


# --- sign


@pytest.mark.parametrize("framed", [False, True])
def test_pipe10_is_signed_by_hxtp_itself(framed):
    reply = ask(sign_request(framed=framed))
    fields = without(FIELDS, "version")
    assert bytes.fromhex(reply["wire_hex"]) == envelope.build(
        Key(bytes.fromhex(SECRET)), fields, BODY.encode(), framed
    )
    ids = f"{DEVICE}|unknown-client|{FIELDS['message_id']}|{FIELDS['request_id']}"
    text = f"HxTP/3.0|{ids}|7|{NOW}|{NONCE}|command|"
    assert reply["signed_text"] == text + reply["payload_hash"]
    assert reply["payload_hash"] == digest(BODY.encode()).decode()
    assert reply["signature"] == Key(bytes.fromhex(SECRET)).mac(reply["signed_text"].encode()).hex()
    assert set(reply) == {"ok", "wire_hex", "signed_text", "payload_hash", "signature"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize(
    "body", ["{}", BODY, '{"b" : 1.50,\n"a":[{"c":null}]}', '{"a":"\u00e9\\u00e9\\"}\U0001f600"}']
)
def test_the_body_is_embedded_as_given(profile, framed, body):
    wire = signed(profile, body, framed)
    assert b'"params":' + body.encode() in wire
    reply = ask(verify_request(wire, profile, device_id=DEVICE, tenant_id=TENANT, last_sequence=6))
    assert reply == {"ok": True, "rotated": False, "message_type": "command", "body_json": body}
    assert verdict(wire, "auto") == "OK"


@pytest.mark.parametrize("profile", PROFILES)
def test_white_space_around_the_body_is_sent_and_not_hashed(profile):
    wire = signed(profile, " {}\r\n")
    assert b'"params": {}\r\n,' in wire
    assert ask(verify_request(wire, profile))["body_json"] == "{}"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("kind", frame.TYPES)
def test_every_type_can_be_signed(profile, kind):
    assert verdict(signed(profile, message_type=kind, framed=True), profile) == "OK"


@pytest.mark.parametrize("profile", PROFILES)
def test_the_tenant_may_be_left_out(profile):
    for fields in (without(FIELDS, "tenant_id"), {**FIELDS, "tenant_id": None}):
        reply = ask(sign_request(profile, fields))
        assert b"tenant_id" not in bytes.fromhex(reply["wire_hex"])


REFUSED_FIELDS = [
    ("version", ["HxTP/3.1", "hxtp/3.0", "", None, 3.0, ["HxTP/3.0"]], "VERSION_MISMATCH"),
    ("nonce", ["", NONCE[:30], NONCE[:31], "n" * 65, None, 7, "MDEyMzQ1Njc4OTo7PD0="], "NONCE_MISSING"),
    ("message_type", ["commands", "hello-ack", "COMMAND"], "FRAME_TYPE_INVALID"),
    ("message_type", ["", None, 2, "command|"], "FRAME_SCHEMA_INVALID"),
    ("tenant_id", ["", 1, "\u00e9", "a|b", "t" * 37, {}], "FRAME_SCHEMA_INVALID"),
    *(
        (
            name,
            ["", None, 1, 7.5, "a|b", "a\nb", "\u00e9", "x" * 37, ["x"], {"x": 1.5}],
            "FRAME_SCHEMA_INVALID",
        )
        for name in ("device_id", "client_id", "message_id", "request_id")
    ),
    *(
        (name, [None, "7", -1, 7.0, 7.5, True, 2**53, 10**17, 10**3000, [7]], "FRAME_SCHEMA_INVALID")
        for name in ("sequence_number", "timestamp")
    ),
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("name", "values", "code"), REFUSED_FIELDS)
def test_sign_refuses_the_fields_that_verify_would(profile, name, values, code):
    for value in values:
        wanted = "FRAME_JSON_INVALID" if value == 10**3000 else code
        assert sign_verdict(profile, {**FIELDS, name: value}) == wanted, value
    if name != "tenant_id":
        missing = "FRAME_SCHEMA_INVALID" if name == "message_type" else code
        assert sign_verdict(profile, without(FIELDS, name)) == missing


def test_minus_zero_is_not_taken_for_zero():
    line = json.dumps(sign_request()).replace('"sequence_number": 7', '"sequence_number": -0')
    assert answer(line.encode()) == {"ok": False, "code": "FRAME_SCHEMA_INVALID"}
    assert answer(json.dumps(verify_request(WIRE)).replace(str(NOW), "-0").encode()) == BAD


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "FRAME_JSON_INVALID"),
        ("{", "FRAME_JSON_INVALID"),
        ("{}x", "FRAME_JSON_INVALID"),
        ("{} {}", "FRAME_JSON_INVALID"),
        ('{},"extra":{}', "FRAME_JSON_INVALID"),
        ('{"a":1},"state":{"a":2}', "FRAME_JSON_INVALID"),
        ('{"a":1,"a":1}', "FRAME_JSON_INVALID"),
        ('{"a":"\\ud800"}', "FRAME_JSON_INVALID"),
        ('{"a":' + "[" * 14 + "]" * 14 + "}", "OK"),
        ('{"a":' + "[" * 15 + "]" * 15 + "}", "FRAME_JSON_INVALID"),
        ("null", "FRAME_SCHEMA_INVALID"),
        ("[]", "FRAME_SCHEMA_INVALID"),
        ('"x"', "FRAME_SCHEMA_INVALID"),
    ],
)
def test_sign_refuses_the_bodies_that_verify_would(profile, body, code):
    assert sign_verdict(profile, body_json=body) == code


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("framed", [False, True])
def test_sign_refuses_what_is_too_large(profile, framed):
    room = 16384 - len(signed(profile, '{"x":""}'))
    fits = '{"x":"' + "a" * room + '"}'
    wire = signed(profile, fits, framed)
    assert len(wire) == 16384 + 8 * framed
    assert verdict(wire, profile) == "OK"
    assert sign_verdict(profile, body_json=fits.replace("aa", "aaa", 1), framed=framed) == "PAYLOAD_TOO_LARGE"
    assert sign_verdict(profile, body_json=fits + " ", framed=framed) == "PAYLOAD_TOO_LARGE"


# --- auto


def test_auto_gives_the_code_of_the_profile_that_came_furthest():
    # pipe10 and json-full find the hash right and the signature wrong; json-header wants another hash.
    assert verdict(WIRE, "auto", secret_hex=STRANGER) == "SIGNATURE_INVALID"
    for profile in PROFILES[1:]:
        assert verdict(signed(profile), "auto", secret_hex=STRANGER) == "SIGNATURE_INVALID"
    # Without payload_hash, pipe10 stops at the fields with HASH_MISMATCH; json-full goes on to the signature.
    unhashed = WIRE.replace(b'"payload_hash"', b'"no_hash"')
    assert verdict(unhashed, "pipe10") == verdict(unhashed, "json-header") == "HASH_MISMATCH"
    assert verdict(unhashed, "auto") == "SIGNATURE_INVALID"
    # An alias ends the matter for pipe10 at the fields, for the others much later.
    alias = WIRE.replace(b'"sequence_number"', b'"sequence"')
    assert verdict(alias, "pipe10") == "FRAME_SCHEMA_INVALID"
    assert verdict(alias, "auto", now_ms=NOW + 300_001) == "TIMESTAMP_EXPIRED"
    assert verdict(alias.replace(b'"nonce"', b'"n"'), "auto") == "NONCE_MISSING"
    alias = WIRE.replace(b'"version"', b'"protocol_version"')
    assert verdict(alias, "pipe10") == "VERSION_MISMATCH"
    assert verdict(alias, "auto", device_id="other") == "DEVICE_NOT_FOUND"
    # A frame's type that contradicts the message is later in the order than one that does not exist.
    framed = signed(framed=True)
    assert verdict(framed.replace(b"HX\x03\x02", b"HX\x03\x0c"), "auto") == "FRAME_TYPE_INVALID"
    assert verdict(framed.replace(b"HX\x03\x02", b"HX\x03\x04"), "auto") == "FRAME_TYPE_INVALID"


def test_auto_passes_over_a_direction_that_the_json_profiles_do_not_have():
    assert verdict(signed("json-full"), "json-full", direction="to_device") == "FRAME_TYPE_INVALID"
    assert verdict(signed("json-full"), "auto", direction="to_device") == "SIGNATURE_INVALID"
    assert verdict(signed("json-full"), "auto", direction="from_client") == "OK"


def test_auto_never_accepts_what_no_profile_accepts():
    """Over damaged messages of every profile, the answer is that of one profile, and OK if any says OK."""
    choice = random.Random(7)
    for profile in PROFILES:
        wire = signed(profile)
        for _ in range(300):
            damaged = bytearray(wire)
            damaged[choice.randrange(len(wire))] = choice.choice(b'0a"{},:|\\ \xff')
            alone = [verdict(bytes(damaged), name) for name in PROFILES]
            together = verdict(bytes(damaged), "auto")
            assert together in alone
            assert (together == "OK") == ("OK" in alone)
