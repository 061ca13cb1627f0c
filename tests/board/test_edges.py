"""Edges that the outside makes on an input: in order, each at its own microsecond, faster than true time."""

import time

import pytest

from host_sim.board import edges
from host_sim.board.edges import FALLING, NOBODY, RISING, Edge
from tests.board.running import finish, said

LISTEN = """
    import machine, time
    from machine import Pin
    seen = []
    def edge(pin):
        seen.append((time.ticks_us(), pin.value()))
    eye = Pin(15, Pin.IN, Pin.PULL_UP)
    eye.irq(handler=edge, trigger=Pin.IRQ_RISING | Pin.IRQ_FALLING)
    print("ready")
"""
TELL = """
    for i in range(1, len(seen)):
        print(time.ticks_diff(seen[i][0], seen[i - 1][0]), seen[i - 1][1])
"""


def listener(make, wait, before="", **options):
    board = make(LISTEN + before + wait + TELL, **options)
    board.wait_for_log("ready")
    return board


def measured(board):
    finish(board)
    return [tuple(map(int, line.split())) for line in said(board) if line[0].isdigit()]


def test_a_handler_sees_each_edge_at_its_own_time(make):
    board = listener(make, "    while len(seen) < 6:\n        time.sleep_ms(10)\n")
    timings = [9000, 4500, 560, 1690, 561]
    board.edges(15, edges.of_timings(timings))
    assert measured(board) == [(us, n % 2) for n, us in enumerate(timings)]


@pytest.mark.parametrize("count", [1, edges.PIECE - 1, edges.PIECE, 2000])
def test_trains_of_any_length_arrive_whole(make, count):
    timings = [300 + n % 977 for n in range(count)]
    board = make(
        f"""
        import time
        from machine import Pin
        from array import array
        last = 0
        gaps = array("H")
        def edge(pin):
            global last
            now = time.ticks_us()
            gaps.append(time.ticks_diff(now, last) & 0xFFFF)
            last = now
        Pin(15, Pin.IN, Pin.PULL_UP).irq(edge, Pin.IRQ_RISING | Pin.IRQ_FALLING)
        print("ready")
        while len(gaps) < {count + count % 2}:
            time.sleep_ms(10)
        print(len(gaps), sum([gaps[i] * (i % 251) for i in range(1, {count})]))
        """
    )
    board.wait_for_log("ready")
    board.edges(15, edges.of_timings(timings))
    finish(board)
    weighed = sum(us * ((n + 1) % 251) for n, us in enumerate(timings[: count - 1]))
    assert said(board)[1:] == [f"{count + count % 2} {weighed}"]


def test_the_board_does_not_wait_for_a_train_in_true_time(make):
    program = """
    before = time.time()
    while len(seen) < 4:
        time.sleep_ms(10)
    start = seen[0][0]
    while time.ticks_diff(time.ticks_us(), start) < 100000000:
        time.sleep_ms(10000)
    print(time.time() - before < 50)
"""
    board = make(LISTEN + program)
    board.wait_for_log("ready")
    begun = time.monotonic()
    board.edges(15, edges.of_timings([50_000_000, 20_000_000, 1000]), quiet_us=60_000_000)
    finish(board)
    assert said(board)[1:] == ["True"]
    assert time.monotonic() - begun < 60


def test_the_loop_runs_between_the_edges_and_its_clock_never_goes_back(make):
    board = make("""
        import time
        from machine import Pin
        marks = []
        now = time.ticks_us
        Pin(15, Pin.IN, Pin.PULL_UP).irq(lambda pin: marks.append(("edge", now())), Pin.IRQ_FALLING)
        print("ready")
        steps = 0
        while sum([1 for kind, at in marks if kind == "edge"]) < 5:
            time.sleep_ms(10)
            if marks:
                steps += 1
                marks.append(("step", now()))
        order = [time.ticks_diff(marks[i][1], marks[i - 1][1]) for i in range(1, len(marks))]
        print(min(order) >= 0, steps >= 15)
    """)
    board.wait_for_log("ready")
    board.edges(15, edges.of_timings([10000, 30000] * 5))
    finish(board)
    assert said(board)[1:] == ["True True"]


