"""Devices whose firmware knows no hello_ack: they may talk, get nothing, and an admin is told."""

import itertools
import time

from hxtp import envelope
from hxtp.sign import Key
from hxtp.topics import topic
from tests.cloud.waiting import until

_numbers = itertools.count(1)


def say(cloud, made, kind, body):
    """One message as such a device signs it."""
    number = next(_numbers)
    fields = {
        "message_type": kind,
        "device_id": made["device_id"],
        "tenant_id": made["tenant_id"],
        "client_id": made["device_id"],
        "message_id": f"old-{number}",
        "request_id": f"old-{number}",
        "sequence_number": number,
        "timestamp": time.time_ns() // 1000000,
        "nonce": f"{number:032x}",
    }
    message = envelope.build(Key(bytes.fromhex(made["device_secret"])), fields, body)
    cloud.services.exchange.receive(topic(made["tenant_id"], made["device_id"], kind), message)


def test_a_device_that_never_says_hello_is_pointed_out_to_an_admin(cloud, api, device):
    """HX3-SDK-07"""
    made = api().post("/device/register", json={"device_type": "older"}).json()
    path = f"/devices/{made['device_id']}"

    def seen():
        return api("admin").get(path).json()

    assert (seen()["last_seen"], seen()["notices"]) == (None, [])  # it may come any moment
    say(cloud, made, "hello", b'{"device_type":"esp32","firmware_version":"0.0.1"}')  # without a challenge
    say(cloud, made, "state", b'{"light":"on"}')
    told = until(lambda: seen()["last_seen"] and seen(), "its state to be taken")
    assert [one["code"] for one in told["notices"]] == ["NEVER_SAID_HELLO"]
    assert told["notices"][0]["message"] and told["session"] is False
    listed = api("admin").get("/devices").json()["devices"]
    assert [one["id"] for one in listed if one["notices"]] == [made["device_id"]]
    newer = device(registration=made)  # with firmware of today
    assert seen()["notices"] == [] and api().command(newer.id, "light_on")["status"] == "acknowledged"


def test_a_device_that_was_ended_is_nobodys_to_look_after(cloud, api):
    made = api().post("/device/register", json={"device_type": "older"}).json()
    path = f"/devices/{made['device_id']}"
    say(cloud, made, "state", b"{}")
    until(lambda: api().get(path).json()["notices"], "its state to be taken")
    api().post(f"/device/{made['device_id']}/revoke")
    assert api().get(path).json()["notices"] == []
