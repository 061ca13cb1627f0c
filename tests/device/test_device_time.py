"""Where the device has its time from, and how little it believes."""

from types import SimpleNamespace

from test_device_clock import Time

from hxtp_device import BUILT
from tests.device.rig import NOW, Rig


def test_a_time_that_no_clock_can_hold_is_not_saved_either():
    rig = Rig()
    rig.device.session = SimpleNamespace(time=lambda now: 9007199254740991)
    saved, wall = rig.store.time, rig.clock.wall()
    assert rig.device._keep_time(0) is True
    assert (rig.store.time, rig.clock.wall()) == (saved, wall)


def test_the_time_server_is_asked_before_the_first_connection_and_not_once_the_time_is_known():
    rig = Rig(ntp="ntp.example")
    rig.ntp.answer = NOW - 946684800
    rig.ready()
    assert rig.ntp.asked == 1 and rig.ntp.host == "ntp.example"
    for _ in range(5):
        rig.hang_up()
        rig.until(lambda: rig.device.state == "READY")
        rig.steps(700000, 1000)
    assert rig.ntp.asked == 1


def test_with_the_time_from_the_network_the_first_hello_is_accepted():
    rig = Rig()
    rig.ntp.answer = NOW - 946684800
    rig.ready()
    assert rig.cloud.refused == {}
    assert [channel for channel, _, _ in rig.said].count("hello") == 1


def test_without_any_time_the_second_hello_is_accepted():
    rig = Rig().ready()
    assert rig.cloud.refused == {"TIMESTAMP_EXPIRED": 1}
    assert [channel for channel, _, _ in rig.said].count("hello") == 2


def test_a_lying_time_server_costs_one_hello_and_moves_nothing_else():
    for lie in (-(10**7), 10**8):
        rig = Rig()
        rig.ntp.answer = NOW - 946684800 + lie
        rig.ready()
        assert sum(rig.cloud.refused.values()) == 1
        assert abs(rig.device.session.time(rig.clock.now()) - rig.now) < 100
        assert abs(rig.clock.wall() - rig.now // 1000) <= 2


def test_a_silent_time_server_is_asked_every_ten_minutes_at_most():
    rig = Rig()
    rig.air.refuse = OSError(111)
    rig.steps(3600000, 100)
    assert 5 <= rig.ntp.asked <= 7


def test_no_time_server_is_asked_where_none_is_wanted():
    rig = Rig(ntp="").ready()
    assert rig.ntp.asked == 0


def test_before_tls_the_wall_clock_is_what_has_certainly_passed():
    rig = Rig()
    rig.air.steps = 10**9
    rig.until(lambda: rig.device.state == "MQTT_LINKING")
    assert rig.clock.wall() == BUILT


def test_the_authentic_time_sets_the_wall_clock_and_is_saved_at_most_daily():
    rig = Rig().ready()
    rig.poll()
    assert abs(rig.clock.wall() - rig.now // 1000) <= 1
    saved = rig.store.time
    assert abs(saved - NOW) < 10
    rig.steps(23 * 3600 * 1000, 5000)
    assert rig.store.time == saved
    rig.steps(3 * 3600 * 1000, 5000)
    assert rig.store.time - saved >= 86400
    assert rig.device.state == "READY"


def test_the_next_start_begins_at_the_saved_time():
    rig = Rig().ready()
    rig.poll()
    again = Rig(flash=rig.flash)
    assert again.clock.wall() == rig.store.time > BUILT


def test_ticks_may_wrap_in_the_middle_of_a_session():
    rig = Rig(time=Time(ticks=(1 << 30) - 30000)).ready()
    rig.steps(60000)
    assert rig.order("lamp_set", level=3).state == "acknowledged"
    assert len(rig.air.peers) == 1
    rig.steps(120000)
    assert rig.kinds().count("heartbeat") >= 4
