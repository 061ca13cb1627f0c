"""The device's loop: the watchdog, code of the maker's own, and errors that it goes on through."""

import pytest

import hxtp_device.device as module
from tests.device.peer import Peer
from tests.device.rig import Lamp, Rig, refusing


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
