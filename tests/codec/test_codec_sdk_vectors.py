"""What the public SDKs built, judged by our rules through the codec.

A vector's own `verified_by` says how those SDKs judged it; where ours is stricter, the reason stands here.
"""

import json
from pathlib import Path

import pytest

from host_sim.profiles import PROFILES
from tests.codec.asking import ask, sign_request, verdict, verify_request

DATA = json.loads((Path(__file__).parent.parent / "vectors" / "sdk-vectors.json").read_text())
VECTORS = {vector["name"]: vector for vector in DATA["vectors"]}

# Messages that one of our profiles accepts: name -> profile.
ACCEPTED = {
    "pipe10-command-sorted": "pipe10",
    "pipe10-command-sorted-py": "pipe10",
    "pipe10-command-sorted-py-old": "pipe10",
    "pipe10-command-unsorted-js": "pipe10",
    "pipe10-heartbeat-empty-params": "pipe10",
    "pipe10-telemetry-float-22.5": "pipe10",
    "pipe10-nonascii-js": "pipe10",
    "micro-d37c4c6-hello": "pipe10",
    "micro-d37c4c6-state": "pipe10",
    "micro-d37c4c6-ack": "pipe10",
    "cloud-command-ok": "pipe10",
    # The top-level action is not signed: as a message it is authentic. That it contradicts the signed action,
    # or stands alone, makes the *command* COMMAND_INVALID, which is for the session to say.
    "neg-tampered-action": "pipe10",
    "json-full-command-py": "json-full",
    "json-full-no-tenant-py": "json-full",
    "json-header-command-js": "json-header",
    "json-header-heartbeat-js": "json-header",
}

# Messages that every profile refuses: name -> the code by "auto".
REFUSED = {
    # A template that agrees with nobody, and writes its numbers as strings.
    "micro-ea9893f-hello": "FRAME_SCHEMA_INVALID",
    "micro-ea9893f-state": "FRAME_SCHEMA_INVALID",
    "micro-ea9893f-telemetry": "FRAME_SCHEMA_INVALID",
    "micro-ea9893f-ack": "FRAME_SCHEMA_INVALID",
    "micro-ea9893f-nack": "FRAME_SCHEMA_INVALID",
    "neg-tampered-params": "HASH_MISMATCH",
    "neg-bad-signature": "SIGNATURE_INVALID",
    "neg-old-timestamp": "TIMESTAMP_EXPIRED",
    "neg-version-2.2": "VERSION_MISMATCH",
    "neg-missing-nonce": "NONCE_MISSING",
}

# Not messages: what an SDK could not build, and the request over HTTP.
NO_MESSAGE = {"micro-d37c4c6-heartbeat", "micro-ea9893f-heartbeat", "bootstrap-request"}


def wire(name: str) -> bytes:
    return VECTORS[name]["wire_json"].encode()


def judge(name: str, profile: str, **changes: object) -> str:
    return verdict(wire(name), profile, secret_hex=DATA["secret_hex"], now_ms=DATA["now_ms"], **changes)


