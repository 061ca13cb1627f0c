"""A frame is drawn as it was sent, bit by bit, in a terminal and as SVG."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.ir import codecs
from host_sim.ir import bits, show
from host_sim.ir.signals import UNMODULATED, from_fields, from_timings

SVG = "{http://www.w3.org/2000/svg}"


def any_press(protocol):
    bounds = codecs.module(protocol).FIELDS[protocol]
    return from_fields(
        "Power", protocol, **{name: high - (high - low) // 3 for name, (low, high) in bounds.items()}
    )


def test_a_frame_is_shown_bit_by_bit():
    drawn = show.text(from_fields("Power", "nec", address=4, command=8))
    for part in ("address      00100000", "~address     11011111", "command      00010000", "nec: address 4"):
        assert part in drawn
    rc5 = show.text(from_fields("Power", "rc5", address=5, command=12, toggle=1))
    for part in ("start        11", "toggle       1", "address      00101", "command      001100"):
        assert part in rc5
    rc6 = show.text(from_fields("Power", "rc6", address=5, command=12, toggle=1))
    for part in ("mode         000", "toggle       1", "address      00000101", "command      00001100"):
        assert part in rc6


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
def test_the_bits_of_a_frame_make_the_frame_again(protocol):
    frame = codecs.module(protocol).encode(any_press(protocol).fields)
    air = bits.sent(protocol, frame)
    assert bits.frame(bits.kind(protocol), air) == frame
    assert [len(some) for _, some in bits.named(protocol, air)] == [
        count for _, count in bits.parts(protocol)
    ]
    assert "".join(some for _, some in bits.named(protocol, air)) == air


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
def test_bits_lie_one_after_the_other_within_the_frame(protocol):
    frame = codecs.module(protocol).encode(any_press(protocol).fields)
    spans = bits.spans(protocol, frame)
    assert 0 <= spans[0].start < spans[0].end and spans[-1].end <= sum(frame)
    for one, other in itertools.pairwise(spans):
        assert one.start < one.end <= other.start


def test_the_terminal_is_coloured_only_when_asked_and_says_the_same():
    signal = from_fields("Power", "kaseikyo", vendor=0x2002, address=8, command=61)
    plain, coloured = show.text(signal), show.text(signal, colour=True)
    assert "\x1b" not in plain and "\x1b[36m" in coloured
    assert re.sub(r"\x1b\[[0-9]*m", "", coloured) == plain


@pytest.mark.parametrize("width", [1, 40, 72, 200])
def test_lines_keep_to_the_width_that_is_there(width):
    for protocol in codecs.MODULES:
        lines = show.text(any_press(protocol), width).splitlines()
        assert all(len(line) <= max(16, width) for line in lines if set(line) <= {"▔", "▁"})


def test_frames_that_are_sent_again_are_told_and_not_drawn_again():
    drawn = show.text(from_fields("Power", "sony12", address=1, command=21))
    assert drawn.count("command      1010100") == 1 and "frame 3: the same again" in drawn


def drawing(signal):
    """(the picture's root, its texts, its size)."""
    root = ET.fromstring(show.svg(signal))
    texts = [(float(text.get("x")), float(text.get("y")), text.text) for text in root.iter(f"{SVG}text")]
    _, _, width, height = map(float, root.get("viewBox").split())
    return root, texts, (width, height)


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
def test_the_picture_has_each_bit_beneath_its_pulse_and_each_part(protocol):
    signal = any_press(protocol)
    _, texts, (width, height) = drawing(signal)
    assert all(0 <= x <= width and 0 <= y <= height for x, y, _ in texts)
    told = "".join(text for _, y, text in texts if (y - show.TOP) % show.ROW == show.BIT)
    start, end, fields = show.readings(signal)[0]
    assert told == bits.sent(fields["protocol"], list(signal.once[start:end]))
    assert any(text in ("address", "addr", "add") for _, _, text in texts)


@given(
    timings=st.lists(st.integers(1, 100_000), min_size=1, max_size=300),
    carrier=st.sampled_from((38000, UNMODULATED)),
)
def test_any_timings_can_be_drawn_and_nothing_leaves_the_paper(timings, carrier):
    signal = from_timings("<&>", carrier, timings)
    root, texts, (width, height) = drawing(signal)
    assert root.find(f"{SVG}title").text.startswith("<&>: ")
    numbers = re.findall(r"H(-?[\d.]+)", root.find(f"{SVG}path").get("d"))
    assert all(0 <= float(x) <= width for x in numbers)
    assert all(y <= height for _, y, _ in texts)
    assert height <= show.TOP + show.ROW * show.MOST_ROWS
    assert show.text(signal, 80).startswith("<&>\n")


def test_colours_are_readable():
    """Text on its band and on white has a contrast of 7 or more, as WCAG counts it."""

    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    for band, ink in show.BANDS:
        for behind in (band, "#ffffff"):
            assert (light(behind) + 0.05) / (light(ink) + 0.05) >= 7
