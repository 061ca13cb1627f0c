"""Notes when the output of an infrared receiver module changes, while something is to be learned.

Must never allocate, decide or wait in its interrupt handler, nor take more than MOST timings.

Stock MicroPython cannot receive with the RMT, so this is Pin.irq, and on an ESP32 that is always a soft one
(micropython/micropython#4214): the handler is called between two bytecodes, from a short queue. A collection
of garbage would hold it up for milliseconds, and bits last one or two. So `start` collects, and until `stop`
that is done only where memory runs out.
"""

import gc
from array import array

from machine import Pin

from capabilities.ir.capture import Timings

MOST = 1024
# Quiet for so long, a press is over, and a second one would have begun; held for so long, it is heard enough.
_OVER_US = 400000
_LONGEST_MS = 3000


class Receiver:
    """`edges` goes on counting above MOST."""

    def __init__(self, pin, time):
        """`pin`: a machine.Pin. `time` has ticks_us() and ticks_diff()."""
        self._pin = pin
        self._ticks_us = time.ticks_us
        self._ticks_diff = time.ticks_diff
        self._threshold = None
        self.edges = 0

    def start(self):
        """Listen from now on. Returns the level of the pin."""
        gc.collect()
        # In pieces, as Timings are, and for the same reason.
        self._heard = [array("H", bytes(128)) for _ in range(MOST >> 6)]
        self.edges = 0
        self._last = self._ticks_us()
        if hasattr(gc, "threshold") and self._threshold is None:
            self._threshold = gc.threshold()
            gc.threshold(-1)
        level = self._pin.value()
        self._pin.irq(self._edge, Pin.IRQ_FALLING | Pin.IRQ_RISING)
        return level

    def stop(self):
        self._pin.irq(None)
        if self._threshold is not None:
            gc.threshold(self._threshold)
            self._threshold = None

    def us(self, at):
        """The us from edge `at` - 1 to edge `at`."""
        took = self._heard[at >> 6][at & 63]
        return took if took < 32768 else (took & 32767) << 4

    def quiet(self):
        """The us since the last edge, or since the start."""
        return self._ticks_diff(self._ticks_us(), self._last)

    def _edge(self, pin):
        now = self._ticks_us()
        edges = self.edges
        if 0 < edges < MOST:
            took = self._ticks_diff(now, self._last)
            if took > 32767:  # to 16 us then, up to half a second
                took = 32768 | min(took >> 4, 32767)
            self._heard[edges >> 6][edges & 63] = took
        self._last = now
        self.edges = edges + 1


class Listening:
    """One wait for a button. `order`: the parameters of ir_learn, and `deadline` in ms. `mark`: the level of
    the pin while light comes.
    """

    def __init__(self, receiver, mark, order):
        self.receiver = receiver
        self._shortest = order.get("filter_us", 50)
        self._deadline = order["deadline"]
        self._since = None
        self._lit = receiver.start() == mark

    def poll(self, now):
        """None while it goes on; then (Timings, whether the end is missing), or (None, False) in vain."""
        receiver = self.receiver
        if not receiver.edges:
            if now < self._deadline:
                return None
            receiver.stop()
            return None, False
        if self._since is None:
            self._since = now
        full = receiver.edges > MOST or now - self._since >= _LONGEST_MS
        if not full and receiver.quiet() < _OVER_US:
            return None
        receiver.stop()
        first = 2 if self._lit else 1
        return clean(receiver.us, first, min(receiver.edges, MOST), self._shortest), full


def clean(us, at, end, shortest):
    """The Timings us(at) to us(end - 1), of which the first is a mark; a pulse shorter than `shortest` us is
    joined with what it cuts in two.
    """
    timings = Timings()
    while at < end:
        timing = us(at)
        at += 1
        if timing >= shortest:
            timings.append(timing)
            continue
        size = len(timings)
        if size and at < end:
            timings.last(timings[size - 1] + timing + us(at))
        elif size and not size % 2:
            timings.pop()  # a mark at the end: the space before it goes too
        at += 1
    return timings
