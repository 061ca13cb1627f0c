"""The device as a whole, in virtual time: its states, and that its parts never wait for a network."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
from test_device_clock import Time
from test_device_store import Flash, PowerCut

import hxtp_device.device as module
from hxtp.errors import PAYLOAD_TOO_LARGE
from hxtp.outbox import Outbox
from hxtp_device import BUILT, VERSION
from hxtp_device.device import DEBOUNCE, STATES
from tests.device.peer import Peer
from tests.device.rig import NOW, Lamp, Rig, silent


def refusing(code: int):
    def make() -> Peer:
        peer = Peer()
        peer.connack = code
        return peer

    return make


# -- states -------------------------------------------------------------------------------------


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


def test_the_status_led_is_lit_while_there_is_a_session():
    rig = Rig()
    seen = []
    rig.device.show(seen.append)
    rig.ready()
    assert seen == [True]
    rig.wifi.joined = False
    rig.steps(1000)
    assert seen == [True, False]


def test_telemetry_before_the_first_poll_is_refused_rather_than_lost():
    rig = Rig()
    with pytest.raises(ValueError, match="poll"):
        rig.device.telemetry({"heat": 21})


def test_a_time_that_no_clock_can_hold_is_not_saved_either():
    rig = Rig()
    rig.device.session = SimpleNamespace(time=lambda now: 9007199254740991)
    saved, wall = rig.store.time, rig.clock.wall()
    assert rig.device._keep_time(0) is True
    assert (rig.store.time, rig.clock.wall()) == (saved, wall)


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


# -- messages in ----------------------------------------------------------------------------------


def test_a_command_runs_once_however_often_the_broker_delivers_it():
    rig = Rig().ready()
    rig.order("lamp_set", level=4)
    wire = rig.air.peer.packets
    order = rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    rig.until(order.settled)
    assert rig.lamp.runs == 2 and wire


def test_a_retained_command_is_not_run():
    rig = Rig().ready()
    order = rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    channel, payload = rig.cloud.take(rig.now)
    rig.send(channel, payload, retain=True)
    rig.steps(1000)
    assert rig.lamp.runs == 0 and not order.settled()
    assert rig.device.session.refused == {"COMMAND_INVALID": 1}


def test_an_oversize_message_is_counted_and_the_next_one_runs():
    rig = Rig().ready()
    rig.send("cmd", b"{" * 20000)
    rig.steps(2000)
    assert rig.order("lamp_set", level=2).state == "acknowledged"
    assert rig.device.session.refused == {PAYLOAD_TOO_LARGE: 1}


def test_each_refusal_is_told_on_the_console(capsys):
    rig = Rig().ready()
    rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    _, payload = rig.cloud.take(rig.now)
    rig.send("cmd", payload.replace(b'"level":5', b'"level":6'))
    rig.send("cmd", b"{" * 20000)
    rig.steps(2000)
    out = capsys.readouterr().out
    assert out.count("hxtp: refused HASH_MISMATCH") == 1
    assert out.count("hxtp: refused PAYLOAD_TOO_LARGE") == 1
    assert rig.lamp.runs == 0


def test_messages_on_foreign_topics_are_ignored():
    rig = Rig().ready()
    order = rig.cloud.submit("lamp_set", {"level": 5}, rig.now)
    _, payload = rig.cloud.take(rig.now)
    for channel in ("hello", "state", "cmdx", "cm"):
        rig.send(channel, payload)
    rig.air.peer.inbox += b"\x30\x05\x00\x02\xff\xfex"  # a topic that is not even text
    rig.steps(1000)
    assert rig.lamp.runs == 0 and not order.settled()
    assert rig.device.session.refused == {} and rig.device.state == "READY"


def test_a_part_that_fails_in_an_action_is_nacked_and_counted():
    rig = Rig().ready()
    order = rig.order("lamp_fail")
    assert (order.state, order.error) == ("failed", "INTERNAL_ERROR")
    assert list(rig.device.errors) == ["a command: RuntimeError the filament is gone"]
    assert rig.order("lamp_set", level=1).state == "acknowledged"


def test_wrong_parameters_are_nacked_with_the_members_name():
    rig = Rig().ready()
    order = rig.order("lamp_set", level=99)
    assert order.error == "INVALID_PARAMS" and order.result["member"] == "level"
    assert rig.lamp.runs == 0


@pytest.mark.parametrize("value", [{"level": object()}, {"level": float("nan")}])
def test_a_state_without_a_json_form_is_told_and_nothing_else_suffers(value):
    rig = Rig().ready()
    rig.lamp.state = lambda: value
    rig.lamp.context.changed(rig.lamp)
    rig.steps(31000)
    assert rig.device.state == "READY" and len(rig.air.peers) == 1
    assert len(rig.device.errors) == 1
    assert "heartbeat" in rig.kinds()


def test_a_sample_without_a_json_form_is_told_and_nothing_else_suffers():
    rig = Rig().ready()
    rig.device.telemetry({"heat": object()})
    rig.device.telemetry({"heat": 20})
    rig.steps(1000)
    assert [event.body["heat"] for event in rig.events if event.type == "telemetry"] == [20]
    assert len(rig.device.errors) == 1 and rig.device.state == "READY"


# -- flash ----------------------------------------------------------------------------------------


def test_one_write_comes_before_anything_else_at_each_boot():
    rig = Rig()
    assert rig.store.writes == 0
    rig.poll()
    assert rig.store.writes == 1 and rig.air.targets == []


def test_a_flash_that_cannot_be_written_is_an_error_and_tried_again():
    rig = Rig()
    rig.flash.broken = True
    rig.poll()
    assert rig.device.state == "ERROR"
    rig.steps(300000)
    assert rig.device.state == "ERROR" and rig.air.targets == []
    assert rig.device.errors["IDLE: OSError -4352"] > 3
    rig.flash.broken = False
    rig.until(lambda: rig.device.state == "READY")
    assert rig.lamp.ticks > 30000


def test_no_boot_is_counted_twice_however_often_the_start_fails():
    rig = Rig()
    real, rig.device.registry.pieces = rig.device.registry.pieces, None  # what makes the session fail
    rig.steps(120000)
    assert rig.device.state == "ERROR" and rig.store.writes == 1
    rig.device.registry.pieces = real
    rig.until(lambda: rig.device.state == "READY")
    assert rig.store.writes <= 4


def test_a_flash_that_breaks_later_stops_messages_but_not_the_parts():
    rig = Rig().ready()
    rig.flash.broken = True
    rig.device.session._counter.raise_to(rig.device.session._counter._limit)
    ticks = rig.lamp.ticks
    rig.steps(100000)
    assert rig.lamp.ticks == ticks + 10000
    numbers = len(rig.numbers)
    rig.flash.broken = False
    rig.until(lambda: rig.device.state == "READY" and len(rig.numbers) > numbers + 1)
    assert len(set(rig.numbers)) == len(rig.numbers)


def test_state_is_saved_after_five_quiet_seconds_and_only_when_it_changed():
    rig = Rig().ready()
    writes = rig.store.writes
    for level in (1, 2, 3):
        rig.lamp.lamp_set({"level": level})
        rig.steps(DEBOUNCE - 1000)
    assert rig.store.writes == writes
    rig.steps(1100)
    assert rig.store.writes == writes + 1
    rig.lamp.lamp_set({"level": 3})
    rig.steps(20000)
    assert rig.store.writes == writes + 1


def test_saved_state_is_given_back_at_the_next_start():
    rig = Rig()
    rig.lamp.lamp_set({"level": 6})
    rig.steps(6000)
    assert Rig(flash=rig.flash).lamp.level == 6


def test_a_part_that_cannot_be_saved_is_told_and_the_device_goes_on():
    rig = Rig().ready()
    rig.lamp.saved = lambda: {"x": object()}
    rig.lamp.lamp_set({"level": 1})
    rig.steps(6000)
    assert len(rig.device.errors) == 1 and rig.device.state == "READY"


def test_parts_need_neither_saved_nor_restore():
    class Plain:
        name = KIND = "plain"
        actions: dict = {}  # noqa: RUF012
        context = None

        def state(self):
            return {}

        def tick(self, now):
            pass

    rig = Rig(parts=[Plain()])
    rig.until(lambda: rig.device.state == "READY")
    rig.device.changed(None)
    rig.steps(6000)
    assert rig.device.errors == {}


def test_less_than_one_write_in_a_thousand_messages():
    rig = Rig().ready()
    writes = rig.store.writes
    for number in range(3000):
        rig.device.telemetry({"n": number})
        rig.poll()
        rig.poll()
    assert rig.kinds().count("telemetry") > 2900
    assert rig.store.writes - writes <= 3


def life(flash, cloud, cut, seed, log):
    """From power-on until the power goes; what was said is added to `log`."""
    flash.steps = 0
    flash.cut = cut
    rig = None
    try:
        rig = Rig(flash=flash, cloud=cloud, seed=seed)
        rig.device.session_numbers = None
        for turn in range(700):
            rig.poll()
            if turn == 100:
                rig.lamp.lamp_set({"level": seed % 10})
            if rig.device.session and turn == 150:
                # As if a thousand messages had gone by.
                rig.device.session._counter.last = rig.device.session._counter._limit - 1
                rig.device.telemetry({"n": 1})
                rig.device.telemetry({"n": 2})
    except PowerCut:
        pass
    finally:
        flash.cut = None
        if rig:
            log.append((rig.store.boot_count if rig.device.session else None, rig.numbers))
    return flash.steps


def test_a_power_cut_at_every_write_repeats_no_number_and_no_boot():
    steps = life(Flash(), None, None, 1, [])
    assert steps >= 10
    for step in range(1, steps + 1):
        for way in ("before", "torn", "after"):
            flash = Flash()
            log = []
            life(flash, None, None, 1, log)
            life(flash, None, (step, way), 2, log)
            life(flash, None, None, 3, log)
            numbers = [number for _, used in log for number in used]
            assert len(set(numbers)) == len(numbers)
            boots = [boot for boot, _ in log if boot is not None]
            assert len(set(boots)) == len(boots)
            assert log[-1][1]


def test_after_a_reboot_the_cloud_goes_on_with_the_same_device():
    rig = Rig().ready()
    rig.order("lamp_set", level=4)
    again = Rig(flash=rig.flash, cloud=rig.cloud, seed=2, time=Time(ticks=77))
    again.start = again.time.ticks - (rig.time.ticks - rig.start)
    again.ready()
    again.until(lambda: again.device.state == "READY")
    assert again.order("lamp_set", level=5).state == "acknowledged"
    assert not set(rig.numbers) & set(again.numbers)


def test_after_an_erased_flash_the_cloud_goes_on_with_the_same_device():
    rig = Rig().ready()
    rig.order("lamp_set", level=4)
    boot = rig.cloud.boot_count
    for seed in range(2, 8):  # some begin below the cloud's number, some above it
        rig = Rig(cloud=rig.cloud, seed=seed, time=rig.time)
        rig.start = rig.time.ticks - 1000000 * seed
        rig.until(lambda: rig.device.state == "READY", 30000)  # noqa: B023
        assert rig.order("lamp_set", level=5).state == "acknowledged"
        assert rig.cloud.boot_count != boot
        boot = rig.cloud.boot_count


# -- time -----------------------------------------------------------------------------------------


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


# -- watchdog, makers, errors -----------------------------------------------------------------------


def test_the_watchdog_is_started_with_its_setting_and_fed_by_whole_polls_alone():
    rig = Rig(watchdog=7)
    rig.poll()
    assert rig.guard.watching == 7 and rig.guard.fed == 1

    def broken(now):
        raise RuntimeError("a bug")

    rig.device._step = broken
    with pytest.raises(RuntimeError):
        rig.poll()
    assert rig.guard.fed == 1


def test_zero_means_no_watchdog():
    rig = Rig(watchdog=0)
    rig.steps(100)
    assert rig.guard.watching is None


def test_a_ready_session_makes_the_boot_a_good_one():
    rig = Rig()
    rig.until(lambda: rig.device.state == "HELLO_SENT")
    assert rig.guard.good == 0
    rig.ready()
    assert rig.guard.good == 1


def test_run_goes_on_through_errors_and_rests_the_watchdog_at_the_prompt(capsys):
    rig = Rig()
    polls = []

    def poll():
        polls.append(1)
        if len(polls) > 5:
            raise KeyboardInterrupt
        raise ValueError("a bug")

    rig.device.poll = poll
    with pytest.raises(KeyboardInterrupt):
        rig.device.run()
    assert rig.device.errors == {"the loop: ValueError a bug": 5}
    assert rig.guard.rests == 1
    assert capsys.readouterr().out.count("hxtp: the loop") == 1


def test_run_sleeps_only_when_there_is_nothing_to_do():
    rig = Rig()
    slept = []
    answers = [1, 1, 0, 1, 0]

    def poll():
        if not answers:
            raise KeyboardInterrupt
        return answers.pop(0)

    rig.device.poll = poll
    rig.device._sleep_ms = slept.append
    with pytest.raises(KeyboardInterrupt):
        rig.device.run()
    assert slept == [10, 10]


def test_on_ready_is_called_at_each_session_and_its_errors_are_its_own():
    rig = Rig()
    calls = []

    def on_ready():
        calls.append(rig.device.state)
        raise RuntimeError("the maker's")

    rig.device.on_ready = on_ready
    rig.ready()
    rig.hang_up()
    rig.until(lambda: rig.device.state == "READY")
    assert calls == ["READY", "READY"]
    assert rig.device.errors["on_ready: RuntimeError the maker's"] == 2


def test_parts_cannot_be_added_after_the_first_poll():
    rig = Rig()
    rig.poll()
    with pytest.raises(ValueError, match="before the first poll"):
        rig.device.add(Lamp("late"))


def test_errors_of_ever_new_kinds_are_counted_in_bounded_memory(capsys):
    rig = Rig()
    turn = iter(range(10**6))

    def tick(now):
        raise RuntimeError(f"number {next(turn)}")

    rig.lamp.tick = tick
    rig.steps(3000)
    assert len(rig.device.errors) <= module.KINDS + 1
    assert sum(rig.device.errors.values()) == 300
    assert len(capsys.readouterr().out) < 100000


def test_nothing_secret_is_printed(capsys):
    rig = Rig()
    rig.lamp.fault = RuntimeError("x")
    rig.air.make = refusing(4)
    rig.steps(20000)
    rig.air.make = Peer
    rig.until(lambda: rig.device.state == "READY")
    rig.order("lamp_fail")
    out = capsys.readouterr().out
    assert "ab" * 32 not in out and repr(b"\xab" * 32) not in out
    assert "signature" not in out
