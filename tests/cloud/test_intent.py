"""Intents: a device, a room, a group or a scene by one wish, through the same gate as any command."""

import pytest

from tests.cloud.waiting import until


@pytest.fixture(scope="module")
def lamp(device):
    return device()


@pytest.fixture(scope="module")
def room(api):
    home = api().post("/homes", json={"home_name": "Intents", "timezone": "UTC"}).json()["id"]
    return home, api().post(f"/homes/{home}/rooms", json={"name": "Living room"}).json()["id"]


@pytest.fixture(scope="module")
def in_room(device, room):
    return device(home_id=room[0], room_id=room[1])


def _ask(client, kind, path="/intent", headers=None, **payload):
    return client.post(path, json={"type": kind, "payload": payload}, headers=headers)


@pytest.mark.parametrize("path", ["/intent", "/api/v1/intent"])
def test_a_device_is_controlled(api, lamp, path):
    answer = _ask(
        api("user"),
        "device.control",
        path,
        device_id=lamp.id,
        action="light_brightness",
        params={"brightness": "30"},
    )
    told = answer.json()
    assert answer.status_code == 200
    assert (told["status"], told["mode"]) == ("SUCCESS", "CLOUD_ENHANCED")
    assert (told["commands_executed"], told["commands_rejected"]) == (1, 0)
    (one,) = told["results"]
    assert (one["device_id"], one["action"], one["status"]) == (lamp.id, "light_brightness", "dispatched")
    assert api().settled(one["command_id"])["status"] == "acknowledged"
    assert lamp.sim.parts[0].brightness == 30


@pytest.mark.parametrize(
    "payload, code",
    [
        ({"action": "open_door"}, "ACTION_NOT_IN_MANIFEST"),
        ({"action": "light_brightness", "params": {"brightness": 101}}, "PARAMS_INVALID"),
        ({"action": "hxtp.rotate"}, "RESTRICTED_ACTION"),
        ({"action": "light_on", "device_id": "nobody"}, "NOT_FOUND"),
    ],
)
def test_what_the_gate_refuses_is_told_in_the_results(api, lamp, payload, code):
    runs = len(lamp.sim.runs)
    told = _ask(api(), "device.control", **{"device_id": lamp.id, **payload}).json()
    assert (told["status"], told["commands_executed"], told["commands_rejected"]) == ("FAILED", 0, 1)
    assert (told["results"][0]["status"], told["results"][0]["code"]) == ("rejected", code)
    assert len(lamp.sim.runs) == runs


@pytest.mark.parametrize(
    "body",
    [
        {"type": "world.peace", "payload": {}},
        {"type": "device.control", "payload": {"device_id": "x"}},
        {"type": "device.control"},
        {"payload": {}},
        [],
    ],
)
def test_what_is_no_intent_is_refused(api, body):
    answer = api().post("/intent", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "BAD_REQUEST")


def test_a_viewer_sends_no_intents(api, lamp):
    answer = _ask(api("viewer"), "device.control", device_id=lamp.id, action="light_on")
    assert (answer.status_code, answer.json()["error"]) == (403, "PERMISSION_DENIED")


def test_a_room_is_controlled(api, lamp, in_room, room):
    told = _ask(api(), "room.control", room_id=room[1], action="light_on").json()
    assert [one["device_id"] for one in told["results"]] == [in_room.id]
    assert told["status"] == "SUCCESS"
    told = _ask(api(), "room.control", room_id=room[1], action="open_door").json()
    assert (told["status"], told["results"][0]["code"]) == ("FAILED", "ACTION_NOT_IN_MANIFEST")
    assert _ask(api(), "room.control", room_id="nowhere", action="light_on").status_code == 404
    assert _ask(api("owner", "other"), "room.control", room_id=room[1], action="x").status_code == 404


