"""White of a chosen colour temperature: a warm and a cold lamp, each behind a PWM pin.

Must never drive both fully at once: together they get what one lamp alone would, so the supply sees no more.
"""

from machine import PWM, Pin

from capabilities import flag, integer
from capabilities.light import TRANSITION, Light
from hxtp.errors import INVALID_PARAMS, HxtpError


class Driver(Light):
    """Options: warm_pin, cold_pin, warm_mirek (370 = 2,700 K), cold_mirek (153 = 6,500 K), freq, inverted."""

    def __init__(self, name, options, context):
        self.cold = integer(options, "cold_mirek", 153, 100, 999)
        self.warm = integer(options, "warm_mirek", 370, self.cold + 1, 1000)
        middle = (self.cold + self.warm) // 2
        super().__init__(name, options, context, [middle], self.cold, self.warm)
        freq = integer(options, "freq", 1000, 1, 40000)
        self._flip = 65535 if flag(options, "inverted") else 0
        self._declare(self.cold, self.warm)
        self._last_warm = self._last_cold = 0
        warm, cold = Pin(options.pop("warm_pin")), Pin(options.pop("cold_pin"))
        self._warm_pwm = PWM(warm, freq=freq, duty_u16=self._flip)
        self._cold_pwm = PWM(cold, freq=freq, duty_u16=self._flip)

    def _declare(self, cold, warm):
        mirek = {"type": "integer", "minimum": cold, "maximum": warm, "required": True}
        self.actions["light_temperature"] = (
            6,
            "Set the colour temperature in mirek; transition in ms",
            {"temperature": mirek, "transition": TRANSITION},
        )

    def joined(self, parts):
        # Lights of one board declare one and the same range, the widest; each still refuses what it lacks.
        same = [part for part in parts if isinstance(part, Driver)]
        self._declare(min(part.cold for part in same), max(part.warm for part in same))
        super().joined(parts)

    def light_temperature(self, params):
        mirek = params["temperature"]
        if not self.cold <= mirek <= self.warm:
            raise HxtpError(INVALID_PARAMS, "temperature")
        self._to[1] = mirek
        self._set(self.brightness, params)

    def _show(self, level):
        duty = self._duty(level)
        # Mirek, unlike kelvin, mix in proportion.
        warm = duty * (self._at[1] - self.cold) // (self.warm - self.cold)
        cold = duty - warm
        if warm != self._last_warm:
            self._last_warm = warm
            self._warm_pwm.duty_u16(warm ^ self._flip)
        if cold != self._last_cold:
            self._last_cold = cold
            self._cold_pwm.duty_u16(cold ^ self._flip)

    def state(self):
        state = super().state()
        state["temperature"] = self._to[1]
        return state
