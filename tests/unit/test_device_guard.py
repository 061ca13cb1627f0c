"""Watchdog, reset reasons, and when safe mode begins and ends."""

from check import cases
from hxtp_device.guard import AGAIN, HEALTHY, LIMIT, Guard

POWER, HARD, DOG, SLEEP, SOFT = 1, 2, 3, 4, 5


class Timer:
    ONE_SHOT = 0
    made = []

    def __init__(self, id):
        self.id = id

    def init(self, period, mode, callback):
        assert mode == self.ONE_SHOT
        Timer.made.append((period, callback))


class Dog:
    def __init__(self, timeout):
        self.timeout = timeout
        self.fed = 0

    def feed(self):
        self.fed += 1


class Machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = POWER, HARD, DOG, SLEEP, SOFT
    Timer = Timer

    def __init__(self, cause):
        self.cause = cause
        self.resets = 0
        self.dogs = []

    def reset_cause(self):
        return self.cause

    def reset(self):
        self.resets += 1

    def WDT(self, timeout):
        self.dogs.append(Dog(timeout))
        return self.dogs[-1]


class Numbers:
    """The integers of esp32.NVS."""

    def __init__(self):
        self.values = {}
        self.commits = 0
        self.broken = False

    def get_i32(self, key):
        if key not in self.values:
            raise OSError(-4354)
        return self.values[key]

    def set_i32(self, key, value):
        if self.broken:
            raise OSError(-4357)
        self.values[key] = value

    def commit(self):
        self.commits += 1


def boots(*causes, flash=None):
    flash = flash or Numbers()
    for cause in causes:
        guard = Guard(Machine(cause), flash)
    return guard


def test_the_reason_of_a_reset_is_a_word():
    def judge(cause, word):
        assert boots(cause).reason == word

    cases([(POWER, "power"), (HARD, "hard"), (DOG, "watchdog"), (SLEEP, "deepsleep"), (SOFT, "soft")], judge)
    assert boots(0).reason == "unknown"
    assert boots(99).reason == "unknown"


def test_five_failed_boots_in_a_row_lead_to_safe_mode():
    for cause in (HARD, DOG, SOFT):
        assert not boots(POWER, *[cause] * (LIMIT - 1)).safe
        assert boots(POWER, *[cause] * LIMIT).safe


def test_power_cuts_and_deep_sleep_never_do():
    assert not boots(*[POWER] * 50).safe
    assert not boots(*[SLEEP] * 50).safe
    assert not boots(DOG, DOG, DOG, DOG, POWER, DOG, DOG, DOG, DOG).safe


def test_a_ready_session_ends_the_counting():
    flash = Numbers()
    boots(POWER, DOG, DOG, DOG, DOG, flash=flash).healthy()
    assert not boots(DOG, DOG, DOG, DOG, flash=flash).safe
    assert boots(DOG, flash=flash).safe


def test_a_minute_of_healthy_running_ends_the_counting():
    flash = Numbers()
    guard = boots(POWER, DOG, DOG, DOG, DOG, flash=flash)
    guard.feed(HEALTHY - 1)
    assert guard.failed == 4
    guard.feed(HEALTHY)
    assert guard.failed == 0
    assert not boots(DOG, flash=flash).safe


def test_an_ordinary_start_writes_nothing_to_flash():
    flash = Numbers()
    guard = boots(POWER, POWER, POWER, flash=flash)
    guard.healthy()
    guard.feed(HEALTHY)
    assert flash.commits == 0


def test_safe_mode_tries_again_by_a_reset_in_ten_minutes_and_then_once():
    flash = Numbers()
    guard = boots(POWER, *[DOG] * LIMIT, flash=flash)
    assert guard.safe
    Timer.made.clear()
    guard.stay()
    period, callback = Timer.made[0]
    assert period == AGAIN == 600000
    callback(None)
    assert guard._machine.resets == 1
    assert not boots(HARD, flash=flash).safe
    assert boots(DOG, flash=flash).safe


def test_safe_mode_starts_no_watchdog():
    guard = boots(POWER, *[DOG] * LIMIT)
    guard.stay()
    guard.feed(5)
    assert guard._machine.dogs == []


def test_power_off_and_on_leaves_safe_mode_at_once():
    flash = Numbers()
    boots(POWER, *[DOG] * LIMIT, flash=flash).stay()
    assert not boots(POWER, flash=flash).safe
    assert not boots(*[DOG] * (LIMIT - 1), flash=flash).safe


def test_the_watchdog_is_fed_once_it_was_started():
    guard = boots(POWER)
    guard.feed(1)
    guard.watch(30)
    guard.feed(2)
    guard.feed(3)
    dog = guard._machine.dogs[0]
    assert dog.timeout == 30000 and dog.fed == 2


def test_at_the_prompt_the_watchdog_gets_an_hour():
    guard = boots(POWER)
    guard.rest()
    assert guard._machine.dogs == []
    guard.watch(30)
    guard.rest()
    assert guard._machine.dogs[1].timeout == 3600000


def test_a_flash_that_cannot_be_written_does_not_stop_the_boot():
    flash = Numbers()
    flash.broken = True
    guard = boots(DOG, flash=flash)
    assert guard.failed == 1 and not guard.safe
    guard.healthy()
