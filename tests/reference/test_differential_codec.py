"""Our codec and the independent one answer alike: any body in any profile, and vectors that were damaged."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from host_sim import codec
from tests.reference import codec_reference
from tests.reference.drawing import FRAGMENTS, MORE, ODD_TEXTS, bodies, json_texts, numbers
from tests.reference.vectors import vectors

REQUESTS = [
    vector.request
    for vector in vectors()
    if vector.request
    and vector.request.get("op") == "verify"
    and vector.expected.get("code") != "BAD_REQUEST"
]
SIGN = next(vector.request for vector in vectors() if vector.id == "sign-pipe10") or {}
PROFILES = ("pipe10", "json-full", "json-header")

# What canonical JSON minds: normal forms, escapes, names beyond U+FFFF, numbers at the edges of a double.
TEXTS = st.text('e\u0301\u00e9\u212b\uff61\U0001f600\x00\x1f\x7f"\\/\u2028a', max_size=4).map(json.dumps)
EDGES = st.sampled_from(
    [
        *("1e21", "1e30", "-1e-21", "5e-21", "4.76837158203125e-7", "-0.0", "-0", "1e309", "0.1", "1e20"),
        *("9007199254740993", "9007199254740993.0", "999999999999999900000", "1.7976931348623157e308"),
        *("1" * 22, "1" + "0" * 21, "123456789.000000001", "0.5e-20", "1.5e-20", "2.5E-20"),
    ]
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.floats(-1e-6, 1e-6).map(repr)
VALUES = json_texts | numbers | EDGES | FLOATS | TEXTS
OBJECTS = st.lists(st.tuples(TEXTS, VALUES), max_size=4, unique_by=lambda pair: pair[0]).map(
    lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
)


def agreed(request: dict[str, Any]) -> dict[str, Any]:
    line = json.dumps(request)
    ours, theirs = codec.answer(line.encode()), codec_reference.answer(line)
    assert ours == theirs, line
    return ours


@MORE
@given(st.sampled_from(PROFILES), OBJECTS | bodies | st.sampled_from(ODD_TEXTS) | VALUES, st.booleans())
def test_any_body_is_signed_alike_and_then_accepted(profile, body, framed):
    answer = agreed({**SIGN, "profile": profile, "body_json": body, "framed": framed})
    if not answer["ok"]:
        return
    request = {**REQUESTS[0], "wire_hex": answer["wire_hex"], "secret_hex": SIGN["secret_hex"]}
    for asked in (profile, "auto"):
        accepted = agreed({**request, "profile": asked})
        assert accepted["ok"] and accepted["body_json"] == body.strip(" \t\r\n")
    for asked in PROFILES:
        assert agreed({**request, "profile": asked})["ok"] is (asked == profile)


@MORE
@given(
    st.sampled_from(PROFILES),
    st.dictionaries(
        st.sampled_from(sorted(SIGN["fields"])),
        st.text(max_size=40) | st.integers(-5, 2**60) | st.none() | st.booleans(),
        max_size=3,
    ),
)
def test_any_field_is_signed_alike(profile, changes):
    agreed({**SIGN, "profile": profile, "fields": {**SIGN["fields"], **changes}})


@MORE
@given(
    st.sampled_from(REQUESTS),
    st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 3), st.binary(max_size=2) | st.sampled_from(FRAGMENTS)),
        max_size=2,
    ),
    st.sampled_from(["pipe10", "json-full", "json-header", "auto"]),
    st.sampled_from(["to_device", "to_cloud", "from_client", "any"]),
    st.sampled_from([{}, {"last_sequence": 7}, {"device_id": "x"}, {"tenant_id": "x"}, {"now_ms": 0}]),
)
def test_damaged_vectors_are_judged_alike(request_, edits, profile, direction, changes):
    wire = bytearray.fromhex(request_["wire_hex"])
    for at, gone, new in edits:
        wire[at : at + gone] = new
    agreed({**request_, "profile": profile, "direction": direction, "wire_hex": wire.hex(), **changes})


def test_more_padding_than_base64_has_is_no_nonce_to_either():
    # HX3-WIRE-26
    bare = next(request for request in REQUESTS if request["wire_hex"].startswith(b'{"client_id'.hex()))
    wire = json.loads(bytes.fromhex(bare["wire_hex"]))
    for nonce, code in (
        ("MDEyMzQ1Njc4OTo7PD0+P0BB", "SIGNATURE_INVALID"),
        ("MDEyMzQ1Njc4OTo7PD0+P0BB===", "NONCE_MISSING"),
    ):
        text = json.dumps({**wire, "nonce": nonce}, separators=(",", ":"))
        assert agreed({**bare, "wire_hex": text.encode().hex()})["code"] == code