def test_a_group_is_controlled_by_slug(api, lamp, in_room):
    body = {"name": "Intent lights", "device_ids": [lamp.id, in_room.id]}
    slug = api().post("/groups", json=body).json()["slug"]
    told = _ask(api(), "group.control", group=slug, action="light_off").json()
    assert {one["device_id"] for one in told["results"]} == {lamp.id, in_room.id}
    assert told["commands_executed"] == 2
    assert _ask(api(), "group.control", group="none", action="light_on").status_code == 404


def test_a_scene_runs_its_steps_and_tells_of_each(api, lamp, in_room):
    steps = [
        {"device_id": lamp.id, "action": "light_brightness", "params": {"brightness": 12}},
        {"device_id": in_room.id, "action": "light_off"},
        {"device_id": in_room.id, "action": "open_door"},
    ]
    made = api("user").post("/scenes", json={"name": "Evening", "steps": steps})
    assert made.status_code == 201, made.text
    for name in ("Evening", made.json()["id"]):
        told = _ask(api(), "scene.run", scene=name).json()
        assert (told["status"], told["commands_executed"], told["commands_rejected"]) == ("PARTIAL", 2, 1)
        assert told["results"][2]["code"] == "ACTION_NOT_IN_MANIFEST"
    until(lambda: lamp.sim.parts[0].brightness == 12, "the scene's light")
    assert _ask(api(), "scene.run", scene="Morning").status_code == 404


def test_a_scene_sent_twice_with_a_key_runs_once(api, lamp):
    steps = [{"device_id": lamp.id, "action": "light_on"}, {"device_id": lamp.id, "action": "light_off"}]
    api().post("/scenes", json={"name": "Blink", "steps": steps})
    told = [
        _ask(api(), "scene.run", scene="Blink", headers={"Idempotency-Key": "blink"}).json() for _ in range(2)
    ]
    ids = [[one["command_id"] for one in one["results"]] for one in told]
    assert ids[0] == ids[1] and len(set(ids[0])) == 2


def test_scenes_are_listed_changed_and_deleted(api, lamp):
    steps = [{"device_id": lamp.id, "action": "light_on"}]
    scene_id = api().post("/scenes", json={"name": "Noon", "steps": steps}).json()["id"]
    clash = api().post("/scenes", json={"name": "Noon", "steps": steps})
    assert (clash.status_code, clash.json()["error"]) == (409, "SCENE_EXISTS")
    wrong = api().post("/scenes", json={"name": "x", "steps": [{**steps[0], "device_id": "nobody"}]})
    assert (wrong.status_code, wrong.json()["error"]) == (404, "NOT_FOUND")
    body = {"name": "Midday", "steps": steps * 2}
    assert api().put(f"/scenes/{scene_id}", json=body).json()["status"] == "updated"
    assert api("viewer").get(f"/scenes/{scene_id}").json()["name"] == "Midday"
    assert scene_id in {one["id"] for one in api("viewer").get("/scenes").json()["scenes"]}
    other = api("owner", "other")
    assert other.get(f"/scenes/{scene_id}").status_code == 404
    assert other.put(f"/scenes/{scene_id}", json={"name": "x", "steps": steps}).status_code == 404
    assert other.delete(f"/scenes/{scene_id}").status_code == 404
    assert api().delete(f"/scenes/{scene_id}").json()["status"] == "deleted"
    assert api().get(f"/scenes/{scene_id}").status_code == 404


def test_a_state_is_asked_for(api, lamp):
    def state():
        told = _ask(api(), "query.state", device_ids=[lamp.id], device_id="nobody").json()
        return told if told["results"][0].get("state") else None

    told = until(state, "the lamp's state")
    assert (told["status"], told["commands_executed"]) == ("PARTIAL", 0)
    assert told["results"][0]["status"] == "answered" and told["results"][0]["online"] is True
    assert told["results"][1]["code"] == "NOT_FOUND"
    assert _ask(api(), "query.state").status_code == 400
