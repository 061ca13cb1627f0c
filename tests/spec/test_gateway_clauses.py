"""Clauses about clouds that only a whole gateway can show."""

import pytest

from hxtp.errors import HxtpError
from tests.gateway.house import START, House, signed


@pytest.fixture
def house():
    return House()


def test_device_ids_are_new_and_of_thirty_two_hex_digits(house):
    """HX3-WIRE-44, HX3-KEY-01."""
    made = [house.gateway.register() for _ in range(20)]
    assert len({device.device_id for device in made}) == len({device.secret for device in made}) == 20
    for device in made:
        assert len(device.device_id) == 32 and bytes.fromhex(device.device_id) and len(device.secret) == 32


def test_topic_message_and_record_name_the_same_device_and_tenant(house):
    """HX3-VAL-19."""
    device = house.join().registration
    other = house.gateway.register()
    body = (device.secret, device.device_id, "state", 1000000, b"{}")
    good = signed(*body)
    wrong_tenant = signed(*body, tenant_id="other")
    receive = house.gateway.hub.receive
    topic = f"hxtp/{device.tenant_id}/device/{device.device_id}/state"
    assert receive(topic.replace(device.device_id, other.device_id), good, START) is None
    assert receive(topic.replace(f"/{device.tenant_id}/", "/other/"), good, START) is None
    assert receive(topic, wrong_tenant, START) is None
    assert receive(topic, good, START).type == "state"


def test_the_empty_will_is_a_hint(house):
    """HX3-PRES-04."""
    device = house.join().registration
    topic = f"hxtp/{device.tenant_id}/device/{device.device_id}/heartbeat"
    house.intruder().publish(topic, b"")
    house.step()
    assert house.told("will") and not house.told("offline") and not house.refusals()


def test_a_command_too_large_to_travel_is_not_queued(house):
    """HX3-CMD-26."""
    device = house.join().registration
    with pytest.raises(HxtpError) as refusal:
        house.gateway.command(device.device_id, "light_on", {"n": "x" * 16384})
    assert refusal.value.code == "PAYLOAD_TOO_LARGE"
