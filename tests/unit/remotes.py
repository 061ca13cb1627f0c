"""Remotes in front of a learning infrared part: light that comes and goes, on a clock that the test turns."""

import gc

import _board
from workbench import Bench

from capabilities.ir import codecs

if hasattr(gc, "threshold"):
    gc.threshold(4096)  # as in boot.py: a heap that crumbles has no room for a capture

PIN = 27
PART = {"kind": "ir", "pin": 4, "receiver_pin": PIN}


class Time:
    """Microseconds that wrap as an ESP32's do."""

    def __init__(self, us):
        self.us = us

    def ticks_us(self):
        return self.us & 0x3FFFFFFF

    def ticks_diff(self, one, other):
        return ((one - other + 0x20000000) & 0x3FFFFFFF) - 0x20000000


class Wire:
    """In place of the RMT: keeps what is sent."""

    def __init__(self):
        self.sent = []

    def write(self, carrier, duty, timings):
        self.sent.append((carrier, duty, list(timings)))


class Room:
    """A bench with a learning part, `light(timings)` to shine on its receiver, and what it sent in `sent`."""

    def __init__(self, flash=None, us=1 << 40, **options):
        _board.inputs.clear()
        self.bench = Bench(dict(PART, **options), flash=flash)
        self.part = self.bench.part
        self.part._time = self.time = Time(us)
        self.dark = 1 if options.get("receiver_active_low", True) else 0
        wire = self.part._transmitter = Wire()
        self.sent = wire.sent

    def light(self, timings, missed=None):
        """Marks and spaces in us, a mark first; dark afterwards. `missed`: an edge that nobody is told of."""
        pin = self.part._receiver_pin
        level = self.dark
        for at, us in enumerate(list(timings) + [0] * (len(timings) % 2)):
            level = 1 - level
            _board.inputs[PIN] = level
            if pin.handler and at != missed:
                pin.handler(pin)
            self.time.us += us
        self.bench.time += sum(timings) // 1000

    def wait(self, ms):
        for _ in range(ms // 10):
            self.time.us += 10000
            self.bench.wait(10)

    def learn(self, timings, missed=None, **options):
        """Learn what is played 100 ms after the beginning; returns the state it ends in."""
        self.bench.do("ir_learn", **options)
        self.wait(100)
        self.light(timings, missed)
        for _ in range(40):
            self.wait(500)
            state = self.bench.state()["ir_learning"]
            if state != "waiting":
                return state

    def learned(self, **params):
        return self.bench.do("ir_learned", **params)


def middle(bounds):
    return bounds[0] + (bounds[1] - bounds[0]) // 7


def press(protocol, repeats=0, **fields):
    """What a remote sends for a button, held for so many repeats, without the last pause."""
    codec = codecs.module(protocol)
    for name in codec.FIELDS[protocol]:
        if name not in fields:
            fields[name] = middle(codec.FIELDS[protocol][name])
    timings, sends = codec.train(dict(fields, protocol=protocol), repeats)
    timings = list(timings) * sends
    return timings if len(timings) % 2 else timings[:-1]


def together(one, other, later):
    """Two remotes at once, the other so many us later: the light of both."""
    edges = []
    for timings, at in ((one, 0), (other, later)):
        step = 1
        for us in timings:
            edges.append((at, step))
            at += us
            step = -step
        if len(timings) % 2:
            edges.append((at, -1))
    edges.sort()
    lit = last = 0
    timings = []
    for at, step in edges:
        before = lit
        lit += step
        if bool(before) != bool(lit) and (timings or before):
            timings.append(at - last)
        if bool(before) != bool(lit):
            last = at
    return [us for us in timings if us]
