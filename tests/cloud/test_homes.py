"""Homes, rooms and groups, and commands for all that is in one."""

import json
import uuid

import pytest

from host_sim.cloud.catalogue import devices, groups, places
from host_sim.device import Lamp, Relay


@pytest.fixture
def home(api):
    return api().post("/homes", json={"home_name": "My Home", "timezone": "America/New_York"}).json()["id"]


@pytest.fixture
def room(api, home):
    return api().post(f"/homes/{home}/rooms", json={"name": "Living Room"}).json()["id"]


@pytest.fixture
def bare(api):
    """bare(…) registers a device that never connects."""

    def register(tenant="home", **places):
        answer = api("owner", tenant).post("/device/register", json={"device_type": "x", **places})
        assert answer.status_code == 201, answer.text
        return answer.json()["device_id"]

    return register


def error(answer):
    return answer.status_code, answer.json()["error"]


# -- homes and rooms ----


def test_a_home_that_is_deleted_while_a_device_is_put_into_it_is_not_found(
    cloud, api, home, bare, monkeypatch
):
    device, place = bare(), devices._place

    def slowly(connection, tenant_id, home_id, room_id):
        found = place(connection, tenant_id, home_id, room_id)
        places.delete_home(connection, tenant_id, home_id)  # as another request may on PostgreSQL
        return found

    monkeypatch.setattr(devices, "_place", slowly)
    registered = api().post("/device/register", json={"device_type": "x", "home_id": home})
    moved = api().patch(f"/devices/{device}", json={"home_id": home})
    assert error(registered) == error(moved) == (404, "NOT_FOUND")


def test_a_home_is_made_listed_changed_and_deleted(api):
    made = api().post("/homes", json={"home_name": " Ours ", "timezone": "Europe/Berlin"})
    assert (made.status_code, made.json()["status"]) == (201, "created")
    home = made.json()["id"]

    def listed():
        return {one["id"]: one for one in api("viewer").get("/homes").json()["homes"]}

    assert (listed()[home]["home_name"], listed()[home]["timezone"]) == ("Ours", "Europe/Berlin")
    changed = api().patch(f"/homes/{home}", json={"timezone": "UTC"})
    assert changed.json() == {"status": "updated", "id": home}
    assert (listed()[home]["home_name"], listed()[home]["timezone"]) == ("Ours", "UTC")
    assert api().patch(f"/homes/{home}", json={}).status_code == 200
    assert api().delete(f"/homes/{home}").json() == {"status": "deleted", "id": home}
    assert home not in listed()
    assert error(api().delete(f"/homes/{home}")) == (404, "NOT_FOUND")
    assert error(api().patch(f"/homes/{home}", json={})) == (404, "NOT_FOUND")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "utc+1", "x" * 65, None])
def test_a_time_zone_is_one_of_the_database(api, zone):
    assert error(api().post("/homes", json={"home_name": "x", "timezone": zone})) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\u0000b", "x" * 65, 5, "\ud800"])
def test_a_name_is_a_line_of_text(api, name, home):
    for path, member in (("/homes", "home_name"), (f"/homes/{home}/rooms", "name")):
        answer = api().post(
            path, content=json.dumps({member: name}), headers={"Content-Type": "application/json"}
        )
        assert error(answer) == (400, "BAD_REQUEST")


def test_rooms_belong_to_their_home(api, home, room):
    listed = api().get(f"/homes/{home}/rooms").json()
    assert listed["count"] == 1 and listed["rooms"][0]["name"] == "Living Room"
    other = api().post("/homes", json={"home_name": "other"}).json()["id"]
    assert error(api().delete(f"/homes/{other}/rooms/{room}")) == (404, "NOT_FOUND")
    assert error(api().get(f"/homes/{uuid.uuid4()}/rooms")) == (404, "NOT_FOUND")
    assert error(api().post(f"/homes/{uuid.uuid4()}/rooms", json={"name": "x"})) == (404, "NOT_FOUND")
    assert api().delete(f"/homes/{home}/rooms/{room}").json()["status"] == "deleted"


def test_devices_of_a_place_that_ends_go_on_without_it(api, home, room, bare):
    device = bare(room_id=room)

    def place():
        shown = api().get(f"/devices/{device}").json()
        return shown["home_id"], shown["room_id"]

    assert place() == (home, room)
    api().delete(f"/homes/{home}/rooms/{room}")
    assert place() == (home, None)
    api().delete(f"/homes/{home}")
    assert place() == (None, None)


