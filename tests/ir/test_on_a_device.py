"""What is written for a device is what the firmware's own part then sends, timing by timing."""

import json

import pytest
from workbench import Bench

from capabilities.ir import codecs
from host_sim.ir import formats
from host_sim.ir.formats import device
from host_sim.ir.signals import from_fields, from_timings


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
