"""Hands timings to the ESP32's RMT, which sends them with a carrier and by itself.

Must never wait for it. One step of the RMT holds at most 32,767 us: longer marks and spaces become several
steps of the same level.
"""

from esp32 import RMT
from machine import Pin

LONGEST = 32767


def split(timings, level):
    """Steps for RMT.write_pulses: (durations, levels), or (timings, level) where nothing has to be split.

    `timings`: us, beginning with `level` and alternating.
    """
    if max(timings) <= LONGEST:
        return timings, level
    steps = 0
    for timing in timings:
        steps += (timing + LONGEST - 1) // LONGEST
    durations = [LONGEST] * steps  # of their very size: a list that grows takes up to twice the room
    levels = [level] * steps
    at = 0
    for timing in timings:
        while timing > 0:
            durations[at] = min(timing, LONGEST)
            levels[at] = level
            timing -= LONGEST
            at += 1
        level = not level
    return durations, levels


class Transmitter:
    """An infrared LED on a pin. `active_low`: the LED is lit while the pin is low."""

    def __init__(self, pin, channel, active_low):
        # The LED is dark from the first moment, and a channel that cannot be had is found at boot.
        self._pin = Pin(pin, Pin.OUT, value=int(active_low))
        self._channel = channel
        self._lit = not active_low
        self._carrier = (38000, 33)
        self._rmt = self._open(38000, 33)

    def _open(self, carrier, duty):
        options = {"pin": self._pin, "idle_level": not self._lit}
        if carrier:
            options["tx_carrier"] = (carrier, duty, self._lit)
        try:
            return RMT(self._channel, clock_div=80, **options)
        except TypeError:
            # Since 1.27 MicroPython counts by resolution and means to drop the divider.
            options["resolution_hz"] = 1000000
            return RMT(self._channel, **options)

    def write(self, carrier, duty, timings):
        """Begin to send `timings` (us, mark first) on a carrier in Hz (0: none) with its duty in percent."""
        if self._carrier != (carrier, duty):
            # A carrier can only be set when a channel is made, and a channel only be made when it is free.
            self._rmt.deinit()
            self._rmt = self._open(carrier, duty)
            self._carrier = (carrier, duty)
        durations, levels = split(timings, self._lit)
        self._rmt.write_pulses(durations, levels)