def test_a_device_moves(api, home, room, bare):
    device = bare()

    def move(**values):
        answer = api().patch(f"/devices/{device}", json=values)
        return (answer.json()["home_id"], answer.json()["room_id"], answer.json()["name"])

    assert move(room_id=room, name="Reading lamp") == (home, room, "Reading lamp")
    other = api().post("/homes", json={"home_name": "other"}).json()["id"]
    assert move(home_id=other) == (other, None, "Reading lamp")
    assert error(api().patch(f"/devices/{device}", json={"home_id": other, "room_id": room}))[0] == 404
    assert move(room_id=room) == (home, room, "Reading lamp")
    assert move(room_id=None) == (home, None, "Reading lamp")
    assert move(home_id=None, name=None) == (None, None, None)
    assert move() == (None, None, None)


def test_a_tenant_has_so_many_homes_rooms_and_groups(api, home, monkeypatch):
    monkeypatch.setattr(places, "HOMES", 1)
    monkeypatch.setattr(places, "ROOMS", 0)
    monkeypatch.setattr(groups, "GROUPS", 0)
    assert error(api().post("/homes", json={"home_name": "one more"})) == (409, "LIMIT_REACHED")
    assert error(api().post(f"/homes/{home}/rooms", json={"name": "x"})) == (409, "LIMIT_REACHED")
    assert error(api().post("/groups", json={"name": "x"})) == (409, "LIMIT_REACHED")


# -- groups ----


def test_a_group_is_made_from_its_name_or_with_a_slug(api, bare):
    device = bare()
    name = f"Lights {uuid.uuid4().hex[:6]}"
    body = {"name": name, "description": "All\nlights", "device_ids": [device, device]}
    made = api().post("/groups", json=body)
    slug = name.lower().replace(" ", "-")
    assert (made.status_code, made.json()["status"], made.json()["slug"]) == (201, "created", slug)
    assert error(api().post("/groups", json={"name": name})) == (409, "SLUG_TAKEN")
    named = api().post("/groups", json={"name": name, "slug": f"{slug}-2", "group_type": "lights"})
    assert (named.status_code, named.json()["slug"]) == (201, f"{slug}-2")
    listed = {one["slug"]: one for one in api("user").get("/groups").json()["groups"]}
    assert listed[slug]["device_ids"] == [device] and listed[slug]["description"] == "All\nlights"
    assert listed[f"{slug}-2"]["group_type"] == "lights"
    # Another tenant may use the same.
    assert api("owner", "other").post("/groups", json={"name": name}).json()["slug"] == slug
    other_script = api().post("/groups", json={"name": "Лампы"}).json()["slug"]
    assert other_script.startswith("group-")


def test_devices_join_and_leave(api, bare, monkeypatch):
    slug = api().post("/groups", json={"name": uuid.uuid4().hex}).json()["slug"]
    group = next(one for one in api().get("/groups").json()["groups"] if one["slug"] == slug)
    one, two = bare(), bare()
    joined = api("user").post(f"/groups/{slug}/join", json={"device_id": one})
    assert joined.json() == {"status": "joined", "slug": slug, "device_ids": [one]}
    by_id = api().post(f"/groups/{group['id']}/devices", json={"device_ids": [one, two]})
    assert set(by_id.json()["device_ids"]) == {one, two}
    assert error(api().post(f"/groups/{slug}/join", json={})) == (400, "BAD_REQUEST")
    stranger = bare("other")
    for wrong in (stranger, "nobody"):
        assert error(api().post(f"/groups/{slug}/join", json={"device_id": wrong})) == (404, "NOT_FOUND")
        assert error(api().post("/groups", json={"name": "w", "device_ids": [wrong]})) == (404, "NOT_FOUND")
    assert api().delete(f"/groups/{slug}/devices/{one}").json()["device_ids"] == [two]
    assert error(api().delete(f"/groups/{slug}/devices/{one}")) == (404, "NOT_FOUND")
    monkeypatch.setattr(groups, "MEMBERS", 1)
    assert error(api().post(f"/groups/{slug}/join", json={"device_id": one})) == (409, "LIMIT_REACHED")
    api().post(f"/device/{two}/revoke")
    assert api().post(f"/groups/{slug}/join", json={"device_id": one}).status_code == 409
    assert api().delete(f"/groups/{slug}").json()["status"] == "deleted"
    assert error(api().post(f"/groups/{slug}/command", json={"action": "x"})) == (404, "NOT_FOUND")
    assert api().get(f"/devices/{one}").status_code == 200


# -- commands for all of them ----


