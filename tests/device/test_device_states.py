"""The device as a whole, in virtual time: how it comes up, and what it says of itself."""

import hxtp_device.device as module
from hxtp_device import VERSION
from hxtp_device.device import STATES
from tests.device.rig import Rig


def test_every_state_leads_to_states_of_the_table():
    for step, done, failed in STATES.values():
        assert done in STATES and failed in STATES
        assert hasattr(module.Device, step)
    assert {state for state in STATES if not any(state in entry[1:] for entry in STATES.values())} == set()


def test_it_comes_up_through_the_states_in_order():
    rig = Rig()
    rig.wifi.joined = False
    seen = []
    while not seen or seen[-1] != "READY":
        if not seen or seen[-1] != rig.device.state:
            seen.append(rig.device.state)
        rig.poll()
        rig.wifi.joined = len(seen) > 1
        assert len(seen) < 20
    assert seen[:4] == ["IDLE", "WIFI_CONNECTING", "TIME_SYNCING", "MQTT_LINKING"]
    assert seen[4:] == ["SUBSCRIBING", "HELLO_SENT", "READY"]


def test_hello_manifest_state_command_ack():
    rig = Rig().ready()
    order = rig.order("lamp_set", level=7)
    assert order.state == "acknowledged"
    assert rig.lamp.level == 7 and rig.lamp.runs == 1
    rig.steps(100)
    assert rig.cloud.state == {"level": 7}
    kinds = rig.kinds()
    assert kinds[:3] == ["hello", "manifest", "state"]
    assert "ack" in kinds[3:] and "state" in kinds[3:]
    assert rig.device.errors == {}
    assert rig.cloud.refused in ({}, {"TIMESTAMP_EXPIRED": 1})


def test_hello_tells_who_the_device_is():
    rig = Rig(firmware_version="3.2.1")
    rig.guard.reason = "watchdog"
    rig.ready()
    hello = rig.events[0].body
    assert hello["device_type"] == "test-lamp"
    assert hello["firmware_version"] == "3.2.1"
    assert hello["reset_reason"] == "watchdog"
    assert hello["boot_count"] == rig.store.boot_count


def test_the_firmware_version_is_the_packages_unless_it_is_set():
    rig = Rig().ready()
    assert rig.events[0].body["firmware_version"] == VERSION


def test_what_must_arrive_goes_at_qos_1_and_what_comes_again_at_qos_0():
    rig = Rig().ready()
    rig.order("lamp_set", level=1)
    rig.device.telemetry({"heat": 21})
    rig.steps(40000)
    assert {(channel, qos) for channel, _, qos in rig.said} == {
        ("hello", 1),
        ("manifest", 1),
        ("state", 1),
        ("cmd_ack", 1),
        ("heartbeat", 0),
        ("telemetry", 0),
    }


def test_the_will_is_an_empty_message_on_heartbeat():
    rig = Rig().ready()
    body = rig.air.peer.packets[0][1]
    assert b"/heartbeat\x00\x00\x00" in body


def test_the_status_led_is_lit_while_there_is_a_session():
    rig = Rig()
    seen = []
    rig.device.show(seen.append)
    rig.ready()
    assert seen == [True]
    rig.wifi.joined = False
    rig.steps(1000)
    assert seen == [True, False]
