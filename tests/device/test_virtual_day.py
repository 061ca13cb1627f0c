"""A day of the firmware in virtual time: calm hours, quiet ones, and such in which everything goes wrong."""

from itertools import pairwise
from random import Random

import pytest

from hxtp.session import RENEW_AFTER, SILENCE
from tests.device.day import HOUR, MINUTE, SECOND, START, STRIDE, Day

CALM = 6 * HOUR + 40 * MINUTE  # commands often enough, and nothing happens
QUIET = 8 * HOUR  # until then, no command at all
WILD = 23 * HOUR  # until then, everything goes wrong; then an hour of peace
DAY = 24 * HOUR
LIFE = 300 * SECOND  # of a command
RECOVERY = 150 * SECOND  # the longest back-off, a connection's time limit, what it takes to notice
EXPECTED = ("OSError", "MQTTException")  # what a network does
NEAR = 2 * STRIDE + 100  # ms by which what the loop does can be late here


def disturbances(random: Random):
    """(pause before it in ms, name of Day's method, its arguments), without end."""
    kinds = (
        lambda ms: ("lose_wifi", ms),
        lambda ms: ("fall_silent", ms),
        lambda ms: ("lose_broker", ms, False),
        lambda ms: ("lose_broker", ms, True),
        lambda ms: ("hang_up",),
        lambda ms: ("cut_power",),
        lambda ms: ("reset",),
        lambda ms: ("cut_in_flash", random.choice(("before", "torn", "after"))),
        lambda ms: ("cut_in_run",),
        lambda ms: ("silence_in_run", 40000),
        lambda ms: ("restart_gateway",),
        lambda ms: ("set_clock", -random.randint(1, 20 * 365 * 86400)),
    )
    while True:
        ms = random.choice((500, 5000, 14000, 16000, 40000, 70000, 100000, 400000, 900000))
        yield 0, *random.choice(kinds)(ms)
        # Some follow at once, on top of each other.
        yield ms + random.choice((5, 60, 200, 900)) * SECOND, *random.choice(kinds)(ms)


def plan(day: Day, random: Random) -> None:
    at = 0
    while at < DAY - 10 * MINUTE:
        if not CALM <= at < QUIET:
            day.at(at, day.order)
        at += random.choice((1, 5, 30, 100, 200, 400)) * SECOND
    for at in range(5 * MINUTE, DAY, 5 * MINUTE):
        day.at(at, day.sample)
    day.at(1 * HOUR, day.set_clock, -10 * 365 * 86400)
    day.at(3 * HOUR, day.set_clock, 30 * 365 * 86400)
    at = QUIET
    for pause, name, *arguments in disturbances(random):
        at += pause
        longest = max((one for one in arguments if isinstance(one, int)), default=0)
        if at + longest > WILD:
            break
        day.at(at, getattr(day, name), *arguments)


@pytest.fixture(scope="module")
def day():
    one = Day(seed=20260)
    plan(one, Random(20260))
    one.until(DAY)
    return one


def told(day: Day, kind: str, first: int, last: int) -> list[int]:
    """When the cloud took an authentic message of that kind, ms from the beginning of the day."""
    return [
        notice.at - START
        for notice in day.notices
        if notice.kind == kind and first <= notice.at - START < last
    ]


def undisturbed(day: Day, first: int, last: int) -> int:
    """The longest time in ms between `first` and `last` in which nothing was wrong."""
    wrong = sorted([*day.disturbed, *((at, at + 2 * SECOND) for at in day.cuts)])
    longest, free = 0, first
    for begin, end in wrong:
        if begin < last and end > first:
            longest = max(longest, min(begin, last) - free)
            free = max(free, end)
    return max(longest, last - free)


def test_every_kind_of_mishap_happened(day):
    assert day.lives >= 10 and len(day.disturbed) >= 20 and len(day.orders) >= 300
    assert min(day.wraps, day.pid_wraps) >= 5


def test_each_command_ran_at_most_once(day):
    assert max(day.runs.values()) == 1


def test_no_sequence_number_came_twice(day):
    assert all(before < after for before, after in pairwise(day.numbers))


def test_commands_came_again_whose_acknowledgement_was_lost(day):
    again = [order for order in day.orders if order.ticket.executed and order.ticket.attempts > 1]
    assert len(again) >= 5


def test_each_outcome_is_honest(day):
    for order in day.orders:
        ticket, ran = order.ticket, day.runs[order.number]
        assert ticket.done(), order.number
        if ticket.executed:
            assert ran == 1, order.number
        elif ticket.error is None:
            assert (ticket.state, ticket.attempts, ran) == ("expired", 0, 0), order.number
        else:
            assert ticket.error == "OUTCOME_UNKNOWN", (order.number, ticket)


