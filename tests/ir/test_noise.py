"""What is sent is read back under noise of 20 %; what no receiver can tell apart stands in one table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.ir import codecs

# (protocol, what it may be read as, why). Everything else is read as what it was, whatever its numbers are.
INDISTINCT = (
    (
        "necext",
        "nec",
        "the frame is the same where both bytes of the address and both of the command are complements",
    ),
    ("samsung32", "samsung32", "an address of two equal bytes is the frame of the one byte's address"),
)


@st.composite
def presses(draw, protocol):
    bounds = codecs.module(protocol).FIELDS[protocol]
    return {"protocol": protocol, **{name: draw(st.integers(*ends)) for name, ends in bounds.items()}}


@st.composite
def noises(draw):
    """A generator of noise with up to 20 % to each side: alike for all, at the very bounds, or any."""
    style = draw(st.sampled_from(("any", "bounds", "slow", "fast")))
    seed = draw(st.randoms(use_true_random=False))

    def noisy(us):
        low, high = us * 80 // 100 + 1, (us * 120 - 1) // 100
        if style == "slow":
            return high
        if style == "fast":
            return low
        return seed.choice((low, us, high)) if style == "bounds" else seed.randint(low, high)

    return noisy


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
@given(data=st.data())
def test_a_frame_is_read_back_as_what_it_was(protocol, data):
    fields, noisy = data.draw(presses(protocol)), data.draw(noises())
    heard = [noisy(us) for us in codecs.module(protocol).encode(fields)]
    read = codecs.decode(heard)
    if read != fields:
        assert (protocol, read["protocol"]) in {(one, other) for one, other, _ in INDISTINCT}
        assert codecs.module(protocol).encode(read) == codecs.module(protocol).encode(fields)
    # Nor does any other reading of the same capture contradict it.
    assert all(other == read for other in codecs.readings(heard))


def test_a_frame_of_the_fewest_timings_is_read():
    """RC5X with bits that take turns: thirteen timings, all of them two units long."""
    fields = {"protocol": "rc5x", "address": 10, "command": 106, "toggle": 1}
    assert codecs.module("rc5x").encode(fields) == [1778] * 13
    assert codecs.decode([1778] * 13) == fields


@pytest.mark.parametrize("row", INDISTINCT, ids=lambda row: row[0])
def test_what_cannot_be_told_apart_really_cannot(row):
    """The table excuses nothing that is not so: each row has a frame that both protocols send."""
    protocol, other, _ = row
    one, two = {
        ("necext", "nec"): (
            {"protocol": "necext", "address": 0xFB04, "command": 0xF708},
            {"protocol": "nec", "address": 4, "command": 8},
        ),
        ("samsung32", "samsung32"): (
            {"protocol": "samsung32", "address": 0x0707, "command": 2},
            {"protocol": "samsung32", "address": 7, "command": 2},
        ),
    }[protocol, other]
    assert codecs.module(protocol).encode(one) == codecs.module(other).encode(two)


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
@given(data=st.data())
def test_a_held_button_is_read_from_each_of_its_frames(protocol, data):
    """In a train every whole frame says the same; the short ones of NEC, LG and JVC say that it is held."""
    fields, noisy = data.draw(presses(protocol)), data.draw(noises())
    timings, sends = codecs.module(protocol).train(fields, data.draw(st.integers(0, 2)))
    heard = [us if us >= 8000 and at % 2 else noisy(us) for at, us in enumerate(timings * sends)]
    cut = [heard[start:end] for start, end in codecs.frames(heard)]
    first = codecs.decode(cut[0])
    assert first is not None
    whole = [frame for frame in cut if len(frame) >= len(cut[0]) - 1]
    assert all(codecs.decode(frame) == first for frame in whole)
    assert len(whole) == len(cut) or codecs.MODULES[protocol] in ("nec", "lg", "jvc")


@given(timings=st.lists(st.integers(0, 2_000_000), max_size=300))
def test_arbitrary_trains_never_crash_a_codec(timings):
    for start, end in codecs.frames(timings):
        list(codecs.readings(timings[start:end]))
    for protocol in codecs.MODULES:
        assert codecs.module(protocol).decode(timings) is None or len(timings) <= 100


@given(
    protocol=st.sampled_from(sorted(codecs.MODULES)),
    cut=st.integers(1, 60),
    at=st.integers(0, 120),
    us=st.integers(1, 30000),
)
def test_a_frame_that_is_cut_or_hit_is_no_other_button(protocol, cut, at, us):
    """A frame with its end missing is none; with one timing changed it is none, or what the bits then say."""
    bounds = codecs.module(protocol).FIELDS[protocol]
    fields = {"protocol": protocol, **{name: low for name, (low, _) in bounds.items()}}
    frame = codecs.module(protocol).encode(fields)
    assert codecs.module(protocol).decode(frame[:-cut]) is None or protocol.startswith("sony")
    hit = list(frame)
    hit[at % len(hit)] = us
    read = codecs.module(protocol).decode(hit)
    if read is not None:
        again = codecs.module(protocol).encode(read)
        # As it would be sent, within what a receiver forgives.
        assert len(again) == len(hit) or protocol in ("rc5", "rc5x", "rc6")
