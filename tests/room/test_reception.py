"""Noise, and how a processor hears of edges: bounded, in order, and the same for the same seed."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host_sim.board.edges import NOBODY, Edge, of_timings
from host_sim.room import Interrupts, Noise, Reception
from host_sim.room.reception import QUEUE

TIMINGS = st.lists(st.integers(1, 5000), min_size=1, max_size=120)
SETTINGS = st.builds(
    Interrupts,
    jitter_us=st.floats(0, 300),
    takes_us=st.floats(0, 200),
    lost=st.floats(0, 1),
    stalls_per_s=st.floats(0, 100),
    stall_us=st.floats(0, 9000),
)


def seeded(seed=1):
    return random.Random(seed)


@given(st.floats(0, 5000), st.integers(0, 99))
def test_noise_is_short_pulses_in_order_within_its_time(rate, seed):
    marks = Noise(rate, 20, 250).marks(seeded(seed), -5000, 95_000)
    for start, end in marks:
        assert -5000 < start < 95_000 and end - start >= 20 - 1e-6
    assert all(before[1] < after[0] for before, after in pairwise(marks))
    assert marks == Noise(rate, 20, 250).marks(seeded(seed), -5000, 95_000)


def test_noise_comes_as_often_as_it_should():
    found = Noise(50, 20, 21).marks(seeded(), 0, 100e6)
    assert 4600 < len(found) < 5400
    assert Noise().marks(seeded(), 0, 1e9) == []


@given(TIMINGS, SETTINGS, st.integers(0, 99))
def test_calls_are_in_order_for_edges_that_were_and_the_level_is_the_pins(timings, settings, seed):
    edges = of_timings(timings)
    told = settings.told(edges, seeded(seed))
    assert len(told) == len(edges)
    assert all(before.at_us <= after.at_us for before, after in pairwise(told))
    kinds = [edge.tell for edge in told if edge.tell]
    rest = iter(edge.tell for edge in edges)
    assert all(kind in rest for kind in kinds)  # a part of them, in their order
    for call in told:
        assert call.level == [edge.level for edge in edges if edge.at_us <= call.at_us][-1]
    assert told[-1].level == 1
    assert told == settings.told(edges, seeded(seed))


@given(st.lists(st.integers(200, 5000), min_size=1, max_size=120), st.integers(0, 99))
def test_a_processor_that_is_free_hears_of_every_edge_within_its_jitter(timings, seed):
    edges = of_timings(timings)
    told = Interrupts(jitter_us=60, takes_us=30).told(edges, seeded(seed))
    for edge, call in zip(edges, told, strict=True):
        assert edge.at_us <= call.at_us <= edge.at_us + 60
        assert (edge.level, edge.tell) == (call.level, call.tell)


def test_without_jitter_the_times_are_exact():
    edges = of_timings([9000, 4500, 560, 560, 560])
    assert Interrupts(jitter_us=0).told(edges, seeded()) == edges
    assert Interrupts().told([], seeded()) == []


def test_what_does_not_fit_the_queue_is_lost():
    edges = of_timings([100] * 99)
    told = Interrupts(jitter_us=0, takes_us=1000).told(edges, seeded())
    calls = [edge for edge in told if edge.tell]
    assert len(calls) == 10 + QUEUE  # one each ms, and those that waited at the end
    assert [after.at_us - before.at_us for before, after in pairwise(calls)] == [1000] * 17


def test_a_stall_delays_as_many_calls_as_can_wait():
    edges = of_timings([500] * 399)
    told = Interrupts(jitter_us=0, takes_us=0, stalls_per_s=15, stall_us=20_000).told(edges, seeded(3))
    times = [edge.at_us for edge in told if edge.tell]
    assert max(times.count(at) for at in times) == QUEUE
    assert any(edge.tell == NOBODY for edge in told)


def test_as_many_edges_are_lost_as_asked():
    edges = of_timings([600] * 3999)
    told = Interrupts(lost=0.1).told(edges, seeded())
    assert 3500 < sum(bool(edge.tell) for edge in told) < 3700
    assert all(edge.tell == NOBODY for edge in Interrupts(lost=1).told(edges, seeded()))


def test_losing_edges_changes_nothing_about_the_others():
    edges = of_timings([600] * 199)
    every = {edge.at_us for edge in Interrupts(lost=0).told(edges, seeded())}
    some = [edge.at_us for edge in Interrupts(lost=0.3).told(edges, seeded()) if edge.tell]
    assert len(some) < len(every) and set(some) <= every


def test_a_reception_tells_what_was_there_and_what_could_be_measured():
    output = (Edge(1000, 0, 2), Edge(1600, 1, 1), Edge(2200, 0, 2), Edge(2800, 1, 1))
    told = (Edge(1020, 0, 2), Edge(1600, 1, NOBODY), Edge(2210, 0, 2), Edge(2830, 1, 1))
    seen = Reception((), output, told, 9000)
    assert (seen.timings, seen.measured) == ([600, 600, 600], [1190, 620])
    assert Reception().timings == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Noise(-1),
        lambda: Noise(6000),
        lambda: Noise(1, 5, 4),
        lambda: Noise(1, 0),
        lambda: Interrupts(jitter_us=-1),
        lambda: Interrupts(lost=1.5),
    ],
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError):
        wrong()
