"""A strip, ring or single NeoPixel of any colour, RGB or RGBW.

Must never send to the strip what it already shows. A colour goes in and out as one text, "#rrggbb": what is
reported can be sent back as it is, one member is to blame if it is wrong, and HOS and web pages write it so.
"""

from machine import Pin
from neopixel import NeoPixel

from capabilities import choice, flag, integer
from capabilities.light import TRANSITION, Light, effect_action
from hxtp.errors import INVALID_PARAMS, HxtpError


class Driver(Light):
    """Options: pin, count (1), rgbw (false), order (GRB, or RGB … as the strip wants its bytes)."""

    EFFECTS = ("none", "blink", "breathe", "rainbow")
    ACTIONS = dict(Light.ACTIONS)
    ACTIONS["light_effect"] = effect_action(EFFECTS)
    ACTIONS["light_color"] = (
        5,
        'Set the colour, "#rrggbb"; transition in ms',
        {
            "color": {"type": "string", "minLength": 7, "maxLength": 7, "required": True},
            "transition": TRANSITION,
        },
    )

    def __init__(self, name, options, context):
        super().__init__(name, options, context, [255, 255, 255], 0, 255)
        count = integer(options, "count", 1, 1, 1024)
        self._white = flag(options, "rgbw")
        order = choice(options, "order", ("GRB", "RGB", "RBG", "GBR", "BRG", "BGR"))
        self._pixel = bytearray(4)
        self._last = bytearray(4)
        self._spread = -1  # the level of the rainbow that the strip shows, or -1
        self._turn = 0
        self._strip = NeoPixel(Pin(options.pop("pin"), Pin.OUT), count, bpp=4 if self._white else 3)
        if order != "GRB":
            self._strip.ORDER = (order.index("R"), order.index("G"), order.index("B"), 3)
        # A strip keeps its colours through a reset of the chip.
        self._strip.fill(self._pixel)
        self._strip.write()

    def light_color(self, params):
        text = params["color"].lower()
        for digit in text[1:]:
            if digit not in "0123456789abcdef":
                text = ""
        if text[:1] != "#":
            raise HxtpError(INVALID_PARAMS, "color")
        self._to[1:] = [int(text[i : i + 2], 16) for i in (1, 3, 5)]
        if self.effect == "rainbow":
            self._end_effect()
        self._set(self.brightness, params)

    def _show(self, level):
        if self.effect == "rainbow":
            self._rainbow(level)
            return
        at = self._at
        pixel = self._pixel
        self._mix(at[1], at[2], at[3], self._duty(level))
        if pixel != self._last or self._spread >= 0:
            self._spread = -1
            self._last[:] = pixel
            self._strip.fill(pixel)
            self._strip.write()

    def _rainbow(self, level):
        """All hues at once along the strip, moving; a single pixel goes through them."""
        if level == self._spread and self._phase == self._turn:
            return
        self._spread = level
        self._turn = self._phase
        duty = self._duty(level)
        count = self._strip.n
        for i in range(count):
            hue = self._phase + i * 1536 // count
            self._mix(_ramp(hue), _ramp(hue + 1024), _ramp(hue + 512), duty)
            self._strip[i] = self._pixel
        self._strip.write()

    def _mix(self, red, green, blue, duty):
        """Put a colour at a duty (0-65535) into self._pixel. Eight bits are few: what is on stays visible."""
        pixel = self._pixel
        pixel[0] = (red * duty + 32767) // 65535
        pixel[1] = (green * duty + 32767) // 65535
        pixel[2] = (blue * duty + 32767) // 65535
        top = max(red, green, blue)
        if duty and top and not (pixel[0] or pixel[1] or pixel[2]):
            pixel[0], pixel[1], pixel[2] = red == top, green == top, blue == top
        if self._white:
            white = min(pixel[0], pixel[1], pixel[2])
            pixel[0] -= white
            pixel[1] -= white
            pixel[2] -= white
            pixel[3] = white

    def state(self):
        state = super().state()
        state["color"] = "#%02x%02x%02x" % (self._to[1], self._to[2], self._to[3])
        return state


def _ramp(hue):
    """Red's share (0-255) of a hue: 0-1535 is once around from red. Green, blue: a third of a turn off."""
    hue %= 1536
    if hue < 256 or hue >= 1280:
        return 255
    if hue < 512:
        return 511 - hue
    return max(0, hue - 1024)
