"""Dry runs: every check, the device's too, and nothing moves."""

import pytest

from host_sim.cloud.catalogue import manifests
from host_sim.cloud.exchange import ledger


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


def test_a_device_that_cannot_is_not_asked(api, cloud, device):
    """HX3-CMD-31: what an older device would refuse, or worse, execute, does not reach it."""
    old = device()
    tenant_id = old.registration["tenant_id"]
    with cloud.services.database.writing(tenant_id) as connection:
        body = manifests.of(connection, tenant_id, old.id).body
        for entry in body["capabilities"]:
            entry["supportsDryRun"] = False
        ledger.save_manifest(connection, tenant_id, old.id, "0" * 64, body, 0)
    answer = api().post(f"/device/{old.id}/command", json={"action": "light_on", "dry_run": True})
    assert (answer.status_code, answer.json()["error"]) == (400, "PARAMS_INVALID")
    assert "cannot dry-run" in answer.json()["message"]
    assert old.sim.runs == []
