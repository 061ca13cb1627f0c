"""Infrared: the frames, what reaches the RMT and when, and both forms of MicroPython's RMT."""

from workbench import Bench

from capabilities.ir import nec, send
from check import cases, raises

IR = {"kind": "ir", "pin": 4}


class Wire:
    """In place of the RMT: keeps what is sent."""

    def __init__(self):
        self.sent = []

    def write(self, carrier, duty, timings):
        self.sent.append((carrier, duty, timings))


def room(**options):
    """A bench with an infrared part, and the wire it sends on."""
    bench = Bench(dict(IR, **options))
    wire = bench.part._transmitter = Wire()
    return bench, wire


# --- NEC, against the published table written out by hand ---

MARK = [562]
ZERO = [562, 562]
ONE = [562, 1687]


def bits(text):
    """Timings of bits in the order they are sent."""
    timings = []
    for bit in text.replace(" ", ""):
        timings += ONE if bit == "1" else ZERO
    return timings


def test_an_nec_frame_is_the_published_one():
    def judge(address, command, sent):
        assert nec.frame(address, command) == [9000, 4500] + bits(sent) + MARK

    cases(
        [
            # address, its complement, command, its complement; least significant bit first
            (0x00, 0x00, "00000000 11111111 00000000 11111111"),
            (0x04, 0x08, "00100000 11011111 00010000 11101111"),
            (0x59, 0x16, "10011010 01100101 01101000 10010111"),
            (0xFF, 0xFF, "11111111 00000000 11111111 00000000"),
            # extended: sixteen bits of address as they are
            (0x0100, 0x01, "00000000 10000000 10000000 01111111"),
            (0xBF00, 0x0D, "00000000 11111101 10110000 01001111"),
            (0xFFFF, 0x00, "11111111 11111111 00000000 11111111"),
        ],
        judge,
    )


def test_an_nec_frame_has_67_timings_whatever_it_says():
    for address, command in ((0, 0), (255, 255), (256, 7), (65535, 255)):
        assert len(nec.frame(address, command)) == 67


def test_a_standard_nec_frame_lasts_68_ms():
    for address in (0, 1, 85, 255):
        for command in (0, 3, 170, 255):
            assert sum(nec.frame(address, command)) == 9000 + 4500 + 16 * (1124 + 2249) + 562


def test_nec_repeats_are_short_and_108_ms_apart():
    for address in (0x04, 0xBF00, 0xFFFF):
        timings = nec.press(address, 8, 3)
        assert timings[:67] == nec.frame(address, 8)
        starts = []
        passed = 0
        for i in range(len(timings)):
            if i % 2 == 0 and timings[i] == 9000:
                starts.append(passed)
            passed += timings[i]
        assert starts == [0, 108000, 216000, 324000]
        for i in range(3):
            assert timings[68 + 4 * i : 71 + 4 * i] == [9000, 2250, 562]


def test_nec_goes_out_on_38_khz_in_one_piece():
    bench, wire = room()
    assert bench.do("ir_send_nec", address=4, command=8) == {"duration": 69}
    assert wire.sent == [(38000, 33, nec.frame(4, 8))]
    bench.wait(500)
    bench.do("ir_send_nec", address=4, command=8, repeats=2)
    assert wire.sent[1:] == [(38000, 33, nec.press(4, 8, 2))]
    bench.wait(2000)
    assert len(wire.sent) == 2


def test_wrong_nec_parameters_are_refused_by_name():
    bench, wire = room()
    good = {"address": 4, "command": 8}

    def judge(member, value):
        assert bench.refused("ir_send_nec", **dict(good, **{member: value})) == ("INVALID_PARAMS", member)

    rows = [("address", value) for value in (-1, 65536, 4.0, "4", None, True)]
    rows += [("command", value) for value in (-1, 256, "8")]
    rows += [("repeats", value) for value in (-1, 21, 1.5)]
    cases(rows, judge)
    assert bench.refused("ir_send_nec", command=8) == ("INVALID_PARAMS", "address")
    assert bench.refused("ir_send_nec", address=8) == ("INVALID_PARAMS", "command")
    assert wire.sent == []


# --- raw, as HOS stores it ---


def test_raw_goes_out_as_it_is():
    bench, wire = room()
    raw = [4500, 4500, 560, 1690, 560]
    assert bench.do("ir_send_raw", freq_khz=38, raw=raw) == {"duration": 12}
    bench.wait(200)
    bench.do("ir_send_raw", freq_khz=36.7, raw=raw, duty=50, repeat=1)
    bench.wait(200)
    bench.do("ir_send_raw", freq_khz=40.0, raw=raw)
    assert wire.sent == [(38000, 33, raw), (36700, 50, raw), (40000, 33, raw)]