@pytest.fixture(scope="module")
def house(api, device):
    """A room with a lamp, a relay and a device that never came; the lamp is in a group as well."""
    home = api().post("/homes", json={"home_name": "House"}).json()["id"]
    room = api().post(f"/homes/{home}/rooms", json={"name": "Hall"}).json()["id"]
    lamp = device(parts=lambda: [Lamp()], room_id=room)
    relay = device(parts=lambda: [Relay()], room_id=room)
    silent = api().post("/device/register", json={"device_type": "x", "room_id": room}).json()["device_id"]
    api().post("/groups", json={"name": "House lights", "device_ids": [lamp.id]})
    return room, lamp, relay, silent


def test_a_room_command_says_for_each_device_what_became_of_it(api, house):
    room, lamp, relay, silent = house
    body = {"action": "light_brightness", "params": {"brightness": "33"}}
    answer = api("user").post(f"/rooms/{room}/command", json=body)
    assert answer.status_code == 200
    results = {one["device_id"]: one for one in answer.json()["results"]}
    assert results[lamp.id]["success"] and results[lamp.id]["message_id"]
    assert results[relay.id]["code"] == "ACTION_NOT_IN_MANIFEST" and results[relay.id]["error"]
    assert results[silent]["code"] == "MANIFEST_NOT_FOUND"
    assert api().settled(results[lamp.id]["command_id"])["status"] == "acknowledged"
    assert lamp.sim.parts[0].brightness == 33


def test_a_capability_chooses_the_devices_that_have_its_action(api, house):
    room, lamp, relay, _ = house

    def sent(path, **body):
        return [one["device_id"] for one in api().post(path, json=body).json()["results"]]

    assert sent(f"/rooms/{room}/command", action="light_on", capability="light") == [lamp.id]
    assert sent(f"/rooms/{room}/command", action="relay_on", capability="relay") == [relay.id]
    assert sent("/groups/house-lights/command", action="light_on", capability="light") == [lamp.id]
    assert sent("/groups/house-lights/command", action="relay_on", capability="relay") == []
    wrong = api().post(f"/rooms/{room}/command", json={"action": "light_on", "capability": "relay"})
    assert error(wrong) == (400, "ACTION_NOT_IN_MANIFEST") and "relay_on" in wrong.json()["choices"]
    unknown = api().post(f"/rooms/{room}/command", json={"action": "light_on", "capability": "steam"})
    assert error(unknown) == (400, "PARAMS_INVALID") and "light" in unknown.json()["choices"]


def test_who_joins_a_group_is_said(api):
    slug = api().post("/groups", json={"name": uuid.uuid4().hex}).json()["slug"]
    none = {"device_ids": [], "device_id": None}
    for sent, told in (
        ({}, "send Content-Type"),
        ({"json": {}}, "device_ids"),
        ({"json": none}, "device_ids"),
    ):
        answer = api().post(f"/groups/{slug}/join", **sent)
        assert error(answer) == (400, "BAD_REQUEST")
        assert told in answer.json()["message"] + answer.json()["hint"]


def test_an_empty_room_or_group_has_no_results(api, room, bare):
    assert api().post(f"/rooms/{room}/command", json={"action": "light_on"}).json() == {"results": []}
    slug = api().post("/groups", json={"name": uuid.uuid4().hex}).json()["slug"]
    assert api().post(f"/groups/{slug}/command", json={"action": "light_on"}).json() == {"results": []}
    gone = bare(room_id=room)
    api().post(f"/device/{gone}/revoke")
    assert api().post(f"/rooms/{room}/command", json={"action": "light_on"}).json() == {"results": []}


def test_an_idempotency_key_sends_to_a_room_once(api, house):
    room, lamp, _, _ = house
    headers = {"Idempotency-Key": "good night"}

    def ask():
        body = {"action": "light_off", "capability": "light"}
        return api().post(f"/rooms/{room}/command", json=body, headers=headers).json()["results"]

    first = ask()
    api().settled(first[0]["command_id"])
    runs = len(lamp.sim.runs)
    assert ask() == first and len(lamp.sim.runs) == runs


def test_places_and_groups_of_others_are_not_found(api, house, home):
    room = house[0]
    stranger = api("owner", "other")
    assert error(stranger.post(f"/rooms/{room}/command", json={"action": "light_on"})) == (404, "NOT_FOUND")
    assert error(stranger.post("/groups/house-lights/command", json={"action": "x"})) == (404, "NOT_FOUND")
    body = {"device_type": "x", "home_id": home}
    assert error(stranger.post("/device/register", json=body)) == (404, "NOT_FOUND")
