"""`neopixel` with the stock interface: RGB or RGBW pixels in a buffer, sent by `write()` as one frame.

It must never send without `write()`.
"""

from machine import bitstream

FAST = (400, 850, 800, 450)  # ns: high and low of a 0, high and low of a 1, at 800 kHz
SLOW = (800, 1700, 1600, 900)


class NeoPixel:
    ORDER = (1, 0, 2, 3)  # place on the wire of R, G, B, W: WS2812 wants green first

    def __init__(self, pin, n, bpp=3, timing=1):
        """`timing`: 1 for 800 kHz, 0 for 400 kHz, or the four times in ns."""
        self.pin = pin
        self.n = n
        self.bpp = bpp
        self.buf = bytearray(n * bpp)
        self.timing = (FAST if timing else SLOW) if isinstance(timing, int) else timing
        pin.init(pin.OUT)

    def __len__(self):
        return self.n

    def __setitem__(self, i, colour):
        at = i * self.bpp
        for channel in range(self.bpp):
            self.buf[at + self.ORDER[channel]] = colour[channel]

    def __getitem__(self, i):
        at = i * self.bpp
        return tuple(self.buf[at + self.ORDER[channel]] for channel in range(self.bpp))

    def fill(self, colour):
        for i in range(self.n):
            self[i] = colour

    def write(self):
        bitstream(self.pin, 0, self.timing, self.buf)
