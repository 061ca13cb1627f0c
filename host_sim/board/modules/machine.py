"""`machine` of the simulated ESP32: pins, watchdog, RTC, causes of a reset; the rest comes when asked for.

It must never do what the real module would refuse; where it is stricter than hardware, the docstring says so.
Every change of a pin goes into the trace of `board`, with its time.
"""

import _board
from _board import (
    DEEPSLEEP_RESET,  # noqa: F401
    HARD_RESET,
    PWRON_RESET,  # noqa: F401
    SOFT_RESET,  # noqa: F401
    WDT_RESET,  # noqa: F401
)

board = _board  # for tests: machine.board.trace

_FLASH_PINS = (6, 7, 8, 9, 10, 11)
_INPUT_ONLY = (34, 35, 36, 37, 38, 39)
_NO_PINS = (20, 24, 28, 29, 30, 31)


class Pin:
    """One GPIO. Asking for the same number again gives the same object, as on the ESP32.

    ValueError for a number the chip lacks and, stricter than hardware, for those of the flash chip (6–11),
    whose use ends a real board's run.
    """

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2
    WAKE_LOW = 4
    WAKE_HIGH = 5
    DRIVE_0, DRIVE_1, DRIVE_2, DRIVE_3 = 0, 1, 2, 3

    def __new__(cls, id, *_settings, **_named):
        if isinstance(id, Pin):
            return id
        if id in _board.pins:
            return _board.pins[id]
        if not isinstance(id, int) or not 0 <= id <= 39 or id in _NO_PINS or id in _FLASH_PINS:
            raise ValueError("invalid pin")
        pin = object.__new__(cls)
        pin.id = id
        pin._mode = None
        pin._pull = None
        pin.level = None  # what we drive; None while nothing is driven
        pin._pwm = None
        pin.handler = None
        pin._trigger = 0
        _board.pins[id] = pin
        return pin

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if mode != -1 or pull != -1 or value is not None:
            self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None, hold=None):
        if mode in (self.OUT, self.OPEN_DRAIN) and self.id in _INPUT_ONLY:
            raise ValueError("pin can only be input")
        if pull != -1:
            self._pull = pull
        if mode != -1 and mode is not None:
            if self._pwm is not None:
                self._pwm.deinit()
            self._mode = mode
        if self._mode in (self.OUT, self.OPEN_DRAIN):
            self._drive(int(bool(value)) if value is not None else self.level or 0)
        elif mode == self.IN:
            if self.level is not None:
                self.level = None
                _board.record("pin", pin=self.id, value=None)

    def _drive(self, level):
        if level != self.level:
            self.level = level
            _board.record("pin", pin=self.id, value=level)
            if self.handler is not None:
                self.edge(1 - level)

    def value(self, *level):
        """The level: 0 or 1; with an argument, drive it. An input that nothing drives follows its pull, else
        is 0."""
        if level:
            if self._mode in (self.OUT, self.OPEN_DRAIN):
                self._drive(int(bool(level[0])))
            return None
        if self._mode == self.OUT:
            return self.level
        if self._mode == self.OPEN_DRAIN and self.level == 0:
            return 0
        _board.pump()
        outside = _board.inputs.get(self.id)
        if outside is None:
            return 1 if self._pull == self.PULL_UP or self._mode == self.OPEN_DRAIN else 0
        return outside

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - (self.level or 0))

    def irq(self, handler=None, trigger=3, wake=None):
        """Call handler(pin) on an edge. It runs between two lines of the firmware, as a soft interrupt
        does."""
        self.handler = handler
        self._trigger = trigger
        return self

    def edge(self, before):
        """The board says that the outside may have moved this pin."""
        now = self.value()
        if now != before and self.handler is not None:
            if self._trigger & (self.IRQ_RISING if now else self.IRQ_FALLING):
                _board.call(self.handler, self)

    def __repr__(self):
        return "Pin(%d)" % self.id


class WDT:
    """The watchdog. Once started it cannot be stopped; unfed for `timeout` ms it resets the board, whatever
    the firmware is doing. In unit tests, where no board was started, it only notes when it was fed last."""

    def __init__(self, id=0, timeout=5000):
        if id != 0:
            raise ValueError("invalid WDT id")
        if timeout <= 0:
            raise ValueError("WDT timeout too short")
        self._armed = _board.launched
        self.fed_us = _board.now_us()
        _board.record("wdt", timeout_ms=timeout)
        if self._armed:
            import _process

            _process.arm(timeout)
            self._kick = _process.feed

    def feed(self):
        if self._armed:
            self._kick()
        else:
            self.fed_us = _board.now_us()


class RTC:
    """The wall clock: it starts at 2000-01-01 after power-on and runs through every other reset."""

    def datetime(self, *date):
        """(year, month, day, weekday, hours, minutes, seconds, µs); the weekday is not looked at when
        setting."""
        if date:
            year, month, day, _, hour, minute, second, us = date[0]
            _board.set_rtc(_board.seconds_of(year, month, day, hour, minute, second) * 1000000 + us)
            return None
        seconds, us = divmod(_board.rtc_us(), 1000000)
        year, month, day, hour, minute, second, weekday, _ = _board.date_of(seconds)
        return (year, month, day, weekday, hour, minute, second, us)

    def init(self, date):
        self.datetime(date)

    def memory(self, *data):
        """Up to 2048 bytes that outlive a reset, though not a power cut. Without a started board: this
        process."""
        global _memory
        if data:
            if len(data[0]) > 2048:
                raise ValueError("buffer too long")
            _memory = bytes(data[0])
            if _board.folder is not None:
                with _board.host_open(_board.folder + "/rtc", "wb") as file:
                    file.write(_memory)
            return None
        if _board.folder is not None:
            try:
                with _board.host_open(_board.folder + "/rtc", "rb") as file:
                    return file.read()
            except OSError:
                return b""
        return _memory


_memory = b""


def reset():
    """As the reset line or esp_restart(): flash and RTC stay, the rest starts anew. The cause is
    HARD_RESET."""
    _board.reset(HARD_RESET)


def reset_cause():
    return _board.cause


def __getattr__(name):
    """What few programs use is loaded with the first look at it: PWM, Timer, and what is in _seldom."""
    return _board.later("machine", {"PWM": "_pwm", "Timer": "_timer"}.get(name, "_seldom"), name)
