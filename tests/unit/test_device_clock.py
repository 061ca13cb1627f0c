"""Ticks that never wrap, and a wall clock that serves TLS alone."""

from hxtp_device import BUILT
from hxtp_device.clock import Clock

PERIOD = 1 << 30
UNTIL_2000 = 946684800


class Time:
    """The time module of a board whose epoch is 2000 or 1970; `true` is its wall clock, s since 1970."""

    def __init__(self, ticks=0, epoch=2000, true=UNTIL_2000):
        self.ticks = ticks
        self.epoch = epoch
        self.true = true

    def ticks_ms(self):
        return self.ticks % PERIOD

    def ticks_diff(self, a, b):
        return (a - b + PERIOD // 2) % PERIOD - PERIOD // 2

    def _zero(self):
        return UNTIL_2000 if self.epoch == 2000 else 0

    def time(self):
        return self.true - self._zero()

    def gmtime(self, seconds=None):
        # A calendar of 360-day years does: what counts is that the parts fit together.
        if seconds == 0:
            return (self.epoch, 1, 1, 0, 0, 0, 5, 1)
        total = seconds + self._zero()
        days = total // 86400
        date = (days // 360, days // 30 % 12 + 1, days % 30 + 1)
        return date + (total // 3600 % 24, total // 60 % 60, total % 60, 3, 1)


class Rtc:
    def __init__(self, time):
        self.time = time
        self.sets = 0

    def datetime(self, parts):
        year, month, day, weekday, hour, minute, second, fraction = parts
        assert weekday == 3 and fraction == 0
        self.sets += 1
        self.time.true = ((year * 360 + (month - 1) * 30 + day - 1) * 24 + hour) * 3600 + minute * 60 + second


class Ntp:
    """The ntptime module: answers in the board's epoch, or raises."""

    def __init__(self, answer):
        self.answer = answer
        self.timeout = 5

    def time(self):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def make(time, floor=BUILT):
    rtc = Rtc(time)
    return Clock(time, rtc, floor), rtc


def test_it_starts_at_zero_whatever_the_ticks_say():
    assert make(Time(ticks=12345))[0].now() == 0


def test_it_goes_on_over_the_wrap_of_the_ticks():
    time = Time(ticks=PERIOD - 5)
    clock, _ = make(time)
    time.ticks += 9
    assert clock.now() == 9
    time.ticks += 1
    assert clock.now() == 10


def test_it_never_wraps_in_a_hundred_days_with_a_look_every_six():
    time = Time(ticks=777)
    clock, _ = make(time)
    six_days = 6 * 86400000
    for turn in range(1, 18):
        time.ticks += six_days
        assert clock.now() == turn * six_days


def test_it_does_not_lose_milliseconds_in_many_small_steps():
    time = Time(ticks=PERIOD - 2000)
    clock, _ = make(time)
    for turn in range(1, 4001):
        time.ticks += 3
        assert clock.now() == 3 * turn


def test_it_never_goes_back():
    time = Time(ticks=5000)
    clock, _ = make(time)
    time.ticks = 6000
    assert clock.now() == 1000
    time.ticks = 5500
    assert clock.now() == 1000
    time.ticks = 6001
    assert clock.now() == 1001


def test_a_wall_clock_at_2000_is_set_to_what_has_certainly_passed():
    for epoch in (2000, 1970):
        clock, _ = make(Time(epoch=epoch))
        assert clock.wall() == BUILT


def test_a_wall_clock_that_is_later_is_left_alone():
    for epoch in (2000, 1970):
        clock, rtc = make(Time(epoch=epoch, true=BUILT + 5))
        assert clock.wall() == BUILT + 5 and rtc.sets == 0


def test_it_is_set_in_both_epochs():
    for epoch in (2000, 1970):
        clock, _ = make(Time(epoch=epoch))
        clock.set(BUILT + 1000000)
        assert clock.wall() == BUILT + 1000000


def test_an_authentic_time_may_set_it_back():
    clock, _ = make(Time(true=BUILT + 999999))
    clock.set(BUILT + 10)
    assert clock.wall() == BUILT + 10


def test_one_second_of_difference_sets_nothing():
    clock, rtc = make(Time(true=BUILT + 100))
    clock.set(BUILT + 101)
    clock.set(BUILT + 99)
    assert rtc.sets == 0


def test_an_authentic_time_that_cannot_be_leaves_the_wall_clock_alone():
    for seconds in (0, 1577836799, 4102444800, 9007199254740):
        clock, rtc = make(Time(true=BUILT + 7))
        assert clock.set(seconds) is False
        assert clock.wall() == BUILT + 7 and rtc.sets == 0
    assert clock.set(BUILT - 86400) is True and clock.wall() == BUILT - 86400  # the build's clock was wrong


def test_the_time_server_sets_the_wall_clock_in_both_epochs():
    for epoch in (2000, 1970):
        time = Time(epoch=epoch)
        clock, _ = make(time)
        assert clock.ask(Ntp(BUILT + 500 - time._zero())) is True
        assert clock.wall() == BUILT + 500


def test_the_time_server_cannot_set_it_before_the_floor():
    time = Time()
    clock, _ = make(time)
    assert clock.ask(Ntp(12345)) is True
    assert clock.wall() == BUILT


def test_a_silent_or_broken_time_server_changes_nothing():
    for answer in (OSError(110), OSError(-202), ValueError("short"), IndexError("short")):
        clock, rtc = make(Time(true=BUILT + 7))
        assert clock.ask(Ntp(answer)) is False
        assert clock.wall() == BUILT + 7 and rtc.sets == 0


def test_asking_waits_a_second_at_most():
    ntp = Ntp(OSError(110))
    make(Time())[0].ask(ntp)
    assert ntp.timeout == 1


def test_no_wall_clock_moves_the_ticks():
    time = Time(ticks=100)
    clock, _ = make(time)
    time.ticks = 150
    clock.set(BUILT + 5000000)
    clock.ask(Ntp(12345))
    assert clock.now() == 50
