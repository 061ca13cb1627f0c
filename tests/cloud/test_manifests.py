"""Manifests: what a device can do, said by it or over the API, and what there is to choose from."""

import hashlib
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_sim.cloud.catalogue import built_in, capabilities, declarations, manifests
from host_sim.cloud.links import reports
from host_sim.device import Lamp
from hxtp.registry import Registry
from tests.cloud.waiting import until

OPEN = {
    "id": 500,
    "action": "lock_open",
    "description": "Open the lock",
    "safetyClass": "critical",
    "paramSchema": {
        "additionalProperties": False,
        "properties": {"seconds": {"type": "integer", "minimum": 1, "maximum": 60, "required": True}},
    },
    "supportsDryRun": True,
}


@pytest.fixture
def bare(api):
    """The path of a device that never connects."""
    device = api().post("/device/register", json={"device_type": "x"}).json()["device_id"]
    return f"/devices/{device}"


def error(answer):
    return answer.status_code, answer.json()["error"]


def test_the_manifest_of_a_device_is_as_it_told_it(api, device):
    lamp = device(parts=lambda: [Lamp()])
    told = api("viewer").get(f"/devices/{lamp.id}/manifest").json()
    assert (told["deviceId"], told["tenantId"], told["version"]) == (lamp.id, lamp.sim.tenant_id, 1)
    assert told["source"] == "device"
    registry = Registry()
    registry.add(Lamp())
    own = json.loads(registry.manifest())["capabilities"]
    assert told["capabilities"] == own
    assert api().get(f"/devices/{lamp.id}/capabilities").json()["capabilities"] == own


def test_a_manifest_is_registered_once_and_then_updated(api, bare):
    assert error(api().get(f"{bare}/manifest")) == (404, "MANIFEST_NOT_FOUND")
    assert error(api().get(f"{bare}/capabilities")) == (404, "MANIFEST_NOT_FOUND")
    assert error(api().put(f"{bare}/manifest", json={"capabilities": []})) == (404, "MANIFEST_NOT_FOUND")
    first = api().post(f"{bare}/manifest", json={"capabilities": [OPEN]})
    assert (first.status_code, first.json()["version"], first.json()["source"]) == (201, 1, "api")
    assert first.json()["capabilities"] == [OPEN]
    body = json.dumps({"capabilities": [OPEN]}, sort_keys=True, separators=(",", ":"))
    assert first.json()["hash"] == hashlib.sha256(body.encode()).hexdigest()
    again = api().post(f"{bare}/manifest", json={"capabilities": []})
    assert error(again) == (409, "MANIFEST_EXISTS")
    changed = api().put(f"{bare}/manifest", json={"capabilities": [dict(OPEN, safetyClass="normal")]})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    api().post(f"{bare}/revoke")
    assert error(api().put(f"{bare}/manifest", json={"capabilities": []})) == (409, "DEVICE_REVOKED")


def test_nobody_overwrites_a_change_that_they_have_not_seen(api, bare):
    path = f"{bare}/manifest"
    first = api().post(path, json={"capabilities": [OPEN]}).json()
    mine = {"expected_version": first["version"], "capabilities": [dict(OPEN, safetyClass="normal")]}
    changed = api().put(path, json=mine).json()
    assert (first["status"], changed["status"], changed["version"]) == ("registered", "updated", 2)
    assert changed["registeredAt"] == first["registeredAt"] == first["updatedAt"]
    late = api().put(path, json=dict(mine, capabilities=[]))
    assert error(late) == (409, "MANIFEST_VERSION_CONFLICT") and "version 2" in late.json()["message"]
    assert api().get(path).json() == {name: value for name, value in changed.items() if name != "status"}


def test_the_gate_goes_by_a_manifest_from_the_api(api, bare, monkeypatch):
    monkeypatch.setattr("host_sim.cloud.gate.trials.TRIAL_MS", 100)  # nobody will answer
    api().post(f"{bare}/manifest", json={"capabilities": [OPEN]})
    command = {"action": "lock_open", "params": {"seconds": 5}}
    assert error(api().post(f"{bare}/command", json=command)) == (409, "DEVICE_OFFLINE")
    api().put(f"{bare}/manifest", json={"capabilities": [dict(OPEN, safetyClass="restricted")]})
    assert error(api().post(f"{bare}/command", json=command)) == (403, "RESTRICTED_ACTION")


def test_a_parameter_that_could_not_be_kept_as_it_is_is_not_sent(api, bare):
    say = {"id": 1, "action": "say", "paramSchema": {"properties": {"text": {"type": "string"}}}}
    api().post(f"{bare}/manifest", json={"capabilities": [say]})

    def ask(text):
        return api().post(f"{bare}/command", json={"action": "say", "params": {"text": text}})

    assert error(ask("a\x00b")) == (400, "PARAMS_INVALID")
    assert ask("\\u0000").status_code == 202


