"""Resets, the watchdog, power, and that no process outlives its board."""

import os
import subprocess
import sys
import time

import pytest

from host_sim import ROOT
from host_sim.board import BoardError, VirtualBoard
from tests.board.running import finish, said

# Prints the cause of each start, and does what the n-th line of `acts` says.
STARTS = """
import esp32, machine, time
nvs = esp32.NVS("test")
try:
    n = nvs.get_i32("n")
except OSError:
    n = 0
nvs.set_i32("n", n + 1)
nvs.commit()
print("cause", machine.reset_cause())
%s
"""


def causes(board):
    return [int(line.split()[1]) for line in board.log if line.startswith("cause")]


def test_every_reset_comes_with_its_cause(make):
    board = make(
        STARTS
        % """
if n == 0:
    machine.reset()
if n == 1:
    machine.soft_reset()
if n == 2:
    machine.deepsleep(30)
if n == 3:
    raise SystemExit
"""
    )
    finish(board)
    assert causes(board) == [1, 2, 5, 4, 5]
    assert board.restarts == 4
    since = board.last
    board.reset()
    finish(board, since=since)
    board.power_cut()
    assert not board.powered
    since = board.last
    board.power_on()
    finish(board, since=since)
    assert causes(board) == [1, 2, 5, 4, 5, 2, 1]


def test_the_watchdog_ends_a_loop_that_never_looks_at_the_clock(make):
    board = make(
        STARTS
        % """
if n == 0:
    machine.WDT(timeout=150)
    while True:
        pass
"""
    )
    finish(board)
    assert causes(board) == [1, 3]
    assert [event["cause"] for event in board.trace if event.ev == "off"] == ["watchdog"]


def test_the_watchdog_ends_a_read_that_never_returns(make):
    board = make(
        STARTS
        % """
if n == 0:
    import socket
    server = socket.socket()
    server.bind(socket.getaddrinfo("0.0.0.0", 0)[0][-1])
    server.listen(1)
    machine.WDT(timeout=150)
    server.accept()
"""
    )
    finish(board)
    assert causes(board) == [1, 3]


def test_a_fed_watchdog_does_nothing(run):
    board = run("""
        import machine, time
        dog = machine.WDT(timeout=1000)
        for _ in range(15):
            time.sleep_ms(100)
            dog.feed()
        print("fed")
    """)
    assert said(board) == ["fed"] and board.restarts == 0


def test_a_soft_reset_does_not_stop_the_watchdog(make):
    board = make(
        STARTS
        % """
if n == 0:
    machine.WDT(timeout=400)
    machine.soft_reset()
while n == 1:
    pass
"""
    )
    finish(board)
    assert causes(board) == [1, 5, 3]


def test_a_program_that_ends_leaves_the_board_running(make):
    board = make(
        STARTS
        % """
machine.Timer(0).init(period=50, mode=machine.Timer.ONE_SHOT, callback=lambda timer: print("tick"))
machine.WDT(timeout=400)
"""
    )
    finish(board)
    board.wait_for_log("tick")
    board.wait_for(lambda event: event.ev == "boot" and event["cause"] == 3)


def test_boot_runs_first_and_main_only_if_boot_went_well(make):
    board = make("print(word)", boot="word = 'from boot'", folder="good")
    finish(board)
    assert said(board) == ["from boot"]
    board = make("print('main')", boot="1 // 0", folder="bad")
    event = board.wait_for(lambda event: event.ev == "crash")
    assert event.data == {"script": "boot.py", "error": "ZeroDivisionError"}
    board.wait_for_log("the firmware has ended")
    assert "main" not in board.log


def test_the_rtc_runs_through_resets_but_not_through_a_power_cut(make):
    board = make(
        STARTS
        % """
rtc = machine.RTC()
print("rtc", rtc.datetime()[0], rtc.memory())
if n == 0:
    rtc.datetime((2030, 1, 1, 0, 0, 0, 0, 0))
    rtc.memory(b"kept")
    machine.reset()
"""
    )
    finish(board)
    board.power_cut()
    since = board.last
    board.power_on()
    finish(board, since=since)
    assert [line for line in said(board) if line.startswith("rtc")] == [
        "rtc 2000 b''",
        "rtc 2030 b'kept'",
        "rtc 2000 b''",
    ]


def test_every_board_has_an_id_of_its_own(run, runtime, tmp_path):
    program = "import machine\nprint(machine.unique_id())"
    first = run(program, name="one", folder="a")
    again = run(program, name="one", folder="b")
    other = run(program, name="two", folder="c")
    assert said(first) == said(again) != said(other)


def test_unplugging_ends_the_process_even_in_a_busy_loop(make):
    board = make("print('busy')\nwhile True:\n    pass")
    board.wait_for_log("busy")
    pid = board.pid
    board.stop()
    assert board.pid is None and not _runs(pid)
    board.stop()


def test_a_board_dies_with_the_program_that_plugged_it_in(tmp_path, runtime):
    """Killed without a chance to clean up, the host leaves no board behind, not even one in a busy loop."""
    host = f"""
import sys, time
from host_sim.board import VirtualBoard
board = VirtualBoard({str(tmp_path / "flash")!r}, runtime={runtime!r}, firmware=None,
                     files={{"main.py": "print('busy')\\nwhile True:\\n    pass"}})
board.start()
board.wait_for_log("busy")
print(board.pid, flush=True)
time.sleep(60)
"""
    started = subprocess.Popen([sys.executable, "-c", host], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    with started:
        pid = int(started.stdout.readline())
        started.kill()
    end = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < end, "the board outlived its host"
        time.sleep(0.02)


def _runs(pid):
    """Whether the process exists and is not just waiting to be reaped by whoever adopted it."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_nothing_of_the_configuration_is_on_the_command_line_or_in_the_environment(make):
    board = make(
        "print('up')\nimport time\ntime.sleep(60)", files={"hxtp.json": '{"secret": "' + "ab" * 32 + '"}'}
    )
    board.wait_for_log("up")
    assert (board.fs / "hxtp.json").stat().st_mode & 0o777 == 0o600
    for what in ("cmdline", "environ"):
        with open(f"/proc/{board.pid}/{what}", "rb") as file:
            assert b"abab" not in file.read()


def test_an_unplugged_board_can_be_plugged_in_again(make):
    board = make(STARTS % "")
    finish(board)
    board.stop()
    with pytest.raises(BoardError):
        board.power_on()
    since = board.last
    board.start()
    finish(board, since=since)
    assert causes(board) == [1, 1] and said(board)


def test_an_observer_that_fails_is_reported(make):
    board = make("import time\ntime.sleep(60)", start=False)
    board.observe(lambda event: 1 // 0)
    with pytest.raises((BoardError, TimeoutError), match="ZeroDivisionError"):
        board.start()
        board.wait_for_log("what never comes", 60)


def test_a_runtime_that_cannot_start_is_reported(tmp_path):
    board = VirtualBoard(tmp_path / "flash", firmware=None, files={"main.py": ""})
    board._argv = lambda port: ["/bin/false"]
    with pytest.raises(BoardError, match="times in a row"):
        board.start()


def test_waiting_for_what_never_comes_shows_the_console(run):
    board = run("print('a hint')")
    with pytest.raises(TimeoutError, match="a hint"):
        board.wait_for(lambda event: event.ev == "pin", timeout=0.1)
