"""The device without Wi-Fi, broker or cloud: its parts never wait for them, and it finds them again."""

from itertools import pairwise

import pytest

from hxtp.outbox import Outbox
from tests.device.rig import NOW, Lamp, Rig, refusing, silent

# -- parts go on, whatever the network does -------------------------------------------------------


def worlds():
    def no_wifi(rig):
        rig.wifi.joined = False

    def wifi_error(rig):
        rig.wifi.error = OSError("Wifi Internal Error")

    def unreachable(rig):
        rig.air.refuse = OSError(113)

    def never_connecting(rig):
        rig.air.steps = 10**9

    def silent_broker(rig):
        rig.air.make = silent

    def refusing_broker(rig):
        rig.air.make = refusing(5)

    def silent_cloud(rig):
        rig.cloud_up = False

    def full_flash(rig):
        rig.flash.broken = True

    found = [no_wifi, wifi_error, unreachable, never_connecting, silent_broker, refusing_broker, silent_cloud]
    return [*found, full_flash]


@pytest.mark.parametrize("world", worlds(), ids=lambda world: world.__name__)
def test_parts_are_ticked_in_every_poll_whatever_the_network_does(world):
    rig = Rig()
    world(rig)
    for turn in range(1, 20001):
        rig.poll()
        assert rig.lamp.ticks == turn
        assert rig.lamp.last == rig.clock.now()
    assert rig.device.state != "READY"
    assert rig.guard.fed == 20000  # and the watchdog is content


def test_without_wifi_it_never_tries_to_connect():
    rig = Rig()
    rig.wifi.joined = False
    rig.steps(60000)
    assert rig.device.state == "WIFI_CONNECTING" and rig.air.targets == []


def test_a_part_that_fails_in_its_tick_is_told_once_and_the_others_go_on(capsys):
    rig = Rig(parts=[Lamp("one"), Lamp("two")])
    one, two = rig.device.registry.parts
    one.fault = RuntimeError("broken")
    rig.steps(5000)
    assert two.ticks == one.ticks == 500
    assert rig.device.errors == {"one: RuntimeError broken": 500}
    assert capsys.readouterr().out.count("broken") <= 2  # the line, and the traceback where there is one
    assert rig.device.state == "READY"


# -- losing and finding the network ---------------------------------------------------------------


def test_lost_wifi_ends_the_session_and_its_return_begins_another():
    rig = Rig().ready()
    rig.wifi.joined = False
    rig.poll()
    assert rig.device.state == "RECONNECTING"
    assert rig.air.peer.closed
    rig.steps(200000)
    assert rig.device.state == "WIFI_CONNECTING"
    rig.wifi.joined = True
    rig.steps(3000)
    assert rig.device.state == "READY"
    assert rig.kinds().count("hello") >= 2


def test_a_broker_that_hangs_up_is_connected_to_again():
    rig = Rig().ready()
    rig.hang_up()
    rig.until(lambda: rig.device.state == "READY", 5000)
    assert len(rig.air.peers) >= 2


def test_a_lost_puback_leads_to_a_new_connection_and_the_command_is_still_answered():
    rig = Rig().ready()
    rig.air.peer.answers.discard(0x30)
    rig.steps(100)
    order = rig.cloud.submit("lamp_set", {"level": 3}, rig.now)
    rig.cloud_up = True
    rig.until(order.settled)
    rig.steps(60000)
    assert len(rig.air.peers) == 2
    assert rig.lamp.runs == 1
    assert rig.device.state == "READY"


def test_a_cloud_that_does_not_answer_hello_makes_it_connect_anew_after_a_minute():
    rig = Rig()
    rig.cloud_up = False
    rig.until(lambda: rig.device.state == "HELLO_SENT")
    rig.steps(59000)
    assert rig.device.state == "HELLO_SENT" and len(rig.air.peers) == 1
    rig.steps(3000)
    assert (len(rig.air.peers) >= 1 and rig.device.state != "HELLO_SENT") or len(rig.air.peers) == 2
    assert any("no authentic answer" in kind for kind in rig.device.errors)
    rig.cloud_up = True
    rig.until(lambda: rig.device.state == "READY")


def test_waits_between_attempts_grow_to_a_minute_and_no_further():
    rig = Rig()
    rig.air.refuse = OSError(111)
    waits = []
    began = None
    for _ in range(200000):
        before = rig.device.state
        rig.poll()
        if rig.device.state == "RECONNECTING" != before:
            began = rig.clock.now()
        elif before == "RECONNECTING" != rig.device.state:
            waits.append(rig.clock.now() - began)
    assert len(waits) > 30
    ceilings = [1000, 2000, 4000, 8000, 16000, 32000] + [60000] * len(waits)
    assert all(wait <= ceiling + 20 for wait, ceiling in zip(waits, ceilings, strict=False))
    assert max(waits) > 30000


def test_a_session_that_lasted_makes_the_waits_short_again_and_a_short_one_does_not():
    rig = Rig().ready()
    for _ in range(5):
        rig.hang_up()
        rig.until(lambda: rig.device.state == "READY")
    assert rig.device._backoff.ceiling == 32000
    rig.steps(61000)
    rig.hang_up()
    assert rig.device._backoff.ceiling == 2000


def test_refused_credentials_are_told_once_and_without_them(capsys):
    rig = Rig()
    rig.air.make = refusing(4)
    rig.steps(300000)
    out = capsys.readouterr().out
    assert out.count("user or password") == 1
    assert rig.device.errors["MQTT_LINKING: MQTTException refused by the broker: user or password"] > 3


def test_a_password_that_is_over_is_told_where_a_clock_says_so(capsys):
    for expiry, told in ((NOW + 10000, False), (NOW - 10000, True)):
        rig = Rig(password_expiry=expiry)
        rig.air.make = refusing(5)
        rig.steps(3000)
        assert "password_expiry" not in capsys.readouterr().out  # nobody knows the time
        rig.clock.set(NOW)
        rig.steps(120000)
        out = capsys.readouterr().out
        assert ("password_expiry is over by this clock: renew it (client renew)" in out) == told


# -- what waits while offline ---------------------------------------------------------------------


def test_samples_wait_offline_the_newest_are_kept_and_the_loss_is_told():
    rig = Rig().ready()
    rig.wifi.joined = False
    rig.poll()
    kept = Outbox()._samples_kept
    for number in range(kept + 5):
        rig.device.telemetry({"n": number})
        rig.steps(1000)
    rig.wifi.joined = True
    rig.until(lambda: rig.kinds().count("telemetry") == kept)
    told = [event.body for event in rig.events if event.type == "telemetry"]
    assert [body["n"] for body in told] == list(range(5, kept + 5))
    assert told[0]["dropped"] == 5
    # Each tells when it was taken, not when it was sent.
    times = [body["sampled_at"] for body in told]
    assert all(later - earlier == 1000 for earlier, later in pairwise(times))
    assert times[-1] < rig.now - 1000


def test_many_changes_offline_become_one_state():
    rig = Rig().ready()
    rig.wifi.joined = False
    rig.poll()
    before = rig.kinds().count("state")
    for level in range(9):
        rig.lamp.lamp_set({"level": level})
        rig.steps(500)
    rig.wifi.joined = True
    rig.steps(30000)
    assert rig.kinds().count("state") == before + 1
    assert rig.cloud.state == {"level": 8}
