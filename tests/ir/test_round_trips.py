"""Formats, one after another: what goes out comes back, or what was lost is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capabilities.ir import codecs
from host_sim.ir import formats
from host_sim.ir.signals import (
    UNMODULATED,
    FormatError,
    Signal,
    from_fields,
    from_timings,
    press,
    renamed,
)


@st.composite
def presses(draw):
    protocol = draw(st.sampled_from(sorted(codecs.MODULES)))
    bounds = codecs.module(protocol).FIELDS[protocol]
    return {"protocol": protocol, **{name: draw(st.integers(*ends)) for name, ends in bounds.items()}}


@st.composite
def noisy(draw):
    """A press as a receiver saw it: every timing off by up to a tenth, and perhaps half of another frame."""
    signal = from_fields("Power", **draw(presses()))
    part = draw(st.integers(1, 9))
    once = [us * draw(st.sampled_from((90, 100, 107))) // 100 for us in signal.once]
    return from_timings("Power", signal.carrier, once[: len(once) * part // 9] or once)


TIMINGS = st.lists(st.integers(100, 60000), min_size=1, max_size=120)
CARRIERS = st.sampled_from((36000, 38000, 40000, 36700, UNMODULATED))
SIGNALS = st.one_of(
    st.builds(
        lambda fields, repeats: from_fields("Power", repeats=repeats, **fields), presses(), st.integers(0, 3)
    ),
    noisy(),
    st.builds(from_timings, st.just("Power"), CARRIERS, TIMINGS, duty=st.sampled_from((33, 50))),
    st.builds(from_timings, st.just("Power"), CARRIERS, TIMINGS, TIMINGS),
)


def alike(one: Signal, other: Signal) -> bool:
    """Whether two signals are sent alike. Carriers may differ by what a whole number of periods leaves."""
    same = (one.once, one.again, one.duty, one.name) == (other.once, other.again, other.duty, other.name)
    return same and abs(one.carrier - other.carrier) <= 1


@pytest.mark.parametrize("name", formats.NAMES)
@given(signal=SIGNALS)
def test_a_round_trip_is_lossless_or_says_what_was_lost(name, signal):
    try:
        text, lost = formats.dump(name, [signal])
    except FormatError as refusal:
        assert "Power" in str(refusal)
        return
    assert all(line.startswith("Power: ") for line in lost)
    (back,) = formats.load(name, text)
    assert lost or alike(back, signal)
    pressed = press(signal)
    if pressed and name not in ("broadlink", "pronto"):
        # Of a press the numbers always come back: what may be lost is how it was timed and held.
        again = press(back)
        assert again and _sent(again.fields) == _sent(pressed.fields)
    # What came back is written and read again without further loss.
    second, told = formats.dump(name, [back])
    assert alike(formats.load(name, second)[0], back) or told


def _sent(fields):
    """The frame of some fields, its toggle bit left out: formats without one have the receiver's."""
    plain = {key: value for key, value in fields.items() if key != "toggle"}
    return codecs.module(fields["protocol"]).encode(plain)


@pytest.mark.parametrize("target", formats.NAMES)
@pytest.mark.parametrize("source", formats.NAMES)
def test_every_pair_is_lossless_or_says_what_was_lost(source, target):
    """From every format into every other and back: each loss on the way is told, or there was none."""
    for protocol in sorted(codecs.MODULES):
        bounds = codecs.module(protocol).FIELDS[protocol]
        signal = from_fields(
            "Power", protocol, **{name: low + (high - low) // 3 for name, (low, high) in bounds.items()}
        )
        told = []
        here = signal
        try:
            for name in (source, target, source):
                text, lost = formats.dump(name, [here])
                told += lost
                (here,) = formats.load(name, text)
        except FormatError as refusal:
            assert "Power" in str(refusal) and "irdb" in (source, target)
            continue
        assert told or alike(here, signal)
        if not {source, target} & {"broadlink", "pronto"}:
            assert press(here) and _sent(press(here).fields) == _sent(press(signal).fields)


@pytest.mark.parametrize("name", formats.NAMES)
def test_several_commands_keep_their_names_and_their_order(name):
    signals = [
        from_fields(label, "nec", address=4, command=at)
        for at, label in enumerate(("Vol +", "Töne", "1", "a.b"))
    ]
    text, _ = formats.dump(name, signals)
    assert [signal.name for signal in formats.load(name, text)] == ["Vol +", "Töne", "1", "a.b"]


@pytest.mark.parametrize(
    "name", [name for name in formats.NAMES if name not in ("hos", "homeassistant", "irdb")]
)
@pytest.mark.parametrize("label", ["a: b", "a\nb", "#a", "", " a", "{a", "a:"])
def test_a_name_that_would_come_back_as_another_is_refused(name, label):
    with pytest.raises(FormatError, match="name"):
        formats.dump(name, [from_fields(label, "nec", address=4, command=8)])


@pytest.mark.parametrize("name", ["hos", "homeassistant"])
def test_two_commands_of_one_name_are_refused_where_the_second_would_replace_the_first(name):
    twice = [from_fields("A", "nec", address=4, command=command) for command in (1, 2)]
    with pytest.raises(FormatError, match="two commands"):
        formats.dump(name, twice)


def test_tasmota_refuses_a_name_that_reads_as_its_command():
    with pytest.raises(FormatError, match="rename"):
        formats.dump("tasmota", [from_fields("IRSend me", "nec", address=4, command=8)])


def test_a_press_of_two_different_buttons_is_not_one_of_the_first():
    """A capture of two buttons has numbers in its first frame, and is kept as timings all the same."""
    one, other = (from_fields("A", "nec", address=4, command=command).once for command in (1, 2))
    both = from_timings("A", 38000, [*one, 40000, *other])
    assert both.fields == {"protocol": "nec", "address": 4, "command": 1} and press(both) is None
    for name in ("flipper", "tasmota", "esphome", "device"):
        (back,) = formats.load(name, formats.dump(name, [both])[0])
        assert back.once == both.once
    with pytest.raises(FormatError, match="no raw timings"):
        formats.dump("irdb", [both])


@pytest.mark.parametrize("name", ["tasmota", "esphome", "device"])
def test_how_often_a_button_repeats_is_kept(name):
    for protocol in sorted(codecs.MODULES):
        bounds = codecs.module(protocol).FIELDS[protocol]
        numbers = {member: low for member, (low, _) in bounds.items()}
        held = from_fields("A", protocol, repeats=2, **numbers)
        text, lost = formats.dump(name, [held])
        assert not lost and formats.load(name, text)[0].once == held.once


def test_renaming_keeps_the_rest():
    signal = from_fields("A", "nec", address=4, command=8)
    assert renamed(signal, "B") == from_fields("B", "nec", address=4, command=8)