def test_every_vector_has_its_place_here():
    assert set(VECTORS) == ACCEPTED.keys() | REFUSED.keys() | NO_MESSAGE
    assert all("wire_json" not in VECTORS[name] for name in NO_MESSAGE)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_an_sdk_signed_is_accepted_by_its_profile_and_by_no_other(name):
    verdicts = {profile: judge(name, profile) for profile in PROFILES}
    assert verdicts.pop(ACCEPTED[name]) == "OK"
    assert set(verdicts.values()) <= {"SIGNATURE_INVALID", "HASH_MISMATCH", "FRAME_SCHEMA_INVALID"}
    assert judge(name, "auto") == "OK"


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_signed_text_and_hash_are_those_of_the_sdk(name):
    vector = VECTORS[name]
    members = json.loads(vector["wire_json"])
    names = ("version", "message_type", "device_id", "tenant_id", "client_id", "message_id", "request_id")
    fields = {
        field: members[field]
        for field in (*names, "sequence_number", "timestamp", "nonce")
        if field in members
    }
    kinds = {"state": "state", "telemetry": "data", "ack": "result"}
    body = vector.get("payload_hash_input") if ACCEPTED[name] != "json-header" else None
    if body is None:
        body = json.dumps(members["params"], separators=(",", ":"))
    assert body == json.dumps(
        members.get("params", members.get(kinds.get(members["message_type"]))),
        separators=(",", ":"),
        ensure_ascii=False,
    )
    reply = ask(sign_request(ACCEPTED[name], fields, secret_hex=DATA["secret_hex"], body_json=body))
    assert reply["signed_text"] == vector["canonical"]
    assert reply["payload_hash"] == members["payload_hash"]
    assert reply["signature"] == members["signature"] == vector["hmac_sha256"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_must_be_refused_is_refused_with_its_code(name):
    # HX3-SDK-05: hxtp-micro 1.0.5 among it, whose messages no profile takes
    assert judge(name, "auto") == REFUSED[name]
    assert judge(name, "pipe10") == REFUSED[name]
    assert all(judge(name, profile) != "OK" for profile in PROFILES)


@pytest.mark.parametrize("name", [name for name in VECTORS if VECTORS[name].get("frame_header_hex")])
def test_messages_of_the_device_sdk_in_their_frames(name):
    # HX3-SDK-05
    framed = bytes.fromhex(VECTORS[name]["frame_header_hex"]) + wire(name)
    wanted = REFUSED.get(name, "OK")
    assert verdict(framed, secret_hex=DATA["secret_hex"], direction="to_cloud") == wanted
    assert verdict(framed, secret_hex=DATA["secret_hex"], direction="to_device") != "OK"


def test_a_client_says_commands_and_heartbeats_only():
    for name in ("pipe10-command-sorted", "pipe10-heartbeat-empty-params", "json-full-command-py"):
        assert judge(name, "auto", direction="from_client") == "OK"
    for name in ("pipe10-telemetry-float-22.5", "pipe10-nonascii-js"):
        assert judge(name, "auto", direction="from_client") == "FRAME_TYPE_INVALID"
        assert judge(name, "auto", direction="to_cloud") == "OK"


def test_a_message_without_tenant_is_refused_only_towards_a_device_that_knows_its_own():
    name = "pipe10-command-sorted-py"
    tenant = VECTORS[name]["inputs"]["tenant_id"]
    assert judge(name, "pipe10", direction="to_device", tenant_id=tenant) == "PERMISSION_DENIED"
    assert judge(name, "pipe10", direction="to_device", tenant_id=None) == "OK"
    assert judge(name, "pipe10", direction="from_client", tenant_id=tenant) == "OK"
    assert judge(name, "pipe10", direction="any", tenant_id=tenant) == "OK"


@pytest.mark.parametrize("name", [name for name in ACCEPTED if ACCEPTED[name] != "pipe10"])
@pytest.mark.parametrize("direction", ["to_device", "to_cloud"])
def test_a_device_key_verifies_no_json_profile(name, direction):
    assert judge(name, ACCEPTED[name], direction=direction) == "FRAME_TYPE_INVALID"
    assert judge(name, "auto", direction=direction) != "OK"


def test_the_body_comes_back_as_it_was_hashed():
    for name in ACCEPTED:
        reply = ask(verify_request(wire(name), "auto", secret_hex=DATA["secret_hex"]))
        assert reply["body_json"] in VECTORS[name]["wire_json"]
        assert reply["message_type"] == json.loads(wire(name))["message_type"]
        assert reply["rotated"] is False
    name = "pipe10-nonascii-js"
    reply = ask(verify_request(wire(name), "auto", secret_hex=DATA["secret_hex"]))
    assert reply["body_json"] == VECTORS[name]["payload_hash_input"]
