"""What a request may hold: members and parameters that are described, values that can be kept and told."""

import json

import pytest

from host_sim.cloud.bodies import unknown


@pytest.fixture(scope="module")
def lamp(device):
    return device()


def refused(answer, *words):
    """It is a 400 that says these."""
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] in ("BAD_REQUEST", "PARAMS_INVALID")
    for word in words:
        assert word in answer.json()["message"], answer.text


def sent(client, path, body, method="POST"):
    """As a client sends it whose JSON is not checked."""
    headers = {"Content-Type": "application/json"}
    return client.request(method, path, content=json.dumps(body), headers=headers)


def test_a_misspelt_member_of_a_command_runs_nothing(api, lamp):
    for member, meant in (("dryrun", "dry_run"), ("parms", "params"), ("ttl", "ttl_s")):
        body = {"action": "light_on", member: {}}
        refused(api().post(f"/device/{lamp.id}/command", json=body), f"'{member}'", f"did you mean {meant}?")
    refused(api().post("/devices/command", json={"device_ids": [lamp.id], "action": "light_on", "dryrun": 1}))
    assert api().get(f"/device/{lamp.id}/commands").json()["commands"] == []


def test_no_other_body_has_members_that_nobody_reads(api, lamp):
    owner = api()
    refused(owner.patch(f"/devices/{lamp.id}", json={"nme": "x"}), "did you mean name?")
    refused(owner.post(f"/devices/{lamp.id}/rotate-secret", json={"agian": True}), "did you mean again?")
    step = {"device_id": lamp.id, "action": "light_on"}
    refused(owner.post("/scenes", json={"name": "s", "steps": [{**step, "parms": {}}]}), "body.steps.0")
    wish = {"type": "device.control", "payload": step, "payloads": {}}
    refused(owner.post("/intent", json=wish), "did you mean payload?")
    refused(owner.post("/homes", json={"home_name": "h", "zone": "UTC"}), "there is no member 'zone'")
    refused(sent(owner, "/homes", {"home_name": "h", "\ud800": 1}), r"'\ud800'")


def test_what_real_clients_send_is_known(api, lamp):
    # hxtp-py has `capability` for a device too, and some send both spellings of a member.
    body = {"action": "light_on", "capability": "light"}
    assert api().post(f"/devices/{lamp.id}/command", json=body).status_code == 202
    both = {"token": "x" * 43, "dry_run_token": "x" * 43}
    assert api().post(f"/device/{lamp.id}/command/confirm", json=both).status_code == 404
    named = {"device_type": "esp32", "type": "esp32"}
    assert api().post("/device/register", json=named).status_code == 201


def test_firmware_that_says_more_than_is_asked_learns_of_updates(api):
    about = {"device_type": "esp32", "current_version": "1.0.0", "chip_revision": 3}
    assert api("user").post("/firmware/check", json=about).status_code == 200


def test_a_misspelt_parameter_of_an_address_shows_nothing(api, lamp):
    refused(api().get("/devices", params={"room_id": "x"}), "'room_id'", "cursor, limit")
    refused(api().get(f"/devices/{lamp.id}/telemetry", params={"aggregat": "avg"}), "did you mean aggregate?")
    refused(api().get("/auth/me", params={"verbose": 1}), "there is none")
    assert api().get("/devices", params={"token": "x", "_": "1767225600000", "limit": 1}).status_code == 200
    assert api(None).get("/devices", params={"room_id": "x"}).status_code == 401  # it is told to who may ask


def test_what_is_not_known_is_named_in_plain_characters():
    assert unknown("member", "dryrun", ["dry_run", "action"]).endswith("did you mean dry_run?")
    told = unknown("member", "\u202e" * 999, [])
    assert told.isascii() and len(told) < 300 and told.endswith("there is none")


def _deep(levels):
    return {"a": {}} if levels == 1 else {"a": _deep(levels - 1)}


@pytest.mark.parametrize(
    "params",
    [
        {"a": "\ud800"},
        {"a": {"\udfff": 1}},
        {"\ud800": 1},
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": 2**64},
        {"a": "\x00"},
        _deep(300),
    ],
    ids=["surrogate", "in a nested name", "in a name", "NaN", "infinity", "64 bits", "NUL", "deep"],
)
def test_parameters_that_have_no_json_are_kept_nowhere(api, lamp, params):
    step = {"device_id": lamp.id, "action": "light_on", "params": params}
    wish = {"type": "device.control", "payload": step}
    when = {"all": [{"member": "x", "op": "==", "value": 1}]}
    for path, body in (
        ("/scenes", {"name": "s", "steps": [step]}),
        ("/intent", wish),
        ("/cognition/rules", {"name": "r", "when": when, "intent": wish}),
        (f"/device/{lamp.id}/command", {"action": "light_on", "params": params}),
    ):
        refused(sent(api(), path, body))
    if params != {"a": "\x00"}:  # which a database can hold
        refused(sent(api(), "/cognition/observation", {"device_id": lamp.id, "data": params}))


def test_what_was_refused_breaks_no_list(api, lamp):
    good = {"name": "good", "steps": [{"device_id": lamp.id, "action": "light_on"}]}
    assert api().post("/scenes", json=good).status_code == 201
    for path, name in (
        ("/scenes", "scenes"),
        ("/cognition/rules", "rules"),
        ("/cognition/proposals", "proposals"),
    ):
        assert api().get(path).json()["count"] == len(api().get(path).json()[name]) == (name == "scenes")


@pytest.mark.parametrize(
    ("member", "value"), [("ttl_s", "5"), ("ttl_s", True), ("dry_run", "true"), ("dry_run", 1)]
)
def test_only_parameters_may_be_written_as_text(api, lamp, member, value):
    refused(api().post(f"/device/{lamp.id}/command", json={"action": "light_on", member: value}), member)
