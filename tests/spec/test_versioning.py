"""What no later text of HxTP/3.0 may change, held against what was fixed once (HX3-VERS-03).

Whoever has to change a line of this file is making another protocol, and calls it so.
"""

import hashlib
import hmac
import json

from hypothesis import given
from hypothesis import strategies as st
from world import Sayer, World, opened, ready

from host_sim.profiles import auto
from hxtp import frame
from hxtp.envelope import Verifier, build
from hxtp.replay import Floor
from hxtp.sign import Key

SECRET = b"\xab" * 32
NOW = 1777200000000
DEVICE = "0123456789abcdef0123456789abcdef"
TENANT = "11111111-2222-4333-8444-555555555555"
ID = "20212223-2425-4627-a829-2a2b2c2d2e2f"
BODY = b'{"action":"light_on","brightness":80}'
FIELDS = {
    "message_type": "command",
    "device_id": DEVICE,
    "tenant_id": TENANT,
    "client_id": "hxtp-cloud",
    "message_id": ID,
    "request_id": ID,
    "sequence_number": 7,
    "timestamp": NOW,
    "nonce": "00112233445566778899aabbccddeeff",
}


def judged(message):
    verifier = Verifier(frame.TO_DEVICE, [(Key(SECRET), Floor())], DEVICE, TENANT, True)
    return verifier.judge(message, NOW, "cmd")


ORDER = (
    "PAYLOAD_TOO_LARGE",
    "FRAME_TOO_SHORT",
    "FRAME_MAGIC_INVALID",
    "FRAME_VERSION_INVALID",
    "FRAME_TYPE_INVALID",
    "FRAME_LENGTH_INVALID",
    "FRAME_UTF8_INVALID",
    "FRAME_JSON_INVALID",
    "VERSION_MISMATCH",
    "FRAME_SCHEMA_INVALID",
    "NONCE_MISSING",
    "HASH_MISMATCH",
    "SIGNATURE_MISSING",
    "FRAME_TYPE_INVALID",
    "DEVICE_NOT_FOUND",
    "PERMISSION_DENIED",
    "TIMESTAMP_FUTURE",
    "TIMESTAMP_EXPIRED",
    "NONCE_REUSED",
    "HASH_MISMATCH",
    "SEQUENCE_VIOLATION",
    "SIGNATURE_INVALID",
)


def test_the_signed_text_is_fixed():
    digest = hashlib.sha256(BODY).hexdigest()
    nonce = FIELDS["nonce"]
    text = f"HxTP/3.0|{DEVICE}|hxtp-cloud|{ID}|{ID}|7|{NOW}|{nonce}|command|{digest}"
    message = json.loads(build(Key(SECRET), FIELDS, BODY, False))
    assert message["payload_hash"] == digest
    assert message["signature"] == hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()


def test_the_size_limit_and_the_order_of_the_verdict_are_fixed():
    assert frame.MAX_JSON == 16384
    assert auto.BEFORE + auto.BEHIND == ORDER


_more = st.dictionaries(
    st.text(
        st.characters(codec="utf-8", min_codepoint=32, exclude_characters='\\"'), min_size=1, max_size=12
    ),
    st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.text(max_size=8), st.lists(st.booleans(), max_size=2)
    ),
    max_size=4,
)


@given(_more)
def test_members_beside_the_body_change_nothing(more):
    """HX3-VERS-05: what changes what a message does stands in the body, which is signed."""
    plain = json.loads(build(Key(SECRET), FIELDS, BODY, False))
    known = {*plain, "state", "data", "result", "sequence", "protocol_version", "action", "params"}
    added = {name: value for name, value in more.items() if name not in known}
    as_sent = json.dumps({**added, **plain}, ensure_ascii=False, separators=(",", ":")).encode()
    first, second = judged(json.dumps(plain, separators=(",", ":")).encode()), judged(as_sent)
    assert first.code is None and second.code is None
    assert (first.type, first.message_id, first.params()) == (second.type, second.message_id, second.params())


SAID = {  # by everybody to everybody, whatever was listed
    "to_device": {"command", "hello_ack", "ota"},
    "to_cloud": {
        "hello", "state", "telemetry", "heartbeat", "ack", "error", "manifest", "ota_status",
    },
}  # fmt: skip


def test_nobody_says_a_type_that_the_other_may_not_know():
    """HX3-VERS-04: no feature was listed, so nothing is said that this text does not have for all."""
    world = ready()
    order = world.order("light_on")
    world.device.telemetry({"temperature_mdeg": 21500}, world.now)
    for _ in range(40):
        world.wait(1000)
        world.pump()
    assert order.state == "acknowledged" and world.device.identity.features == []
    told, known = {"to_device": set(), "to_cloud": set()}, frame.TYPES
    for message in map(opened, world.wire):
        told["to_device" if known[message.type][2] & frame.TO_DEVICE else "to_cloud"].add(message.type)
    assert told["to_device"] and told["to_device"] <= SAID["to_device"]
    assert told["to_cloud"] and told["to_cloud"] <= SAID["to_cloud"]
    assert set(known) == SAID["to_device"] | SAID["to_cloud"]


def test_a_feature_that_the_cloud_does_not_have_is_not_accepted():
    """HX3-TERM-03: what is listed is met, so what is not known is not listed."""
    world = World()
    Sayer(world).hello(features=["x_nobody_has_this", "hxtp_next"])
    assert opened(world.cloud.take(world.time())).params()["features"] == []
