"""Dry runs: every check, the device's too, and nothing moves."""

import pytest

from host_sim.cloud.catalogue import manifests
from host_sim.cloud.links import reports


@pytest.fixture(scope="module")
def lamp(device):
    return device()


def test_a_dry_run_goes_to_the_device_and_moves_nothing(api, lamp):
    """HX3-CMD-28, HX3-CMD-29, HX3-CMD-32"""
    before = lamp.sim.parts[0].brightness
    ended = api().command(lamp.id, "light_brightness", {"brightness": 77}, dry_run=True)
    assert (ended["status"], ended["error"], ended["dry_run"]) == ("acknowledged", None, True)
    assert ended["result"]["ack_status"] == "dry_run"
    assert lamp.sim.parts[0].brightness == before


def test_a_dry_run_is_checked_like_any_command(api, lamp):
    body = {"action": "light_brightness", "params": {"brightness": 101}, "dry_run": True}
    answer = api().post(f"/device/{lamp.id}/command", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "PARAMS_INVALID")


def test_dry_run_is_no_parameter(api, lamp):
    """HX3-MAN-08"""
    for value in (True, False):
        body = {"action": "light_on", "params": {"dry_run": value}}
        answer = api().post(f"/device/{lamp.id}/command", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "PARAMS_INVALID")
        assert "beside params" in answer.json()["hint"]


def test_the_command_itself_is_no_repetition_of_its_dry_run(api, lamp):
    def ask(dry_run):
        return api().post(
            f"/device/{lamp.id}/command",
            json={"action": "light_off", "dry_run": dry_run},
            headers={"Idempotency-Key": "first dry"},
        )

    command_id = ask(True).json()["command_id"]
    assert ask(True).json()["command_id"] == command_id
    assert (ask(False).status_code, ask(False).json()["error"]) == (409, "IDEMPOTENCY_CONFLICT")


def _takes_no_dry_run(cloud, old):
    """As the manifest of an older device says."""
    tenant_id = old.registration["tenant_id"]
    with cloud.services.database.writing(tenant_id) as connection:
        body = manifests.of(connection, tenant_id, old.id).body
        for entry in body["capabilities"]:
            entry["supportsDryRun"] = False
        reports.save_manifest(connection, tenant_id, old.id, "0" * 64, body, 0)


def test_a_device_that_cannot_is_not_asked(api, cloud, device):
    """HX3-CMD-31: what an older device would refuse, or worse, execute, does not reach it."""
    old = device()
    _takes_no_dry_run(cloud, old)
    answer = api().post(f"/device/{old.id}/command", json={"action": "light_on", "dry_run": True})
    assert (answer.status_code, answer.json()["error"]) == (400, "PARAMS_INVALID")
    assert "cannot dry-run" in answer.json()["message"]
    assert old.sim.runs == []


def test_each_device_of_a_batch_a_room_or_a_group_runs_dry(api, lamp, device):
    """HX3-CMD-28, HX3-CMD-29"""
    home = api().post("/homes", json={"home_name": "Dry", "timezone": "UTC"}).json()["id"]
    room = api().post(f"/homes/{home}/rooms", json={"name": "Room"}).json()["id"]
    placed = device(home_id=home, room_id=room)
    group = api().post("/groups", json={"name": "Dry ones", "device_ids": [placed.id]}).json()["slug"]
    asked = {"action": "light_brightness", "params": {"brightness": 7}, "dry_run": True}
    for path, more, devices in (
        ("/devices/command", {"device_ids": [lamp.id, placed.id]}, [lamp, placed]),
        (f"/rooms/{room}/command", {}, [placed]),
        (f"/groups/{group}/command", {}, [placed]),
    ):
        before = [one.sim.parts[0].brightness for one in devices]
        results = api().post(path, json={**asked, **more}).json()["results"]
        assert [one["device_id"] for one in results] == [one.id for one in devices]
        for one in results:
            ended = api().settled(one["command_id"])
            assert (ended["status"], ended["dry_run"]) == ("acknowledged", True)
            assert ended["result"]["ack_status"] == "dry_run"
        assert [one.sim.parts[0].brightness for one in devices] == before


def test_a_device_of_a_batch_that_cannot_run_dry_is_told_by_itself(api, lamp, cloud, device):
    """HX3-CMD-31"""
    old = device()
    _takes_no_dry_run(cloud, old)
    asked = {"action": "light_on", "dry_run": True, "device_ids": [old.id, lamp.id]}
    refused, taken = api().post("/devices/command", json=asked).json()["results"]
    assert (refused["success"], refused["code"]) == (False, "PARAMS_INVALID")
    assert taken["success"] and old.sim.runs == []
