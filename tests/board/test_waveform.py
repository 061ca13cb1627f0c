"""Pins and infrared frames as text: nothing is rounded away, and no line is wider than asked."""

import random

import pytest

from host_sim.board.trace import Event, describe, pins, pulses_us
from host_sim.board.waveform import BUSY, HIGH, LOW, frame, rmt, timeline


def nec(value):
    pulses = [(1, 9000.0), (0, 4500.0)]
    for bit in range(32):
        pulses += [(1, 562.0), (0, 1687.0 if value >> bit & 1 else 562.0)]
    return [*pulses, (1, 562.0)]


def events(*rows):
    """Events from (seconds, kind, data)."""
    return [Event(n, 1, int(at * 1e6), ev, at, data) for n, (at, ev, data) in enumerate(rows, 1)]


def pin(at, number, value):
    return at, "pin", {"pin": number, "value": value}


def test_a_nec_frame_is_drawn_with_its_lengths():
    drawn = frame(nec(0x10EF28D7), width=72, carrier=38000).splitlines()
    assert drawn[0] == "67 pulses, 68.03 ms, carrier 38000 Hz"
    assert drawn[1].startswith(HIGH * 12 + LOW * 8 + HIGH)
    assert drawn[2].startswith("9000        4500")
    assert drawn[-2:] == ["marks  562 µs ×33, 9000 µs ×1", "spaces 562 µs ×16, 1687 µs ×16, 4500 µs ×1"]


def test_no_pulse_is_lost_and_no_line_too_wide():
    chance = random.Random(7)
    for _ in range(200):
        count = chance.randrange(1, 120)
        pulses = [(n & 1, float(chance.randrange(1, 32768))) for n in range(count)]
        width = chance.randrange(12, 100)
        lines = frame(pulses, width=width).splitlines()
        body = [line for line in lines[1:] if set(line) <= {HIGH, LOW}]
        assert all(len(line) <= width for line in lines[1 : 1 + 2 * len(body)] if line in body)
        drawn = "".join(body)
        runs = 1 + sum(drawn[n] != drawn[n - 1] for n in range(1, len(drawn)))
        assert runs == count


def test_an_empty_frame_says_so():
    assert frame([]) == "(no pulses)"


def test_a_frame_comes_straight_from_the_trace():
    (event,) = events(
        (0, "rmt", {"pin": 4, "tick_hz": 1000000, "carrier": None, "level": 1, "pulses": [500, 250, 500]})
    )
    assert rmt(event).splitlines()[:2] == ["3 pulses, 1.25 ms", HIGH * 2 + LOW + HIGH * 2]


def test_levels_over_time():
    drawn = timeline(
        events(pin(0, 26, 0), pin(1, 26, 1), pin(2, 26, 0), pin(4, 26, 1), pin(0, 5, 1)), width=8 + 7
    ).splitlines()
    assert drawn == [
        "GPIO5  " + HIGH * 8,
        "GPIO26 " + LOW * 2 + HIGH * 2 + LOW * 3 + HIGH,
        "       0 s4.000 s",
    ]


def test_moves_within_a_column_are_not_lost():
    drawn = timeline(events(pin(0, 1, 0), pin(0.5, 1, 1), pin(0.5001, 1, 0), pin(1, 1, 0)), width=70)
    assert BUSY in drawn


def test_pwm_and_neopixel_are_shades_and_a_restart_lets_go():
    drawn = timeline(
        events(
            (0, "pwm", {"pin": 2, "freq": 1000, "duty_u16": 0}),
            (1, "pwm", {"pin": 2, "freq": 1000, "duty_u16": 65535}),
            (2, "boot", {"cause": 1, "runtime": "x"}),
            (3, "pwm", {"pin": 2, "freq": 1000, "duty_u16": 32768}),
            (3, "neopixel", {"pin": 3, "data": "00ff00"}),
        ),
        width=15,
    ).splitlines()
    assert drawn[0] == "GPIO2 ▁▁▁███  ▄"
    assert drawn[1].endswith("█")


def test_nothing_moved_says_so():
    assert timeline([]) == "(no pin moved)"
    assert timeline(events(pin(0, 1, 1)), pins=[2]) == "(no pin moved)"


def test_the_view_of_the_pins_follows_the_trace():
    trace = events(
        pin(0, 1, 1),
        (0, "boot", {"cause": 2, "runtime": "x"}),
        pin(1, 2, 0),
        (1, "pwm", {"pin": 3, "freq": 50, "duty_u16": 9}),
        (1, "pwm", {"pin": 4, "freq": 50, "duty_u16": 9}),
        (2, "pwm", {"pin": 4, "freq": 0, "duty_u16": 0}),
        (2, "neopixel", {"pin": 5, "data": "0102"}),
    )
    assert pins(trace) == {2: {"value": 0}, 3: {"freq": 50, "duty_u16": 9}, 5: {"neopixel": "0102"}}
    assert pins([*trace, *events((3, "off", {"cause": "power cut"}))]) == {}


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("pin", {"pin": 2, "value": 1}, "GPIO2 high"),
        ("pwm", {"pin": 2, "freq": 1000, "duty_u16": 32768}, "GPIO2 PWM 50.0 % at 1000 Hz"),
        ("pwm", {"pin": 2, "freq": 0, "duty_u16": 0}, "GPIO2 PWM off"),
        ("neopixel", {"pin": 2, "data": "ff" * 40}, "GPIO2 NeoPixel " + "ff" * 24 + "…"),
        ("boot", {"cause": 3, "runtime": "cpython"}, "board starts (watchdog, cpython)"),
        ("off", {"cause": "power cut"}, "board is off (power cut)"),
        ("wifi", {"state": "lost"}, "Wi-Fi lost"),
        ("nvs", {"keys": ["a"]}, None),
    ],
)
def test_events_are_told_to_people_in_words(kind, data, text):
    assert describe(events((0, kind, data))[0]) == text


def test_levels_given_one_by_one_are_put_together():
    (event,) = events((0, "rmt", {"tick_hz": 2000000, "level": [1, 1, 0], "pulses": [10, 20, 30]}))
    assert pulses_us(event) == [(1, 15.0), (0, 15.0)]
