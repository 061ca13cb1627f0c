"""The last value that passes and the first that does not, for every limit, in every profile."""

import pytest

from tests.codec.asking import (
    DEVICE,
    NONCE,
    NOW,
    PREVIOUS,
    PROFILES,
    SECRET,
    STRANGER,
    TENANT,
    ask,
    signed,
    verdict,
    verify_request,
)

pytestmark = pytest.mark.parametrize("profile", PROFILES)


@pytest.mark.parametrize(
    ("off", "wanted"),
    [
        (-300_000, "OK"),
        (-300_001, "TIMESTAMP_EXPIRED"),
        (60_000, "OK"),
        (60_001, "TIMESTAMP_FUTURE"),
        (0, "OK"),
    ],
)
def test_ages_are_compared_in_milliseconds(profile, off, wanted):
    assert verdict(signed(profile, timestamp=NOW + off), profile) == wanted


def test_limits_of_a_stricter_tenant(profile):
    wire = signed(profile)
    for limits in ({"max_age_s": 30, "future_s": 5}, {"max_age_s": 30.0, "future_s": 5.0}):
        assert verdict(wire, profile, now_ms=NOW + 30_000, **limits) == "OK"
        assert verdict(wire, profile, now_ms=NOW + 30_001, **limits) == "TIMESTAMP_EXPIRED"
        assert verdict(wire, profile, now_ms=NOW - 5_000, **limits) == "OK"
        assert verdict(wire, profile, now_ms=NOW - 5_001, **limits) == "TIMESTAMP_FUTURE"
    assert verdict(wire, profile, max_age_s=0, future_s=0) == "OK"
    assert verdict(wire, profile, now_ms=NOW + 1, max_age_s=0) == "TIMESTAMP_EXPIRED"
    # Fractions are taken exactly: 300.001 s is 300,001 ms, though no double is.
    assert verdict(wire, profile, now_ms=NOW + 300_001, max_age_s=300.001) == "OK"
    assert verdict(wire, profile, now_ms=NOW + 300_002, max_age_s=300.001) == "TIMESTAMP_EXPIRED"


