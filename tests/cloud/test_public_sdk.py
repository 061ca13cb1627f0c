"""The SDK that pip installs, hxtp-py 1.2.0: its client for administrators runs a whole story against us."""

import json
import uuid
from typing import ClassVar

import pytest
from hxtp_py.client.admin_client import HxTPAdminError, SyncAdminClient

from host_sim.cloud.provisioning import token_for
from host_sim.device import Lamp, Relay
from tests.cloud.waiting import until


@pytest.fixture(scope="module")
def cloud_settings():
    return {"plain_http": True}  # the SDK's own requests, without a CA to tell it


@pytest.fixture(scope="module")
def sdk(cloud):
    token = token_for(cloud.settings, "sdk@home.example", "home", "admin")
    return SyncAdminClient(cloud.settings.base_url(), token)


def refused(status, work, *args, **more):
    """The body of the error that the SDK raises."""
    with pytest.raises(HxTPAdminError, match=f"^HTTP {status}: ") as error:
        work(*args, **more)
    return json.loads(str(error.value).split(": ", 1)[1])


def ended(sdk, command_id):
    def over():
        command = sdk.get_command_status(command_id)
        return command if command["status"] not in ("queued", "dispatched") else None

    return until(over, "the command to end")


@pytest.fixture(scope="module")
def place(sdk):
    """A home and a room, as (home_id, room_id)."""
    made = sdk.create_home("My Home", "Europe/Berlin")
    assert made["status"] == "created"
    room = sdk.create_room(made["id"], "Living Room")
    assert room["status"] == "created"
    return made["id"], room["id"]


@pytest.fixture(scope="module")
def lamp(sdk, place, device):
    """A device of the SDK's registration, online."""
    made = sdk.register_device("esp32", *place)
    assert made["status"] == "registered" and len(made["device_secret"]) == 64
    return device(registration=made, parts=lambda: [Lamp(), Relay(), Door()])


class Door:
    """A part with actions that nobody should do by accident."""

    KIND = "door"
    actions: ClassVar = {
        "door_open": (1000, "Open the door", {}, "sensitive"),
        "door_force": (1001, "Open it whatever stands behind it", {}, "critical"),
    }

    def __init__(self):
        self.name = "door"
        self.done = []

    def door_open(self, params):
        self.done.append("door_open")

    def door_force(self, params):
        self.done.append("door_force")

    def state(self):
        return {"door": len(self.done)}


def test_homes_and_rooms(sdk, place):
    home_id, room_id = place
    assert home_id in [home["id"] for home in sdk.list_homes()["homes"]]
    assert room_id in [room["id"] for room in sdk.list_rooms(home_id)["rooms"]]
    sdk.update_home(home_id, home_name="Our Home")
    assert "Our Home" in json.dumps(sdk.list_homes())
    other = sdk.create_home("Garden")["id"]
    shed = sdk.create_room(other, "Shed")["id"]
    sdk.delete_room(other, shed)
    assert sdk.list_rooms(other)["rooms"] == []
    sdk.delete_home(other)
    assert refused(404, sdk.list_rooms, other)["error"] == "NOT_FOUND"


def test_a_device_is_listed_with_what_it_can_do(sdk, lamp, place):
    listed = sdk.list_devices()
    assert listed["count"] == len(listed["devices"])
    one = sdk.get_device(lamp.id)
    assert lamp.id in [device["id"] for device in listed["devices"]]
    assert (one["home_id"], one["room_id"]) == place
    assert (one["device_type"], one["revoked"]) == ("esp32", False)
    manifest = sdk.get_device_manifest(lamp.id)
    assert manifest["deviceId"] == lamp.id and manifest["version"] == 1
    actions = {entry["action"] for entry in manifest["capabilities"]}
    assert {"light_on", "light_brightness", "relay_toggle"} <= actions
    told = json.dumps(sdk.get_device_capabilities(lamp.id))
    assert all(action in told for action in actions)
    known = {entry["action"] for entry in sdk.get_manifest_capabilities()["capabilities"]}
    assert "light_on" in known
    assert "light_on" in sdk.get_manifest_types()["categories"]["light"]


def test_a_command_its_state_and_its_history(sdk, lamp):
    sent = sdk.dispatch_command("device", lamp.id, "light_brightness", {"brightness": 40})
    assert sent["success"] and sent["command_id"] == sent["message_id"]
    assert ended(sdk, sent["command_id"])["status"] == "acknowledged"
    assert lamp.sim.parts[0].brightness == 40
    until(lambda: '"brightness": 40' in json.dumps(sdk.get_device_state(lamp.id)), "its state")
    newest = sdk.get_device_command_history(lamp.id)["commands"][0]
    assert (newest["id"], newest["action"]) == (sent["command_id"], "light_brightness")
    assert refused(400, sdk.dispatch_command, "device", lamp.id, "fly")["error"] == "ACTION_NOT_IN_MANIFEST"
    assert refused(404, sdk.get_command_status, str(uuid.uuid4()))["error"] == "NOT_FOUND"