def test_each_command_was_acknowledged_where_the_device_could_be_reached(day):
    for order in day.orders:
        if order.ticket.state == "expired":
            assert undisturbed(day, order.at, order.at + LIFE) < RECOVERY, order.number
        elif not order.ticket.executed:  # only a boot that the cloud had not heard of makes it unknown
            known = max(at + START for at in told(day, "hello", 0, order.at - START))
            assert any(known <= cut <= order.at + LIFE for cut in day.cuts), order.number


def test_what_the_gateway_forgot_never_ran(day):
    assert not any(day.runs[order.number] for order in day.lost)


def test_hello_comes_again_after_six_hours_and_not_before(day):
    hellos = told(day, "hello", 0, CALM)
    assert len(hellos) == 2
    assert 0 <= hellos[1] - hellos[0] - RENEW_AFTER <= NEAR


def test_hello_comes_again_after_ten_silent_minutes(day):
    heard = told(day, "ack", 0, QUIET)[-1]
    hellos = told(day, "hello", CALM + 1, QUIET)
    assert len(hellos) == (QUIET - heard) // (SILENCE + NEAR)
    for before, after in zip([heard, *hellos], hellos, strict=False):
        assert abs(after - before - SILENCE) <= NEAR


def test_heartbeats_come_every_thirty_seconds(day):
    beats = told(day, "heartbeat", 0, CALM)
    hellos = told(day, "hello", 0, CALM)
    for before, after in pairwise(beats):
        renewed = any(before < hello <= after for hello in hellos)  # which begins the interval anew
        assert after - before <= 30 * SECOND * (1 + renewed) + NEAR
    assert len(beats) >= CALM // (30 * SECOND) * 0.98


def test_the_device_is_offline_only_where_it_could_not_be_reached(day):
    for notice in day.notices:
        if notice.kind == "offline":
            assert undisturbed(day, notice.at - 120 * SECOND, notice.at) < 120 * SECOND
    assert told(day, "offline", 0, QUIET) == []


def test_nothing_is_refused_while_nothing_goes_wrong(day):
    # The first hello of a board that does not know the time is, and brings it the time.
    assert told(day, "refused", MINUTE, QUIET) == told(day, "refused", WILD + 10 * MINUTE, DAY) == []


def test_a_sample_says_truly_when_it_was_taken(day):
    taken = {number: at for at, number in day.samples}
    numbers = []
    for notice in day.notices:
        if notice.kind == "telemetry":
            numbers.append(notice.body["number"])
            assert abs(notice.body["sampled_at"] - taken[numbers[-1]]) <= NEAR
    assert numbers == sorted(set(numbers))
    lost = len(taken) - len(numbers)
    calm = [number for at, number in day.samples if at - START < QUIET - 5 * MINUTE]
    assert set(calm) <= set(numbers)
    assert lost <= 2 * day.lives + len(day.disturbed)


def test_flash_is_written_seldom(day):
    numbers = day.gateway.hub.store.link(day.registration.device_id)
    messages = sum(notice.kind not in ("settled", "online", "offline") for notice in day.notices)
    assert numbers is not None and messages > 3000
    # A boot is one write, or two after a torn one; the time one a day; the first answer of a cloud one.
    assert day.flash.writes["core"] <= 3 * day.lives + 2 + messages // 1000
    assert day.flash.writes["parts"] <= len(day.runs) + day.lives


def test_what_a_part_keeps_survives_each_cut(day):
    assert len(day.restored) == day.lives
    for at, number in day.restored[1:]:
        cut = max(one for one in day.cuts if one <= at)
        # What changed in the last six seconds before the cut may not have been written yet, nor what it
        # was changed from within a burst.
        held = [entry for entry in day.levels if entry[0] <= cut]
        possible = {held[-1][1]}
        moment = cut
        while held and moment - held[-1][0] < 6 * SECOND:
            moment = held.pop()[0]
            possible.add(held[-1][1])
        assert number in possible, (at - START, number, possible)


def test_the_cloud_knows_the_state_in_the_end(day):
    device = day.gateway.hub.device(day.registration.device_id, day.now)
    assert device.online and device.state == {"last": day.part.last}
    assert device.manifest is not None


def test_the_wall_clock_is_set_right_again(day):
    assert abs(day.device_clock.wall() - day.now // 1000) <= 2


def test_no_error_is_one_of_the_firmwares_own(day):
    day.errors.update(day.device.errors)
    strange = [kind for kind in day.errors if kind.split(": ")[1].split()[0] not in EXPECTED]
    assert strange == []
