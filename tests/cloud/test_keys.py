"""Renewing a device's secret: at every moment it has one that the cloud takes."""

import os
import time

import pytest
import sqlalchemy as sa

from host_sim.cloud.links import keyring, ledger
from host_sim.cloud.storage.tables import agenda, device_keys
from host_sim.device import SimDevice
from host_sim.device_mqtt import MqttDevice
from hxtp.session import READY
from tests.cloud.waiting import until


def rotate(api, device_id, **json):
    return api().post(f"/device/{device_id}/rotate-secret", json=json)


def slots(api, device_id):
    keys = api().get(f"/device/{device_id}/key-history").json()["keys"]
    return {key["key_version"]: key["slot"] for key in keys}


@pytest.fixture
def with_secret(cloud):
    """with_secret(thing, hex) is the same device, started anew with another secret in its configuration."""
    started = []

    def again(thing, secret):
        thing.mqtt.stop()
        old = thing.sim
        sim = SimDevice(
            old.device_id,
            old.tenant_id,
            bytes.fromhex(secret),
            os.urandom,
            flash=old.flash,
            parts=old._make_parts,
        )
        mqtt = MqttDevice(sim, cloud.broker.server.port, int(time.time()) + 86400, cloud.pki.ca).start()
        started.append(mqtt)
        return sim, mqtt

    yield again
    for mqtt in started:
        mqtt.stop()


def test_a_new_secret_signs_from_the_first_message_under_it(api, device, cloud, with_secret):
    # HX3-KEY-10, HX3-KEY-11, HX3-KEY-12, HX3-KEY-13, HX3-KEY-17
    lamp = device()
    answer = rotate(api, lamp.id)
    told = answer.json()
    assert (answer.status_code, told["key_version"], told["slot"]) == (200, 2, "next")
    assert len(bytes.fromhex(told["new_secret"])) == 32 and "by hand" in told["hint"]
    assert slots(api, lamp.id) == {1: "active", 2: "next"}
    # Nothing ends by that: the device goes on with the old one.
    assert api().command(lamp.id, "light_on")["status"] == "acknowledged"
    assert slots(api, lamp.id) == {1: "active", 2: "next"}

    sim, _ = with_secret(lamp, told["new_secret"])
    until(lambda: slots(api, lamp.id)[2] == "active", "the promotion")
    # A hello proves the new secret though its clock be wrong; the next one begins the session.
    until(lambda: sim.session.state == READY, "the session under it")
    assert api().command(lamp.id, "light_brightness", {"brightness": 7})["status"] == "acknowledged"
    assert sim.parts[0].brightness == 7
    assert slots(api, lamp.id) == {1: "previous", 2: "active"}
    first = api().get(f"/device/{lamp.id}/key-history").json()["keys"][1]
    assert first["expires_at"] > first["created_at"]


def test_another_rotation_waits_until_the_last_one_is_used(api, device, with_secret):
    # HX3-KEY-15
    lamp = device()
    secret = rotate(api, lamp.id).json()["new_secret"]
    refused = rotate(api, lamp.id)
    assert (refused.status_code, refused.json()["error"]) == (409, "ROTATION_PENDING")
    again = rotate(api, lamp.id, again=True).json()
    assert (again["new_secret"], again["key_version"]) == (secret, 2)
    with_secret(lamp, secret)
    until(lambda: slots(api, lamp.id)[2] == "active", "the promotion")
    third = rotate(api, lamp.id).json()
    assert third["key_version"] == 3 and third["new_secret"] != secret
    assert slots(api, lamp.id) == {1: "previous", 2: "active", 3: "next"}
    with_secret(lamp, third["new_secret"])
    until(lambda: slots(api, lamp.id) == {1: "retired", 2: "previous", 3: "active"}, "the next promotion")


def test_the_old_secret_is_gone_after_a_day(api, device, cloud, with_secret):
    # HX3-KEY-14
    lamp = device()
    with_secret(lamp, rotate(api, lamp.id).json()["new_secret"])
    until(lambda: slots(api, lamp.id)[2] == "active", "the promotion")
    tenant_id = lamp.sim.tenant_id

    def stored():
        with cloud.services.database.reading(tenant_id) as connection:
            return connection.execute(
                sa.select(device_keys.c.slot, device_keys.c.secret_sealed, device_keys.c.expires_at).where(
                    device_keys.c.device_id == lamp.id, device_keys.c.key_version == 1
                )
            ).one()

    assert stored().slot == "previous" and stored().secret_sealed is not None
    promoted = api().get(f"/device/{lamp.id}/key-history").json()["keys"][0]["promoted_at"]
    day = stored().expires_at - 24 * 3600 * 1000
    assert promoted.startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(day / 1000)))
    with cloud.services.database.reading() as connection:
        due = connection.execute(sa.select(agenda.c.due_at).where(agenda.c.device_id == lamp.id)).scalar()
    assert due == stored().expires_at  # the cloud looks by itself when the time has come
    with cloud.services.database.writing(tenant_id) as connection:
        keyring.erase_expired(connection, tenant_id, [lamp.id], stored().expires_at - 1)
    assert stored().secret_sealed is not None
    with cloud.services.database.writing(tenant_id) as connection:
        held = ledger.hold(connection, cloud.services.vault, tenant_id, [lamp.id], {}, stored().expires_at)
    assert list(held[lamp.id].windows) == [2]
    assert (stored().slot, stored().secret_sealed) == ("retired", None)


def test_a_link_in_memory_loses_a_key_when_its_time_is_over(api, device, cloud, with_secret):
    lamp = device()
    _, mqtt = with_secret(lamp, rotate(api, lamp.id).json()["new_secret"])
    until(lambda: slots(api, lamp.id)[2] == "active", "the promotion")
    mqtt.stop()
    vault, tenant_id, cache = cloud.services.vault, lamp.sim.tenant_id, {}
    now = cloud.services.now()

    def held(at):
        with cloud.services.database.writing(tenant_id) as connection:
            return ledger.hold(connection, vault, tenant_id, [lamp.id], cache, at)[lamp.id]

    first = held(now)
    assert list(first.windows) == [2, 1]
    assert held(first.expires - 1) is first
    assert list(held(first.expires).windows) == [2]


def test_an_empty_body_of_json_rotates_and_revokes(api, device):
    lamp = device()
    empty = {"headers": {"Content-Type": "application/json"}, "content": b""}
    assert api().post(f"/devices/{lamp.id}/rotate-secret", **empty).json()["key_version"] == 2
    assert api().post(f"/devices/{lamp.id}/revoke", **empty).status_code == 200
    refused = rotate(api, lamp.id)
    assert (refused.status_code, refused.json()["error"]) == (409, "DEVICE_REVOKED")
    assert set(slots(api, lamp.id).values()) == {"retired"}


def test_revoking_throws_the_device_off_the_broker(api, device):
    lamp = device()
    assert not lamp.mqtt.refusals
    api().post(f"/device/{lamp.id}/revoke")
    until(lambda: lamp.mqtt.refusals, "the broker to refuse it")
    assert not api().get(f"/devices/{lamp.id}/state").json()["online"]