@pytest.mark.parametrize("rule", [{"type": "permille"}, {"type": "integer", "maximum": 5, "multipleOf": 5}])
def test_a_declaration_in_words_of_a_later_text_is_for_the_device_to_check(api, cloud, device, rule):
    # HX3-MAN-16
    newer = device(parts=lambda: [Lamp()])
    tenant_id = newer.registration["tenant_id"]
    with cloud.services.database.writing(tenant_id) as connection:
        kept = manifests.of(connection, tenant_id, newer.id)
        for entry in kept.body["capabilities"]:
            if entry["action"] == "light_brightness":
                entry["paramSchema"]["properties"]["brightness"] = rule
                entry["safetyClass"] = "sensitive"  # to be checked again when somebody has said yes
        reports.save_manifest(connection, tenant_id, newer.id, kept.hash, kept.body, 0)

    def ended(brightness):
        body = {"action": "light_brightness", "params": {"brightness": brightness}}
        token = api().post(f"/device/{newer.id}/command", json=body).json()["dry_run_token"]
        sent = api().post(f"/device/{newer.id}/command/confirm", json={"dry_run_token": token})
        command = api().settled(sent.json()["command_id"])
        return command["status"], command["error"]

    assert (ended(60), newer.sim.parts[0].brightness) == (("acknowledged", None), 60)
    assert ended(500) == ended("bright") == ("failed", "INVALID_PARAMS")
    other = {"action": "light_brightness", "params": {"hue": 1}}
    assert error(api().post(f"/device/{newer.id}/command", json=other)) == (400, "PARAMS_INVALID")


def test_what_is_left_out_has_its_default_and_order_does_not_matter(api, bare):
    sent = [{"id": 2, "action": "b"}, {"id": 1, "action": "a", "paramSchema": {"properties": {}}}]
    told = api().post(f"{bare}/manifest", json={"capabilities": sent}).json()["capabilities"]
    assert [one["action"] for one in told] == ["a", "b"]
    assert told[1] == {
        "id": 2,
        "action": "b",
        "description": "",
        "safetyClass": "normal",
        "paramSchema": {"additionalProperties": False, "properties": {}},
        "supportsDryRun": False,
    }


def test_the_devices_own_manifest_wins_when_it_comes(api, device):
    lamp = device(parts=lambda: [Lamp()])
    path = f"/devices/{lamp.id}/manifest"
    before = api().get(path).json()
    assert api().put(path, json={"capabilities": [OPEN]}).json()["version"] == 2
    lamp.mqtt.reboot()
    until(lambda: api().get(path).json()["source"] == "device", "the device's own manifest")
    after = api().get(path).json()
    assert after["capabilities"] == before["capabilities"] and after["version"] == 3


def schema(**rule):
    return {"paramSchema": {"additionalProperties": False, "properties": {"x": rule}}}


@pytest.mark.parametrize(
    "changed, where",
    [
        ({"action": "hxtp.rotate"}, "capabilities.0.action"),
        ({"action": ""}, "capabilities.0.action"),
        ({"action": "x" * 33}, "capabilities.0.action"),
        ({"action": "öffnen"}, "capabilities.0.action"),
        ({"id": 0}, "capabilities.0.id"),
        ({"id": 65536}, "capabilities.0.id"),
        ({"id": True}, "capabilities.0.id"),
        ({"safetyClass": "harmless"}, "capabilities.0.safetyClass"),
        ({"supportsDryRun": "yes"}, "capabilities.0.supportsDryRun"),
        ({"paramSchema": []}, "capabilities.0.paramSchema"),
        ({"paramSchema": {"additionalProperties": True, "properties": {}}}, "additionalProperties"),
        (schema(type="object"), "properties.x.type"),
        (schema(type="array"), "items"),
        (schema(type="integer", minimum=2, maximum=1), "minimum is above maximum"),
        (schema(type="array", items={"type": "string", "minLength": 2, "maxLength": 1}), "x.items"),
        (schema(type="string", pattern="(a+)+$"), "pattern"),
        ({"paramSchema": {"properties": {"action": {"type": "string"}}}}, "action"),
        ({"paramSchema": {"properties": {"target": {"type": "string"}}}}, "target"),
        ({"category": "lock"}, "category"),
        ({"description": "x" * 15360}, "15360 are possible"),
        ({"description": 1e999}, ""),
        ({"description": "\ud800"}, ""),
    ],
)
def test_what_a_device_could_not_declare_is_refused(api, bare, changed, where):
    body = json.dumps({"capabilities": [{**OPEN, **changed}]})
    answer = api().post(f"{bare}/manifest", content=body, headers={"Content-Type": "application/json"})
    assert error(answer) == (400, "MANIFEST_INVALID")
    assert where in answer.json()["message"] and len(answer.json()["message"]) < 400
    assert error(api().get(f"{bare}/manifest")) == (404, "MANIFEST_NOT_FOUND")


