"""A lamp of one brightness behind one PWM pin. Must never know of fades or effects: it shows a level."""

from machine import PWM, Pin

from capabilities import flag, integer
from capabilities.light import Light


class Driver(Light):
    """Options: pin, freq (Hz, 1000), inverted (false: a high pin is light)."""

    def __init__(self, name, options, context):
        super().__init__(name, options, context, [])
        freq = integer(options, "freq", 1000, 1, 40000)
        self._flip = 65535 if flag(options, "inverted") else 0
        self._last = 0
        self._pwm = PWM(Pin(options.pop("pin")), freq=freq, duty_u16=self._flip)

    def _show(self, level):
        duty = self._duty(level)
        if duty != self._last:
            self._last = duty
            self._pwm.duty_u16(duty ^ self._flip)