def test_raw_is_repeated_in_all_so_many_times_with_its_own_pause():
    bench, wire = room()
    assert bench.do("ir_send_raw", freq_khz=38, raw=[500, 1500], repeat=3) == {"duration": 6}
    assert wire.sent == [(38000, 33, [500, 1500] * 3)]


def test_raw_that_ends_with_a_mark_gets_a_pause_between_its_sends():
    bench, wire = room()
    bench.do("ir_send_raw", freq_khz=38, raw=[500, 1500, 500], repeat=2)
    assert wire.sent == [(38000, 33, [500, 1500, 500, 40000] * 2)]


def test_raw_too_big_for_one_piece_is_sent_in_several_when_each_is_over():
    bench, wire = room()
    raw = [6000, 4000] * 100  # a second, and a piece of 512 timings holds it twice
    bench.do("ir_send_raw", freq_khz=38, raw=raw, repeat=5)
    assert [len(sent[2]) for sent in wire.sent] == [400]
    bench.wait(1990)
    assert len(wire.sent) == 1
    bench.wait(20)
    assert [len(sent[2]) for sent in wire.sent] == [400, 400]
    bench.wait(2020)
    assert [len(sent[2]) for sent in wire.sent] == [400, 400, 200]
    bench.wait(5000)
    assert len(wire.sent) == 3


def test_the_longest_raw_is_taken():
    bench, wire = room()
    bench.do("ir_send_raw", freq_khz=38, raw=[562] * 2048)
    assert len(wire.sent[0][2]) == 2048


def test_wrong_raw_parameters_are_refused_by_name():
    bench, wire = room()
    good = {"freq_khz": 38, "raw": [500, 500]}

    def judge(member, value):
        assert bench.refused("ir_send_raw", **dict(good, **{member: value})) == ("INVALID_PARAMS", member)

    rows = [("freq_khz", value) for value in (9, 61, 38000, -38, 0, "38", None, True)]
    rows += [
        ("raw", value)
        for value in (
            [],
            [0, 500],
            [-500],
            [500, 2000001],
            [500, 1.5],
            ["500"],
            [True],
            None,
            "500",
            500,
            {},
            [[500]],
            [500] * 2049,
            [2000000] * 6,
        )
    ]
    rows += [("repeat", value) for value in (0, 21, 1.5, "2")]
    rows += [("duty", value) for value in (0, 91, 33.3)]
    cases(rows, judge)
    assert bench.refused("ir_send_raw", raw=[500]) == ("INVALID_PARAMS", "freq_khz")
    assert bench.refused("ir_send_raw", freq_khz=38) == ("INVALID_PARAMS", "raw")
    # Ten seconds at most, in all.
    assert bench.refused("ir_send_raw", freq_khz=38, raw=[500, 1999500], repeat=6) == (
        "INVALID_PARAMS",
        "repeat",
    )
    assert wire.sent == []


# --- one after the other ---


def test_what_comes_while_it_sends_waits_its_turn_and_a_pause():
    bench, wire = room()
    bench.do("ir_send_nec", address=4, command=1)
    bench.do("ir_send_nec", address=4, command=2)
    bench.do("ir_send_nec", address=4, command=3)
    assert len(wire.sent) == 1
    bench.wait(100)
    assert len(wire.sent) == 1
    bench.wait(20)
    assert len(wire.sent) == 2
    bench.wait(500)
    assert [sent[2] for sent in wire.sent] == [nec.frame(4, 1), nec.frame(4, 2), nec.frame(4, 3)]


def test_more_than_fits_is_refused_and_what_waits_is_sent():
    bench, wire = room()
    raw = [500, 500] * 512
    for _ in range(3):
        bench.do("ir_send_raw", freq_khz=38, raw=raw)
    assert bench.refused("ir_send_raw", freq_khz=38, raw=raw)[0] == "COMMAND_INVALID"
    bench.wait(3000)
    assert len(wire.sent) == 3
    bench.do("ir_send_raw", freq_khz=38, raw=raw)
    assert len(wire.sent) == 4


def test_it_reports_no_state():
    bench, _ = room()
    bench.do("ir_send_nec", address=4, command=1)
    bench.wait(500)
    assert bench.state() == {}
    assert bench.reports == []
    assert bench.part.saved() is None


# --- the RMT ---


