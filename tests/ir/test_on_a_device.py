"""What is written for a device is what the firmware's own part then sends, timing by timing."""

import json

import pytest
import remotes
from workbench import Bench

from capabilities.ir import codecs
from host_sim.ir import formats
from host_sim.ir.formats import device
from host_sim.ir.signals import FormatError, from_fields, from_timings


class Wire:
    """In the place of the RMT: remembers what it was given."""

    def __init__(self):
        self.sent = []

    def write(self, carrier, duty, timings):
        self.sent.append((carrier, duty, tuple(timings)))


def on_air(signal):
    """(carrier, duty, timings) that a device sends for the line that is written for it."""
    bench = Bench({"kind": "ir", "pin": 4})
    wire = bench.part._transmitter = Wire()
    line = formats.dump("device", [signal])[0]
    action, _, params = line.partition(": ")[2].partition(" ")
    bench.do(action, **json.loads(params))
    bench.wait(12000)
    assert len({(carrier, duty) for carrier, duty, _ in wire.sent}) == 1
    carrier, duty, _ = wire.sent[0]
    return carrier, duty, tuple(us for _, _, timings in wire.sent for us in timings)


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
@pytest.mark.parametrize("repeats", [0, 2])
def test_a_press_is_sent_as_it_was_read(protocol, repeats):
    bounds = codecs.module(protocol).FIELDS[protocol]
    numbers = {name: high - (high - low) // 3 for name, (low, high) in bounds.items() if name != "toggle"}
    signal = from_fields("A", protocol, repeats=repeats, **numbers)
    assert device.action(signal)[0] == "ir_send"
    assert on_air(signal) == (signal.carrier, 33, signal.once)


def test_timings_a_strange_carrier_and_a_duty_are_sent_as_they_were_read():
    raw = from_timings("A", 36700, [3000, 900, 700, 45000, 2000], duty=25)
    assert on_air(raw) == (36700, 25, raw.once)
    (pioneer,) = formats.load(
        "irdb", "functionname,protocol,device,subdevice,function\nA,Pioneer,165,-1,28\n"
    )
    assert on_air(pioneer) == (40000, 33, pioneer.once)


@pytest.mark.parametrize("name", [name for name in formats.NAMES if name != "irdb"])
def test_a_button_comes_from_every_format_onto_the_air(name):
    signal = from_fields("A", "samsung32", address=7, command=2)
    (read,) = formats.load(name, formats.dump(name, [signal])[0])
    _, _, timings = on_air(read)
    start, end = codecs.frames(list(timings))[0]
    assert codecs.decode(list(timings)[start:end]) == signal.fields


def test_what_a_device_learned_can_be_taken_into_any_format():
    """The answers of ir_learned, page by page as `client command` prints them, are a signal like others."""
    signal = from_timings(
        "tv_mute", 38000, list(from_fields("A", "samsung32", address=7, command=15).once), [500, 700]
    )
    whole = [*signal.once, *signal.again]
    lines = []
    for offset in (64, 0):
        page = {"id": 400, "name": "tv_mute", "freq_khz": 38.0, "gap": 40000, "offset": offset}
        page |= {"once": len(signal.once), "raw": whole[offset : offset + 64], "total": len(whole)}
        lines.append(f"ir_learned: executed {json.dumps(page, sort_keys=True)}")
    assert formats.load("device", "\n".join(lines)) == [signal]
    assert formats.dump("flipper", formats.load("device", "\n".join(lines)))[0].count("Samsung32") == 1
    with pytest.raises(FormatError, match=r"tv_mute: 64 of 70 timings; ask ir_learned .*offset=64"):
        formats.load("device", lines[1])
    last = {"freq_khz": 36, "offset": 0, "once": 3, "raw": [500, 600, 700], "total": 3}
    assert formats.load("device", json.dumps(last))[0].name == "learned"
    with pytest.raises(FormatError, match="no answer of ir_learned"):
        formats.load("device", "{}")


@pytest.mark.parametrize("protocol", sorted(codecs.MODULES))
def test_what_the_firmware_learns_is_read_as_the_button_that_it_was(protocol):
    room = remotes.Room()
    assert room.learn(remotes.press(protocol)) == "captured"
    (signal,) = formats.load("device", json.dumps(room.learned()))
    bounds = codecs.module(protocol).FIELDS[protocol]
    fields = {"protocol": protocol, **{name: remotes.middle(ends) for name, ends in bounds.items()}}
    assert codecs.module(protocol).encode(signal.fields) == codecs.module(protocol).encode(fields)
    assert signal.carrier == codecs.module(protocol).CARRIER


def test_a_long_capture_of_the_firmware_is_put_together_from_its_pages():
    light = [3000, 1500, *([500, 500, 500, 1500] * 75)][:301]
    room = remotes.Room()
    assert room.learn(light) == "captured"
    pages, offset = [], 0
    while not pages or offset < pages[-1]["total"]:
        pages.append(room.learned(offset=offset))
        offset += len(pages[-1]["raw"])
    assert len(pages) == 3
    (signal,) = formats.load("device", "\n".join(json.dumps(page) for page in pages))
    assert list(signal.once) == light
    with pytest.raises(FormatError, match="128 of 301 timings"):
        formats.load("device", json.dumps(pages[0]))
