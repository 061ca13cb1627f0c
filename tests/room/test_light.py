"""Light without boards: distance, carriers, collisions, and clocks that go wrong, as numbers in and out."""

import math
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from host_sim.room import Emission, Receiver
from host_sim.room.light import (
    alternating,
    irradiance,
    marks_of,
    moved,
    received,
    reflected,
    response,
    seen,
    union,
)
from host_sim.room.reception import output

TIMINGS = st.lists(st.integers(1, 30_000), min_size=1, max_size=80)
CLOCKS = st.floats(0.5, 2)
PLACES = st.tuples(*[st.floats(-50, 50)] * 3)


def emission(timings, at=(0.0, 0.0), begin=0.0, clock=1.0, **what):
    return Emission(at, marks_of(alternating(timings), begin, clock), **what)


def closed(timings):
    """Without the space at the end, which no receiver sees."""
    return timings[: len(timings) - 1 + len(timings) % 2]


def gaps(edges):
    return [after.at_us - before.at_us for before, after in pairwise(edges)]


# --- distance and carrier ---


@given(PLACES, PLACES, st.floats(0.01, 1), st.integers(10_000, 60_000), st.floats(1, 99))
def test_coming_closer_never_hides_a_light(here, there, part, carrier, duty):
    assume(math.dist(here, there) > 0.001)
    nearer = tuple(a + (b - a) * part for a, b in zip(there, here, strict=True))
    light = Emission(there, ((0.0, 600.0),), carrier, duty)
    near, far = Receiver(nearer), Receiver(here)
    assert irradiance(near, light) >= irradiance(far, light) * (1 - 1e-9)
    if irradiance(far, light) > far.threshold * (1 + 1e-9):
        assert seen(near, light)


def test_twice_as_far_is_a_quarter_as_bright():
    light = emission([600])
    assert irradiance(Receiver((2.0, 0.0)), light) == 4 * irradiance(Receiver((0.0, 4.0)), light)


def test_a_bare_led_is_seen_from_ten_metres_and_not_from_eleven():
    light = emission([600])
    assert seen(Receiver((9.99, 0.0)), light) and not seen(Receiver((0.0, 11.0)), light)
    assert not seen(Receiver((9.99, 0.0)), emission([600], intensity=10))


@pytest.mark.parametrize("off", [13 / 14, 15 / 14])
def test_half_the_bandwidth_off_is_three_decibels_down(off):
    there = response(Receiver(centre_hz=36000), round(36000 * off), 33)
    assert there == pytest.approx(math.sqrt(0.5), rel=1e-3)


def test_other_carriers_are_seen_less_far_and_light_without_one_not_at_all():
    def reach(carrier):
        return math.sqrt(irradiance(Receiver((1.0, 0.0)), emission([600], carrier=carrier)))

    assert reach(38000) > reach(40000) > reach(56000) > 0 == reach(None)
    assert reach(36000) == pytest.approx(reach(40000))


def test_one_s_own_light_is_as_bright_as_its_reflection():
    here = Receiver((3.0, 4.0))
    light = emission([600], at=(3.0, 4.0))
    assert irradiance(here, reflected(light, here, 5.0)) == irradiance(here, emission([600]))


@pytest.mark.parametrize("wrong", [{"clock": 0.4}, {"clock": 2.1}, {"threshold": 0}, {"stretch_us": -1}])
def test_impossible_receivers_are_refused(wrong):
    with pytest.raises(ValueError):
        Receiver(**wrong)


# --- what comes out ---


@given(TIMINGS, st.integers(0, 10**7))
def test_what_is_near_and_undisturbed_arrives_as_it_was_sent(timings, begin):
    edges = output(received(Receiver((1.0, 0.0)), [emission(timings, begin=begin)]), Receiver())
    assert edges[0].at_us == begin
    assert gaps(edges) == closed(timings)


@given(TIMINGS, CLOCKS, CLOCKS)
def test_a_wrong_clock_scales_each_time_and_adds_up_no_error(timings, sender, receiver):
    here = Receiver((1.0, 0.0), clock=receiver)
    timings = [us + 3 for us in timings]  # so that none is rounded away
    edges = output(received(here, [emission(timings, clock=sender)]), here)
    times = [0]
    for us in closed(timings):
        times.append(times[-1] + us)
    assert len(edges) == len(times)
    for edge, us in zip(edges, times, strict=True):
        assert abs(edge.at_us - us * sender / receiver) <= 0.5 + 1e-6


@given(st.lists(st.tuples(TIMINGS, st.integers(0, 100_000)), min_size=1, max_size=4))
def test_lights_at_once_are_lit_where_any_of_them_is(sent):
    emissions = [emission(timings, begin=begin) for timings, begin in sent]
    marks = received(Receiver((1.0, 0.0)), emissions)
    borders = sorted({time for one in emissions for mark in one.marks for time in mark})
    for before, after in pairwise(borders):
        middle = (before + after) / 2
        lit = any(start < middle < end for one in emissions for start, end in one.marks)
        assert lit == any(start < middle < end for start, end in marks)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-10, 5000)), max_size=60), CLOCKS, st.floats(0, 500))
def test_edges_are_in_order_alternate_and_end_dark(marks, clock, stretch):
    here = Receiver(clock=clock, stretch_us=stretch)
    edges = output(received(here, [], [(start, start + us) for start, us in marks]), here)
    assert all(after.at_us > before.at_us for before, after in pairwise(edges))
    assert [edge.level for edge in edges] == [0, 1] * (len(edges) // 2)
    assert all(edge.tell == (1 if edge.level else 2) for edge in edges)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4))))
def test_a_union_is_one_of_its_own(marks):
    once = union(marks)
    assert union(once) == once
    assert all(before[1] < after[0] for before, after in pairwise(once))


def test_a_receiver_that_stretches_takes_from_the_space_what_it_adds_to_the_mark():
    here = Receiver((1.0, 0.0), stretch_us=80)
    assert gaps(output(received(here, [emission([560, 560, 560, 60, 560])]), here)) == [640, 480, 1260]


def test_moving_light_in_time_moves_nothing_else():
    assert moved(emission([10, 20, 30]), 5) == emission([10, 20, 30], begin=5)