@pytest.mark.parametrize(
    "other, what",
    [({"id": 501}, "the action 'lock_open' is there twice"), ({"action": "b"}, "the id 500 is there twice")],
)
def test_actions_and_ids_are_unique(api, bare, other, what):
    answer = api().post(f"{bare}/manifest", json={"capabilities": [OPEN, {**OPEN, **other}]})
    assert error(answer) == (400, "MANIFEST_INVALID") and what in answer.json()["message"]


@pytest.mark.parametrize(
    "body", [{}, {"capabilities": {}}, {"capabilities": [0]}, [], {"capabilities": [OPEN] * 257}]
)
def test_a_body_of_another_shape_is_refused(api, bare, body):
    answer = api().post(f"{bare}/manifest", json=body)
    assert answer.status_code == 400 and answer.json()["hint"]


def test_deep_nesting_is_refused_without_being_followed(api, bare):
    deep = "[" * 900 + "]" * 900
    body = f'{{"capabilities":[{{"id":1,"action":"a","paramSchema":{deep}}}]}}'
    answer = api().post(f"{bare}/manifest", content=body, headers={"Content-Type": "application/json"})
    assert error(answer) == (400, "MANIFEST_INVALID") and "nested deeper" in answer.json()["message"]


def test_what_our_registry_makes_is_taken_as_it_is():
    registry = Registry()
    registry.add(Lamp())
    text = registry.manifest()
    body, hash = declarations.manifest(json.loads(text)["capabilities"])
    assert body == json.loads(text) and hash == hashlib.sha256(text.encode()).hexdigest()


# -- the registry ----


def test_the_registry_lists_the_firmwares_actions_and_those_of_devices(api, bare):
    blind = {**OPEN, "id": 501, "action": "blind_raise"}
    api().post(f"{bare}/manifest", json={"capabilities": [blind]})
    told = api("viewer").get("/manifest/capabilities").json()
    by_action = {one["action"]: one for one in told["capabilities"]}
    assert told["count"] == len(told["capabilities"])
    assert by_action["light_on"]["id"] == 1 and by_action["light_on"]["source"] == "firmware"
    assert by_action["ir_learn"]["category"] == "ir" and by_action["relay_pulse"]["description"]
    # Of the drivers of one kind, what allows most.
    effects = by_action["light_effect"]["paramSchema"]["properties"]["effect"]["enum"]
    assert "rainbow" in effects
    assert by_action["blind_raise"] == {**blind, "category": "blind", "source": "device"}
    types = api("viewer").get("/manifest/types").json()["categories"]
    assert types["blind"] == ["blind_raise"] and {"light_on", "light_off"} <= set(types["light"])
    assert set(types) >= {"light", "relay", "ir", "servo", "blind"}
    # Nobody else's devices are in it.
    assert "blind" not in api("owner", "other").get("/manifest/types").json()["categories"]


def test_reading_the_firmware_leaves_no_hardware_behind():
    assert built_in.actions()["light"]["light_on"]["id"] == 1
    assert "capabilities" not in sys.modules or hasattr(sys.modules["capabilities"], "load")
    assert "_Hardware" not in {type(module).__name__ for module in sys.modules.values()}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
entry = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers(-1, 70000) | json_values,
        "action": st.text(max_size=34) | json_values,
        "description": json_values,
        "safetyClass": st.sampled_from(["normal", "critical", ""]) | json_values,
        "paramSchema": json_values,
        "supportsDryRun": json_values,
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(entry | json_values, max_size=4) | json_values)
def test_whatever_a_device_says_is_shown_in_the_published_form_or_not_at_all(said):
    for one in capabilities.entries({"capabilities": said}):
        assert set(one) == set(OPEN)
        assert isinstance(one["action"], str) and 0 < one["id"] < 65536
        assert one["safetyClass"] in ("normal", "sensitive", "critical", "restricted")
        assert isinstance(one["paramSchema"], dict) and isinstance(one["supportsDryRun"], bool)


@settings(max_examples=60, deadline=None)
@given(st.lists(entry | json_values, max_size=3))
def test_whatever_is_sent_as_a_manifest_is_one_or_is_refused(sent):
    try:
        body, _ = declarations.manifest(sent)
    except declarations.Unsuitable as reason:
        assert str(reason)
    else:
        assert len(capabilities.entries(body)) == len(sent)
