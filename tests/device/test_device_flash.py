"""What the device writes into its flash, how seldom, and what a power cut leaves of it."""

from test_device_clock import Time
from test_device_store import Flash, PowerCut

from hxtp_device.device import DEBOUNCE
from tests.device.rig import Rig


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