def joined(durations, levels):
    """Steps put together again: [(level, us)]."""
    runs = []
    for duration, level in zip(durations, levels):
        assert 1 <= duration <= send.LONGEST
        if runs and runs[-1][0] == bool(level):
            runs[-1][1] += duration
        else:
            runs.append([bool(level), duration])
    return [tuple(run) for run in runs]


def test_long_timings_become_steps_of_the_same_level():
    def judge(timings, first):
        durations, levels = send.split(timings, first)
        if levels == first:
            assert durations == timings and max(timings) <= 32767
            return
        expected = []
        level = first
        for timing in timings:
            expected.append((level, timing))
            level = not level
        assert joined(durations, levels) == expected

    rows = []
    for first in (True, False):
        for long in (32766, 32767, 32768, 40000, 65534, 65535, 65536, 2000000):
            rows.append(([9000, long, 562], first))
            rows.append(([long], first))
            rows.append(([long, long, long, 1], first))
    cases(rows, judge)


class OldRmt:
    """The RMT as MicroPython had it to 1.26: a divider."""

    made = []

    def __init__(self, channel, *, pin=None, clock_div=8, idle_level=False, tx_carrier=None):
        self.made.append(self)
        self.given = (channel, 80000000 // clock_div, idle_level, tx_carrier)
        self.gone = False
        self.sent = []

    def write_pulses(self, duration, data=True):
        assert not self.gone
        self.sent.append((duration, data))

    def deinit(self):
        self.gone = True


class NewRmt(OldRmt):
    """The RMT once the divider is gone: a resolution, and a channel for old times' sake."""

    def __init__(self, channel=-1, *, pin=None, resolution_hz=10000000, idle_level=False, tx_carrier=None):
        self.made.append(self)
        self.given = (channel, resolution_hz, idle_level, tx_carrier)
        self.gone = False
        self.sent = []


def transmitter(kind, *arguments):
    stock, send.RMT = send.RMT, kind
    kind.made.clear()
    try:
        made = send.Transmitter(*arguments)
        made.write(38000, 33, [500, 500])
        made.write(36000, 50, [500, 40000])
        made.write(36000, 50, [500])
    finally:
        send.RMT = stock
    return kind.made


def test_both_forms_of_the_rmt_count_in_microseconds():
    for kind in (OldRmt, NewRmt):
        first, second = transmitter(kind, 4, 3, False)
        assert first.given == (3, 1000000, False, (38000, 33, True))
        assert first.sent == [([500, 500], True)]
        assert first.gone, "a channel must be free before it is made again"
        assert second.given == (3, 1000000, False, (36000, 50, True))
        assert second.sent == [([500, 32767, 7233], [True, False, False]), ([500], True)]
        assert not second.gone


def test_without_a_carrier_none_is_asked_for():
    stock, send.RMT = send.RMT, OldRmt
    OldRmt.made.clear()
    try:
        send.Transmitter(4, 0, False).write(0, 33, [500, 500])
    finally:
        send.RMT = stock
    assert [rmt.given[3] for rmt in OldRmt.made] == [(38000, 33, True), None]


def test_active_low_is_the_mirror():
    first, second = transmitter(OldRmt, 4, 0, True)
    assert first.given == (0, 1000000, True, (38000, 33, False))
    assert first.sent == [([500, 500], False)]
    assert second.sent[0] == ([500, 32767, 7233], [False, True, True])


def test_on_the_board_the_led_is_dark_until_a_frame_is_sent():
    bench = Bench(IR)
    assert [event["value"] for event in bench.moved() if event["ev"] == "pin"] == [0]
    bench.do("ir_send_nec", address=4, command=8)
    sent = [event for event in bench.moved() if event["ev"] == "rmt"]
    assert len(sent) == 1
    assert sent[0]["pulses"] == nec.frame(4, 8) and sent[0]["level"] == 1 and sent[0]["pin"] == 4
    assert sent[0]["tick_hz"] == 1000000 and sent[0]["idle"] == 0
    assert list(sent[0]["carrier"]) == [38000, 33, 1]
    # Another carrier, and a pause that one step cannot hold, reach the same pin.
    bench.wait(200)
    bench.do("ir_send_raw", freq_khz=40, raw=[2400, 40000, 600], duty=25)
    (sent,) = [event for event in bench.moved() if event["ev"] == "rmt"]
    assert sent["pulses"] == [2400, 32767, 7233, 600] and list(sent["level"]) == [1, 0, 0, 1]
    assert list(sent["carrier"]) == [40000, 25, 1]


def test_options_that_make_no_sense_are_named():
    for options in ({"channel": 8}, {"active_low": 1}, {"pin": "4"}):
        error = raises(ValueError, room, **options)
        assert next(iter(options)) in str(error)