def test_no_clock_shows_a_time_after_an_edge_that_was_not_told(make):
    """However long the host kept the board from running: a chip would have been interrupted."""
    board = make(
        LISTEN
        + """
    try:
        from utime import sleep_ms as stand_still
    except ImportError:
        from _board import _sleep_ms as stand_still
    longest = 0
    while len(seen) < 200:
        time.sleep_ms(1)
        stand_still(40)
        now = time.ticks_us()
        if 0 < len(seen) < 200:
            longest = max(longest, time.ticks_diff(now, seen[-1][0]))
    print(longest < 9000)
"""
    )
    board.wait_for_log("ready")
    board.edges(15, edges.of_timings([4000] * 199))
    finish(board)
    assert said(board)[1:] == ["True"]


def test_lost_edges_move_the_pin_and_call_nobody(make):
    board = listener(make, "    while len(seen) < 3:\n        time.sleep_ms(10)\n")
    board.edges(
        15, [Edge(1000, 0, FALLING), Edge(1500, 1, NOBODY), Edge(2300, 1, FALLING), Edge(9000, 1, RISING)]
    )
    assert measured(board) == [(1300, 0), (6700, 1)]
    told = board.wait_for(lambda event: event.ev == "edges")
    assert (told["moved"], told["told"]) == (2, 3)


def test_only_the_edges_that_were_asked_for_call_the_handler(make):
    falling = "    eye.irq(handler=edge, trigger=Pin.IRQ_FALLING)\n    print('only falling')\n"
    board = make(LISTEN + falling + "    while len(seen) < 3:\n        time.sleep_ms(5)\n" + TELL)
    board.wait_for_log("only falling")
    board.edges(15, edges.of_timings([500, 700, 500, 900, 500]))
    assert measured(board) == [(1200, 0), (1400, 0)]


def test_edges_while_interrupts_are_off_are_one_call_when_they_are_on_again(make):
    board = make(
        LISTEN
        + """
    state = machine.disable_irq()
    while not machine.board.inputs.get(15) == 1:
        time.sleep_ms(5)
    time.sleep_ms(40)
    print(len(seen))
    machine.enable_irq(state)
    print(len(seen), time.ticks_diff(time.ticks_us(), seen[0][0]) < 10000)
"""
    )
    board.wait_for_log("ready")
    board.edges(15, edges.of_timings([9000, 4500, 560]))
    finish(board)
    assert said(board)[1:] == ["0", "1 True"]


def test_trains_come_one_after_the_other(make):
    board = listener(make, "    while len(seen) < 12:\n        time.sleep_ms(10)\n")
    for us in (500, 600, 700):
        board.edges(15, edges.of_timings([us] * 3, lead_us=2000), quiet_us=30000)
    found = measured(board)
    assert [us for us, _ in found[:3] + found[4:7] + found[8:11]] == [500] * 3 + [600] * 3 + [700] * 3
    assert all(us >= 32000 for us, _ in found[3::4])


def test_a_handler_that_raises_does_not_keep_the_others_from_running(make):
    board = make(
        """
        import time
        from machine import Pin
        seen = []
        def edge(pin):
            seen.append(pin.value())
            raise ValueError("no")
        Pin(15, Pin.IN, Pin.PULL_UP).irq(handler=edge)
        print("ready")
        while len(seen) < 4:
            time.sleep_ms(10)
        print(seen)
        """
    )
    board.wait_for_log("ready")
    board.edges(15, edges.of_timings([500, 500, 500]))
    finish(board)
    assert said(board)[-1] == "[0, 1, 0, 1]"


def test_a_train_out_of_order_or_too_long_is_refused(tmp_path):
    for wrong in ([Edge(5, 0, FALLING), Edge(4, 1, RISING)], [Edge(edges.LONGEST_US, 0, FALLING)]):
        with pytest.raises(ValueError, match="in order"):
            edges.commands(15, wrong, 0)
    with pytest.raises(ValueError, match="quiet"):
        edges.commands(15, [], -1)