def test_a_dry_run_moves_nothing(sdk, lamp):
    sent = sdk.dispatch_command("device", lamp.id, "light_off", dry_run=True)
    told = ended(sdk, sent["command_id"])
    assert (told["status"], told["dry_run"], told["result"]["ack_status"]) == (
        "acknowledged",
        True,
        "dry_run",
    )
    assert lamp.sim.parts[0].brightness == 40
    assert refused(400, sdk.dispatch_command, "device", lamp.id, "light_off", {"x": 1}, dry_run=True)


@pytest.mark.parametrize(
    "action, status", [("door_open", "confirmation_required"), ("door_force", "dry_run_required")]
)
def test_a_sensitive_and_a_critical_command_wait_for_a_yes(sdk, lamp, action, status):
    told = refused(409, sdk.dispatch_command, "device", lamp.id, action)
    assert told["status"] == status and action not in lamp.sim.parts[2].done
    assert refused(404, sdk.confirm_command, lamp.id, "nonsense")["error"] == "NOT_FOUND"
    sent = sdk.confirm_command(lamp.id, told["dry_run_token"])
    assert ended(sdk, sent["command_id"])["status"] == "acknowledged"
    assert action in lamp.sim.parts[2].done
    assert sdk.confirm_command(lamp.id, told["dry_run_token"])["command_id"] == sent["command_id"]
    assert lamp.sim.parts[2].done.count(action) == 1


def test_several_devices_a_room_and_a_group(sdk, lamp, place, device):
    other = device(registration=sdk.register_device("esp32", *place))
    both = [lamp.id, other.id]

    def all_of(answer):
        assert [(one["device_id"], one["success"]) for one in answer["results"]] == [
            (name, True) for name in both
        ]
        for one in answer["results"]:
            assert ended(sdk, one["message_id"])["status"] == "acknowledged"

    all_of(sdk.dispatch_command("devices", both, "light_on"))
    all_of(_sorted(sdk.dispatch_command("room", place[1], "light_off", capability="light"), both))
    group = sdk.create_group("Evening", "evening", "custom")
    sdk.add_devices_to_group(group["id"], both)
    assert "evening" in [one["slug"] for one in sdk.list_groups()["groups"]]
    all_of(_sorted(sdk.dispatch_command("group", "evening", "light_on"), both))
    assert [thing.sim.parts[0].brightness for thing in (lamp, other)] == [100, 100]


def _sorted(answer, ids):
    return {"results": sorted(answer["results"], key=lambda one: ids.index(one["device_id"]))}


def test_the_firmware_check(sdk, lamp):
    told = sdk.check_firmware_update("esp32", "0.0.1", lamp.id)
    assert told["update_available"] is False


def test_rotating_and_revoking(sdk, place, device):
    one = device(registration=sdk.register_device("esp32", *place))
    before = one.registration["device_secret"]
    rotated = sdk.rotate_device_secret(one.id)
    assert rotated["device_id"] == one.id and rotated["key_version"] == 2
    assert len(rotated["new_secret"]) == 64 and rotated["new_secret"] != before
    assert sdk.revoke_device(one.id)["status"] == "revoked"
    assert sdk.get_device(one.id)["revoked"] is True
    assert refused(409, sdk.dispatch_command, "device", one.id, "light_on")["error"] == "DEVICE_REVOKED"


def test_what_this_cloud_has_not_says_so(sdk):
    for work, arguments in (
        (sdk.execute_plan, ("night", [])),
        (sdk.get_plan_status, ("night",)),
        (sdk.write_agent_memory, ("me", "fact", {"a": 1})),
        (sdk.get_agent_memories, ("me",)),
        (sdk.get_state_verification, (str(uuid.uuid4()),)),
    ):
        told = refused(501, work, *arguments)
        assert told["message"] and told["request_id"]


def test_without_a_good_token_nothing_is_told(cloud, lamp):
    for token in (None, "nonsense"):
        stranger = SyncAdminClient(cloud.settings.base_url(), token)
        assert refused(401, stranger.list_devices)["error"] == "UNAUTHORIZED"
    other = SyncAdminClient(
        cloud.settings.base_url(), token_for(cloud.settings, "sdk@other.example", "other", "admin")
    )
    assert refused(404, other.get_device, lamp.id)["error"] == "NOT_FOUND"
    assert other.list_devices() == {"devices": [], "count": 0}
