"""The JSON Schemas describe what the reference really sends, and refuse what it refuses."""

import json

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from workbench import Bench
from world import Forger, Sayer, World, ready

from host_sim import ROOT
from hxtp import envelope, frame, jsontext
from hxtp.errors import HxtpError
from tests.spec.tables import SPEC

SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text())
    for path in SPEC.glob("schemas/*.json")
}
REGISTRY = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)


def validate(kind, value):
    Draft202012Validator(SCHEMAS[kind], registry=REGISTRY).validate(value)


def opened(message):
    payload = message[1]
    return json.loads(payload[8:] if payload[:1] == b"H" else payload)


def everything_said():
    """Messages of every type: what session and cloud send by themselves, and the others as they would."""
    world = World()
    kept = []
    keep = world._keep

    def keep_all(message):
        kept.append(message)
        keep(message)

    world._keep = keep_all
    world.connect()
    world.order("light_on", {"brightness": 80})
    world.order("light_on", {"brightness": 800})
    world.order("nothing")
    world.device.telemetry({"temperature_mdeg": 21500}, world.now)
    world.pump()
    world.wait(30000)
    world.pump()
    stale = Sayer(world)
    world.now += 10000
    stale.hello(features=[])
    stale.forger.send("hello", {"boot_count": 1, "challenge": "ab" * 16, "results_kept": 8}, timestamp=0)
    forger = Forger(world)
    kept.append(forger.send("ota", {}, "ota", deliver=False))
    kept.append(forger.send("error", {"error": "INTERNAL_ERROR"}, "cmd_ack", deliver=False))
    status = {"release": 1, "phase": "trial"}
    kept.append(forger.send("ota_status", status, "ota_status", deliver=False))
    return [opened(message) for message in kept]


def test_the_schemas_are_schemas_with_ids_of_their_own():
    assert len({schema["$id"] for schema in SCHEMAS.values()}) == len(SCHEMAS)
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    assert set(SCHEMAS) == {"envelope", "capabilities", *frame.TYPES}


def test_every_message_that_the_reference_builds_fits_its_schema():
    """HX3-WIRE-20, HX3-WIRE-33, HX3-CMD-02, HX3-CMD-07, HX3-SESS-02, HX3-SESS-10, HX3-MAN-01."""
    said = everything_said()
    assert {message["message_type"] for message in said} == set(frame.TYPES)
    for message in said:
        validate(message["message_type"], message)
        for other in ("hello", "command", "ack"):
            if other != message["message_type"]:
                with pytest.raises(ValidationError):
                    validate(other, message)


def test_what_the_reference_sends_is_in_its_portable_form():
    """HX3-WIRE-34, HX3-WIRE-36, HX3-WIRE-38, HX3-WIRE-39, HX3-WIRE-41."""
    world = ready()
    for _, payload in world.wire:
        text = payload[8:].decode("ascii")
        value = json.loads(text)
        assert jsontext.dumps(value) == text
        assert value["request_id"] == value["message_id"]


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("version", ["HxTP/3.1", 3, None]),
        ("device_id", ["", "a|b", "x" * 37, "é", 7, None]),
        ("tenant_id", [None, "", 7]),
        ("message_id", ["", None]),
        ("sequence_number", [-1, 2**53, "7", None, True, 1.5]),
        ("timestamp", [-1, 2**53, "7", None]),
        ("nonce", ["ab" * 15, "ab" * 33, "x" * 32 + "=", None]),
        ("payload_hash", ["ab" * 31, "AB" * 32, None]),
        ("signature", ["ab" * 31, "AB" * 32, None]),
        ("params", [None, [], 1, "x"]),
        ("sequence", [7]),
        ("protocol_version", ["HxTP/3.0"]),
        ("data", [{}]),
    ],
)
def test_schema_and_code_refuse_the_same_members(member, values):
    """HX3-WIRE-21, HX3-WIRE-22, HX3-WIRE-23, HX3-WIRE-24, HX3-WIRE-26, HX3-WIRE-27, HX3-WIRE-31."""
    whole = next(message for message in everything_said() if message["message_type"] == "state")
    envelope.parse(json.dumps(whole).encode(), envelope.Message())
    for value in values:
        changed = whole | {member: value}
        with pytest.raises(ValidationError):
            validate("state", changed)
        with pytest.raises(HxtpError):
            envelope.parse(json.dumps(changed).encode(), envelope.Message())


@pytest.mark.parametrize("board", sorted(path.name for path in (ROOT / "firmware" / "boards").glob("*.json")))
def test_the_manifests_of_our_boards_fit_the_schema(board):
    """HX3-MAN-01, HX3-MAN-06, HX3-MAN-07, HX3-MAN-09, HX3-MAN-14."""
    lines = json.loads((ROOT / "firmware" / "boards" / board).read_text())["parts"]
    parts = Bench(*lines).registry
    manifest = json.loads(parts.manifest())
    validate("capabilities", manifest)
    actions = [entry["action"] for entry in manifest["capabilities"]]
    assert actions == sorted(set(actions))


@pytest.mark.parametrize(
    "change",
    [
        {"action": "hxtp.rotate"},
        {"action": ""},
        {"action": "x" * 33},
        {"id": 0},
        {"id": 65536},
        {"safetyClass": "dangerous"},
        {"supportsDryRun": 1},
        {"paramSchema": {"properties": {}}},
        {"paramSchema": {"additionalProperties": False, "properties": {"action": {"type": "string"}}}},
        {"paramSchema": {"additionalProperties": False, "properties": {"dry_run": {"type": "boolean"}}}},
        {"paramSchema": {"additionalProperties": False, "properties": {"a": {"type": "array"}}}},
        {"paramSchema": {"additionalProperties": False, "properties": {"a": {"type": "object"}}}},
    ],
)
def test_a_capability_that_is_none_is_refused(change):
    """HX3-MAN-06, HX3-MAN-07, HX3-MAN-08, HX3-MAN-09, HX3-MAN-14."""
    good = {
        "action": "light_on",
        "description": "",
        "id": 1,
        "paramSchema": {"additionalProperties": False, "properties": {"a": {"type": "string"}}},
        "safetyClass": "normal",
        "supportsDryRun": False,
    }
    validate("capabilities", {"capabilities": [good]})
    with pytest.raises(ValidationError):
        validate("capabilities", {"capabilities": [good | change]})