def test_a_small_timestamp_counts_seconds(profile):
    assert verdict(signed(profile, timestamp=NOW // 1000), profile) == "OK"
    assert verdict(signed(profile, timestamp=NOW // 1000 - 301), profile) == "TIMESTAMP_EXPIRED"
    assert verdict(signed(profile, timestamp=NOW // 1000 + 61), profile) == "TIMESTAMP_FUTURE"
    assert verdict(signed(profile, timestamp=10**12), profile, now_ms=10**15) == "OK"
    assert verdict(signed(profile, timestamp=10**12 + 1), profile, now_ms=10**12) == "OK"


@pytest.mark.parametrize("framed", [False, True])
def test_the_size_is_that_of_the_json(profile, framed):
    room = 16384 - len(signed(profile, '{"x":""}'))
    wire = signed(profile, '{"x":"' + "a" * room + '"}', framed)
    assert verdict(wire, profile) == "OK"
    longer = wire + b" "
    if framed:
        longer = longer[:4] + (16385).to_bytes(4, "big") + longer[8:]
    assert verdict(longer, profile) == "PAYLOAD_TOO_LARGE"
    # Nothing of a message too large is looked at.
    assert verdict(b"\xff" * 16393, profile) == "PAYLOAD_TOO_LARGE"
    assert verdict(b"{" * 16385, profile) == "PAYLOAD_TOO_LARGE"
    assert verdict(b"\xff" * 16392, profile) == "FRAME_MAGIC_INVALID"
    assert verdict(b"{" * 16384, profile) == "FRAME_JSON_INVALID"


def test_sequence_numbers_end_at_2_to_the_53(profile):
    for number in (0, 2**53 - 1):
        assert verdict(signed(profile, sequence_number=number), profile) == "OK"
    last = signed(profile, sequence_number=2**53 - 1)
    for number in (b"9007199254740992", b"10000000000000000"):
        assert verdict(last.replace(b"9007199254740991", number), profile) == "FRAME_SCHEMA_INVALID"
    assert verdict(signed(profile).replace(b":7,", b":07,"), profile) == "FRAME_JSON_INVALID"


def test_the_sequence_rises_strictly(profile):
    wire = signed(profile, sequence_number=7)
    for last, wanted in (
        (None, "OK"),
        (0, "OK"),
        (6, "OK"),
        (7, "SEQUENCE_VIOLATION"),
        (8, "SEQUENCE_VIOLATION"),
    ):
        assert verdict(wire, profile, last_sequence=last) == wanted
    zero = signed(profile, sequence_number=0)
    assert verdict(zero, profile, last_sequence=None) == "OK"
    assert verdict(zero, profile, last_sequence=0) == "SEQUENCE_VIOLATION"


@pytest.mark.parametrize(
    ("nonce", "wanted"),
    [
        ("ab" * 15, "NONCE_MISSING"),
        ("ab" * 15 + "a", "NONCE_MISSING"),
        ("ab" * 16, "OK"),
        ("AB" * 16, "OK"),
        ("ab" * 32, "OK"),
        ("ab" * 33, "NONCE_MISSING"),
        ("MDEyMzQ1Njc4OTo7PD0=", "NONCE_MISSING"),  # 14 bytes
        ("MDEyMzQ1Njc4OTo7PD0+", "NONCE_MISSING"),  # 15 bytes
        ("MDEyMzQ1Njc4OTo7PD0+Pw==", "OK"),  # 16 bytes
        ("MDEyMzQ1Njc4OTo7PD0+Pw=", "NONCE_MISSING"),
        ("MDEyMzQ1Njc4OTo7PD0+Pw", "NONCE_MISSING"),
        ("MDEyMzQ1Njc4OTo7PD0_Pw==", "NONCE_MISSING"),
        ("g" * 32, "OK"),  # not hex, so base64: 24 bytes
        ("a" * 24, "NONCE_MISSING"),  # hex, so 12 bytes
        ("", "NONCE_MISSING"),
    ],
)
def test_a_nonce_stands_for_16_bytes_at_least(profile, nonce, wanted):
    wire = signed(profile).replace(NONCE.encode(), nonce.encode())
    assert verdict(wire, profile) == ("SIGNATURE_INVALID" if wanted == "OK" else wanted)
    if wanted == "OK":
        assert verdict(signed(profile, nonce=nonce), profile) == "OK"


def test_a_nonce_seen_names_the_replay(profile):
    wire = signed(profile)
    assert verdict(wire, profile, seen_nonces=[NONCE]) == "NONCE_REUSED"
    assert verdict(wire, profile, seen_nonces=["other", NONCE], last_sequence=7) == "NONCE_REUSED"
    # As many as are given, not the last sixteen alone.
    assert (
        verdict(wire, profile, seen_nonces=[NONCE] + [f"{number:032x}" for number in range(5000)])
        == "NONCE_REUSED"
    )
    assert verdict(wire, profile, seen_nonces=[NONCE[:-1], NONCE.upper()]) == "OK"


@pytest.mark.parametrize(("depth", "wanted"), [(16, "OK"), (17, "FRAME_JSON_INVALID")])
def test_depth(profile, depth, wanted):
    """The top object is depth 1, the body 2; the message is judged as any other up to 16."""
    inner = "[" * (depth - 2) + "]" * (depth - 2)
    if wanted == "OK":
        assert verdict(signed(profile, f'{{"a":{inner}}}'), profile) == "OK"
    damaged = signed(profile).replace(b"80", inner.encode())
    assert verdict(damaged, profile) == ("HASH_MISMATCH" if wanted == "OK" else wanted)
    elsewhere = signed(profile).replace(b"{", f'{{"x":[{inner}],'.encode(), 1)
    unsigned = "SIGNATURE_INVALID" if profile == "json-full" else "OK"
    assert verdict(elsewhere, profile) == (unsigned if wanted == "OK" else wanted)


def test_ids_of_1_to_36_characters(profile):
    for name in ("device_id", "tenant_id", "client_id", "message_id", "request_id"):
        for value in ("x", "~" * 36, '"\\/ {}'):
            assert verdict(signed(profile, **{name: value}), profile) == "OK"
        wire = signed(profile, **{name: "~" * 36})
        for value in (b"~" * 37, b"", b"|", b"\x7f", b"\\u0000"):
            assert verdict(wire.replace(b"~" * 36, value), profile) == "FRAME_SCHEMA_INVALID"


def test_the_order_of_the_verdict(profile):
    """A message wrong in every way, put right one way after the other, gives one code after the other."""
    wrong = {
        "secret_hex": STRANGER,
        "last_sequence": 7,
        "seen_nonces": [NONCE],
        "now_ms": NOW + 300_001,
        "tenant_id": "other",
        "device_id": "other",
        "direction": "to_device",
    }
    right = {
        "direction": "from_client",
        "device_id": DEVICE,
        "tenant_id": TENANT,
        "now_ms": NOW,
        "seen_nonces": [],
        "last_sequence": None,
        "secret_hex": SECRET,
    }
    wire = signed(profile, message_type="heartbeat").replace(b":80", b":81")
    codes = [verdict(wire, profile, **wrong)]
    for name, value in right.items():
        wrong[name] = value
        codes.append(verdict(wire, profile, **wrong))
        if name == "seen_nonces":
            wire = wire.replace(b":81", b":80")
            codes.append(verdict(wire, profile, **wrong))
    assert codes == [
        "FRAME_TYPE_INVALID",
        "DEVICE_NOT_FOUND",
        "PERMISSION_DENIED",
        "TIMESTAMP_EXPIRED",
        "NONCE_REUSED",
        "HASH_MISMATCH",
        "SEQUENCE_VIOLATION",
        "SIGNATURE_INVALID",
        "OK",
    ]


def test_the_previous_secret_is_told(profile):
    reply = ask(verify_request(signed(profile), profile, previous_secret_hex=PREVIOUS))
    assert reply["ok"] and reply["rotated"] is False
    reply = ask(verify_request(signed(profile), profile, secret_hex=PREVIOUS, previous_secret_hex=SECRET))
    assert reply["ok"] and reply["rotated"] is True
    refused = verify_request(signed(profile), profile, secret_hex=PREVIOUS, previous_secret_hex=STRANGER)
    assert ask(refused) == {"ok": False, "code": "SIGNATURE_INVALID"}
