"""`esp32.RMT` of the simulated ESP32 (sending, as stock); it loads when a program asks for it.

It must never send something else than asked.
"""

import _board
from machine import Pin


class RMT:
    """Pulses on a pin, timed by hardware: sent while the firmware goes on. Channels 0–7.

    A tick is `clock_div` / 80 MHz, or 1 / `resolution_hz` s; default 100 ns. `tx_carrier` is (Hz, duty in
    percent, level that it modulates). Stock cuts a duration to 15 bits and ends the frame at a 0 without a
    word; that would be another frame than asked for, so here it is a ValueError.
    """

    PULSE_MAX = 32767
    _CLOCK_HZ = 80000000

    def __init__(
        self,
        channel,
        *,
        pin=None,
        resolution_hz=None,
        clock_div=None,
        idle_level=False,
        tx_carrier=None,
        num_symbols=64,
    ):
        if pin is None:
            raise TypeError("'pin' argument required")
        if not 0 <= channel <= 7:
            raise ValueError("invalid channel")
        if resolution_hz is not None and clock_div is not None:
            raise ValueError("resolution_hz and clock_div are mutually exclusive")
        if clock_div is not None and not 1 <= clock_div <= 255:
            raise ValueError("clock_div must be between 1 and 255")
        if resolution_hz is not None and resolution_hz <= 0:
            raise ValueError("resolution_hz must be positive")
        if tx_carrier is not None:
            hz, duty, level = tx_carrier
            if hz <= 0:
                raise ValueError("tx_carrier frequency must be >0")
            if not 0 <= duty <= 100:
                raise ValueError("tx_carrier duty must be 0..100")
            tx_carrier = [hz, duty, int(bool(level))]
        pin = Pin(pin)
        if pin.id in (34, 35, 36, 37, 38, 39):
            raise ValueError("pin can only be input")
        self._pin = pin.id
        self._channel = channel
        self._hz = resolution_hz or self._CLOCK_HZ // (clock_div or 8)
        self._carrier = tx_carrier
        self._idle = int(bool(idle_level))
        self._loop = False
        self._until = None  # now_us() when what is being sent ends

    @staticmethod
    def source_freq():
        return 80000000

    def clock_div(self):
        return self._CLOCK_HZ // self._hz

    def _live(self):
        if self._pin is None:
            raise OSError("already deinitialized")

    def _busy(self):
        return self._until is not None and (self._loop or _board.now_us() < self._until)

    def active(self, *on):
        if on and not on[0]:
            self._until = None
        return self._busy()

    def loop(self, on):
        """Send the next frame over and over, until loop(False)."""
        self._live()
        if self._loop and not on:
            self._until = None
        self._loop = bool(on)

    def wait_done(self, *, timeout=0):
        """Wait up to `timeout` ms; True if nothing is being sent (any more)."""
        self._live()
        end = _board.now_us() + timeout * 1000
        while self._busy():
            left = end - _board.now_us()
            if left <= 0:
                return False
            _board.sleep_ms(max(1, min(left, self._until - _board.now_us()) // 1000))
        return True

    def write_pulses(self, duration, data=True):
        """Send. Durations in ticks with the first level in `data` and alternating after it; or one duration
        and a sequence of levels; or a sequence of each. Waits for the frame before it, not for this one."""
        self._live()
        levels = None
        if isinstance(data, (list, tuple)):
            levels = data if _board.MICROPYTHON else [int(bool(level)) for level in data]
            if isinstance(duration, int):
                duration = [duration] * len(levels)
            elif len(duration) != len(levels):
                raise ValueError("duration and data must have same length")
        if len(duration) == 0:
            raise ValueError("No pulses")
        if self._loop and len(duration) > 126:
            raise ValueError("Too many pulses for loop")
        ticks = 0
        for pulse in duration:
            if not 1 <= pulse <= self.PULSE_MAX:
                raise ValueError("pulse must be from 1 to 32767 ticks")
            ticks += pulse
        while self._busy() and not self._loop:
            self.wait_done(timeout=1000)
        self._until = _board.now_us() + ticks * 1000 // (self._hz // 1000 or 1)
        _board.record(
            "rmt",
            pin=self._pin,
            channel=self._channel,
            tick_hz=self._hz,
            carrier=self._carrier,
            idle=self._idle,
            loop=self._loop,
            level=int(bool(data)) if levels is None else levels,
            # A copy would be in the firmware's heap, and on MicroPython it is told at once.
            pulses=duration if _board.MICROPYTHON else list(duration),
        )

    def deinit(self):
        self._pin = None
        self._until = None
