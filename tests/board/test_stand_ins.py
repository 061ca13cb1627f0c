"""The stand-ins imported straight into a test, without a board: how capabilities are tested on CPython."""

import time

import _board
import machine
import pytest

from host_sim.board import use_modules


@pytest.fixture(autouse=True)
def fresh():
    use_modules()
    _board.pins.clear()
    del _board.trace[:]
    yield
    _board.pins.clear()
    del _board.trace[:]


def test_the_trace_stays_in_memory():
    machine.Pin(26, machine.Pin.OUT, value=1)
    (event,) = machine.board.trace
    assert event.pop("t_us") >= 0
    assert event == {"ev": "pin", "pin": 26, "value": 1}


def test_the_trace_has_a_bound():
    pin = machine.Pin(26, machine.Pin.OUT)
    for _ in range(_board.KEEP + 10):
        pin.toggle()
    assert len(_board.trace) == _board.KEEP


def test_a_reset_is_an_exception_that_says_why():
    with pytest.raises(_board.Reset) as caught:
        machine.reset()
    assert caught.value.cause == machine.HARD_RESET
    with pytest.raises(_board.Reset) as caught:
        machine.soft_reset()
    assert caught.value.cause == machine.SOFT_RESET


def test_a_watchdog_does_not_end_the_test():
    dog = machine.WDT(timeout=1)
    time.sleep(0.01)
    before = dog.fed_us
    dog.feed()
    assert dog.fed_us > before


def test_nvs_is_kept_in_memory():
    import esp32

    nvs = esp32.NVS("stand-ins")
    nvs.set_blob("b", b"12")
    nvs.commit()
    buffer = bytearray(2)
    assert (nvs.get_blob("b", buffer), buffer) == (2, bytearray(b"12"))
    nvs.erase_key("b")
    nvs.commit()


def test_ticks_are_there_and_the_rest_of_time_is_untouched():
    assert 0 <= time.ticks_ms() < 2**30
    assert time.ticks_diff(time.ticks_add(5, 10), 5) == 10
    assert time.ticks_diff(0, 2**30 - 1) == 1
    assert time.time() > 1_600_000_000 and time.gmtime(0).tm_year == 1970


def test_partitions_follow_the_layout(monkeypatch):
    from esp32 import Partition

    assert Partition(Partition.RUNNING).info()[4] == "factory"
    with pytest.raises(OSError) as caught:
        Partition(Partition.RUNNING).get_next_update()
    assert caught.value.args[0] == 2
    monkeypatch.setattr(_board, "slots", 2)
    assert Partition(Partition.BOOT).get_next_update().info()[4] == "ota_1"
    assert [one.info()[4] for one in Partition.find(Partition.TYPE_APP)] == ["ota_0", "ota_1"]
    with pytest.raises(OSError):
        Partition("none")
    Partition.mark_app_valid_cancel_rollback()
