"""What is drawn and measured from a trace."""

import io

import pytest

from host_sim.board.trace import Event
from host_sim.demo import drawings
from host_sim.demo.screen import Screen


def event(t_ms: float, ev: str, **data) -> Event:
    return Event(1, 1, int(t_ms * 1000), ev, t_ms / 1000, data)


def duty(t_ms: float, percent: float, pin: int = 25) -> Event:
    return event(t_ms, "pwm", pin=pin, freq=1000, duty_u16=round(percent * 655.35))


def nec_pulses(*data: int) -> list[int]:
    pulses = [9000, 4500]
    for byte in data:
        for bit in range(8):
            pulses += [560, 1690 if byte >> bit & 1 else 560]
    return [*pulses, 560]


def rmt(pulses: list[int], **other) -> Event:
    return event(
        0, "rmt", pin=4, channel=0, tick_hz=1000000, carrier=[38000, 33, 1], idle=0, loop=False, level=1,
        pulses=pulses, **other,
    )  # fmt: skip


def test_a_fade_is_measured_from_first_to_last_change():
    fade = drawings.fade([duty(100 + 10 * n, n) for n in range(101)], 25)
    assert (fade.first, round(fade.last, 1), fade.seconds, fade.steps, fade.rising) == (
        0.0,
        100.0,
        1.0,
        101,
        True,
    )
    bars = fade.drawing[0].split()[1]
    assert list(bars) == sorted(bars, key=drawings.BARS.index) and bars[0] == "▁" and bars[-1] == "█"
    assert fade.drawing[1].endswith("1.00 s")


def test_a_fade_that_fell_on_the_way_is_not_called_rising():
    assert not drawings.fade([duty(0, 10), duty(1, 5), duty(2, 20)], 25).rising
    assert drawings.fade([duty(0, 10)], 26) is None
    assert drawings.fade([duty(0, 0)], 25, before=50).last == 0


def test_a_pulse_is_exactly_one():
    high, low = event(10, "pin", pin=26, value=1), event(310.5, "pin", pin=26, value=0)
    assert drawings.pulse([high, low], 26).ms == 300.5
    assert "300.5 ms" in drawings.pulse([high, low], 26).drawing[1]
    for wrong in ([], [high], [low], [low, high], [high, low, high]):
        assert drawings.pulse(wrong, 26) is None


@pytest.mark.parametrize("address, command", [(0x04, 0x08), (0, 0), (255, 255), (0xA5, 0x5A)])
def test_nec_is_read_back(address, command):
    sent = drawings.nec([rmt(nec_pulses(address, address ^ 0xFF, command, command ^ 0xFF))])
    assert (sent.address, sent.command, sent.sound, sent.carrier, sent.pin) == (
        address,
        command,
        True,
        38000,
        4,
    )


def test_the_extended_format_has_sixteen_bits_of_address():
    assert drawings.nec([rmt(nec_pulses(0x34, 0x12, 1, 0xFE))]).address == 0x1234


def test_what_is_not_nec_is_not_read_as_it():
    good = nec_pulses(4, 251, 8, 247)
    for wrong in (
        [],
        good[:-1],
        good[1:],
        [4500, *good[1:]],
        [*good[:2], 900, *good[3:]],
        [*good[:3], 1100, *good[4:]],
    ):
        assert drawings.nec([rmt(wrong)] if wrong else []) is None
    assert not drawings.nec([rmt(nec_pulses(4, 251, 8, 8))]).sound


def test_every_pin_that_moved_is_told_to_who_sends_by_hand():
    lines = drawings.activity(
        [duty(0, 10), duty(500, 60), event(0, "pin", pin=26, value=1), event(250, "pin", pin=26, value=0),
         event(1, "neopixel", pin=18, data="00ff00", timing=1), rmt(nec_pulses(4, 251, 8, 247))]
    )  # fmt: skip
    told = "\n".join(lines)
    assert "GPIO26  high at 0 ms, low at 250 ms" in told and "duty 60.0 %" in told
    assert "GPIO18  1 frame of colours, the last 00ff00" in told and "carrier 38000 Hz" in told


def written(colour: bool | None, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    screen = Screen(out, colour)
    screen.step("A step", "word " * 60)
    screen.fact("long " * 60)
    screen.trouble("✗ → µ")
    screen.drawing(["▁▔█" * 50])
    return raw.getvalue().decode(encoding)


def test_colour_only_where_it_is_wanted():
    assert "\x1b[1m" in written(True)
    assert "\x1b" not in written(False)
    assert "\x1b" not in written(None), "the output is no terminal"


def test_lines_fit_a_hundred_columns_and_say_the_same_in_ascii():
    for encoding in ("utf-8", "ascii"):
        lines = written(False, encoding).splitlines()
        assert max(map(len, lines)) <= 100
    assert "?" not in written(False, "ascii")
