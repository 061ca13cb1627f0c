"""A light: brightness, fades and effects as whole numbers in time. How a lamp shows them is a driver's job.

Must never block, nor write to the hardware what it already shows: `tick(now)` moves a fade or an effect on.
Drivers (`light_pwm`, `light_neopixel`, `light_cct`) are loaded only where the board data names them.

What a command leaves: every action switches the light on, except light_off, light_toggle of a light that is
on, brightness 0 (which switches off and forgets no brightness: the next light_on has the one before) and
effect "none". light_off ends an effect. A new command replaces a running fade and begins where that one is.
"""

from capabilities import Part, choice, flag, integer
from hxtp.errors import INVALID_PARAMS, HxtpError

# A level is the brightness in hundredths of a percent: fine enough to fade, small enough that every product
# below stays inside MicroPython's 31-bit integers, which need no memory.
FULL = 10000
TRANSITION = {"type": "integer", "minimum": 0, "maximum": 3600000}
_BRIGHTNESS = {"type": "integer", "minimum": 0, "maximum": 100}
# Period in ms at speed 100. Two and a half flashes a second: three may trigger seizures.
_FASTEST = {"blink": 400, "breathe": 2000, "rainbow": 5000}


def eye(level):
    """Duty 0-65535 for a level, after the eye's own curve (CIE 1931 lightness)."""
    if level <= 800:
        return level * 65535 // 90330
    level += 1600
    return min(65535, (level * level >> 11) * level // 11629)


def linear(level):
    """Duty 0-65535 in proportion to the level."""
    return level * 65535 // FULL


def effect_action(effects):
    """The declaration of light_effect for a driver that has these effects."""
    return (
        7,
        "Run an effect, or none; speed in percent of the fastest",
        {
            "effect": {"type": "string", "enum": list(effects), "required": True},
            "speed": {"type": "integer", "minimum": 1, "maximum": 100},
        },
    )


class Light(Part):
    """Options of every light: transition (ms when a command names none, 0), gamma (true: follow the eye;
    false: duty in proportion), power_on (off, on, last), driver.

    A driver gives `mix`, the numbers a fade interpolates beside the level ([] or [r, g, b] or [mirek]), the
    bounds of each, and `_show(level)`.
    """

    KIND = "light"
    EFFECTS = ("none", "blink", "breathe")
    ACTIONS = {
        "light_on": (1, "Switch the light on", {"brightness": _BRIGHTNESS, "transition": TRANSITION}),
        "light_off": (2, "Switch the light off", {"transition": TRANSITION}),
        "light_toggle": (3, "Switch the light over", {"transition": TRANSITION}),
        "light_brightness": (
            4,
            "Set the brightness in percent; transition in ms",
            {"brightness": dict(_BRIGHTNESS, required=True), "transition": TRANSITION},
        ),
        "light_effect": effect_action(EFFECTS),
    }

    def __init__(self, name, options, context, mix, low=0, high=0):
        super().__init__(name, context)
        self.actions = dict(self.ACTIONS)
        self.on = False
        self.brightness = 100
        self.effect = "none"
        self.power_on = choice(options, "power_on", ("off", "on", "last"))
        self._transition = integer(options, "transition", 0, 0, 3600000)
        self._duty = eye if flag(options, "gamma", True) else linear
        self._low = low
        self._high = high
        # The level and the mix: where a fade goes, where it is, where it began.
        self._to = [0] + mix
        self._at = [0] + mix
        self._from = [0] + mix
        self._moving = False
        self._start = self._span = self._shift = 0
        self._period = self._beat = self._phase = 0
        self._shown = 0

    def joined(self, parts):
        # Lights of one board declare one and the same light_effect; each still refuses what it lacks.
        for part in parts:
            if part.KIND == "light" and len(part.EFFECTS) > len(self.EFFECTS):
                self.actions["light_effect"] = effect_action(part.EFFECTS)
        if self.power_on == "on":
            self.light_on({})

    def light_on(self, params):
        self._set(params.get("brightness", self.brightness), params)

    light_brightness = light_on

    def light_off(self, params):
        self._set(0, params)

    def light_toggle(self, params):
        self._set(0 if self.on else self.brightness, params)

    def light_effect(self, params):
        effect = params["effect"]
        if effect not in self.EFFECTS:
            raise HxtpError(INVALID_PARAMS, "effect")
        self._end_effect()
        if effect != "none":
            self.on = True
            self.effect = effect
            self._period = _FASTEST[effect] * 100 // params.get("speed", 50)
            self._beat = self._context.now()
        self._go(self._transition)

    def _set(self, brightness, params):
        self.on = brightness > 0
        if self.on:
            self.brightness = brightness
        else:
            self._end_effect()
        self._go(params.get("transition", self._transition))

    def _end_effect(self):
        if self._period:
            self._period = 0
            self.effect = "none"
            self._at[0] = self._shown

    def _go(self, span):
        """Fade to what is wanted now within `span` ms, from what is shown now."""
        now = self._context.now()
        self._to[0] = self.brightness * 100 if self.on else 0
        if not self._at[0]:
            # Out of the dark there is no colour to come from.
            self._at[1:] = self._to[1:]
        self._from[:] = self._at
        # Long fades count in coarser steps of time, so that the share below stays a small integer.
        self._shift = 0
        while span >> self._shift > 16383:
            self._shift += 1
        self._span = span >> self._shift
        self._start = now
        self._moving = True
        self._context.changed(self)
        self.tick(now)

    def tick(self, now):
        if self._moving:
            self._fade((now - self._start) >> self._shift)
        elif not self._period:
            return
        level = self._at[0]
        if self._period:
            level = self._wave(now, level)
        self._shown = level
        self._show(level)

    def _fade(self, steps):
        at = self._at
        if steps >= self._span:
            at[:] = self._to
            self._moving = False
            return
        share = (steps << 14) // self._span
        for i in range(len(at)):
            begin = self._from[i]
            at[i] = begin + ((self._to[i] - begin) * share >> 14)

    def _wave(self, now, level):
        """The level that an effect makes of `level`; between 0 and it. Begins at full."""
        passed = now - self._beat
        if passed >= self._period:
            passed %= self._period
            self._beat = now - passed
        self._phase = passed * 1536 // self._period
        if self.effect == "blink":
            return level if self._phase < 768 else 0
        if self.effect == "breathe":
            # A triangle of 0-256 with its corners rounded (3x² - 2x³), never quite dark.
            x = abs(768 - self._phase) // 3
            return level * (16 + (x * x * (768 - 2 * x) >> 16) * 15 // 16) >> 8
        return level

    def _show(self, level):
        """Bring level (0-FULL) and self._at[1:] to the hardware, if it does not show them already."""
        raise NotImplementedError

    def state(self):
        """While a light fades this tells where it is going."""
        return {"light": "on" if self.on else "off", "brightness": self.brightness, "effect": self.effect}

    def saved(self):
        if self.power_on == "last":
            return {"on": self.on, "brightness": self.brightness, "mix": self._to[1:]}
        return None

    def restore(self, saved):
        if self.power_on != "last" or not isinstance(saved, dict):
            return
        mix = saved.get("mix")
        if not _within(saved.get("brightness"), 1, 100):
            return
        if not isinstance(mix, list) or len(mix) != len(self._to) - 1:
            return
        for value in mix:
            if not _within(value, self._low, self._high):
                return
        self.brightness = saved["brightness"]
        self._to[1:] = mix
        self.on = saved.get("on") is True
        self._go(0)


def _within(value, low, high):
    return type(value) is int and low <= value <= high


def Capability(name, options, context):
    """The light that the option `driver` names: pwm (default), neopixel or cct."""
    driver = choice(options, "driver", ("pwm", "neopixel", "cct"))
    return __import__("capabilities.light_" + driver, None, None, ("Driver",)).Driver(name, options, context)
