"""`machine.PWM` of the simulated ESP32; it loads when a program asks for it.

It must never take a frequency or a duty that the real one refuses.
"""

import _board
from machine import _INPUT_ONLY, Pin


class PWM:
    """A PWM signal on a pin: 1 Hz–40 MHz, 16 channels; duty in 1023rds, 65535ths or ns. Default 5 kHz, 50 %.

    The real chip has eight frequencies at a time and rounds to what its dividers can do; here every value
    holds.
    """

    def __init__(self, dest, freq=-1, duty=-1, *, duty_u16=-1, duty_ns=-1, invert=0):
        pin = Pin(dest)
        if pin.id in _INPUT_ONLY:
            raise ValueError("PWM not supported on pin %d" % pin.id)
        if pin._pwm is None and sum(1 for other in _board.pins.values() if other._pwm is not None) >= 16:
            raise ValueError("out of PWM channels:16")
        self._pin = pin
        old = pin._pwm
        self._freq = old._freq if old else 5000
        self._u16 = old._u16 if old else 32768
        self._told = old._told if old else None
        pin._pwm = self
        pin.level = None
        self.init(freq, duty, duty_u16=duty_u16, duty_ns=duty_ns)

    def init(self, freq=-1, duty=-1, *, duty_u16=-1, duty_ns=-1, invert=0):
        self._pin._pwm = self
        if freq != -1:
            self._set_freq(freq)
        if duty != -1:
            self._set(duty, 1023)
        elif duty_u16 != -1:
            self._set(duty_u16, 65535)
        elif duty_ns != -1:
            self._set_ns(duty_ns)
        self._tell()

    def deinit(self):
        """Stop; the pin is then driven by nobody until it is initialised again."""
        if self._pin._pwm is self:
            self._pin._pwm = None
            self._told = None
            self._pin._mode = None
            _board.record("pwm", pin=self._pin.id, freq=0, duty_u16=0)

    def _live(self):
        if self._pin._pwm is not self:
            raise RuntimeError("PWM not inited")

    def _tell(self):
        now = (self._freq, self._u16)
        if now != self._told:
            self._told = now
            _board.record("pwm", pin=self._pin.id, freq=self._freq, duty_u16=self._u16)

    def _set(self, duty, full):
        if not 0 <= duty <= full:
            raise ValueError("duty must be from 0 to %d" % full)
        self._u16 = (duty * 65535 + full // 2) // full

    def _set_freq(self, freq):
        if not 1 <= freq <= 40000000:
            raise ValueError("frequency must be from 1Hz to 40MHz")
        self._freq = int(freq)

    def _set_ns(self, ns):
        period = 1000000000 // self._freq
        if not 0 <= ns <= period:
            raise ValueError("duty_ns must be from 0 to %d" % period)
        self._u16 = ns * 65535 // period

    def freq(self, *freq):
        self._live()
        if not freq:
            return self._freq
        self._set_freq(freq[0])
        self._tell()

    def duty(self, *duty):
        self._live()
        if not duty:
            return (self._u16 * 1023 + 32767) // 65535
        self._set(duty[0], 1023)
        self._tell()

    def duty_u16(self, *duty):
        self._live()
        if not duty:
            return self._u16
        self._set(duty[0], 65535)
        self._tell()

    def duty_ns(self, *duty):
        self._live()
        if not duty:
            return 1000000000 // self._freq * self._u16 // 65535
        self._set_ns(duty[0])
        self._tell()
